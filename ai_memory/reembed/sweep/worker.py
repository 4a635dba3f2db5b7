"""Does what a sweep asks for with one embedder: in a thread of the sweep's own process, or in another one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, assert_never

from ai_memory.embed.documents import embed_documents
from ai_memory.embed.port import Outcasts
from ai_memory.errors import AiMemoryError, TargetChanged
from ai_memory.reembed.stop import Stop
from ai_memory.reembed.sweep.asked_again import ask_again, ask_witness, not_as_before
from ai_memory.reembed.sweep.remedy import find_remedy
from ai_memory.reembed.sweep.schedule import chosen_of, look_at
from ai_memory.reembed.work import AskAgain, AskAtEnd, AskWitness, EmbedPage, FindRemedy, Learned, PageAnswer, Question

if TYPE_CHECKING:
    from ai_memory.embed.outcomes import Embedded
    from ai_memory.embed.port import ResilientEmbedder


def answer(embedder: ResilientEmbedder, question: Question, stop: Stop | None = None) -> PageAnswer:
    """Return the answer to a question, whatever happens; `stop` ends the waits of `embedder` (None: nothing does)."""
    return Worker(embedder, stop or Stop()).do(question)


def _has_other_weights(found: PageAnswer) -> bool:
    return isinstance(found.error, TargetChanged)


def _put_out(found: PageAnswer) -> PageAnswer:
    return replace(found, error=None, put_out=True)


OUTCASTS = Outcasts(_has_other_weights, _put_out)
"""What becomes of one of several workers that has other weights than the others."""


class Worker:
    """Answers questions; any thread may ask."""

    def __init__(self, embedder: ResilientEmbedder, stop: Stop) -> None:
        """Ask by way of `embedder`, whose waits `stop` ends."""
        self._embedder, self._stop = embedder, stop

    def do(self, question: Question) -> PageAnswer:
        """Return the answer; what went wrong with the endpoint is told in it."""
        self._embedder.restore(question.sizes)
        with self._embedder.meter.counting() as tally:
            try:
                answer = self._answer(question)
            except AiMemoryError as error:
                answer = PageAnswer(error=error)
        return replace(answer, usage=tally.usage, learned=Learned.by(self._embedder))

    def _answer(self, question: Question) -> PageAnswer:
        match question:
            case EmbedPage():
                return self._page(question)
            case AskWitness():
                return ask_witness(question.target, self._embedder)
            case AskAgain():
                return self._again(question.rows, question.link, finishing=question.finishing)
            case AskAtEnd():
                return self._at_end(question)
            case FindRemedy():
                found = find_remedy(self._embedder, question.outcomes, question.differing, tried=question.tried)
                return PageAnswer(remedy=found)
            case _:
                assert_never(question)

    def _page(self, work: EmbedPage) -> PageAnswer:
        chance = Random(work.seed)  # noqa: S311 - a sample, no secret
        outcomes = tuple(embed_documents(self._embedder, work.page.documents))
        sharing, lied = look_at(outcomes, chance)
        if lied:
            # At most one of them has its own.
            return PageAnswer(outcomes, differing=sharing)
        if work.again.alone:
            return PageAnswer(outcomes)
        rows = chosen_of(outcomes, work.again, sharing, chance)
        found = self._again(rows, work.link, finishing=False)
        return replace(found, outcomes=(*outcomes, *found.outcomes))

    def _again(self, rows: Sequence[Embedded], link: Sequence[Embedded], *, finishing: bool) -> PageAnswer:
        """Ask again rows of a page; where they agree, with them `link`, which becomes an outcome where it differs."""
        asked, differing = self._ask(rows, finishing=finishing)
        if differing or not rows:
            return PageAnswer((), asked, differing)
        linked, differing = self._ask(link, finishing=finishing)
        return PageAnswer(differing, (*asked, *linked), differing)

    def _at_end(self, question: AskAtEnd) -> PageAnswer:
        with self._stop.finishing():
            now = embed_documents(self._embedder, [each.document for each in question.rows])
        return PageAnswer(differing=tuple(not_as_before(question.rows, now)))

    def _ask(self, rows: Sequence[Embedded], *, finishing: bool) -> tuple[tuple[str, ...], tuple[Embedded, ...]]:
        if not finishing:
            # A stop lets no request begin; what is paid for is kept without.
            return ask_again(self._embedder, rows, stopped=self._stop.requested)
        # The first page is only kept with it, and the run is only done with it.
        with self._stop.finishing():
            return ask_again(self._embedder, rows, stopped=lambda: False)
