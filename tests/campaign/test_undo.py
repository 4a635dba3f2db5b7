"""Real processes: a run killed at 10, 50 or 90 %, or not at all, is undone, by rollbacks that are killed, too."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.campaign.campaign import editing
from tests.campaign.editor import read_journal
from tests.support import files, shapes
from tests.support.command import Command, answer, kill, remote
from tests.support.fake_endpoint import FakeEndpoint

ROWS = 300
VECTORS = "SELECT id, typeof(embedding), embedding, {columns} FROM memories"
OF_VECTOR = "SELECT name FROM pragma_table_info('memories') WHERE name LIKE 'embedding^_%' ESCAPE '^'"
WRITTEN = "SELECT total(reembedded) FROM reembed_run WHERE run_id = 2"
PUT_BACK = "SELECT total(put_back) FROM reembed_run"
HAS_UNDO = "SELECT count(*) FROM sqlite_master WHERE name = 'embedding_previous'"
BATCH = 5


def vectors(path: Path) -> dict[str, tuple[Any, ...]]:
    """Return all that is of the vectors, by id."""
    columns = ", ".join(["1", *(str(name) for (name,) in files.execute(path, OF_VECTOR))])
    return {row[0]: row[1:] for row in files.execute(path, VECTORS.format(columns=columns))}


def reaches(path: Path, sql: str, number: int) -> bool:
    return bool(files.execute(path, HAS_UNDO)[0][0]) and files.execute(path, sql)[0][0] >= number


def killed(command: Command, sql: str, number: int, *words: str) -> None:
    """Start, and kill it once so many rows are done; where it ends before, that is its end."""
    process = command.start(*words)
    while process.poll() is None and not reaches(command.db, sql, number):
        time.sleep(0.002)
    if process.poll() is None:
        kill(process)
    else:
        assert answer(process).code == 0


@pytest.mark.parametrize("share", [10, 50, 90, 100])
@pytest.mark.parametrize("version", [0, 57, 101])
def test_what_was_there_comes_back_byte_for_byte_wherever_run_and_rollback_were_killed(
    tmp_path: Path, version: int, share: int, figures: list[str]
) -> None:
    path, journal = tmp_path / "m.db", tmp_path / "journal"
    if version:
        shapes.build(path, version, rows=ROWS, kinds=[shapes.PLAIN, shapes.LEGACY, shapes.MALFORMED])
    else:
        files.create(path, ROWS)
    with FakeEndpoint(dim=16, model="old") as old:
        assert Command(path, remote(old)).run("reembed", "--max-rows", str(ROWS // 2)).code == 75
        assert Command(path, remote(old)).run("reembed", "cancel").code == 0
    before = vectors(path)
    with FakeEndpoint(dim=24, model="new", latency=0.01) as endpoint:
        command = Command(path, remote(endpoint))
        with editing(path, journal, seed=share, per_second=8, dim=24):
            if share < 100:
                killed(command, WRITTEN, ROWS * share // 100, "reembed", "--batch", str(BATCH))
            else:
                assert command.run("reembed").code in (0, 75)
            # No embedder is needed from here on.
            alone = Command(path, {"AI_MEMORY_EMBED_BACKEND": "", "HOME": str(tmp_path)})
            killed(alone, PUT_BACK, 1, "reembed", "rollback", "--max-rows", "40")
        ended = alone.run("reembed", "--resume") if unfinished(path) else alone.run("reembed", "rollback")
        assert ended.code == 0, ended

    after, touched = vectors(path), {entry.id for entry in read_journal(journal)}
    assert {each: after.get(each) for each in before.keys() - touched} == {
        each: before[each] for each in before.keys() - touched
    }
    assert files.integrity(path) == "ok"
    figures.append(
        f"undo of a run killed at {share} %, schema {version}: {len(before.keys() - touched)} rows as before"
    )


def unfinished(path: Path) -> bool:
    """Return whether a rollback is unfinished."""
    sql = "SELECT count(*) FROM reembed_run WHERE state = 'running' AND undoes_first IS NOT NULL"
    return bool(files.execute(path, sql)[0][0])
