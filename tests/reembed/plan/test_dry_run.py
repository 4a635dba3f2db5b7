"""The plan of a run: the very rows a run would embed, and what they would cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ai_memory.errors import NotFound
from ai_memory.reembed.options import Options
from ai_memory.reembed.plan.dry_run import dry_run
from ai_memory.reembed.plan.estimate import Estimate, Probed
from ai_memory.stores.opening import database
from ai_memory.stores.sqlite.database import reading
from ai_memory.vectors.target import Target
from tests.reembed.work import NOW_MS, Work
from tests.support import files, shapes
from tests.support.fakes import HashEmbedder


def plan_of(path: Path, target: Target, scope: tuple[str, ...] | None = None) -> dict[str, object]:
    with reading(path) as store:
        return dry_run(database(path), store, target, Options(scope=scope), now_ms=NOW_MS).values()


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
        file, count = database(work.path), lambda text: len(text.split())
        found = dry_run(file, store, target, Options(), now_ms=NOW_MS, count_tokens=count)
        rough = dry_run(database(work.path), store, target, Options(), now_ms=NOW_MS)

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


def test_what_is_cut_is_told_in_rows_and_in_the_share_of_tokens(work: Work) -> None:
    target = Target(space="x#none", dim=16, backend="local", model="x", max_tokens=5)
    files.execute(work.path, "UPDATE memories SET title = 'a' || rowid, content = 'b c d'")
    files.edit(work.path, "id-001", "b c d e f g h i j")

    with reading(work.path) as store:
        file, count = database(work.path), lambda text: len(text.split())
        found = dry_run(file, store, target, Options(), now_ms=NOW_MS, count_tokens=count)

    assert (found.truncated_rows, found.estimated_tokens, found.lost_percent) == (1, 46, 10.9)


def test_a_target_that_does_not_say_what_it_reads_is_not_said_to_cut_nothing(work: Work) -> None:
    target = Target(space="x#none", dim=16, backend="ollama", model="x")

    with reading(work.path) as store:
        file, count = database(work.path), lambda text: len(text.split())
        found = dry_run(file, store, target, Options(), now_ms=NOW_MS, count_tokens=count)

    assert (found.truncated_rows, found.lost_percent) == (None, None)


def test_only_vectors_that_are_there_are_replaced(work: Work) -> None:
    work.run(batch=2, max_rows=4)
    planned = plan_of(work.path, HashEmbedder(model="other").target)

    assert (planned["rows_to_embed"], planned["rows_to_replace"]) == (10, 4)


def test_without_a_run_or_a_probe_no_time_is_said(work: Work) -> None:
    planned = plan_of(work.path, work.embedder.target)

    assert (planned["estimated_seconds"], planned["estimated_by"], planned["probed"]) == (None, None, False)


@pytest.mark.parametrize(
    ("model", "backend", "probed", "expected"),
    [
        ("hash", "fake", None, (10.0, "at the rate of run 1")),
        ("hash", "fake", Probed(16, 2.0), (10.0, "at the rate of run 1")),
        ("other", "fake", None, (10.0, "at the rate of run 1, which had another target")),
        ("other", "fake", Probed(16, 2.0), (6.0, "if each request takes as long as the probe, one after the other")),
        ("other", "local", Probed(16, 3.0), (10.0, "if each request takes as long as the probe, one after the other")),
    ],
)
def test_the_time_is_by_a_run_to_the_target_then_by_the_probe_then_by_another_run(
    work: Work, model: str, backend: str, probed: Probed | None, expected: tuple[float, str]
) -> None:
    work.run()
    files.execute(work.path, "UPDATE reembed_run SET rows_per_hour = 3600")
    files.execute(work.path, "UPDATE memories SET content = content || '!'")
    target = replace(HashEmbedder(model=model).target, backend=backend)

    with reading(work.path) as store:
        found = dry_run(database(work.path), store, target, Options(batch=4), now_ms=NOW_MS, probed=probed)

    assert found.estimate == Estimate(*expected)
