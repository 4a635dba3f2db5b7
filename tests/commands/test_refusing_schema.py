"""A database whose own schema lets no vector in, or not into one row: one line, the right code, the texts kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.conftest import Cli
from tests.support import files, shapes
from tests.support.command import ERROR
from tests.support.fake_endpoint import FakeEndpoint

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


@pytest.mark.parametrize("flags", [("--yes",), ("--dry-run",), ("--resume", "--retarget")])
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
    assert 'id-001 "title id-001" in b: unwritable, its vector cannot be written: legal hold (1 attempt)' in told


NEEDED = "its trigger r: no such function: appf"
NEEDS_FUNCTION = "CREATE TRIGGER r AFTER {} ON memories BEGIN SELECT appf(1); END"
EVENTS = {
    "INSERT": ("stored", "no memory can be stored"),
    "UPDATE OF content": ("changed", "no memory can be changed"),
    "DELETE": ("deleted", "no memory can be deleted"),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A memory that is there, changed, and a new one."""
    found = tmp_path / "in.jsonl"
    changed = '{"title": "title id-000", "content": "changed", "namespace": "a"}'
    found.write_text(f'{changed}\n{{"title": "t", "content": "c"}}\n')
    return found


@pytest.mark.parametrize("event", EVENTS)
def test_doctor_names_the_trigger_that_lets_no_memory_be_written(cli: Cli, db: Path, event: str) -> None:
    files.create(db, rows=4)
    files.execute(db, NEEDS_FUNCTION.format(event))
    verb, found = EVENTS[event]

    assert f"{found}: {NEEDED}" in cli("doctor").out
    assert cli("doctor", "--json").json["writes_refused"] == {"memory": {verb: NEEDED}, "link": {}}


def test_a_sound_schema_refuses_nothing(cli: Cli, db: Path) -> None:
    shapes.build(db, 101, kinds=set(), rows=1)

    assert cli("doctor", "--json").json["writes_refused"] == {"memory": {}, "link": {}}


@pytest.mark.parametrize("flags", [(), ("--skip-invalid",)])
@pytest.mark.parametrize("event", ["INSERT", "UPDATE OF content"])
def test_import_blames_the_trigger_and_not_the_file(
    cli: Cli, db: Path, file: Path, event: str, flags: tuple[str, ...]
) -> None:
    files.create(db, rows=4)
    files.execute(db, NEEDS_FUNCTION.format(event))
    before = files.everything_else(db)

    ran = cli("import", file, "--no-embed", *flags)

    assert (ran.code, ran.out, ran.err.count("\n")) == (65, "", 1)
    assert f"{db} lets no row of the table memories be {EVENTS[event][0]}: {NEEDED}." in ran.err
    assert "in.jsonl" not in ran.err
    assert "--skip-invalid" not in ran.err
    assert files.everything_else(db) == before


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ("INSERT", ("store", "-T", "new", "-c", "c", "--no-embed")),
        ("UPDATE OF content", ("store", "-T", "title id-000", "-n", "a", "-c", "c", "--no-embed")),
        ("DELETE", ("delete", "id-000")),
    ],
)
def test_store_and_delete_name_the_trigger(cli: Cli, db: Path, event: str, words: tuple[str, ...]) -> None:
    files.create(db, rows=4)
    files.execute(db, NEEDS_FUNCTION.format(event))
    before = files.everything_else(db)

    ran = cli(*words)

    assert (ran.code, ran.out, ran.err.count("\n")) == (65, "", 1)
    assert f"be {EVENTS[event][0]}: {NEEDED}." in ran.err
    assert files.everything_else(db) == before


def test_a_trigger_of_the_links_that_needs_what_is_not_there_is_named(cli: Cli, db: Path, tmp_path: Path) -> None:
    shapes.build(db, 101, kinds=set(), rows=0)
    files.execute(db, "CREATE TRIGGER r AFTER INSERT ON memory_links BEGIN SELECT appf(1); END")
    memories = "".join(f'{{"id": "{name}", "title": "{name}", "content": "c"}}\n' for name in "ab")
    (tmp_path / "in.jsonl").write_text(memories + '{"link": {"source_id": "a", "target_id": "b"}}\n')

    ran = cli("import", tmp_path / "in.jsonl", "--no-embed", "--skip-invalid")

    assert (ran.code, ran.err.count("\n")) == (65, 1)
    assert f"{db} lets no row of the table memory_links be stored: {NEEDED}." in ran.err
    assert files.execute(db, "SELECT count(*) FROM memories") == [(0,)]
    assert f"no link can be stored: {NEEDED}" in cli("doctor").out


def test_an_unusable_word_index_is_no_fault_of_the_lines_of_a_file(cli: Cli, db: Path, file: Path) -> None:
    files.create(db, rows=4)
    files.execute(db, "DROP TABLE memories_fts")

    ran = cli("import", file, "--no-embed", "--skip-invalid")

    assert (ran.code, ran.err.count("\n")) == (65, 1)
    assert "The word index of" in ran.err
    assert "doctor --repair-fts" in ran.err


@pytest.mark.parametrize("event", ["INSERT", "UPDATE", "DELETE"])
@pytest.mark.parametrize("body", ["INSERT INTO elsewhere VALUES (1)", "DELETE FROM vec"])
def test_tables_and_modules_that_are_not_there_are_told_as_well(cli: Cli, db: Path, event: str, body: str) -> None:
    files.create(db, rows=1)
    files.execute(db, "CREATE VIRTUAL TABLE vec USING fts5(id)")
    files.execute(db, f"CREATE TRIGGER r AFTER {event} ON memories BEGIN {body}; END")
    files.change_schema(db, "vec", "USING fts5", "USING vec0")
    written = {"INSERT": "stored", "UPDATE": "changed", "DELETE": "deleted"}[event]

    assert f"no memory can be {written}: its trigger r: no such" in cli("doctor").out
