"""The Rust program writes through a file while ours works on it, and a newer release of it opens the file meanwhile."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.campaign.campaign import editing, require_right
from tests.campaign.editor import read_journal, read_texts
from tests.support import files, shapes
from tests.support.command import Answer, Command, answer, remote, wait_for
from tests.support.fake_endpoint import FakeEndpoint

ROWS = 120
EDITS_PER_SECOND = 40


def shape(folder: Path, version: int) -> Path:
    return shapes.build(folder / "m.db", version, rows=ROWS, kinds={shapes.PLAIN}).path


def schema_of(path: Path) -> list[tuple[object, ...]]:
    kept = files.execute(path, "SELECT type, name, sql FROM sqlite_master ORDER BY type, name")
    return [row for row in kept if not str(row[1]).startswith(files.OURS)]


@pytest.mark.parametrize("version", [57, 101])
def test_whatever_their_program_writes_during_a_run_ends_with_the_vector_of_its_text(
    tmp_path: Path, version: int
) -> None:
    path, journal = shape(tmp_path, version), tmp_path / "journal"
    before, schema = read_texts(path), schema_of(path)
    with FakeEndpoint(dim=16, latency=0.2) as endpoint:
        run = Command(path, remote(endpoint))
        with editing(path, journal, seed=version, per_second=EDITS_PER_SECOND):
            first = run.reembed("--batch", "10")
        last = run.reembed(*(["--resume"] if first.code == 75 else []))
        assert last.code == 0, last.err
        edits = read_journal(journal)
        require_right(path, before, edits, endpoint)

    assert len(edits) > 20
    # Theirs waits five seconds for another writer; ours holds the file for one commit.
    assert max(each.waited for each in edits) < 5
    assert schema_of(path) == schema
    assert files.execute(path, "PRAGMA journal_mode") == [("wal",)]


def test_a_file_without_a_write_ahead_log_still_has_none_after_a_run(tmp_path: Path) -> None:
    path = shape(tmp_path, 80)
    assert files.execute(path, "PRAGMA journal_mode = DELETE") == [("delete",)]
    with FakeEndpoint(dim=16) as endpoint:
        assert Command(path, remote(endpoint)).reembed().code == 0
    assert files.execute(path, "PRAGMA journal_mode") == [("delete",)]


def begun(path: Path, endpoint: FakeEndpoint) -> subprocess.Popen[str]:
    """Return a run that has written some rows and is not near its end."""
    process = Command(path, remote(endpoint)).start("reembed", "--json", "--batch", "5", "--sleep-ms", "200")
    wait_for(lambda: sum(_is_by(blob) for blob in files.vectors(path).values()) >= 10, seconds=60)
    return process


def _is_by(blob: bytes | None) -> bool:
    return blob is not None and len(blob) == 1 + 4 * 16


def outcome(process: subprocess.Popen[str]) -> Answer:
    found = answer(process)
    assert "Traceback" not in found.err, found.err
    return found


def test_a_file_that_is_brought_to_a_newer_schema_during_a_run_is_told_and_the_next_start_finishes_it(
    tmp_path: Path,
) -> None:
    path = shape(tmp_path, 57)
    with FakeEndpoint(dim=16) as endpoint:
        process = begun(path, endpoint)
        shapes.upgrade(path, 57, 84)
        ended = outcome(process)

        assert ended.code == 75
        assert "was brought from ai-memory schema 57 to 84 since this began" in ended.err
        done = sum(_is_by(blob) for blob in files.vectors(path).values())
        assert 10 <= done < ROWS
        again = Command(path, remote(endpoint)).reembed("--resume")
        texts, vectors = files.texts(path), files.vectors(path)
        assert {each: b"\x01" + endpoint.vector(text).tobytes() for each, text in texts.items()} == vectors

    # What was written without a stamp, which there was no column for, gets it without being sent again.
    assert (again.code, again.json["remaining"], again.json["identical"]) == (0, 0, done), again.err
    stamps = files.execute(path, "SELECT DISTINCT embedding_space, embedding_dim FROM memories")
    assert stamps == [("fake#none", 16)]
    assert files.integrity(path) == "ok"


def test_a_file_that_is_brought_to_a_schema_that_nobody_here_knows_gets_no_more_vectors(tmp_path: Path) -> None:
    path = shape(tmp_path, 101)
    with FakeEndpoint(dim=16) as endpoint:
        process = begun(path, endpoint)
        files.execute(path, "ALTER TABLE memories ADD COLUMN what_it_means TEXT")
        files.execute(path, "INSERT INTO schema_version (version) VALUES (102)")
        ended = outcome(process)

    assert ended.code == 65
    assert "has ai-memory schema 102; this ai-memory knows up to 101" in ended.err
    assert sum(_is_by(blob) for blob in files.vectors(path).values()) < ROWS


def test_an_index_that_somebody_makes_during_a_run_is_nothing_to_stop_for(tmp_path: Path) -> None:
    path = shape(tmp_path, 80)
    with FakeEndpoint(dim=16) as endpoint:
        process = begun(path, endpoint)
        files.execute(path, "CREATE INDEX of_somebody ON memories (source)")
        ended = outcome(process)
    assert (ended.code, ended.json["remaining"]) == (0, 0)
