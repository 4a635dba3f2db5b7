"""Whatever somebody wrote into our own tables: one line, the right code, and a way out; never a traceback."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ai_memory.stores import run_row, run_states
from tests.commands.conftest import Cli, Ran
from tests.support import files
from tests.support.command import ERROR, Command, remote
from tests.support.fake_endpoint import FakeEndpoint

ENDED = run_states.ENDED
Value = str | bytes | int | float | None

NUMBERS: tuple[Value, ...] = (-1, 0, 3, 2**63 - 1, -(2**63), 2.5, "many", b"\xff", None)
TEXTS: tuple[Value, ...] = (
    "", "\0", "\x1b]0;owned\x07", "null", "{}", "[]", "[7]", '["\\ud800"]', '{"pid": "x"}', '{"inputs": -1}',
    "[" * 5_000, "9" * 5_000, b"\xff\xfe", None,
)  # fmt: skip
NOT_TEXT = "CAST(x'ff' AS TEXT)"
RUN_TEXTS = run_row.RUN_TEXTS
RUN_NUMBERS = tuple(name for name in run_row.RUN_COLUMNS if name not in RUN_TEXTS and name != "run_id")
COLUMNS: dict[tuple[str, str], tuple[Value, ...]] = {
    **{("reembed_run", name): NUMBERS for name in RUN_NUMBERS},
    **{("reembed_run", name): TEXTS for name in RUN_TEXTS},
    ("reembed_run", "commits"): NUMBERS,
    **{("reembed_checkpoint", name): NUMBERS for name in ("pass", "eof", "rows_done", "updated_at")},
    **{("reembed_checkpoint", name): TEXTS for name in ("cursor_id",)},
    **{("reembed_quarantine", name): NUMBERS for name in ("http_status", "attempts", "first_at", "last_at")},
    **{("reembed_quarantine", name): TEXTS for name in ("kind", "message", "src")},
    **{("embedding_fingerprint", name): NUMBERS for name in ("dim", "created_at")},
    **{("embedding_fingerprint", name): TEXTS for name in ("spec_json", "space", "digest", "witness")},
    **{("embedding_provenance", name): TEXTS for name in ("src", "head", "origin")},
    ("embedding_provenance", "fingerprint_id"): NUMBERS,
    ("reembed_event", "detail_json"): TEXTS,
    **{("reembed_pause", name): NUMBERS for name in ("paused_at", "until")},
    **{("reembed_pause", name): TEXTS for name in ("paused_by", "reason")},
    **{("reembed_approval", name): NUMBERS for name in ("dim", "approved_at")},
    **{("reembed_approval", name): TEXTS for name in ("space", "approved_by", "how")},
    **{("reembed_hot_list", name): NUMBERS for name in ("pass", "passed", "frozen_at")},
    ("reembed_hot", "place"): NUMBERS,
    ("reembed_hot", "memory_id"): TEXTS,
    ("reembed_told", "what"): TEXTS,
    ("reembed_told", "told_at"): NUMBERS,
}
READING = (
    ("reembed", "status"),
    ("--json", "reembed", "status"),
    ("reembed", "verify"),
    ("reembed", "quarantine"),
    ("recall", "content"),
    ("stats",),
    ("doctor",),
    ("reembed", "--dry-run", "--resume"),
)
WRITING = (
    ("reembed", "--resume", "--or-start", "--retry-for", "0.1s"),
    ("store", "-T", "a new title", "-c", "a new text"),
    ("reembed", "--stamp-only"),
)
TOLD = frozenset({0, 1, 4, 10, 12, 65, 69, 75, 78})
"""Every code that a command may answer with; any other is a bug."""


@pytest.fixture(scope="module")
def server() -> Iterator[FakeEndpoint]:
    with FakeEndpoint(dim=16, poison="POISON") as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, server: FakeEndpoint) -> Path:
    """A file in which a run stopped half-way, with a row in quarantine; its tables take any value."""
    path = files.create(tmp_path_factory.mktemp("template") / "m.db", 8)
    files.edit(path, "id-000", "POISON")
    files.execute(path, "UPDATE memories SET access_count = rowid, last_accessed_at = created_at")
    assert Command(path, remote(server)).reembed("--batch", "2", "--max-rows", "5", "--order", "hot").code == 75
    files.execute(path, "INSERT INTO reembed_pause VALUES (1, 0, 1, 'ann on db1', 'over long ago')")
    files.execute(path, "INSERT INTO reembed_told VALUES (12, x'00', 1)")
    weaken(path)
    return path


@pytest.fixture
def tampered(template: Path, db: Path, server: FakeEndpoint, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts a fresh copy of that file in the place of the database, with one value in one column of ours."""
    for name, value in remote(server).items():
        monkeypatch.setenv(name, value)

    def put(column: tuple[str, str], value: Value) -> None:
        for beside in ("", "-wal", "-shm"):
            db.with_name(db.name + beside).unlink(missing_ok=True)
        shutil.copy(template, db)
        tamper(db, column, value)

    return put


def weaken(path: Path) -> None:
    """Have our tables take what SQLite would refuse: a file that somebody made may have any."""
    files.execute(path, "PRAGMA journal_mode = DELETE")
    files.execute(
        path,
        """
        PRAGMA writable_schema = ON;
        UPDATE sqlite_master SET sql = replace(replace(replace(sql, ' STRICT, ', ' '), ' STRICT', ''), 'NOT NULL', '')
        WHERE type = 'table' AND (name LIKE 'reembed%' OR name LIKE 'embedding%');
        PRAGMA writable_schema = RESET
        """,
    )


