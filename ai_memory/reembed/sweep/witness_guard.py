"""Stands between the endpoint and the database: believes no vector of an invocation before some were asked again.

What is asked again and when is said by `schedule` and `asking`. Here it is judged before it is written, and what
was written is taken back where an answer shows that the endpoint lied.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from ai_memory.embed.outcomes import Refused, embedded_of
from ai_memory.errors import AiMemoryError, EndpointUnusable, TargetChanged
from ai_memory.reembed.events import RemedyFound, RowsTakenBack, WitnessAgreed
from ai_memory.reembed.sweep.alike import SET_ASIDE, Alike, Shared
from ai_memory.reembed.sweep.schedule import chosen_of, look_at
from ai_memory.reembed.sweep.witness_rows import unseen, witness_answer
from ai_memory.reembed.work import (
    Answered,
    AskAgain,
    AskAtEnd,
    AskWitness,
    EmbedPage,
    FindRemedy,
    PageAnswer,
    Sizes,
    Work,
)

if TYPE_CHECKING:
    from ai_memory.embed.outcomes import Embedded
    from ai_memory.reembed.page import Page
    from ai_memory.reembed.sweep.already_there import OtherModels
    from ai_memory.reembed.sweep.asking import Asking
    from ai_memory.reembed.sweep.budget import Budget
    from ai_memory.reembed.sweep.committer import Committer
    from ai_memory.reembed.sweep.pipeline import Alone
    from ai_memory.reembed.sweep.trail import Trail
    from ai_memory.reembed.tools import SweepTools


class WitnessGuard:
    """One invocation's distrust of its endpoint."""

    def __init__(
        self,
        committer: Committer,
        tools: SweepTools,
        alone: Alone,
        asking: Asking,
        trail: Trail,
        others: OtherModels,
    ) -> None:
        """Begin with nothing proven, and in doubt of what `trail` inherits; `alone` has nothing else in flight."""
        self.proven = False
        self._committer, self._tools = committer, tools
        self._alone, self._asking, self._trail = alone, asking, trail
        self._remedies = int(asking.doubted)
        self._shared, self._alike = Shared(), Alike()
        self._compare, self._to_compare = others.compare, others.rows
        self._before = {each.document.id for each in trail.before}

    @property
    def most_again(self) -> int:
        """How many rows of a page may be asked again."""
        return self._asking.most_again

    def works(self, pages: Iterator[Page], budget: Budget) -> Iterator[Work]:
        """Yield what is asked of the workers: the pages, and the witness among them."""
        stopped = self._tools.stop.requested
        return self._asking.works(pages, budget, target=lambda: self._committer.target, stopped=stopped)

    def checked(self, work: Work, answered: Answered) -> Answered:
        """Return the answer with what is known of it before it is written: which rows differ, or an error."""
        self._asking.answered(work)
        answered = replace(answered, asked=self._trail.first_asked(answered.asked))
        if isinstance(work, AskWitness):
            # What is left of the workers agrees, or it would be an error.
            return self._witness_by_itself() if isinstance(answered.error, TargetChanged) else answered
        if answered.error or answered.differing:
            return answered
        try:
            answered = self._judged(work, answered)
        except AiMemoryError as error:
            return replace(answered, error=error)
        self.proven = self.proven or (bool(answered.page.documents) and not answered.differing)
        return answered

    def wrote(self, work: Work, answered: Answered) -> None:
        """Record that a page was committed."""
        self._trail.wrote(answered, alone=work.again.alone)
        if answered.page.unproven:
            self._before.update(each.document.id for each in self._trail.before)

    def end_of_pass(self) -> Answered | None:
        """Ask again rows from all over what was written, with nothing else in flight; return them where some differ.

        Raises:
            EmbedError: the endpoint failed.
        """
        if not (rows := tuple(self._asking.at_end())):
            # Of what is inherited there may be nothing to ask for: all of it was edited since.
            if self._trail.link or self._trail.inherits:
                self._agreed(0)
            return None
        doubted = self._alone.ask(AskAtEnd(rows, self._sizes)).differing
        found = self._side_by_side(self._asking.by_themselves(rows, doubted))
        asked = self._trail.first_asked(found.asked)
        if found.differing:
            return Answered(outcomes=rows, asked=asked, differing=found.differing)
        self._agreed(len(asked))
        return None

    def _agreed(self, asked: int) -> None:
        self._committer.agreed(asked)
        self._trail.rows_agreed(at_end=True)

    def take_back(self, lie: Answered, *, in_flight: int) -> int:
        """Make stale again what is in doubt, before a remedy is looked for; return how many rows were not.

        That is what was written since rows last agreed; where a row of an earlier page differs, all that this
        invocation wrote, or since the witness last agreed.

        Raises:
            TargetChanged: the endpoint serves other weights now.
        """
        earlier = self._trail.reaches(lie.differing)
        changed = self._witness_error() if earlier else None
        weights = isinstance(changed, TargetChanged)
        ids = self._trail.doubtful(lie.differing, earlier=earlier, other_weights=weights)
        asked, disagreed = max(len(lie.asked), len(lie.differing)), len(lie.differing)
        most = in_flight + self._remedy(lie).texts
        taken = self._committer.take_back(sorted(ids), asked=asked, disagreed=disagreed, in_flight=most)
        if isinstance(changed, TargetChanged):
            raise _with_rows(changed, taken)
        if taken:
            self._tools.observe(RowsTakenBack(taken))
        return taken

    def puts_out(self) -> bool:
        """Return whether workers of other weights are the reason why rows differ, which are asked no more then."""
        return self._alone.puts_out(self._asking.witness(self._committer.target))

    def take_back_of_outcasts(self, lie: Answered | None) -> None:
        """Make stale again what was written since the witness agreed: workers of other weights may have computed it.

        Where they were found out by a `lie`, the rows that differed, too.
        """
        ids = self._trail.doubtful(lie.differing if lie else (), earlier=bool(lie), other_weights=True)
        if taken := self._committer.take_back(sorted(ids)):
            self._tools.observe(RowsTakenBack(taken))

    def mend(self, lie: Answered, *, taken_back: int) -> None:
        """Ask the endpoint in another way from now on, once so many rows were `taken_back`.

        Raises:
            EndpointUnusable: in no way does it give a text its own vector.
            TargetChanged: it serves other weights.
            EmbedError: it failed.
        """
        # It lied to an earlier invocation: whether it still does, the next first page shows.
        earlier = self._before.issuperset(each.document.id for each in lie.differing)
        self._before = set()
        remedy = {} if earlier else self._found(lie)
        self.require_witness(self._witness_error(), taken_back=taken_back)
        if remedy:
            self._remedies += 1
            self._tools.ledger.require(remedy)
            self._tools.observe(RemedyFound(remedy))
        self._asking.begin_anew()
        self.proven = False

    def _found(self, lie: Answered) -> Sizes:
        try:
            return self._alone.ask(self._remedy(lie)).remedy
        except EndpointUnusable:
            # Nothing tells since when.
            self._committer.take_back(self._trail.since_witness())
            raise

    def require_witness(self, error: BaseException | None, *, taken_back: int = 0) -> None:
        """Go on where the witness agreed; where it did not, take back what was written since.

        Raises:
            BaseException: `error`, with the rows that are stale again: those, and what was `taken_back` before.
        """
        if isinstance(error, TargetChanged):
            taken = self._committer.take_back(self._trail.since_witness())
            raise _with_rows(error, taken_back + taken) from error
        if error:
            raise error
        self._trail.witness_agreed()
        self._tools.observe(WitnessAgreed())

    def _judged(self, work: EmbedPage, answered: Answered) -> Answered:
        if work.again.alone:
            answered = self._asked_alone(work, answered)
        if not answered.differing and (shared := self._shared.too_many(answered.outcomes)):
            answered = replace(answered, outcomes=shared, differing=shared)
        if not answered.differing:
            answered = self._set_aside(answered)
        if self._to_compare > 0 and answered.page.comparable and not answered.differing:
            self._to_compare -= self._compare(answered.outcomes)
        return answered

    def _asked_alone(self, work: EmbedPage, answered: Answered) -> Answered:
        """Return the answer once rows of the page were asked again with no page in flight."""
        chance, link = self._tools.chance, self._trail.link
        sharing, _ = look_at(answered.outcomes, chance)
        rows = chosen_of(answered.outcomes, work.again, sharing, chance)
        if self.proven:
            found = self._alone.ask(AskAgain(tuple(rows), link, sizes=self._sizes))
        else:
            # The page had nothing beside it, and its rows may. It is only kept with them.
            found = self._side_by_side(rows, link)
        if rows and not found.differing:
            self._trail.rows_agreed()
        asked = (*answered.asked, *self._trail.first_asked(found.asked))
        outcomes = (*answered.outcomes, *found.outcomes)
        return replace(answered, outcomes=outcomes, asked=asked, differing=found.differing)

    def _side_by_side(self, rows: Sequence[Embedded], link: Sequence[Embedded] = ()) -> PageAnswer:
        """Ask for rows in requests of their own, as many at once as may be in flight; for `link` after the last one."""
        links = [()] * (len(rows) - 1) + [tuple(link)]
        each_by_itself = zip(rows, links, strict=False)
        answers = self._alone.ask_each(
            [AskAgain((row,), after, finishing=True, sizes=self._sizes) for row, after in each_by_itself]
        )
        return PageAnswer(
            outcomes=tuple(chain.from_iterable(each.outcomes for each in answers)),
            asked=tuple(chain.from_iterable(each.asked for each in answers)),
            differing=tuple(chain.from_iterable(each.differing for each in answers)),
        )

    def _set_aside(self, answered: Answered) -> Answered:
        """Return the answer without the vectors that too many different texts share, also of earlier pages."""
        if not (alike := {each.id: each for each in self._alike.observe(answered.outcomes)}):
            return answered
        here = [each for each in embedded_of(answered.outcomes) if each.document.id in alike]
        found = self._alone.ask(AskAgain(tuple(here[:1]), finishing=True, sizes=self._sizes))
        answered = replace(answered, asked=(*answered.asked, *self._trail.first_asked(found.asked)))
        if found.differing:
            # They are only given it in company.
            return replace(answered, differing=found.differing)
        others = [each for each in answered.outcomes if each.document.id not in alike]
        earlier = alike.keys() - {each.document.id for each in here}
        self._committer.take_back(sorted(earlier))
        aside = (Refused(each, SET_ASIDE) for each in alike.values())
        return replace(answered, outcomes=(*others, *aside))

    def _remedy(self, lie: Answered) -> FindRemedy:
        return FindRemedy(lie.outcomes, lie.differing, self._remedies, self._sizes)

    @property
    def _sizes(self) -> Sizes:
        return self._tools.ledger.sizes_for_others

    def _witness_by_itself(self) -> Answered:
        """Return what is known where the witness differs beside other requests: with none it may agree."""
        if error := self._witness_error():
            return Answered(error=error)
        found = witness_answer(unseen(self._committer.target.dim), agreed=False)
        return Answered(outcomes=found.outcomes, asked=found.asked, differing=found.differing)

    def _witness_error(self) -> AiMemoryError | None:
        """Ask for the witness texts with nothing else in flight, and return what is wrong."""
        return self._alone.error_of(self._asking.witness(self._committer.target))


def _with_rows(changed: TargetChanged, rows: int) -> TargetChanged:
    stale = f" {rows:,} rows that were written since they agreed are stale again." if rows else ""
    return TargetChanged(f"{changed.what}{stale}", tip=changed.tip)
