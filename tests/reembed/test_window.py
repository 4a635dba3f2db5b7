"""Pages in flight: bounded, answered in order, none begun behind a failure."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor

from ai_memory.reembed.isolate import Embedded
from ai_memory.reembed.judge import Document
from ai_memory.reembed.pages import Page
from ai_memory.reembed.window import Answered, in_order
from ai_memory.store.quarantine import Reason


def page(number: int) -> Page:
    return Page(documents=(Document(str(number), "a", "", "", str(number), b"", 1),))


def number_of(answered: Answered) -> int:
    return int(answered.page.documents[0].id)


def answer(asked: Page) -> list[Embedded]:
    return [Embedded(each, Reason("refused", each.id)) for each in asked.documents]


def pages(count: int, read: list[int]) -> Iterator[Page]:
    for number in range(count):
        read.append(number)
        yield page(number)


def fewer_than(depth: int) -> Callable[[Collection[Page]], bool]:
    return lambda flying: len(flying) < depth


def never() -> bool:
    return False


def test_answers_come_in_the_order_of_the_pages_though_they_are_ready_in_another() -> None:
    def slow_first(asked: Page) -> list[Embedded]:
        time.sleep(0.05 if asked.documents[0].id == "0" else 0)
        return answer(asked)

    with ThreadPoolExecutor(4) as executor:
        found = list(in_order(pages(8, []), slow_first, executor, room=fewer_than(4), stopped=never))

    assert [number_of(each) for each in found] == list(range(8))
    assert all(each.error is None for each in found)


def test_no_more_pages_are_read_ahead_than_the_depth() -> None:
    read: list[int] = []
    with ThreadPoolExecutor(2) as executor:
        for done, _ in enumerate(in_order(pages(9, read), answer, executor, room=fewer_than(3), stopped=never)):
            assert len(read) <= done + 3

    assert len(read) == 9


def test_behind_a_failed_page_no_new_one_is_begun_and_those_in_flight_are_answered() -> None:
    read: list[int] = []

    def fail_at_two(asked: Page) -> list[Embedded]:
        if asked.documents[0].id == "2":
            raise TimeoutError
        return answer(asked)

    with ThreadPoolExecutor(3) as executor:
        found = list(in_order(pages(20, read), fail_at_two, executor, room=fewer_than(3), stopped=never))

    assert [type(each.error).__name__ for each in found[:3]] == ["NoneType", "NoneType", "TimeoutError"]
    assert [number_of(each) for each in found] == read
    assert len(read) <= 2 + 3


def test_a_stop_drops_what_is_not_begun_and_keeps_what_is() -> None:
    stop = threading.Event()

    def embed(asked: Page) -> list[Embedded]:
        stop.set()
        return answer(asked)

    with ThreadPoolExecutor(1) as executor:
        answers = in_order(pages(9, []), embed, executor, room=fewer_than(4), stopped=stop.is_set)
        found = [number_of(each) for each in answers]

    assert found == list(range(len(found)))
    assert 1 <= len(found) < 9
