"""Asks a worker while nothing else is in flight, with signs of life meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.errors import AiMemoryError
from ai_memory.reembed.sweep.pipeline import answer_of, begun, settle_all

if TYPE_CHECKING:
    from ai_memory.reembed.heartbeat import Signs
    from ai_memory.reembed.ledger import Ledger
    from ai_memory.reembed.work import PageAnswer, Question, Workers


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
        futures = begun(question, self._pool)
        try:
            for future in futures:
                self._heartbeat.await_answer(future)
        finally:
            settle_all(futures, self._ledger.settle)
        answers = [answer_of(each) for each in futures]
        for each in answers:
            if each.error:
                raise each.error
        return next((each for each in answers if each.differing), answers[0])

    def error_of(self, question: Question) -> AiMemoryError | None:
        """Return the error that the answer is, None where it is none."""
        try:
            self.ask(question)
        except AiMemoryError as error:
            return error
        return None
