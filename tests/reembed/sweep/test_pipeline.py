"""Pages in flight: bounded, answered in order, none begun behind a failure."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from ai_memory.embed.outcomes import Embedded, Refused
from ai_memory.memory.freshness import Document
from ai_memory.memory.reason import Reason
from ai_memory.reembed.page import Page
from ai_memory.reembed.sweep.pipeline import in_order
from ai_memory.reembed.work import Again, EmbedPage, PageAnswer, Question, Work

NOTHING = Again()


@dataclass(frozen=True, slots=True)
class Asking:
    """A pool whose workers answer as `ask` does."""

    ask: Callable[[Work], PageAnswer]
    executor: Executor
    capacity: int = 1
    failure: str = ""
    judges: bool = False

    def submit(self, work: Question) -> Future[PageAnswer]:
        assert isinstance(work, EmbedPage)
        return self.executor.submit(self.ask, work)

    def witness(self, work: Question) -> Sequence[Future[PageAnswer]]:
        return [self.submit(work)]

    def close(self) -> None:
        """The executor is the test's to close."""


def page(number: int, again: Again = NOTHING) -> Work:
    return EmbedPage(Page(documents=(Document(str(number), "a", "", "", str(number), b"", 1),)), again)


def number_of(work: Work) -> int:
    return int(work.page.documents[0].id)


def answer(asked: Work) -> PageAnswer:
    return PageAnswer(tuple(Refused(each, Reason("refused", each.id)) for each in asked.page.documents))


def pages(count: int, read: list[int]) -> Iterator[Work]:
    for number in range(count):
        read.append(number)
        yield page(number)


def fewer_than(depth: int) -> Callable[[Collection[Work]], bool]:
    return lambda flying: len(flying) < depth


def never() -> bool:
    return False


def test_answers_come_in_the_order_of_the_pages_though_they_are_ready_in_another() -> None:
    def slow_first(asked: Work) -> PageAnswer:
        time.sleep(0.05 if asked.page.documents[0].id == "0" else 0)
        return answer(asked)

    with ThreadPoolExecutor(4) as executor:
        found = list(in_order(pages(8, []), Asking(slow_first, executor), room=fewer_than(4), stopped=never))

    assert [number_of(work) for work, _ in found] == list(range(8))
    assert all(each.error is None for _, each in found)


def test_no_more_pages_are_read_ahead_than_the_depth() -> None:
    read: list[int] = []
    with ThreadPoolExecutor(2) as executor:
        for done, _ in enumerate(in_order(pages(9, read), Asking(answer, executor), room=fewer_than(3), stopped=never)):
            assert len(read) <= done + 3

    assert len(read) == 9


def test_behind_a_failed_page_no_new_one_is_begun_and_those_in_flight_are_answered() -> None:
    read: list[int] = []

    def fail_at_two(asked: Work) -> PageAnswer:
        if asked.page.documents[0].id == "2":
            raise TimeoutError
        return answer(asked)

    with ThreadPoolExecutor(3) as executor:
        found = list(in_order(pages(20, read), Asking(fail_at_two, executor), room=fewer_than(3), stopped=never))

    assert [type(each.error).__name__ for _, each in found[:3]] == ["NoneType", "NoneType", "TimeoutError"]
    assert [number_of(work) for work, _ in found] == read
    assert len(read) <= 2 + 3


def test_a_stop_drops_what_is_not_begun_and_keeps_what_is() -> None:
    stop = threading.Event()

    def embed(asked: Work) -> PageAnswer:
        stop.set()
        return answer(asked)

    with ThreadPoolExecutor(1) as executor:
        answers = in_order(pages(9, []), Asking(embed, executor), room=fewer_than(4), stopped=stop.is_set)
        found = [number_of(work) for work, _ in answers]

    assert found == list(range(len(found)))
    assert 1 <= len(found) < 9


def test_a_page_whose_rows_are_asked_again_alone_is_handed_on_when_nothing_else_is_in_flight() -> None:
    in_flight: list[int] = []

    def slow(asked: Work) -> PageAnswer:
        in_flight.append(number_of(asked))
        time.sleep(0.03 * number_of(asked))
        in_flight.remove(number_of(asked))
        return answer(asked)

    works = iter([page(0), page(1, Again(1, alone=True)), page(2), page(3)])
    with ThreadPoolExecutor(4) as executor:
        for work, _ in in_order(works, Asking(slow, executor), room=fewer_than(4), stopped=never):
            assert not (work.again.alone and in_flight)


def test_after_a_row_that_got_another_vector_no_new_page_is_begun() -> None:
    read: list[int] = []

    def lie_at_two(asked: Work) -> PageAnswer:
        lies = number_of(asked) == 2
        differing = tuple(Embedded(each, np.ones(1, np.float32)) for each in asked.page.documents if lies)
        return replace(answer(asked), differing=differing)

    with ThreadPoolExecutor(3) as executor:
        found = list(in_order(pages(20, read), Asking(lie_at_two, executor), room=fewer_than(3), stopped=never))

    assert [bool(each.differing) for _, each in found[:3]] == [False, False, True]
    assert len(read) <= 2 + 3
