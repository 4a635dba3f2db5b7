"""A result must arrive, a message may be lost: full disks, closed streams, readers gone; arguments in any bytes."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support import files
from tests.support.command import Answer, Command, answer, plain, remote, remote_at, wait_for
from tests.support.fake_endpoint import FakeEndpoint
from tests.support.small_disk import small_disk

ROWS = 12
POSIX = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
NOBODY = remote_at("http://127.0.0.1:9/v1")
pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")


@pytest.fixture
def command(tmp_path: Path, endpoint: FakeEndpoint) -> Command:
    return Command(files.create(tmp_path / "m.db", ROWS), remote(endpoint))


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    with small_disk(tmp_path / "small", "size=64k") as folder:
        yield folder


def redirected(command: Command, how: str) -> Command:
    return replace(command, prefix=("bash", "-c", f'exec "$@" {how}', "bash"))


def embedded(command: Command) -> int:
    return int(files.execute(command.db, "SELECT count(*) FROM memories WHERE embedding IS NOT NULL")[0][0])


@pytest.mark.parametrize("how", ["2> /dev/full", "2>&-", "2< /dev/null", "2> >(true)", "2> >(exec 0<&-; sleep 0.5)"])
@pytest.mark.parametrize("flags", [[], ["-v"]])
def test_a_run_goes_on_when_its_messages_cannot_be_written(command: Command, how: str, flags: list[str]) -> None:
    found = redirected(command, how).run(*flags, "reembed", "--yes", "--json")

    assert (found.code, found.json["reembedded"]) == (0, ROWS)
    assert embedded(command) == ROWS


@pytest.mark.parametrize("how", ["2> /dev/full", "2>&-"])
@pytest.mark.parametrize(
    ("words", "code"), [(["frob"], 64), (["get", "none"], 66), (["reembed", "--resume"], 12), (["recall", "x"], 0)]
)
def test_an_exit_code_is_the_works_when_its_message_cannot_be_written(
    command: Command, how: str, words: list[str], code: int
) -> None:
    assert redirected(command, how).run(*words).code == code


def test_a_log_that_fills_in_the_middle_ends_no_run(command: Command, endpoint: FakeEndpoint, small: Path) -> None:
    endpoint.change(latency=0.1, poison="id-00")
    log = small / "log"
    before = log.write_bytes(b"x" * 3900)  # of the page of 4,096 bytes that the disk gives away at once
    running = redirected(command, f"2>> {log}").start(
        "reembed", "-v", "--yes", "--batch", "1", "--concurrency", "1", "--json"
    )
    wait_for(lambda: log.stat().st_size > before)
    with suppress(OSError), (small / "rest").open("wb", buffering=0) as rest:
        while True:
            rest.write(b"x" * 512)

    found = answer(running)

    assert (found.code, embedded(command)) == (10, ROWS - 10)
    assert "went into quarantine" not in log.read_text()


def test_a_reader_of_messages_that_reads_nothing_holds_up_no_run(command: Command) -> None:
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    os.write(theirs, b"x" * 65_536)

    ended = _with_streams(command, "reembed", "--yes", stderr=theirs)

    os.close(ours)
    assert ended == 0
    assert embedded(command) == ROWS


def test_a_result_waits_for_a_pipe_that_does_not_wait_itself(tmp_path: Path) -> None:
    command = Command(tmp_path / "m.db")
    lines = "\n".join(f'{{"title": "t{n}", "content": "{"x" * 900}"}}' for n in range(300))
    assert command.run("import", "-", "--no-embed", stdin=lines).code == 0
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)

    with subprocess.Popen(_line(command, "export"), stdout=theirs, env=_env(command)) as process:
        os.close(theirs)
        with os.fdopen(ours, "rb") as reader:
            read = reader.read()

    assert (process.returncode, read.count(b"\n")) == (0, 300)


@pytest.mark.parametrize(
    "words",
    [["--help"], ["--version"], ["reembed", "--help"], ["list"], ["export"], ["--json", "stats"], ["get", "id-001"]],
)
def test_a_result_that_cannot_be_written_is_74_and_one_that_nobody_reads_141(
    command: Command, words: list[str]
) -> None:
    for how in ("> /dev/full", "1< /dev/null"):
        found = redirected(command, how).run(*words)
        assert (found.code, "The output cannot be written" in found.error) == (74, True)

    assert _into_a_closed_pipe(command, *words) == Answer(141, "", "")


def test_a_run_whose_result_cannot_be_written_has_done_its_work(command: Command) -> None:
    found = redirected(command, "> /dev/full").run("reembed", "--yes", "--json")

    assert (found.code, embedded(command)) == (74, ROWS)
    assert "Traceback" not in found.err


def test_nothing_at_all_can_be_written_and_the_work_is_done(command: Command) -> None:
    assert redirected(command, "> /dev/full 2>&1").run("reembed", "--yes").code == 74
    assert embedded(command) == ROWS
    assert redirected(command, "0<&- 1>&- 2>&-").run("reembed", "--resume").code == 0


@pytest.mark.parametrize("locale", [{}, POSIX, {"LC_ALL": "C"}, {"LANG": "C", "TERM": "dumb"}])
def test_any_language_is_taken_under_any_locale(command: Command, locale: dict[str, str]) -> None:
    spoken = replace(command, env={**NOBODY, **locale})
    stored = spoken.run("store", "-T", "brücke", "-c", "用户 café", "-n", "ä/ö", "--no-embed")
    assert stored.code == 0, stored

    assert "brücke" in spoken.run("list", "-n", "ä/ö").out
    assert "用户 café" in spoken.run("-q", "recall", "café").out
    assert spoken.run("--json", "recall", "brücke").json["query"] == "brücke"
    assert files.execute(command.db, "SELECT content FROM memories WHERE title = 'brücke'") == [("用户 café",)]


@pytest.mark.parametrize("locale", [{}, POSIX])
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["recall", "caf\udce9"], 64),
        (["store", "-T", "caf\udce9", "-c", "x"], 64),
        (["store", "-T", "x", "-c", "caf\udce9"], 64),
        (["get", "caf\udce9"], 66),
        (["delete", "caf\udce9"], 66),
        (["list", "-n", "caf\udce9"], 66),
        (["reembed", "--namespace", "caf\udce9"], 66),
        (["caf\udce9"], 64),
        (["recall", "x", "--limit", "\udce9"], 64),
        (["import", "--no-embed", "caf\udce9"], 66),
    ],
)
def test_bytes_that_are_not_utf8_in_an_argument_are_answered_in_one_line(
    command: Command, locale: dict[str, str], words: list[str], code: int
) -> None:
    found = replace(command, env={**NOBODY, **locale}).run(*words)

    assert found.code == code
    assert len(found.err.splitlines()) == (1 if code else 0), found.err


def _line(command: Command, *words: str) -> list[str]:
    return [sys.executable, "-m", "ai_memory", "--db", str(command.db), *words]


def _env(command: Command) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **command.env}


def _with_streams(command: Command, *words: str, stderr: int) -> int:
    with subprocess.Popen(
        _line(command, *words), stdout=subprocess.DEVNULL, stderr=stderr, env=_env(command)
    ) as process:
        return process.wait(timeout=command.timeout_s)


def _into_a_closed_pipe(command: Command, *words: str) -> Answer:
    ours, theirs = os.pipe()
    os.close(ours)
    process = subprocess.Popen(
        _line(command, *words), stdout=theirs, stderr=subprocess.PIPE, env=_env(command), text=True
    )
    os.close(theirs)
    _, err = process.communicate(timeout=command.timeout_s)
    return Answer(process.returncode, "", err)


def test_a_folder_that_was_deleted_is_told_in_one_line(tmp_path: Path) -> None:
    gone = ("bash", "-c", f'mkdir {tmp_path}/gone; cd {tmp_path}/gone; rmdir ../gone; exec "$@"', "bash")

    found = Command(Path("m.db"), NOBODY, prefix=gone).run("store", "-T", "a", "-c", "b", "--no-embed")

    assert (found.code, "the working directory was deleted" in found.error) == (65, True)


@pytest.mark.parametrize("flags", [[], ["--json"], ["-q"], ["-q", "--json"]])
def test_a_result_that_is_lost_is_told_in_one_line_whose_command_goes_on(command: Command, flags: list[str]) -> None:
    found = redirected(command, "> /dev/full").run(*flags, "reembed", "--yes", "--max-rows", "4", "--batch", "2")
    if flags == ["-q"]:
        # Nothing is shown then.
        assert (found.code, found.err) == (75, "")
        return
    last = found.err.splitlines()[-1]
    next_command = last.partition("next: ai-memory ")[2].rstrip(")")

    assert (found.code, found.err.count("ai-memory: "), "Run 1 is" in found.out) == (74, 1, False)
    assert "The output cannot be written: No space left on device." in last
    assert "same command" not in last
    assert "--resume" in next_command
    assert command.run(*shlex.split(plain_words(next_command))).code == 75


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_result_of_a_done_run_that_is_lost_is_shown_by_the_command_that_is_named(
    command: Command, flags: list[str]
) -> None:
    found = redirected(command, "> /dev/full").run(*flags, "reembed", "--yes")

    assert (found.code, found.error.partition("next: ")[2]) == (74, "ai-memory reembed status)")
    assert "done" in command.run("reembed", "status").out


def test_a_refusal_that_is_lost_is_told_in_one_line(command: Command) -> None:
    found = redirected(command, "> /dev/full").run("--json", "reembed", "--resume")

    assert found.code == 74
    assert "The output cannot be written" in found.error
    assert "There is no run to resume" in found.error


def test_the_line_of_a_run_is_told_though_the_reader_of_its_result_went_away(command: Command) -> None:
    found = _into_a_closed_pipe(command, "reembed", "--yes", "--max-rows", "4")

    assert found.code == 141
    assert plain(found.err.splitlines()[-1]).endswith("next: ai-memory reembed --resume --max-rows 4")


def plain_words(line: str) -> str:
    return plain(f"ai-memory {line}").removeprefix("ai-memory ")
