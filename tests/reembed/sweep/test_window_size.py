"""How many pages are in flight."""

from __future__ import annotations

from ai_memory.memory.freshness import Document
from ai_memory.reembed.page import Page
from ai_memory.reembed.sweep.window_size import WindowSize, most
from tests.support.fakes import HashEmbedder

DOCUMENT = Document("id", "ns", "title", "content", "title content", b"", 13)


def after(in_flight: WindowSize, *waits: bool) -> list[int]:
    """Return the number of pages after each commit."""
    found = []
    for waited in waits:
        in_flight.pages = in_flight.next(waited=waited)
        found.append(in_flight.pages)
    return found


def test_as_many_as_the_embedder_can_use_are_in_flight_from_the_start() -> None:
    assert (WindowSize(lambda: 8).pages, most(1)) == (12, 2)


def test_a_writer_that_waits_has_more_pages_sent_as_far_as_the_embedder_takes_them() -> None:
    in_flight = WindowSize(lambda: 20)
    in_flight.pages = 3

    assert after(in_flight, True, True, True, True) == [5, 8, 13, 20]


def test_while_more_requests_may_be_in_flight_with_each_commit_there_are_pages_for_those_to_come() -> None:
    embedder = HashEmbedder(concurrency=4)
    in_flight = WindowSize(lambda: embedder.concurrency)
    pages = []
    for embedder.concurrency in (8, 16, 32, 32):
        pages += after(in_flight, True)

    assert pages == [36, 72, 144, 143]
    assert after(in_flight, *[True] * 120)[-1] == most(32)


def test_a_writer_that_never_waits_has_fewer_sent_one_by_one() -> None:
    in_flight = WindowSize(lambda: 4)

    assert set(after(in_flight, *[False] * 12)) == {6}
    assert after(in_flight, *[False] * 500)[-1] == 2


def test_bursts_of_answers_are_no_idle_pages() -> None:
    in_flight = WindowSize(lambda: 8)

    assert set(after(in_flight, *[True, *[False] * 11] * 20)) == {12}


def test_an_embedder_that_slows_down_has_one_page_fewer_a_commit() -> None:
    embedder = HashEmbedder(concurrency=8)
    in_flight = WindowSize(lambda: embedder.concurrency)
    embedder.concurrency = 1

    assert after(in_flight, *[True] * 12) == [11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 2, 2]


def test_large_pages_are_fewer_in_flight_and_one_always_is() -> None:
    found = WindowSize(lambda: 8)
    page = Page(documents=tuple([DOCUMENT] * 1000), bytes=1000 * len(DOCUMENT.text))

    def most(dim: int) -> int:
        flying: list[Page] = []
        while found.room(flying, dim=dim):
            flying.append(page)
        return len(flying)

    assert (most(64), most(384), most(3072), most(65_536)) == (12, 11, 2, 1)
