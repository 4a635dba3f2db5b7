"""Real processes: a staged run, a switch and the way back are killed while others edit; what is served stays whole."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.campaign.campaign import editing
from tests.campaign.editor import read_journal
from tests.campaign.test_undo import reaches, vectors
from tests.support import files, shapes
from tests.support.command import Command, answer, kill, remote
from tests.support.fake_endpoint import FakeEndpoint

ROWS = 200
BATCH = 5
STAGED = "SELECT total(reembedded) FROM reembed_run WHERE staged = 1"
MOVED = "SELECT total(moved) FROM reembed_run"
PUT_BACK = "SELECT total(put_back) FROM reembed_run"
UNFINISHED = "SELECT count(*) FROM reembed_run WHERE state NOT IN ('done', 'cancelled', 'superseded')"


def killed(command: Command, sql: str, number: int, *words: str) -> None:
    """Start, and kill it once so many rows are done; where it ends before, that is its end, whatever was edited."""
    process = command.start(*words)
    while process.poll() is None and not reaches(command.db, sql, number):
        time.sleep(0.002)
    if process.poll() is None:
        kill(process)
    else:
        assert answer(process).code in (0, 75)


@pytest.mark.parametrize("share", [10, 60])
@pytest.mark.parametrize("version", [0, 101])
def test_a_staged_run_its_switch_and_the_way_back_outlive_kills_and_an_editor(
    tmp_path: Path, version: int, share: int, figures: list[str]
) -> None:
    path, journal = tmp_path / "m.db", tmp_path / "journal"
    if version:
        shapes.build(path, version, rows=ROWS, kinds=[shapes.PLAIN])
    else:
        files.create(path, ROWS)
    with FakeEndpoint(dim=16, model="old") as old:
        assert Command(path, remote(old)).run("reembed").code == 0
    before = vectors(path)
    with FakeEndpoint(dim=24, model="new", latency=0.005) as endpoint:
        command = Command(path, remote(endpoint))
        with editing(path, journal, seed=share, per_second=8, dim=24):
            killed(command, STAGED, ROWS * share // 100, "reembed", "--staged", "--batch", str(BATCH))
            assert command.run("reembed", "--resume").code in (0, 12, 75)
            alone = Command(path, {"AI_MEMORY_EMBED_BACKEND": "", "HOME": str(tmp_path)})
            killed(command, MOVED, 1, "reembed", "switch", "--max-rows", str(ROWS * share // 100))
        if files.execute(path, UNFINISHED) != [(0,)]:
            assert command.run("reembed", "--resume").code in (0, 12, 75)
            assert command.run("reembed", "switch").code in (0, 12, 75)
        assert command.run("reembed", "verify").code in (0, 1)
        killed(alone, PUT_BACK, 1, "reembed", "switch", "--back", "--max-rows", "40")
        if files.execute(path, UNFINISHED) != [(0,)]:
            assert alone.run("reembed", "--resume").code == 0

    after, touched = vectors(path), {entry.id for entry in read_journal(journal)}
    assert {each: after.get(each) for each in before.keys() - touched} == {
        each: before[each] for each in before.keys() - touched
    }
    assert files.execute(path, "SELECT count(*) FROM embedding_active") == [(0,)]
    assert files.execute(path, "SELECT count(*) FROM embedding_staged") == [(0,)]
    assert files.integrity(path) == "ok"
    rows = len(before.keys() - touched)
    figures.append(f"switch after a kill at {share} %, schema {version}, and back: {rows} rows as before")
