"""Keeps a bounded number of pages in flight and hands them on in the order they were read."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any

from ai_memory.reembed.commit_once import Refused
from ai_memory.reembed.isolate import Embedded
from ai_memory.reembed.pages import Page

Ask = Callable[[Page], Sequence[Embedded]]
Await = Callable[[Future[Any]], None]
"""Returns when an answer is there; it may raise, and then no more is handed on."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A page with what became of its documents, or the error that ended its requests.

    `waited` says that the answer had to be waited for, `refused` which of the vectors the database refuses.
    """

    page: Page
    embedded: tuple[Embedded, ...] = ()
    error: BaseException | None = None
    waited: bool = False
    refused: Refused = None


def in_order(
    pages: Iterator[Page],
    ask: Ask,
    executor: Executor,
    *,
    room: Callable[[Collection[Page]], bool],
    stopped: Callable[[], bool],
    await_answer: Await = lambda _: None,
) -> Iterator[Answered]:
    """Yield each page of `pages` with its answer, in their order.

    One more is begun while there is `room` beside those in flight. `pages` is advanced in the caller's thread,
    `ask` runs in the executor's. After a page that failed no new one is begun; those already in flight are still
    yielded. When `stopped`, pages whose requests were not begun are dropped: they are the last ones, so that no
    cursor passes them.
    """
    flying: deque[tuple[Page, Future[Sequence[Embedded]]]] = deque()
    failed = False
    while True:
        while not failed and room([page for page, _ in flying]) and (page := next(pages, None)) is not None:
            flying.append((page, executor.submit(ask, page)))
        if stopped():
            flying = deque((page, future) for page, future in flying if not future.cancel())
        if not flying:
            return
        page, future = flying.popleft()
        answered = _answer(page, future, await_answer)
        failed = failed or answered.error is not None
        yield answered


def _answer(page: Page, future: Future[Sequence[Embedded]], await_answer: Await) -> Answered:
    waited = not future.done()
    await_answer(future)
    if error := future.exception():
        return Answered(page, error=error, waited=waited)
    return Answered(page, tuple(future.result()), waited=waited)
