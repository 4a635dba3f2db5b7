"""A signal while the endpoint hangs: what was stored is told in one line, with the command that goes on."""

from __future__ import annotations

import json
import shlex
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from ai_memory.actions.import_file import FileImport
from ai_memory.commands.interrupts import Interrupts, Written, telling
from ai_memory.errors import DataRefused, Stopped
from ai_memory.stores.sqlite import transactions
from tests.commands.conftest import Cli
from tests.support import files
from tests.support.command import Answer, Command, kill, remote, wait_for
from tests.support.fake_endpoint import FOREVER, FakeEndpoint

MEMORIES = 50
SIGNALS = (signal.SIGINT, signal.SIGTERM)
NAMES = {signal.SIGINT: "SIGINT", signal.SIGTERM: "SIGTERM"}


@pytest.fixture
def command(tmp_path: Path, endpoint: FakeEndpoint) -> Iterator[Command]:
    command = Command(files.create(tmp_path / "a file.db", 3), remote(endpoint))
    assert command.run("reembed").code == 0
    yield command
    command.end()


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    path = tmp_path / "m.jsonl"
    texts = ({"title": f"title {each}", "content": f"content {each}"} for each in range(MEMORIES))
    path.write_text("".join(f"{json.dumps(each)}\n" for each in texts), "utf-8")
    return path


def interrupted(
    command: Command, endpoint: FakeEndpoint, number: signal.Signals, *words: str | Path, written: int = 0
) -> Answer:
    """Return the end of a command that was sent a signal while a request was never answered.

    Where it is to have `written` so many vectors by then that is a later request than the first.
    """
    if written:
        endpoint.change(latency=0.05)
        process, before = command.start(*words), files.embedded(command.db)
        wait_for(lambda: files.embedded(command.db) >= before + written)
        endpoint.fail("hang", times=FOREVER)
        # What was answered just before is over by then.
        time.sleep(0.3)
        wait_for(lambda: endpoint.seen.in_flight)
    else:
        seen = endpoint.seen.requests
        endpoint.fail("hang", times=FOREVER)
        process = command.start(*words)
        wait_for(lambda: endpoint.seen.requests > seen)
    ended = kill(process, number)
    endpoint.heal()
    endpoint.change(latency=0.0)
    return ended


def goes_on(command: Command, line: str) -> None:
    """Require that the command that a line names gives every memory its vector, as printed."""
    named = shlex.split(line[line.index("ai-memory --db") :])
    assert command.run(*named[3:]).code == 0
    assert Path(named[2]) == command.db
    assert all(files.vectors(command.db).values())


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("quiet", [(), ("-q",)])
def test_an_import_says_what_is_stored_and_what_gives_it_vectors(
    command: Command, endpoint: FakeEndpoint, lines: Path, number: signal.Signals, quiet: tuple[str, ...]
) -> None:
    ended = interrupted(command, endpoint, number, *quiet, "import", lines)

    assert (ended.code, ended.out) == (128 + number, "")
    assert ended.error == (
        f"Ended by {NAMES[number]}; 50 memories are stored, without a vector. Later: ai-memory backfill"
    )
    assert len(files.vectors(command.db)) == 3 + MEMORIES
    goes_on(command, ended.err)


def test_an_import_that_had_written_some_vectors_counts_the_others(
    command: Command, endpoint: FakeEndpoint, lines: Path
) -> None:
    many = lines.with_name("many.jsonl")
    texts = ({"title": f"title {each}", "content": f"content {each}"} for each in range(600))
    many.write_text("".join(f"{json.dumps(each)}\n" for each in texts), "utf-8")
    ended = interrupted(command, endpoint, signal.SIGINT, "import", many, written=20)

    left = sum(blob is None for blob in files.vectors(command.db).values())
    assert 0 < left < 600
    assert f"600 memories are stored, {left} of them without a vector. Later: ai-memory backfill" in ended.error
    goes_on(command, ended.err)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_store_says_that_the_memory_is_stored(
    command: Command, endpoint: FakeEndpoint, number: signal.Signals
) -> None:
    ended = interrupted(command, endpoint, number, "store", "-T", "Tea", "-c", "green")

    assert (ended.code, ended.out) == (128 + number, "")
    assert ended.error.endswith("1 memory is stored, without a vector. Later: ai-memory backfill")
    goes_on(command, ended.err)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_backfill_says_how_many_have_no_vector(
    command: Command, endpoint: FakeEndpoint, lines: Path, number: signal.Signals
) -> None:
    assert command.run("import", "--no-embed", lines).code == 0
    ended = interrupted(command, endpoint, number, "backfill")

    assert (ended.code, ended.out) == (128 + number, "")
    assert ended.error.endswith("0 of 50 memories embedded; 50 have no vector. Later: ai-memory backfill")
    goes_on(command, ended.err)


