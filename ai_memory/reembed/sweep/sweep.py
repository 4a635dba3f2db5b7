"""The sweep: what is stale goes through the workers into the file, page by page, in the order in which it was read."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from ai_memory.embed.outcomes import Refused, Unanswered
from ai_memory.errors import TargetChanged
from ai_memory.reembed.events import PageCommitted, RowsQuarantined
from ai_memory.reembed.sweep.pipeline import in_order
from ai_memory.reembed.sweep.stopwatch import WRITING, Stopwatch
from ai_memory.reembed.sweep.window_size import WindowSize
from ai_memory.reembed.work import Answered, AskWitness, Work, Workers

if TYPE_CHECKING:
    from ai_memory.reembed.options import Options
    from ai_memory.reembed.sweep.budget import Budget
    from ai_memory.reembed.sweep.committer import Committer
    from ai_memory.reembed.sweep.refusal_guard import RefusalGuard
    from ai_memory.reembed.sweep.walk import Walk
    from ai_memory.reembed.sweep.witness_guard import WitnessGuard
    from ai_memory.reembed.tools import SweepTools
    from ai_memory.stores.values import Steps


class Sweep:
    """One invocation's way from the workers into the file; `left` are the rows it met that got no vector, by id."""

    def __init__(
        self,
        pool: Workers,
        guard: WitnessGuard,
        committer: Committer,
        refusals: RefusalGuard,
        options: Options,
        tools: SweepTools,
        watch: Stopwatch,
    ) -> None:
        """Join what reads, asks, judges and writes."""
        self.left: dict[str, Unanswered] = {}
        self.rows_in_quarantine = self.rows_left = 0
        self._pool, self._guard, self._committer, self._refusals = pool, guard, committer, refusals
        self._options, self._tools, self._watch = options, tools, watch
        self._window = WindowSize(lambda: pool.capacity)
        self._halted = False

    def over(self, walk: Walk, budget: Budget) -> bool:
        """Sweep over one walk; return False where the endpoint lied, and is asked in another way from now on.

        So, too, where workers of other weights did, which are asked no more.

        Raises:
            OperatorNeeded, NotFinished: the run is no longer ours.
            EmbedError: the endpoint failed beyond retry; what was committed stays.
            EndpointUnusable: the endpoint refuses rows en masse.
            StorageFailed: the disk refused; the file is consistent.
        """
        failure: BaseException | None = None
        lie: Answered | None = None
        outcasts = False
        guard, self._halted = self._guard, False
        self.left.clear()
        self._watch.begin()
        with closing(self._answers(guard.works(walk.pages(), budget), budget)) as answers:
            for work, unchecked in answers:
                # What comes once workers were put out is not looked at: they may have computed it.
                answered = unchecked if outcasts else guard.checked(work, unchecked)
                outcasts = outcasts or answered.put_out
                if outcasts or answered.differing or lie:
                    lie = lie or (answered if not outcasts and answered.differing else None)
                    walk.drop(work.page)
                elif isinstance(work, AskWitness):
                    # After a page that failed, the witness only tells more if it differs.
                    if not failure or isinstance(answered.error, TargetChanged):
                        guard.require_witness(answered.error)
                elif answered.error:
                    failure = failure or answered.error
                else:
                    # After a page that failed the cursor must stay; the vectors paid for are kept all the same.
                    self._write(work, answered, walk, {} if failure else answered.page.steps)
                self._halted = bool(failure or lie or outcasts)
        if not failure and not lie and not outcasts and not self._tools.stop.requested():
            lie = guard.end_of_pass()
        if doubted := outcasts or lie is not None:
            written = self._committer.standing
            self._take_back(lie, mend=not failure)
            budget.give_back(written - self._committer.standing)
        if failure:
            raise failure
        return not doubted

    def _take_back(self, lie: Answered | None, *, mend: bool) -> None:
        """Make stale again what is in doubt by a lie, or by workers that were put out (None); find a way around a lie.

        Raises:
            AiMemoryError: there is none.
        """
        guard = self._guard
        if lie is None or guard.puts_out():
            guard.take_back_of_outcasts(lie)
            return
        taken = guard.take_back(lie, in_flight=self._window.pages * self._texts_a_page)
        if mend:
            guard.mend(lie, taken_back=taken)

    def _answers(self, works: Iterator[Work], budget: Budget) -> Generator[tuple[Work, Answered]]:
        return in_order(
            works,
            self._pool,
            room=lambda flying: self._room(flying, budget),
            stopped=self._tools.stop.requested,
            await_answer=self._watch.await_answer,
            settle=self._tools.ledger.settle,
        )

    def _room(self, flying: Collection[Work], budget: Budget) -> bool:
        if self._halted or (flying and not self._guard.proven):
            return False
        pages = [work.page for work in flying]
        return not flying or (not budget.tight and self._window.room(pages, dim=self._committer.target.dim))

    def _write(self, work: Work, answered: Answered, walk: Walk, steps: Steps) -> None:
        # A page without rows only waited for those before it.
        if not answered.page.empty:
            self._commit(answered, steps)
            self._guard.wrote(work, answered)
            walk.settle(answered.page, unwritten=self._committer.unwritten)
            self._after_commit(answered)

    def _commit(self, answered: Answered, steps: Steps) -> None:
        self._refusals.require_few(answered)
        pages = self._window.next(waited=answered.waited)
        with self._watch.taking(WRITING):
            self._committer.commit(answered, steps, in_flight=pages * self._texts_a_page)
        self._window.pages = pages
        self.left |= {each.document.id: each for each in answered.outcomes if isinstance(each, Unanswered)}
        if self.left and answered.page.duplicates:
            # Nor did rows of the same text get one.
            of_text = {each.document.src: each for each in self.left.values()}
            self.left |= {each.id: of_text[each.src] for each in answered.page.duplicates if each.src in of_text}

    def _after_commit(self, answered: Answered) -> None:
        page = answered.page
        self.rows_in_quarantine += page.in_quarantine
        self.rows_left += page.left
        self._tools.observe(PageCommitted(page.stale, self._watch.spell()))
        if aside := (*page.unfit, *(each.unfit for each in answered.outcomes if isinstance(each, Refused))):
            self._tools.observe(RowsQuarantined(aside))
        self._watch.committed()
        if self._options.sleep_seconds and page.documents:
            self._watch.sleep(self._options.sleep_seconds)

    @property
    def _texts_a_page(self) -> int:
        return self._options.batch + self._guard.most_again