def tamper(path: Path, column: tuple[str, str], value: Value) -> None:
    table, name = column
    sql = f"PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF; UPDATE OR IGNORE {table} SET {name} = "
    if value == b"\xff\xfe":
        files.execute(path, sql + NOT_TEXT)
    else:
        files.execute(path, sql + "?", value)


def require_one_line(ran: Ran, said: object) -> None:
    errors = [line for line in ran.err.splitlines() if line.startswith(ERROR)]
    assert ran.code in TOLD, (said, ran)
    assert len(errors) <= 1, (said, ran)
    assert errors or ran.code in (0, 1, 10, 75), (said, ran)


@pytest.mark.parametrize("column", COLUMNS, ids=".".join)
def test_no_value_of_a_column_is_a_traceback_and_cancel_is_a_way_out(
    tampered: Callable[..., None], cli: Cli, column: tuple[str, str], long_form: bool
) -> None:
    for number, value in enumerate(COLUMNS[column]):
        tampered(column, value)
        for words in READING if long_form else READING[number % 8 :: 8]:
            require_one_line(cli(*words), (value, words))
        require_one_line(cli(*WRITING[number % 3]), (value, "writing"))

        tampered(column, value)
        assert cli("reembed", "cancel").code == (12 if value in ENDED and column[1] == "state" else 0), value
        if long_form or number % 3 == 0:
            require_one_line(cli("reembed", "--yes"), (value, "another run"))


@pytest.mark.parametrize("name", [*RUN_TEXTS, "pass", "fence", "started_at", "reembedded"])
def test_damage_is_named_with_its_column_and_run(tampered: Callable[..., None], cli: Cli, db: Path, name: str) -> None:
    tampered(("reembed_run", name), b"\xff\xfe")

    ran = cli("reembed", "status")

    assert ran.code == 65
    assert ran.err.startswith(f"{ERROR}{db} is damaged: column {name} of run 1 is not")
    assert "ai-memory reembed cancel" in ran.err


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("holder_json", '{"pid": 1, "host": "elsewhere", "started_at": 5, "boot_id": "x"}'),
        ("limits_json", '{"inputs": 5, "images": 7}'),
    ],
)
def test_what_a_later_release_adds_is_no_damage(tampered: Callable[..., None], cli: Cli, name: str, value: str) -> None:
    tampered(("reembed_run", name), value)

    assert cli("reembed", "status").code == 0
    assert cli("reembed", "--resume").code == 10


@pytest.mark.parametrize("name", ["spec_json", "space", "dim"])
def test_a_target_that_somebody_wrote_over_is_right_again_after_cancel_and_another_start(
    tampered: Callable[..., None], cli: Cli, name: str
) -> None:
    tampered(("embedding_fingerprint", name), 7)
    assert (cli("reembed", "--resume").code, cli("reembed", "cancel").code) == (65, 0)

    assert cli("reembed", "--yes").code == 10
    assert cli("reembed", "status").code == 0


def test_a_target_that_is_gone_from_the_file_is_named_and_cancel_is_the_way_out(
    tampered: Callable[..., None], cli: Cli, db: Path
) -> None:
    tampered(("reembed_run", "target"), 99)

    for words in (("reembed", "status"), ("reembed", "verify", "--run"), ("reembed", "--resume")):
        refused = cli(*words)
        assert (refused.code, refused.err.count("\n")) == (65, 1)
        assert f"{db} is damaged: target 99, to which a run leads, is not in it" in refused.err
    assert (cli("reembed", "cancel").code, cli("reembed", "--yes").code) == (0, 10)


@pytest.mark.parametrize(
    ("name", "value"), [("scope_json", "[" * 5_000), ("holder_json", "{}"), ("fence", 2**63 - 1), ("started_at", -1)]
)
def test_the_installed_command_says_it_in_one_line(
    tampered: Callable[..., None], db: Path, server: FakeEndpoint, name: str, value: Value
) -> None:
    tampered(("reembed_run", name), value)
    command = Command(db, remote(server))

    for words in (("reembed", "status"), ("reembed", "--resume", "-q")):
        refused = command.run(*words)
        assert (refused.code, refused.out) == (65, "")
        assert f"column {name} of run 1" in refused.error
    assert command.run("reembed", "cancel").code == 0


def test_a_run_is_given_up_also_where_its_event_cannot_be_entered(
    tampered: Callable[..., None], cli: Cli, db: Path
) -> None:
    tampered(("reembed_run", "pass"), 1)
    files.execute(db, "DROP TABLE reembed_event")
    assert cli("reembed", "cancel").code == 0
    assert files.execute(db, "SELECT state FROM reembed_run") == [("cancelled",)]


@pytest.mark.parametrize("raising", ["IGNORE", "ABORT, 'no'", "ROLLBACK, 'no'"])
def test_a_trigger_that_keeps_a_run_is_told_and_not_taken_for_no_run(
    tampered: Callable[..., None], cli: Cli, db: Path, raising: str
) -> None:
    tampered(("reembed_run", "pass"), 1)
    files.execute(db, f"CREATE TRIGGER kept BEFORE UPDATE ON reembed_run BEGIN SELECT RAISE({raising}); END")
    refused = cli("reembed", "cancel")
    assert (refused.code, refused.err.count("\n")) == (65, 1)
    files.execute(db, "DROP TRIGGER kept")
    assert cli("reembed", "cancel").code == 0
