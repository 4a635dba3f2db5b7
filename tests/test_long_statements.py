"""Signals and limits of time while SQLite is in one statement, or waits for a lock: obeyed at once, nothing torn."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from tests.support import files
from tests.support.command import Command, kill, remote, wait_for
from tests.support.fake_endpoint import FakeEndpoint

ROWS = 6
ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT {of} FROM n"
COUNT = ENDLESS.format(of="count(*)")
SLOW = ENDLESS.format(of="sum(length(hex(zeroblob(2000000))))")
"""Some milliseconds per row: as many as would be counted by the million."""
VIEW = (
    "CREATE VIEW embedding_provenance AS SELECT id AS memory_id, 1 AS fingerprint_id, x'' AS src, x'' AS head,"
    " '' AS origin FROM memories WHERE ({})"
)
TRIGGER = "CREATE TRIGGER never BEFORE UPDATE ON memories {when} BEGIN {endless}; END"
LATER = "WHEN (SELECT max(fence) FROM reembed_run) > {}"
"""Not where a start tries whether the database takes vectors: once it has taken the run."""
DEAF = "SELECT instr(zeroblob(100000000), zeroblob(50000000) || x'01')"
"""One step of SQLite, of minutes, in which nobody is asked."""
CPU_S = 2.0
"""Processor time by which a process is in the statement that does not end: all the rest of it takes less."""


@pytest.fixture
def command(tmp_path: Path, endpoint: FakeEndpoint) -> Iterator[Command]:
    command = Command(files.create(tmp_path / "m.db", ROWS), remote(endpoint))
    assert command.run("reembed", "--max-rows", "2", "--batch", "1").code == 75
    yield command
    command.end()


def hostile(command: Command, *statements: str) -> None:
    for statement in statements:
        files.execute(command.db, statement)


def cpu_seconds(process: subprocess.Popen[str]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def caught(command: Command, *words: str) -> subprocess.Popen[str]:
    """Start a command and return it when it is in a statement that does not end."""
    process = command.start(*words)
    wait_for(lambda: process.poll() is not None or cpu_seconds(process) > CPU_S, seconds=60)
    assert process.poll() is None, process.communicate()
    return process


@pytest.mark.parametrize("endless", [COUNT, SLOW], ids=["fast steps", "slow steps"])
@pytest.mark.parametrize(
    ("words", "number", "code"),
    [
        (["reembed", "status", "--exact"], signal.SIGINT, 130),
        (["reembed", "status", "--exact"], signal.SIGTERM, -signal.SIGTERM),
        (["doctor"], signal.SIGINT, 130),
        (["reembed", "verify"], signal.SIGINT, 130),
        (["reembed", "--resume"], signal.SIGINT, 130),
        (["reembed", "--resume"], signal.SIGTERM, 143),
    ],
)
def test_a_signal_ends_a_statement_that_does_not_end(
    command: Command, words: Sequence[str], number: signal.Signals, code: int, endless: str
) -> None:
    hostile(command, "DROP TABLE embedding_provenance", VIEW.format(endless))
    before = command.db.read_bytes()

    ended = kill(caught(command, *words), number)

    assert (ended.code, "Traceback" in ended.err) == (code, False), ended
    assert command.db.read_bytes() == before


def later(command: Command) -> str:
    return LATER.format(files.execute(command.db, "SELECT max(fence) FROM reembed_run")[0][0])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_a_write_that_does_not_end_stops_the_run_and_undoes_the_write(
    command: Command, number: signal.Signals, code: int
) -> None:
    before = files.vectors(command.db)
    hostile(command, TRIGGER.format(when=later(command), endless=COUNT))

    stopped = kill(caught(command, "reembed", "--resume", "--json"), number)

    assert (stopped.code, stopped.json["reason"], stopped.json["state"]) == (code, number.name, "running")
    assert "error" not in stopped.err
    assert files.vectors(command.db) == before
    hostile(command, "DROP TRIGGER never")
    again = command.reembed("--resume")
    assert (again.code, again.json["remaining"]) == (0, 0)
    assert files.integrity(command.db) == "ok"


def test_a_limit_of_time_ends_a_write_that_does_not_end(command: Command) -> None:
    hostile(command, TRIGGER.format(when=later(command), endless=COUNT))

    stopped = command.run("reembed", "--resume", "--json", "--max-runtime", "1s")

    assert (stopped.code, stopped.json["reason"]) == (75, "max-runtime")


def test_a_limit_of_time_ends_the_trial_of_a_write_before_the_run_begins(command: Command) -> None:
    hostile(command, TRIGGER.format(when="", endless=COUNT))

    stopped = command.run("reembed", "--resume", "--max-runtime", "1s")

    assert stopped.code == 75
    assert stopped.error.startswith("Ended by max-runtime; nothing was changed. (")


@pytest.mark.parametrize(
    ("words", "number", "code"),
    [
        (("store", "-T", "t", "-c", "c", "--no-embed"), signal.SIGINT, 130),
        (("reembed", "--resume"), signal.SIGINT, 130),
        (("reembed", "--resume"), signal.SIGTERM, 143),
    ],
)
def test_a_signal_is_obeyed_in_a_step_of_sqlite_that_asks_nobody(
    command: Command, words: Sequence[str], number: signal.Signals, code: int
) -> None:
    on_update = TRIGGER.format(when="", endless=DEAF)
    hostile(command, on_update, on_update.replace("UPDATE", "INSERT").replace("never", "nor_then"))
    before = files.vectors(command.db)

    ended = kill(caught(command, *words), number)

    assert (ended.code, ended.error.startswith(f"ended by {number.name} in the middle")) == (code, True)
    assert (files.vectors(command.db), files.integrity(command.db)) == (before, "ok")


def waiting(command: Command, *words: str) -> subprocess.Popen[str]:
    """Start a command that writes and return it when it waits for a lock on the file."""
    process = command.start(*words)
    wait_for(lambda: f"{command.db}-shm" in Path(f"/proc/{process.pid}/maps").read_text())
    # A run reads the file once before it takes the lock of a runner: only then does it write.
    wait_for(lambda: words[0] != "reembed" or f"{command.db}.reembed.lock" in opened(process.pid))
    return process


def opened(pid: int) -> set[str]:
    """Return the files that a process has open."""
    return {str(each.resolve()) for each in Path(f"/proc/{pid}/fd").iterdir()}


@pytest.mark.parametrize(
    ("words", "number", "code"),
    [
        (["reembed", "--resume"], signal.SIGINT, 130),
        (["reembed", "--resume"], signal.SIGTERM, 143),
        (["store", "-T", "new", "-c", "text", "--no-embed"], signal.SIGINT, 130),
    ],
)
def test_a_signal_ends_the_wait_for_another_writer(
    command: Command, words: Sequence[str], number: signal.Signals, code: int
) -> None:
    with closing(apsw.Connection(str(command.db))) as other:
        other.execute("BEGIN IMMEDIATE")
        ended = kill(waiting(command, *words), number)
        other.execute("ROLLBACK")

    assert (ended.code, "Traceback" in ended.err) == (code, False), ended
