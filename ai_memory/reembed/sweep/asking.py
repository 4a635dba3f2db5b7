"""Makes works of pages: what is asked again of each, and the witness among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import TYPE_CHECKING

from ai_memory.reembed.doubt import AT_END, MOST
from ai_memory.reembed.sweep.schedule import FIRST, Schedule
from ai_memory.reembed.work import AskWitness, EmbedPage, Work, Workers

if TYPE_CHECKING:
    from ai_memory.embed.outcomes import Embedded
    from ai_memory.reembed.ledger import Ledger
    from ai_memory.reembed.page import Page
    from ai_memory.reembed.sweep.budget import Budget
    from ai_memory.reembed.sweep.trail import Trail
    from ai_memory.vectors.target import Fingerprint

WITNESS_EVERY = 200
WITNESS_ROWS = 50_000
"""Pages, or rows to embed, between two comparisons of the witness texts. Choices of 2026-11-23, not measured."""
PART_OF_LIMIT = 4
"""Where tokens are limited one in so many of the rows kept in mind is asked again at the end."""
SEED_BITS = 64


class Asking:
    """What one invocation asks, and how much of it is asked again."""

    def __init__(
        self, schedule: Schedule, pool: Workers, ledger: Ledger, trail: Trail, *, batch: int, chance: Random
    ) -> None:
        """Ask pages of `batch` rows as `schedule` says; `chance` makes the seeds by which workers choose rows."""
        self._schedule, self._pool, self._ledger, self._trail = schedule, pool, ledger, trail
        self._batch, self._chance = batch, chance
        self._to_ask_again, self._limited = 0, False

    @property
    def most_again(self) -> int:
        """How many rows of a page may be asked again."""
        return self._schedule.most_again(self._batch, size=self._ledger.inputs)

    def works(
        self,
        pages: Iterator[Page],
        budget: Budget,
        *,
        target: Callable[[], Fingerprint],
        stopped: Callable[[], bool],
    ) -> Iterator[Work]:
        """Yield the pages with what is asked again of them, and the witness (see WITNESS_EVERY), last of all, too."""
        taken = sent_pages = sent_rows = 0
        self._to_ask_again = 0
        budget.asked_again, self._limited = self.most_again, budget.limited
        budget.keep_for([each.document.text for each in self._trail.before])
        for page in pages:
            rows = len(page.documents)
            yield self._of(page)
            taken += bool(rows)
            at_end = self.most_at_end(min(taken, MOST + 1))
            budget.keep_for([each.document.text for each in self._trail.before])
            budget.asked_again = self._to_ask_again + self.most_again + at_end + AT_END
            sent_pages, sent_rows = sent_pages + bool(rows), sent_rows + rows
            if rows and (sent_pages >= WITNESS_EVERY or sent_rows >= WITNESS_ROWS or self._schedule.at_first):
                yield self.witness(target())
                sent_pages = sent_rows = 0
        if sent_rows and not stopped():
            yield self.witness(target())

    def witness(self, target: Fingerprint) -> AskWitness:
        """Return the work of asking for the witness texts."""
        return AskWitness(target, self._ledger.sizes_for_others)

    @property
    def doubted(self) -> bool:
        """Whether the run was lied to, in this invocation or before."""
        return self._schedule.doubted

    def answered(self, work: Work) -> None:
        """Record that a work was answered."""
        self._to_ask_again -= work.again.texts

    def at_end(self) -> list[Embedded]:
        """Return the rows to ask again once all is written: of those kept in mind, the last page's at last.

        All that are inherited are among them.
        """
        before, kept = self._trail.before, self._trail.rows
        if not kept:
            return before
        return [*before, *self._chance.sample(kept[:-1], self.most_at_end(len(kept)) - 1), kept[-1]]

    def by_themselves(self, rows: Sequence[Embedded], doubted: Sequence[Embedded]) -> list[Embedded]:
        """Return which of the rows asked at the end are asked by themselves too: AT_END, and all that are `doubted`."""
        some = self._chance.sample(rows[:-1], min(AT_END - 1, len(rows) - 1))
        return list({each.document.id: each for each in (*doubted, *some, rows[-1])}.values())

    def most_at_end(self, kept: int) -> int:
        """Return how many of the rows kept in mind are asked again at the end: a limit of tokens is for new rows."""
        return min(max(kept // PART_OF_LIMIT, FIRST), kept) if self._limited else kept

    def seed(self) -> int:
        """Return the seed by which a worker chooses rows."""
        return self._chance.getrandbits(SEED_BITS)

    def begin_anew(self) -> None:
        """Check as at the beginning: something was changed because the endpoint lied."""
        self._schedule.begin_anew()

    def _of(self, page: Page) -> EmbedPage:
        side_by_side, size = self._pool.capacity, self._ledger.inputs
        again = self._schedule.next(len(page.documents), side_by_side=side_by_side, size=size)
        self._to_ask_again += again.texts
        link = self._trail.link if again.rows and not again.alone else ()
        return EmbedPage(page, again, link, self.seed(), self._ledger.sizes_for_others)