@pytest.mark.parametrize("words", [("import", "LINES"), ("store", "-T", "Tea", "-c", "green")])
@pytest.mark.parametrize("number", SIGNALS)
def test_with_json_it_is_one_object(
    command: Command, endpoint: FakeEndpoint, lines: Path, words: tuple[str, ...], number: signal.Signals
) -> None:
    asked = [lines if each == "LINES" else each for each in words]
    told = interrupted(command, endpoint, number, "--json", *asked).json

    assert told["exit_code"] == 128 + number
    assert "stored, without a vector" in told["error"]
    goes_on(command, told["next"])


def test_the_command_that_is_named_is_what_the_file_needs(
    command: Command, endpoint: FakeEndpoint, lines: Path
) -> None:
    files.execute(command.db, "UPDATE memories SET embedding_space = 'another'")

    ended = interrupted(command, endpoint, signal.SIGINT, "import", lines)

    assert ended.error.endswith("Later: ai-memory reembed")


@pytest.mark.parametrize("words", [("recall", "text"), ("doctor",), ("reembed", "verify", "--sample", "2")])
def test_who_has_written_nothing_says_nothing(command: Command, endpoint: FakeEndpoint, words: tuple[str, ...]) -> None:
    ended = interrupted(command, endpoint, signal.SIGINT, *words)

    assert (ended.code, ended.out, ended.err) == (130, "", "")


def test_an_import_that_is_ended_before_it_has_stored_anything_says_nothing(cli: Cli, db: Path, lines: Path) -> None:
    assert cli("init").code == 0
    with patch.object(FileImport, "_confirm", side_effect=lambda *_: signal.raise_signal(signal.SIGINT)):
        ended = cli("import", lines)

    assert (ended.code, ended.out, ended.err, files.vectors(db)) == (130, "", "", {})


def test_a_signal_during_the_commit_leaves_no_doubt_of_what_is_stored(cli: Cli, db: Path) -> None:
    assert cli("init").code == 0
    roll_back = transactions._bracket

    def interrupting(db: object, begin: str, end: str) -> Iterator[None]:
        for each in roll_back(db, begin, end):  # type: ignore[arg-type]
            yield each
            if end == "COMMIT":
                signal.raise_signal(signal.SIGINT)

    with patch.object(transactions, "_bracket", interrupting):
        ended = cli("store", "--no-embed", "-T", "Tea", "-c", "green")

    assert (ended.code, "1 memory is stored, without a vector" in ended.err) == (130, True)
    assert len(files.vectors(db)) == 1


def test_a_second_signal_waits_for_nothing() -> None:
    interrupts = Interrupts()
    interrupts.hold()
    interrupts.heard(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        interrupts.heard(signal.SIGTERM)


def test_what_cannot_be_read_any_more_is_told_as_kept() -> None:
    def unreadable() -> Written | None:
        raise DataRefused("It is damaged.")

    with pytest.raises(Stopped, match="Ended by SIGINT; what was stored by then is kept"), telling(unreadable):
        signal.raise_signal(signal.SIGINT)


def test_the_handlers_are_put_back() -> None:
    before = [signal.getsignal(each) for each in SIGNALS]
    with telling(lambda: None):
        assert [signal.getsignal(each) for each in SIGNALS] != before

    assert [signal.getsignal(each) for each in SIGNALS] == before
