"""The narrator is an observer on each way to show progress, and says what a person must know on all of them."""

from __future__ import annotations

import io
from typing import get_args
from unicodedata import category

import pytest
from hypothesis import given

from ai_memory.clock import SystemClock
from ai_memory.reembed.events import Event, RemedyFound, RowsTakenBack, RunTakenOver, Waiting
from ai_memory.show.console import Console
from ai_memory.show.narrator import Narrator
from ai_memory.show.progress import choose_progress
from ai_memory.show.screen import Look
from tests.reembed.observers import KINDS, ORDERS


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(told: list[Event], screen: type[io.StringIO], *, quiet: bool = False) -> str:
    stderr = screen()
    observe = Narrator(choose_progress(Console(stderr=stderr, look=Look(moves=True)).err, SystemClock(), quiet=quiet))
    for event in told:
        observe(event)
    return stderr.getvalue()


SCREENS = pytest.mark.parametrize(
    ("screen", "quiet"),
    [(io.StringIO, False), (Terminal, False), (io.StringIO, True)],
    ids=["log", "terminal", "quiet"],
)


def test_every_event_is_drawn() -> None:
    assert set(KINDS) == set(get_args(Event))


@SCREENS
@given(ORDERS)
def test_events_are_taken_in_any_order_and_show_no_control_character(
    screen: type[io.StringIO], quiet: bool, told: list[Event]
) -> None:
    text = shown(told, screen, quiet=quiet)

    assert [each for each in text if category(each) == "Cc" and each not in "\n\r\t"] == []


@SCREENS
@pytest.mark.parametrize(
    ("event", "words"),
    [
        (RunTakenOver(3), "at most 3 texts are sent twice"),
        (RowsTakenBack(2), "2 rows that were written are in doubt, and embedded anew"),
        (RemedyFound({"inputs": 1}), "gives texts other vectors when they share a request"),
        (Waiting("503: overloaded.", 30.0, "endpoint in trouble"), "503: overloaded. Waiting 30 s for the endpoint."),
    ],
)
def test_what_a_person_must_know_is_said_everywhere(
    screen: type[io.StringIO], quiet: bool, event: Event, words: str
) -> None:
    assert words in shown([event], screen, quiet=quiet)
