"""Asks the workers: a bounded number of pages side by side, handed on in the order they were read; or one question."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from itertools import chain
from typing import TYPE_CHECKING, Any

from ai_memory.errors import AiMemoryError, TargetChanged
from ai_memory.reembed.work import Answered, AskWitness, PageAnswer, Question, Work, Workers

if TYPE_CHECKING:
    from ai_memory.reembed.heartbeat import Signs
    from ai_memory.reembed.ledger import Ledger
    from ai_memory.reembed.page import Page

Await = Callable[[Future[Any]], None]
"""Returns when an answer is there; it may raise, and then no more is handed on."""
Settle = Callable[[PageAnswer], None]
"""Counts what an answer cost; called once for each, also for those that are not handed on."""
Flight = tuple[Work, Sequence[Future[PageAnswer]]]


def in_order(
    works: Iterator[Work],
    pool: Workers,
    *,
    room: Callable[[Collection[Work]], bool],
    stopped: Callable[[], bool],
    await_answer: Await = lambda _: None,
    settle: Settle = lambda _: None,
) -> Generator[tuple[Work, Answered]]:
    """Yield each of `works` with its answer, in their order.

    One more is begun while there is `room` beside those in flight. `works` is advanced in the caller's thread. After a
    page that failed, a row that got another vector, or workers that were put out no new one is begun; those already in
    flight are still yielded. When `stopped`, pages whose requests were not begun are dropped: they are the last ones,
    so that no cursor passes them. A page of which rows are to be asked again `alone` is yielded when nothing else is in
    flight, and so is a witness that did not agree: it is asked by itself then. Where the caller ends early, what is in
    flight is waited for and settled.
    """
    flying: deque[Flight] = deque()
    failed = False
    try:
        while True:
            while not failed and room([work for work, _ in flying]) and (work := next(works, None)) is not None:
                flying.append((work, begun(work, pool)))
            if stopped():
                flying = deque((work, left) for work, futures in flying if (left := _not_cancelled(futures)))
            if not flying:
                return
            work, futures = flying[0]
            answered = _answer(work.page, futures, await_answer)
            if work.again.alone or (isinstance(work, AskWitness) and (answered.error or answered.put_out)):
                _await_all(flying, await_answer)
            flying.popleft()
            settle_all(futures, settle)
            failed = failed or answered.error is not None or answered.put_out or bool(answered.differing)
            yield work, answered
    finally:
        for _, futures in flying:
            settle_all(_not_cancelled(futures), settle)


def answer_of(future: Future[PageAnswer]) -> PageAnswer:
    """Return an answer once it is there; where the worker itself failed, one of that error."""
    error = future.exception()
    return PageAnswer(error=error) if error else future.result()


def settle_all(futures: Sequence[Future[PageAnswer]], settle: Settle) -> None:
    """Settle answers, each when it is there."""
    for each in futures:
        settle(answer_of(each))


def begun(question: Question, pool: Workers) -> Sequence[Future[PageAnswer]]:
    """Ask the workers, and return the answers to come: for the witness one of each worker."""
    return pool.witness(question) if isinstance(question, AskWitness) else [pool.submit(question)]


def _await_all(flying: Iterable[Flight], await_answer: Await) -> None:
    for each in chain.from_iterable(futures for _, futures in flying):
        await_answer(each)
        each.exception()


def _not_cancelled(futures: Sequence[Future[PageAnswer]]) -> list[Future[PageAnswer]]:
    """Cancel what was not begun, and return the others."""
    return [each for each in futures if not each.cancel()]


def _answer(page: Page, futures: Sequence[Future[PageAnswer]], await_answer: Await) -> Answered:
    """Return the answer to one work: of several workers', the first that is an error or differs."""
    waited = not all(each.done() for each in futures)
    for each in futures:
        await_answer(each)
    answers = [answer_of(each) for each in futures]
    found = next((each for each in answers if each.error or each.differing), answers[0])
    put_out = any(each.put_out for each in answers)
    return Answered(page, found.outcomes, found.error, found.asked, found.differing, waited, put_out=put_out)


class Alone:
    """The way to one answer after the other."""

    def __init__(self, pool: Workers, heartbeat: Signs, ledger: Ledger) -> None:
        """Ask `pool`, wait by `heartbeat`, and settle with `ledger`."""
        self._pool, self._heartbeat, self._ledger = pool, heartbeat, ledger

    def ask(self, question: Question) -> PageAnswer:
        """Return the answer to one question; the witness is asked of every worker, and the first that differs told.

        Raises:
            AiMemoryError: what the endpoint answers with; or the run is no longer ours.
        """
        answers = self._answers(begun(question, self._pool))
        return next((each for each in answers if each.differing), answers[0])

    def puts_out(self, witness: AskWitness) -> bool:
        """Ask every worker for the witness, where there are several; return whether some are asked no more by that."""
        if not self._pool.judges:
            return False
        try:
            return any(each.put_out for each in self._answered(begun(witness, self._pool)))
        except AiMemoryError:
            # Then it is not known, and whoever asked goes on as if none was.
            return False

    def ask_each(self, questions: Sequence[Question]) -> list[PageAnswer]:
        """Return the answers to questions that are asked side by side, up to the first ones of which one differs.

        Only as many at once as may be in flight: after a stop none waits for its place.

        Raises:
            AiMemoryError: see `ask`.
        """
        answers: list[PageAnswer] = []
        while len(answers) < len(questions) and not any(each.differing for each in answers):
            some = questions[len(answers) :][: max(self._pool.capacity, 1)]
            answers += self._answers([future for each in some for future in begun(each, self._pool)])
        return answers

    def _answers(self, futures: Sequence[Future[PageAnswer]]) -> list[PageAnswer]:
        answers = self._answered(futures)
        if any(each.put_out for each in answers):
            raise TargetChanged(
                "A worker had other weights, which was found out while something else was in doubt.",
                tip="Run the same command again with --resume: that worker is asked no more once it is found out.",
            )
        return answers

    def _answered(self, futures: Sequence[Future[PageAnswer]]) -> list[PageAnswer]:
        try:
            for future in futures:
                self._heartbeat.await_answer(future)
        finally:
            settle_all(futures, self._ledger.settle)
        answers = [answer_of(each) for each in futures]
        for each in answers:
            if each.error:
                raise each.error
        return answers

    def error_of(self, question: Question) -> AiMemoryError | None:
        """Return the error that the answer is, None where it is none."""
        try:
            self.ask(question)
        except AiMemoryError as error:
            return error
        return None
