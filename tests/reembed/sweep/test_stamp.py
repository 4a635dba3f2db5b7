"""`--stamp-only`: vectors taken on the operator's word, where they can be of the target at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ai_memory.errors import StampRefused
from ai_memory.reembed.plan.stamping import Stamped, would_stamp
from ai_memory.reembed.stop import Stop
from ai_memory.reembed.sweep.stamp import stamp
from ai_memory.reembed.tools import SweepTools
from ai_memory.stores.sqlite.database import reading, writing
from tests.reembed.work import NOW_MS, Clock, Work
from tests.support import files, shapes
from tests.support.fakes import HashEmbedder

MINILM = replace(HashEmbedder(dim=shapes.DIM, model="minilm").target, space=shapes.SPACE)


def stamped(path: Path, target: object = MINILM, scope: tuple[str, ...] | None = None) -> Stamped:
    with writing(path, now_ms=NOW_MS) as store:
        return stamp(store, target, scope, SweepTools(Clock(), Stop(), lambda _: None))  # type: ignore[arg-type]


@pytest.mark.parametrize("version", [57, 101])
def test_every_vector_of_the_right_width_is_stamped_and_no_byte_of_it_changes(tmp_path: Path, version: int) -> None:
    shape = shapes.build(tmp_path / "m.db", version, kinds={shapes.PLAIN, shapes.LEGACY, shapes.EXPIRED}, rows=12)
    before, rest = files.vectors(shape.path), files.everything_else(shape.path)

    with reading(shape.path) as store:
        planned = would_stamp(store, MINILM, None)

    found = stamped(shape.path)

    assert (found.stamped, found.unstamped, found.already_current) == (7, 6, 0)
    assert planned == found
    assert (files.vectors(shape.path), files.everything_else(shape.path)) == (before, rest)
    assert stamped(shape.path).already_current == 7


def test_a_vector_of_another_width_refuses_the_whole_stamp(tmp_path: Path) -> None:
    shape = shapes.build(tmp_path / "m.db", 101, kinds={shapes.PLAIN, shapes.MALFORMED})

    with pytest.raises(StampRefused, match="nothing was stamped") as refusal:
        stamped(shape.path)

    assert refusal.value.exit_code == 4
    assert files.execute(shape.path, "SELECT count(*) FROM embedding_provenance") == [(0,)]


def test_the_width_of_rows_out_of_scope_does_not_count(tmp_path: Path) -> None:
    shape = shapes.build(tmp_path / "m.db", 101, kinds={shapes.PLAIN, shapes.MALFORMED})

    assert stamped(shape.path, scope=("global", "team/research")).stamped == 3


def test_a_target_of_unknown_width_stamps_nothing(work: Work) -> None:
    with pytest.raises(StampRefused, match="width of hash is not known"):
        stamped(work.path, HashEmbedder(dim_known=False).target)


def test_what_was_written_by_a_run_is_not_stamped_again(work: Work) -> None:
    work.run()
    files.add(work.path, "new")

    found = stamped(work.path, work.embedder.target)

    assert (found.stamped, found.already_current, found.unstamped) == (0, 10, 1)
    assert files.execute(work.path, "SELECT DISTINCT origin FROM embedding_provenance") == [("reembed",)]


def test_a_stamp_of_many_pages_asks_nobody(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    work.run()
    monkeypatch.setattr("ai_memory.reembed.sweep.asking.WITNESS_EVERY", 2)
    monkeypatch.setattr("ai_memory.reembed.sweep.stamp.STAMP_ROWS", 1)

    assert stamped(work.path, replace(work.embedder, model="the same by another name").target).stamped == 10
