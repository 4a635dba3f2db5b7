"""How a table is drawn: within its columns, aligned, and with no command broken."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_memory.show.drawing import drawn, wrapped
from ai_memory.show.screen import Look, look_of
from ai_memory.show.table import Cell, Table, Tone, facts

PLAIN = Look()
WORDS = st.text(st.sampled_from("ab 漢é"), max_size=60)


def lines(table: Table, columns: int, look: Look = PLAIN) -> list[str]:
    return list(drawn(table, str, columns, look))


def row(*texts: str) -> tuple[Cell, ...]:
    return tuple(map(Cell, texts))


def test_columns_are_as_wide_as_their_widest_cell_and_numbers_stand_on_the_right() -> None:
    table = Table(("name", "rows"), (row("a", "1,000"), row("longer", "5")), wide=0, right=frozenset({1}))

    assert lines(table, 80) == ["name     rows", "a       1,000", "longer      5"]


def test_a_character_that_takes_two_columns_is_counted_as_two() -> None:
    table = Table(("", ""), (row("漢字", "x"), row("abcd", "y"), row("e\u0301", "z")), wide=1)

    assert lines(table, 80) == ["漢字  x", "abcd  y", "e\u0301     z"]


def test_a_text_goes_on_below_itself() -> None:
    table = facts(("rows", "one two three four five six seven", Tone.PLAIN))

    assert lines(table, 32) == ["rows  one two three four five", "      six seven"]


def test_where_a_text_would_be_too_narrow_the_other_cells_stand_below_it() -> None:
    table = Table(("id", "title"), (row("x" * 36, "a title of thirty characters"),), wide=1)

    assert lines(table, 62) == [
        "id                                    title",
        f"{'x' * 36}  a title of thirty",
        " " * 38 + "characters",
    ]
    assert lines(table, 60) == ["a title of thirty characters", f"  id {'x' * 36}"]


def test_a_fact_stands_below_its_name_where_it_would_be_too_narrow_beside_it() -> None:
    table = facts(("a name of some length", "a fact that is longer than that", Tone.PLAIN))

    assert lines(table, 24) == ["a name of some length", "  a fact that is longer", "  than that"]


def test_a_text_that_is_indented_stays_so() -> None:
    assert wrapped("    if held:", 40) == ["    if held:"]
    assert wrapped("    one two three", 12) == ["    one two", "    three"]


def test_a_column_in_which_nothing_stands_takes_no_room() -> None:
    table = Table(("name", "", "marks"), (row("a", "", "b"),), wide=0)

    assert lines(table, 80) == ["name  marks", "a     b"]


@pytest.mark.parametrize("program", ["ai-memory", "/opt/a/bin/ai-memory", "'/opt/with blank/ai-memory'"])
def test_a_command_is_never_broken_that_it_can_be_copied(program: str) -> None:
    command = f"{program} --db '/a folder/m.db' reembed --resume"

    parts = wrapped(f"mend the key (file /etc/key), then: {command}", 20)
    assert parts[-1] == command
    assert wrapped(f"it is mended by ({command}); all else by hand", 20)[-1] == "all else by hand"


@given(WORDS, st.integers(2, 40))
def test_no_part_is_wider_than_the_columns_and_none_is_lost(text: str, width: int) -> None:
    parts = wrapped(text, width)

    assert "".join(parts).replace(" ", "") == text.replace(" ", "")
    assert all(len(each) + each.count("漢") <= width for each in parts)


def test_a_tone_is_a_colour_only_where_colours_are_shown() -> None:
    table = facts(("state", "stuck", Tone.NEEDS), ("rows", "5", Tone.PLAIN))

    assert lines(table, 80, Look(colours=True)) == [
        "\x1b[2mstate\x1b[0m  \x1b[31mstuck\x1b[0m",
        "\x1b[2mrows\x1b[0m   5",
    ]
    assert lines(table, 80) == ["state  stuck", "rows   5"]


@pytest.mark.parametrize(
    ("environ", "look"),
    [
        ({"TERM": "xterm"}, Look(colours=True, moves=True)),
        ({"TERM": "xterm", "NO_COLOR": "1"}, Look(colours=False, moves=True)),
        ({"TERM": "xterm", "NO_COLOR": ""}, Look(colours=True, moves=True)),
        ({"TERM": "dumb"}, Look()),
        ({"TERM": ""}, Look()),
        ({}, Look()),
    ],
)
def test_the_environment_says_how_a_terminal_looks(environ: dict[str, str], look: Look) -> None:
    assert look_of(environ) == look


def test_what_cannot_be_seen_is_cleaned_before_it_is_measured() -> None:
    table = facts(("a", "x\x1b[31my", Tone.PLAIN))

    assert list(drawn(table, lambda text: re.sub("\x1b", r"\\x1b", text), 80, PLAIN)) == [r"a  x\x1b[31my"]
