"""`recall --queries`: many queries in one process, each answered as if it had been asked alone."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ai_memory.commands import recall
from ai_memory.stores.memory_port import Library
from ai_memory.stores.opening import Tell, reading
from tests.commands.conftest import Cli, Ran
from tests.conftest import ROOT
from tests.support import files, shapes
from tests.support.fake_endpoint import FOREVER, FakeEndpoint

Ask = Callable[..., Ran]
TEXTS = {"Tea": "green leaves", "Coffee": "black beans", "Water": "from the well"}


def answers(ran: Ran) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ran.out.splitlines()]


@pytest.fixture
def filled(cli: Cli, endpoint: FakeEndpoint, db: Path) -> Path:
    for title, content in TEXTS.items():
        cli("store", "-T", title, "-c", content, "-n", "drinks")
    assert endpoint.seen.requests
    return db


@pytest.fixture
def asked(tmp_path: Path, cli: Cli) -> Ask:
    """Ask the lines of a file."""

    def ask(*lines: str | bytes, options: tuple[object, ...] = ()) -> Ran:
        path = tmp_path / "queries"
        path.write_bytes(b"".join((line.encode() if isinstance(line, str) else line) + b"\n" for line in lines))
        return cli("recall", "--queries", path, *options)

    return ask


@contextmanager
def asking(db: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that answers what is written to it."""
    command = [sys.executable, "-m", "ai_memory", "--db", str(db), "recall", "--queries", "-"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def told(process: subprocess.Popen[str], line: str) -> dict[str, Any]:
    """Ask one line and return its answer, before anything else is asked."""
    assert process.stdin
    assert process.stdout
    process.stdin.write(f"{line}\n")
    process.stdin.flush()
    answer: dict[str, Any] = json.loads(process.stdout.readline())
    return answer


@pytest.mark.usefixtures("filled")
def test_each_line_is_answered_in_order_as_it_would_be_alone(cli: Cli, asked: Ask) -> None:
    ran = asked("leaves", '{"query": "the well", "id": "w", "limit": 1}', '{"query": 5, "text": "black"}')
    alone = [cli("recall", *words, "--json").json for words in (["leaves"], ["the well", "--limit", "1"], ["black"])]
    assert ran.code == 0
    assert answers(ran) == [{"id": name, **each, "notes": []} for name, each in zip((1, "w", 5), alone, strict=True)]


@pytest.mark.usefixtures("filled")
def test_namespace_and_limit_of_the_command_line_hold_where_a_line_says_nothing(cli: Cli, asked: Ask) -> None:
    cli("store", "-T", "Cocoa", "-c", "leaves of no tree", "-n", "sweets")
    ran = asked(
        "leaves", '{"query": "leaves", "namespace": "sweets", "limit": 3}', options=("-n", "drinks", "--limit", 1)
    )
    found = [{memory["namespace"] for memory in each["memories"]} for each in answers(ran)]
    assert found == [{"drinks"}, {"sweets"}]
    assert len(answers(ran)[0]["memories"]) == 1


@pytest.mark.usefixtures("filled")
def test_a_bad_line_is_named_and_the_others_are_answered(asked: Ask) -> None:
    ran = asked("leaves", '{"query": ', b"caf\xe9", "", "beans")
    found = answers(ran)
    assert (ran.code, [each["id"] for each in found]) == (65, [1, 2, 3, 4, 5])
    assert [("error" in each, each.get("exit_code")) for each in found] == [
        (False, None), (True, 65), (True, 65), (True, 65), (False, None),
    ]  # fmt: skip
    for number in (2, 3, 4):
        assert f"queries, line {number} " in found[number - 1]["error"]
        assert ran.err.count(f"queries, line {number} ") == 1
    assert "Traceback" not in ran.err


@pytest.mark.usefixtures("filled")
def test_a_namespace_that_was_never_seen_is_the_fault_of_its_line(asked: Ask) -> None:
    ran = asked('{"query": "leaves", "namespace": "drink"}', '{"query": "leaves", "namespace": "drinks"}')
    first, second = answers(ran)
    assert (ran.code, first["exit_code"], first["id"]) == (66, 66, 1)
    assert "Did you mean drinks?" in first["error"]
    assert second["memories"]


@pytest.mark.usefixtures("filled")
def test_an_endpoint_that_fails_on_the_way_is_told_in_each_answer_and_once_to_people(
    asked: Ask, endpoint: FakeEndpoint
) -> None:
    before = endpoint.seen.requests
    endpoint.fail("unauthorized", times=FOREVER)
    ran = asked("leaves", "beans", "well")
    assert (ran.code, [each["by"] for each in answers(ran)]) == (0, ["words"] * 3)
    assert all("searching by words alone" in each["notes"][0] for each in answers(ran))
    assert ran.err.count("warning") == 1
    assert endpoint.seen.requests == before + 1


def test_the_database_is_opened_once_where_nobody_writes_it(
    filled: Path, asked: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    def counting(path: Path, *, tell: Tell) -> AbstractContextManager[Library]:
        opened.append(path)
        return reading(path, tell=tell)

    monkeypatch.setattr(recall, "reading", counting)
    assert len(answers(asked(*["leaves"] * 9))) == 9
    assert opened == [filled]


def test_a_program_may_wait_for_each_answer_before_it_asks_again(filled: Path) -> None:
    with asking(filled) as process:
        assert [told(process, each)["query"] for each in ("leaves", "beans")] == ["leaves", "beans"]
        assert process.stdin
        process.stdin.close()
        assert process.wait(timeout=30) == 0


def test_what_others_commit_is_in_the_next_answer(filled: Path) -> None:
    with asking(filled) as process:
        assert told(process, "quokka")["memories"][0]["cosine"] is not None
        files.execute(filled, "UPDATE memories SET content = 'quokka', embedding = NULL WHERE title = 'Tea'")
        found = told(process, "quokka")
        assert (found["left_out"], {each["title"]: each["cosine"] for each in found["memories"]}["Tea"]) == (
            {"no_vector": 1},
            None,
        )


def test_a_first_migration_that_begins_meanwhile_is_seen(cli: Cli, db: Path, endpoint: FakeEndpoint) -> None:
    shapes.build(db, 80, kinds={shapes.PLAIN})
    endpoint.change(dim=shapes.DIM)
    with asking(db) as process:
        before = told(process, "note")
        assert before["unproven"] > 0
        assert cli("reembed", "--yes").code == 0
        after = told(process, "note")
    assert (after["unproven"], after["left_out"]) == (0, {})
    assert len([each for each in after["memories"] if each["cosine"] is not None]) == len(after["memories"])


def test_a_database_that_another_was_put_in_the_place_of_is_the_other_one(
    cli: Cli, filled: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.db"
    cli("--db", other, "store", "-T", "Other", "-c", "leaves")
    with asking(filled) as process:
        assert {each["title"] for each in told(process, "leaves")["memories"]} == TEXTS.keys()
        for each in filled.parent.glob(f"{filled.name}-*"):
            each.unlink()
        other.rename(filled)
        assert [each["title"] for each in told(process, "leaves")["memories"]] == ["Other"]


def test_a_reader_that_goes_away_ends_it(filled: Path) -> None:
    with asking(filled) as process:
        assert process.stdin
        assert process.stdout
        told(process, "leaves")
        process.stdout.close()
        process.stdin.write("beans\n")
        process.stdin.flush()
        assert process.wait(timeout=30) == 141
        assert process.stderr
        assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_a_signal_ends_it_while_it_waits_for_a_query(filled: Path, number: int, code: int) -> None:
    with asking(filled) as process:
        told(process, "leaves")
        os.kill(process.pid, number)
        assert process.wait(timeout=30) == code
        assert process.stderr
        assert "Traceback" not in process.stderr.read()


@pytest.mark.usefixtures("filled")
def test_an_endless_line_is_refused(asked: Ask) -> None:
    ran = asked("leaves", "x" * 2**20 + "y")
    assert (ran.code, len(answers(ran)), "line 2 is longer than 1,048,576 bytes" in ran.err) == (65, 1, True)


@pytest.mark.parametrize(("name", "code"), [("nowhere", 66), (".", 65)])
@pytest.mark.usefixtures("filled")
def test_a_file_that_cannot_be_read_is_named(cli: Cli, name: str, code: int) -> None:
    ran = cli("recall", "--queries", name)
    assert (ran.code, ran.out, name in ran.err, ran.err.count("\n")) == (code, "", True, 1)


@pytest.mark.usefixtures("filled")
def test_a_query_can_come_from_stdin(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = cli("recall", "green\nleaves", "--json").json
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"green\nleaves")))
    assert cli("recall", "-", "--json").json == alone


@pytest.mark.parametrize(
    ("text", "said"),
    [(b" \n", "blank"), (b"caf\xe9", "not valid UTF-8"), (b"x" * (2**20 + 1), "longer than 1,048,576 bytes")],
)
@pytest.mark.usefixtures("filled")
def test_what_is_no_query_is_refused_from_stdin_too(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, text: bytes, said: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
    ran = cli("recall", "-")
    assert (ran.code, ran.err.count("\n"), said in ran.err) == (64, 1, True)


@pytest.mark.parametrize("words", [[], ["x", "--queries", "-"]])
def test_a_query_or_a_file_of_them_is_wanted(cli: Cli, words: list[str]) -> None:
    assert cli("recall", *words).code == 64
