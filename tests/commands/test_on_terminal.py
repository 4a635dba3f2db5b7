"""What people see at a terminal, by real processes on one: tables, colours, and lines that fit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ai_memory.commands.reembed.watch import CLEARED
from tests.support import files
from tests.support.command import Command, remote
from tests.support.fake_endpoint import FakeEndpoint

SHOWN = (
    ["reembed", "status"],
    ["reembed", "status", "--check"],
    ["reembed", "history"],
    ["list"],
    ["namespaces"],
    ["stats"],
    ["doctor"],
    ["recall", "a memory", "-q"],
    ["config", "show"],
)
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
LONG = "words of a title that says what a memory is about and takes more than a line"


@pytest.fixture
def command(tmp_path: Path, endpoint: FakeEndpoint) -> Iterator[Command]:
    """The command on a database with an unfinished run, and a memory with a long title."""
    command = Command(files.create(tmp_path / "m.db", 12), {**remote(endpoint), "TERM": "xterm", "NO_COLOR": ""})
    assert command.run("store", "-T", LONG, "-c", "x", "-n", "of/some/length", "--no-embed").code == 0
    assert command.run("reembed", "--batch", "2", "--max-rows", "6", "--concurrency", "1").code == 75
    yield command
    command.end()


def words(text: str) -> list[str]:
    return re.findall(r"\w+", COLOURS.sub("", text))


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_no_line_is_broken_by_the_terminal_but_a_command(command: Command, columns: int) -> None:
    for asked in SHOWN:
        shown = COLOURS.sub("", command.on_terminal(*asked, columns=columns).out).splitlines()
        assert [line for line in shown if len(line) > columns and "ai-memory --db" not in line] == []
        assert shown, asked


@pytest.mark.parametrize("columns", [60, 200])
def test_a_table_has_the_titles_and_ids_whole_however_narrow_it_is(command: Command, columns: int) -> None:
    ids = [each["id"] for each in command.run("list", "--json").json["memories"]]

    shown = words(command.on_terminal("list", columns=columns).out)
    assert [each for each in (*ids, *LONG.split()) if not set(words(each)) <= set(shown)] == []


@pytest.mark.parametrize("columns", [40, 200])
def test_what_recall_finds_keeps_its_lines_and_their_indentation(command: Command, columns: int) -> None:
    code = "def held():\n    return True"
    assert command.run("store", "-T", "Python", "-c", f"{code}\n{LONG}", "--no-embed").code == 0

    shown = COLOURS.sub("", command.on_terminal("recall", "held", columns=columns).out).splitlines()
    at = next(at for at, line in enumerate(shown) if line.endswith("def held():"))
    assert shown[at + 1] == shown[at].replace("def held():", "    return True")
    assert words(LONG) == words(" ".join(shown[at + 2 :]))[: len(words(LONG))]


@pytest.mark.parametrize("columns", [40, 60, 200])
def test_a_setting_is_told_after_its_name_however_narrow_the_terminal_is(command: Command, columns: int) -> None:
    shown = words(command.on_terminal("config", "show", columns=columns).out)

    at = shown.index("engine")
    assert shown[at : at + 4] == ["engine", "auto", "default", "precision"]


def test_colours_say_what_needs_somebody_and_are_gone_where_they_are_not_wanted(command: Command) -> None:
    assert "\x1b[33mstopped " in command.on_terminal("reembed", "status").out
    assert "\x1b[31m" in command.on_terminal("doctor").out

    for environ in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        without = Command(command.db, {**command.env, **environ})
        for asked in SHOWN:
            assert "\x1b" not in without.on_terminal(*asked).out


def test_a_pipe_and_a_program_get_what_they_got_before_there_were_colours(command: Command) -> None:
    for asked in SHOWN:
        assert "\x1b" not in command.run(*asked).out
        assert list(command.run(*asked, "--json").json)
        assert "\x1b" not in command.on_terminal(*asked, "--json").out
    assert f"  of/some/length  {LONG}  (no vector)\n" in command.run("list").out


def test_a_terminal_that_only_writes_on_is_not_cleared(command: Command) -> None:
    dumb = Command(command.db, {**command.env, "TERM": "dumb"})

    assert CLEARED in command.on_terminal("reembed", "status", "--watch", "1").out
    assert CLEARED not in dumb.on_terminal("reembed", "status", "--watch", "1").out


def test_a_file_that_is_well_is_told_in_the_colour_of_what_is_well(command: Command) -> None:
    assert command.run("reembed", "--resume").code == 0
    assert command.run("backfill").code == 0

    assert "\x1b[32mdone " in command.on_terminal("reembed", "status").out
    assert "\x1b[32mNothing found.\x1b[0m" in command.on_terminal("doctor").out
