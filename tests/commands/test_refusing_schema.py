"""A database whose own schema lets no vector in, or not into one row: one line, the right code, the texts kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import files
from tests.command import ERROR
from tests.commands.conftest import Cli
from tests.fake_endpoint import FakeEndpoint

WORDS = "its trigger audit: no such function: my_app_audit"
AUDIT = "CREATE TRIGGER audit AFTER UPDATE OF embedding ON memories BEGIN SELECT my_app_audit(new.id); END"
HOLD = (
    "CREATE TRIGGER hold BEFORE UPDATE ON memories WHEN old.id = 'id-001' BEGIN SELECT RAISE(ABORT, 'legal hold'); END"
)


@pytest.fixture
def guarded(db: Path) -> Path:
    files.create(db, rows=4)
    files.execute(db, AUDIT)
    return db


@pytest.mark.parametrize("flags", [("--yes",), ("--dry-run",), ("--resume", "--or-start")])
def test_a_run_and_its_plan_name_the_trigger_and_send_nothing(
    cli: Cli, guarded: Path, endpoint: FakeEndpoint, flags: tuple[str, ...]
) -> None:
    ran = cli("reembed", *flags)

    (error,) = ran.err.splitlines()
    assert ran.code == 65
    assert error.startswith(f"{ERROR}{guarded} takes no vector: {WORDS}. No text was sent.")
    assert not endpoint.seen.requests


@pytest.mark.usefixtures("guarded")
def test_doctor_names_the_trigger(cli: Cli) -> None:
    ran = cli("doctor")

    assert ran.code == 1
    assert f"no vector can be written: {WORDS}" in ran.out


def test_store_import_and_backfill_keep_the_texts_and_pay_for_none(
    cli: Cli, guarded: Path, endpoint: FakeEndpoint, tmp_path: Path
) -> None:
    (tmp_path / "in.jsonl").write_text('{"title": "imported", "content": "text"}\n')

    ran = [cli("store", "-T", "stored", "-c", "text"), cli("import", str(tmp_path / "in.jsonl")), cli("backfill")]

    assert [each.code for each in ran] == [0, 0, 10]
    assert all(WORDS in each.err for each in ran)
    assert files.execute(guarded, "SELECT count(*) FROM memories") == [(6,)]
    assert not endpoint.seen.requests


def test_a_held_row_is_told_in_the_databases_words(cli: Cli, db: Path, endpoint: FakeEndpoint) -> None:
    files.create(db, rows=4)
    files.execute(db, HOLD)

    assert cli("reembed", "--yes").code == 10
    requests = endpoint.seen.requests
    assert cli("reembed", "--resume", "--or-start").code == 10

    assert endpoint.seen.requests == requests
    told = cli("reembed", "quarantine").out
    assert "id-001 in b: unwritable, its vector cannot be written: legal hold (1 attempts)" in told
