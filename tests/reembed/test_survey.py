"""The plan of a run: the very rows a run would embed, and what they would cost."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_memory.embed.embedder import Target
from ai_memory.errors import NotFound
from ai_memory.reembed.request import Request
from ai_memory.reembed.survey import survey
from ai_memory.store.opening import reading
from tests import files, shapes
from tests.reembed.work import NOW_MS, Work


def plan_of(path: Path, target: Target, scope: tuple[str, ...] | None = None) -> dict[str, object]:
    with reading(path) as store:
        return survey(store, target, Request(scope=scope), now_ms=NOW_MS).values()


@pytest.mark.parametrize("version", shapes.VERSIONS)
def test_plan_and_run_name_the_same_rows(tmp_path: Path, version: int) -> None:
    work = Work(shapes.build(tmp_path / "m.db", version).path)
    planned = plan_of(work.path, work.embedder.target)

    ran = work.run()

    assert planned["rows_to_embed"] == ran.reembedded
    assert planned["total_rows"] == ran.total
    assert planned["oversize_rows"] == 1
    assert plan_of(work.path, work.embedder.target)["rows_to_embed"] == 0


def test_only_stale_rows_are_planned(work: Work) -> None:
    work.run()
    files.edit(work.path, "id-001", "edited")
    files.add(work.path, "new")

    planned = plan_of(work.path, work.embedder.target)

    assert (planned["rows_to_embed"], planned["total_rows"]) == (2, 11)
    assert (planned["rows_with_embeddings"], planned["rows_missing_embeddings"]) == (10, 1)
    assert planned["stored"] == [{"space": "fake/hash#none", "dim": 16, "rows": 10}]


def test_tokens_are_counted_by_the_targets_own_tokenizer_where_it_is_at_hand(work: Work) -> None:
    target = Target(space="x#none", dim=16, backend="local", model="x", max_tokens=5)
    files.edit(work.path, "id-001", "one two three four five six")

    with reading(work.path) as store:
        found = survey(store, target, Request(), now_ms=NOW_MS, count_tokens=lambda text: len(text.split()))
        rough = survey(store, target, Request(), now_ms=NOW_MS)

    assert found.truncated_rows == 10
    assert found.estimated_tokens == sum(len(text.split()) for text in files.texts(work.path).values())
    assert (rough.truncated_rows, rough.estimated_tokens > 0) == (None, True)


def test_a_width_that_the_file_knows_is_planned_with(work: Work) -> None:
    work.run()
    work.embedder.dim_known = False

    planned = plan_of(work.path, work.embedder.target)

    assert (planned["target_dim"], planned["rows_to_embed"]) == (16, 0)


def test_a_scope_that_was_never_seen_is_a_mistake(work: Work) -> None:
    with pytest.raises(NotFound, match="no namespace typo"):
        plan_of(work.path, work.embedder.target, ("a", "typo"))
