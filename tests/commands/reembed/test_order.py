"""`reembed --order hot`, by real processes against a real server on loopback."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest

from ai_memory.commands.reembed.next_command import next_command
from ai_memory.commands.reembed.run import add_arguments
from tests.support import files
from tests.support.command import Command, plain, remote
from tests.support.fake_endpoint import FakeEndpoint

ROWS = 12
HOT = ("--order", "hot")
FIRST = "Rows that are read often and lately come first."
ONE = ("--batch", "1", "--concurrency", "1", "--max-rows", "1")


@pytest.fixture
def command(tmp_path: Path, endpoint: FakeEndpoint) -> Iterator[Command]:
    path = files.create(tmp_path / "m.db", ROWS)
    files.note_reads(path, "id-009", 60)
    files.note_reads(path, "id-004", 40)
    command = Command(path, remote(endpoint))
    yield command
    command.end()


def done(command: Command) -> list[str]:
    return sorted(each for each, blob in files.vectors(command.db).items() if blob)


def test_what_is_read_most_is_done_first_and_status_says_how_much_is_answered(command: Command) -> None:
    assert command.reembed(*HOT, *ONE).code == 75
    first, shown = done(command), plain(command.run("reembed", "status").out)
    values = command.run("--json", "reembed", "status").json

    assert first == ["id-009"]
    assert "1 of 12 rows (8 %); the new space answers 60 % of reads; counted" in shown
    assert "\nhot rows first\n" in shown
    assert (values["order"], values["reads"], values["reads_answered"]) == ("hot", 100, 60)


def test_the_share_of_reads_is_told_of_a_run_by_namespace_too(command: Command) -> None:
    command.reembed("--namespace", "a")
    shown = plain(command.run("reembed", "status").out)

    assert "6 of 6 rows (100 %); the new space answers 100 % of reads" in shown
    assert "hot rows first" not in shown


def test_where_nobody_counts_reads_nothing_is_said_of_them(command: Command) -> None:
    files.execute(command.db, "UPDATE memories SET access_count = 0")
    told = command.run("reembed", *HOT).err

    assert (FIRST in told, "so --order hot changes nothing" in told) == (False, True)
    assert "of reads" not in command.run("reembed", "status").out
    values = command.run("--json", "reembed", "status").json
    assert (values["reads"], values["reads_answered"]) == (None, None)


def test_a_killed_run_goes_on_in_its_order_and_no_other_is_taken(command: Command) -> None:
    command.reembed(*HOT, *ONE)

    refused = command.run("reembed", "--resume", "--order", "namespace")
    assert (refused.code, "was begun with --order hot; --resume cannot change it" in refused.err) == (64, True)
    assert command.run("reembed", "--resume", *HOT, *ONE).code == 75
    assert done(command) == ["id-004", "id-009"]
    assert command.run("reembed", "--resume").code == 0


def test_the_plan_and_what_is_told_before_a_run_say_the_order(command: Command) -> None:
    ordinary, hot = command.run("reembed", "--dry-run"), command.run("reembed", "--dry-run", *HOT)
    planned = command.run("--json", "reembed", "--dry-run", *HOT).json["order"]

    assert ((FIRST in ordinary.err), (FIRST in hot.err), planned) == (False, True, "hot")
    assert FIRST in command.run("reembed", *HOT).err


@pytest.mark.parametrize(("unfinished", "command"), [(False, "reembed --order hot"), (True, "reembed --resume")])
def test_what_to_type_next_names_the_order_only_where_a_run_is_to_begin(unfinished: bool, command: str) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)

    assert next_command(parser.parse_args(HOT), unfinished=unfinished) == f"ai-memory {command}"


@pytest.mark.parametrize("flags", [("--stamp-only", *HOT), ("--order", "cold"), ("--order",)])
def test_an_order_that_cannot_be_is_refused(command: Command, flags: tuple[str, ...]) -> None:
    ended = command.run("reembed", *flags)

    assert (ended.code, ended.err.count("\n")) == (64, 1)
