"""`list` with what narrows and orders it, `get` by whatever names a memory."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.commands.conftest import Cli
from tests.support import shapes


@pytest.fixture
def stored(cli: Cli) -> dict[str, str]:
    """The ids of four memories, by their titles; each later one was changed a day later."""
    ids = {}
    for day, (title, tags) in enumerate([("Tea", "drink,warm"), ("rice", "food"), ("Soup", "food,warm"), ("ale", "")]):
        line = ("store", "-T", title, "-c", f"about {title}", "--tags", tags, "-p", day + 3, "-n", f"n{day % 2}")
        ids[title] = str(cli(*line, "--no-embed", "--json").json["id"])
    return ids


def set_column(db: Path, title: str, column: str, value: str) -> None:
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute(f"UPDATE memories SET {column} = ? WHERE title = ?", (value, title))


def titles(cli: Cli, *line: str) -> list[str]:
    return [each["title"] for each in cli("list", *line, "--json").json["memories"]]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (["--tag", "food"], ["rice", "Soup"]),
        (["--tag", "food", "--tag", "warm"], ["Soup"]),
        (["--tag", "foo"], []),
        (["--sort", "title"], ["ale", "rice", "Soup", "Tea"]),
        (["--sort", "priority", "--limit", "2"], ["ale", "Soup"]),
        (["--limit", "1"], ["Tea"]),
        (["--since", "2026-03-03"], ["Soup", "ale"]),
        (["--since", "2026-03-02T12:00:00+12:00", "-n", "n1"], ["rice", "ale"]),
        (["--sort", "updated", "--tag", "warm"], ["Soup", "Tea"]),
    ],
)
@pytest.mark.usefixtures("stored")
def test_a_list_has_what_is_asked_for_in_that_order(cli: Cli, db: Path, line: list[str], expected: list[str]) -> None:
    for day, title in enumerate(("Tea", "rice", "Soup", "ale")):
        set_column(db, title, "updated_at", f"2026-03-0{day + 1}T12:00:00+00:00")

    assert titles(cli, *line) == expected
    assert [text.split("  ")[2] for text in cli("list", *line).out.splitlines()] == expected


@pytest.mark.usefixtures("stored")
def test_what_was_changed_in_the_last_days_is_listed(cli: Cli, db: Path) -> None:
    set_column(db, "Tea", "updated_at", "2020-01-01")
    assert titles(cli, "--since", "2d") == ["rice", "Soup", "ale"]


@pytest.mark.parametrize(
    "wrong", [["--since", "2026"], ["--since", "spring"], ["--since", "2026-02-30"], ["--limit", "0"], ["--sort", "x"]]
)
@pytest.mark.usefixtures("stored")
def test_a_list_that_cannot_be_made_is_refused_in_one_line(cli: Cli, wrong: list[str]) -> None:
    ran = cli("list", *wrong)
    assert (ran.code, ran.out, ran.err.count("\n")) == (64, "", 1)


@pytest.mark.parametrize("version", shapes.VERSIONS)
@pytest.mark.parametrize("line", [["--sort", "updated"], ["--sort", "title"], ["--since", "1970-01-02"]])
def test_every_shape_can_be_listed_in_every_order(cli: Cli, db: Path, version: int, line: list[str]) -> None:
    shape = shapes.build(db, version)
    assert cli("list", *line, "--json").json["count"] == len(shape.rows)


def test_a_memory_is_shown_by_its_title_or_the_beginning_of_its_id(cli: Cli, stored: dict[str, str]) -> None:
    whole = cli("get", stored["Soup"]).out
    assert "about Soup" in whole
    assert [cli("get", name).out for name in ("Soup", stored["Soup"][:13])] == [whole, whole]
    assert cli("get", "soup").code == 66


def test_a_name_of_several_memories_is_refused_and_names_them(cli: Cli, stored: dict[str, str]) -> None:
    again = cli("store", "-T", "Tea", "-c", "black", "-n", "other", "--no-embed", "--json").json["id"]
    ran = cli("get", "Tea")
    assert (ran.code, ran.out, ran.err.count("\n")) == (64, "", 1)
    first, second = sorted([f"{stored['Tea']} (n0: Tea)", f"{again} (other: Tea)"])
    assert f"Tea may mean several memories: {first}, {second}. Name one of them by its id." in ran.err


def test_of_many_memories_that_a_name_may_mean_some_are_named(cli: Cli) -> None:
    for name in "abcde":
        cli("store", "-T", "Tea", "-c", "x", "-n", name, "--no-embed")
    ran = cli("get", "Tea")
    assert (ran.err.count(": Tea)"), ran.err.count(", and more. ")) == (3, 1)


def test_an_id_is_that_memory_whatever_titles_there_are(cli: Cli, stored: dict[str, str]) -> None:
    cli("store", "-T", stored["Tea"], "-c", "its title is an id", "--no-embed")
    assert cli("get", stored["Tea"], "--json").json["content"] == "about Tea"


@pytest.mark.usefixtures("stored")
def test_an_empty_name_means_no_memory(cli: Cli) -> None:
    assert cli("get", "").code == 66
