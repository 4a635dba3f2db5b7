"""Rows of one text beside one that the database refuses: their text is sent once, and each is told as it is."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import files
from tests.support.command import Command, remote
from tests.support.fake_endpoint import FakeEndpoint

HELD = "CREATE TRIGGER held BEFORE UPDATE ON memories WHEN old.id = '{}' BEGIN SELECT RAISE(ABORT, 'legal hold'); END"
ROWS = 12


@pytest.fixture
def command(tmp_path: Path, endpoint: FakeEndpoint) -> Iterator[Command]:
    command = Command(files.create(tmp_path / "m.db", ROWS), remote(endpoint))
    yield command
    command.end()


@pytest.mark.parametrize("batch", [12, 4, 1], ids=["in one page", "in the next page", "pages apart"])
def test_the_twin_of_a_row_that_the_database_refuses_gets_its_vector_in_the_same_pass(
    command: Command, batch: int, tmp_path: Path
) -> None:
    files.execute(command.db, "UPDATE memories SET title = 'same', content = 'text' WHERE id IN ('id-002', 'id-003')")
    free = replace(command, db=Path(shutil.copy(command.db, tmp_path / "free.db")))
    files.execute(command.db, HELD.format("id-002"))

    found, sent = (each.reembed("--batch", str(batch)).json for each in (command, free))

    assert (found["raced"], found["passes"], found["reembedded"]) == (0, 1, ROWS - 1)
    assert files.vectors(command.db)["id-003"] is not None
    assert found["texts_sent"] == sent["texts_sent"]


def test_a_row_in_quarantine_is_skipped_once_however_many_passes_meet_it(command: Command) -> None:
    files.execute(command.db, HELD.format("id-002"))
    edit = "UPDATE memories SET content = 'edited' WHERE id = 'id-000'"
    once = f"CREATE TRIGGER edited AFTER UPDATE OF embedding ON memories WHEN old.id = 'id-005' BEGIN {edit}; END"
    files.execute(command.db, once)

    found = command.reembed("--batch", "4").json

    assert (found["passes"], found["quarantined"], found["skipped"]) == (2, 1, 1)


def test_rows_of_one_text_over_which_the_endpoint_breaks_down_end_the_run_as_what_is_left(
    command: Command, endpoint: FakeEndpoint
) -> None:
    files.execute(command.db, "UPDATE memories SET title = 'POISON', content = 'x' WHERE id IN ('id-002', 'id-007')")
    endpoint.change(poison="POISON", poison_fault="rate")

    ended = command.reembed("--batch", "12")

    assert (ended.code, ended.json["reason"], ended.json["passes"]) == (75, "rows left", 1)
    assert "fails on 2 rows only" in ended.error
