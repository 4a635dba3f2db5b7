"""Keeps a bounded number of pages in flight and hands them on in the order they were read."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any

from ai_memory.reembed.asked_again import Again, PageAnswer
from ai_memory.reembed.commit_once import Unwritable
from ai_memory.reembed.outcomes import Embedded, Outcome
from ai_memory.reembed.pages import Page


@dataclass(frozen=True, slots=True)
class EmbedPage:
    """Embed a page, and ask some of its rows `again`."""

    page: Page
    again: Again = field(default_factory=Again)


@dataclass(frozen=True, slots=True)
class AskWitness:
    """Ask for the witness texts: no page after it is committed before they agree."""

    page: Page = field(default_factory=Page)
    again: Again = field(default_factory=lambda: Again(alone=True))


Work = EmbedPage | AskWitness
Ask = Callable[[Work], PageAnswer]
Await = Callable[[Future[Any]], None]
"""Returns when an answer is there; it may raise, and then no more is handed on."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A page with what became of its documents, or the error that ended its requests.

    `asked_again` of its rows were asked again, the `differing` ones got another vector. `waited` says that the answer
    had to be waited for, `unwritable` which of the vectors the database refuses.
    """

    page: Page
    outcomes: tuple[Outcome, ...] = ()
    error: BaseException | None = None
    asked_again: int = 0
    differing: tuple[Embedded, ...] = ()
    waited: bool = False
    unwritable: Unwritable = None


def in_order(
    works: Iterator[Work],
    ask: Ask,
    executor: Executor,
    *,
    room: Callable[[Collection[Work]], bool],
    stopped: Callable[[], bool],
    await_answer: Await = lambda _: None,
) -> Iterator[tuple[Work, Answered]]:
    """Yield each of `works` with its answer, in their order.

    One more is begun while there is `room` beside those in flight. `works` is advanced in the caller's thread,
    `ask` runs in the executor's. After a page that failed, or a row that got another vector, no new one is begun;
    those already in flight are still yielded. When `stopped`, pages whose requests were not begun are dropped: they are
    the last ones, so that no cursor passes them. A page of which rows are to be asked again `alone` is yielded when
    nothing else is in flight.
    """
    flying: deque[tuple[Work, Future[PageAnswer]]] = deque()
    failed = False
    while True:
        while not failed and room([work for work, _ in flying]) and (work := next(works, None)) is not None:
            flying.append((work, executor.submit(ask, work)))
        if stopped():
            flying = deque((work, future) for work, future in flying if not future.cancel())
        if not flying:
            return
        work, future = flying.popleft()
        answered = _answer(work.page, future, await_answer)
        if work.again.alone:
            for _, each in flying:
                await_answer(each)
                each.exception()
        failed = failed or answered.error is not None or bool(answered.differing)
        yield work, answered


def _answer(page: Page, future: Future[PageAnswer], await_answer: Await) -> Answered:
    waited = not future.done()
    await_answer(future)
    if error := future.exception():
        return Answered(page, error=error, waited=waited)
    found = future.result()
    return Answered(page, found.outcomes, waited=waited, asked_again=found.asked_again, differing=found.differing)
