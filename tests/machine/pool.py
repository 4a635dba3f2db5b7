"""Executors without threads: what the scheduler would leave to chance is an order that a test chooses."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

T = TypeVar("T")

EAGER = "eager"
"""A request is answered before the next page is read."""
LAZY = "lazy"
"""All pages of the window are read before the first of them is answered."""
BACKWARDS = "backwards"
"""As LAZY, and the last request is answered first."""
ORDERS = (EAGER, LAZY, BACKWARDS)


class _Promised(Future[T]):
    """A future that is worked out by whoever asks first, and is late for whoever is patient: once."""

    def __init__(self, ask: Callable[[], None]) -> None:
        super().__init__()
        self._ask = ask
        self._awaited = False

    def exception(self, timeout: float | None = None) -> BaseException | None:
        if timeout is not None and not self._awaited:
            self._awaited = True
            raise TimeoutError
        self._ask()
        return super().exception(timeout)

    def result(self, timeout: float | None = None) -> T:
        self._ask()
        return super().result(timeout)


class OrderedPool(Executor):
    """Runs everything in the caller's thread, in one of ORDERS."""

    def __init__(self, order: str) -> None:
        self._order = order
        self._waiting: list[tuple[_Promised[Any], Callable[[], Any]]] = []

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:  # noqa: ANN401
        future: _Promised[T] = _Promised(lambda: self._answer(future))
        self._waiting.append((future, lambda: fn(*args, **kwargs)))
        if self._order == EAGER:
            self._answer(future)
        return future

    def _answer(self, wanted: Future[Any]) -> None:
        if wanted.done():
            return
        due = [each for each in self._waiting if self._order == BACKWARDS or each[0] is wanted]
        self._waiting = [each for each in self._waiting if each not in due]
        for future, work in reversed(due):
            _work_out(future, work)


def _work_out(future: Future[Any], work: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001 (as an executor's thread does)
        future.set_exception(error)
