"""`--log-file` by real processes: one event a line, whoever moves the file away; and what is never written over."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support import files
from tests.support.command import Command, remote
from tests.support.fake_endpoint import FakeEndpoint
from tests.support.small_disk import small_disk

ROWS = 12
KEY = "sk-proj-0123456789abcdef"


@pytest.fixture
def command(tmp_path: Path, endpoint: FakeEndpoint) -> Iterator[Command]:
    command = Command(files.create(tmp_path / "m.db", ROWS), remote(endpoint, AI_MEMORY_EMBED_API_KEY=KEY))
    yield command
    command.end()


def test_a_start_is_told_from_its_first_page_to_its_exit_code(command: Command, tmp_path: Path) -> None:
    log = tmp_path / "a log"
    words = ("--log-file", log, "--log-format", "json", "--batch", "4")
    assert command.run("-q", "reembed", *words, "--max-rows", "4").code == 75
    moved = log.rename(tmp_path / "yesterday")
    done = command.reembed("--resume", *words)

    before, after = ([json.loads(line) for line in each.read_text("utf-8").splitlines()] for each in (moved, log))
    assert (before[-1]["event"], before[-1]["exit_code"], before[-1]["reason"]) == ("start_ended", 75, "max-rows")
    assert [each["event"] for each in after[:2]] == ["run_began", "pass_began"]
    assert (
        sum(each["rows"] for each in after if each["event"] == "page_committed") == ROWS - 4 == done.json["reembedded"]
    )
    assert (after[-1]["event"], after[-1]["exit_code"], after[-1]["reason"]) == ("start_ended", 0, "complete")
    assert {each["database"] for each in before + after} == {str(command.db)}
    assert len({each["pid"] for each in before + after}) == 2


def test_a_refused_row_is_logged_by_its_id_and_neither_its_text_nor_the_key_is(
    command: Command, endpoint: FakeEndpoint, tmp_path: Path
) -> None:
    endpoint.change(poison="POISON", words="cannot embed POISON text")
    file = files.create(tmp_path / f"{KEY}.db", ROWS)
    files.edit(file, "id-003", "a POISON text")
    Command(file, command.env).run("reembed", "--log-file", tmp_path / "log", "--batch", "4")

    log = (tmp_path / "log").read_text("utf-8")
    assert '{"id": "id-003", "kind": "refused", "http_status": 400}' in log
    assert [word for word in ("POISON", KEY) if word in log] == []


def test_the_log_can_go_to_stderr_in_the_place_of_all_else(command: Command) -> None:
    ended = command.run("-q", "reembed", "--log-file", "-", "--log-format", "json")

    assert [json.loads(line)["event"] for line in ended.err.splitlines()][-1] == "start_ended"


def test_a_full_disk_is_told_once_by_each_and_keeps_no_run_from_its_end(command: Command, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", "size=64k") as folder:
        with suppress(OSError), (folder / "filler").open("wb", buffering=0) as filler:
            while filler.write(bytes(1024)):
                pass
        done = command.reembed("--batch", "2", "--log-file", folder / "log", "--metrics-file", folder / "a.prom")
        left = sorted(each.name for each in folder.iterdir())

    assert (done.code, done.json["state"], left) == (0, "done", ["filler", "log"])
    for flag in ("--log-file", "--metrics-file"):
        assert done.err.count(f"warning: {flag}: ") == 1
    assert done.err.count("cannot be written: No space left on device; the run goes on.") == 2


def test_a_refused_start_is_logged_with_its_exit_code(command: Command, tmp_path: Path) -> None:
    code = command.run("reembed", "--resume", "--log-file", tmp_path / "log").code

    assert code != 0
    assert (tmp_path / "log").read_text("utf-8").endswith(f" exit_code={code} reason=refused\n")


def test_a_format_without_a_file_says_how_to_have_it_on_stderr(command: Command) -> None:
    refused = command.run("reembed", "--log-format", "json")

    assert refused.error == "--log-format needs --log-file. To have the log on stderr: --log-file -"


@pytest.mark.parametrize("flag", ["--log-file", "--metrics-file"])
def test_no_database_and_nothing_that_belongs_to_one_is_written_over(
    command: Command, tmp_path: Path, flag: str
) -> None:
    backup = Path(shutil.copy(command.db, tmp_path / "copy"))
    (tmp_path / "link").symlink_to(command.db)
    before = command.db.read_bytes()

    for name in ("m.db", "copy", "link", "m.db-wal", "m.db.reembed.lock"):
        refused = command.run("reembed", flag, tmp_path / name)
        assert (refused.code, f"Give {flag} another file." in refused.error) == (64, True)

    assert command.db.read_bytes() == backup.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["copy", "link", "m.db"]


@pytest.mark.parametrize("flag", ["--log-file", "--metrics-file"])
def test_a_file_that_the_start_needs_for_something_else_is_not_written_over(
    command: Command, tmp_path: Path, flag: str
) -> None:
    config = tmp_path / "config.toml"
    config.write_text("# nothing is configured\n")
    for other, path in (("--backup", tmp_path / "new"), ("--config", config)):
        refused = command.run("reembed", "--yes", other, path, flag, path)
        assert (refused.code, refused.error) == (
            64,
            f"{flag}: {path} is the file of {other}. Give {flag} another file.",
        )
    both = command.run("reembed", "--log-file", tmp_path / "new", "--metrics-file", tmp_path / "new")

    assert (both.code, "is the file of --log-file" in both.error) == (64, True)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["config.toml", "m.db"]
    assert config.read_text() == "# nothing is configured\n"


def test_metrics_replace_nothing_but_metrics(command: Command, tmp_path: Path) -> None:
    pipe, key, empty = tmp_path / "pipe", tmp_path / "key", tmp_path / "empty"
    os.mkfifo(pipe)
    key.write_text("a key\n")
    empty.touch()

    for each in (pipe, key):
        refused = command.run("reembed", "--metrics-file", each)
        assert (refused.code, refused.error) == (
            64,
            f"--metrics-file: {each} is there, and has no figures of ours. Give --metrics-file another file.",
        )
    assert command.run("reembed", "--metrics-file", "-").code == 64
    assert (pipe.is_fifo(), key.read_text()) == (True, "a key\n")
    for _ in range(2):
        assert command.run("reembed", "--yes", "--metrics-file", empty).code == 0


def test_no_start_waits_for_somebody_who_reads_its_log(command: Command, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert command.run("reembed", "--log-file", tmp_path / "pipe").code == 64
