"""Stands between the endpoint and the database: believes no vector of an invocation before some were asked again.

What is asked again and when is `asked_again`'s to say. Here it is put among the pages, judged before they are written,
and what was written is taken back where an answer shows that the endpoint lied.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from ai_memory.embed.document import WITNESS_TEXTS
from ai_memory.errors import AiMemoryError, EndpointUnusable, TargetChanged
from ai_memory.reembed.alike import SET_ASIDE, Alike
from ai_memory.reembed.already_there import require_new
from ai_memory.reembed.asked_again import (
    AT_END,
    FIRST,
    SUSPECTS,
    PageAnswer,
    Schedule,
    Shared,
    agrees,
    ask_again,
    ask_witness,
    chosen_of,
    look_at,
    mixed_up,
)
from ai_memory.reembed.budget import Budget
from ai_memory.reembed.heartbeat import Heartbeat
from ai_memory.reembed.isolate import Embedded, embed_documents
from ai_memory.reembed.kept import MOST, Kept
from ai_memory.reembed.pages import Page
from ai_memory.reembed.remedy import find_remedy, most_texts
from ai_memory.reembed.request import Request
from ai_memory.reembed.start import Taken
from ai_memory.reembed.taking_back import take_back
from ai_memory.reembed.tools import Tools
from ai_memory.reembed.watch import Watch
from ai_memory.reembed.window import Answered, AskWitness, EmbedPage, Work
from ai_memory.store import runs
from ai_memory.store.opening import Store
from ai_memory.store.values import Counters

WITNESS_EVERY = 200
WITNESS_ROWS = 50_000
"""Pages, or rows to embed, between two comparisons of the witness texts."""
PART_OF_LIMIT = 4
"""Where tokens are limited one in so many of the rows kept in mind is asked again at the end."""


class Guard:
    """One invocation's distrust of its endpoint."""

    def __init__(
        self, store: Store, taken: Taken, request: Request, tools: Tools, *, rows: int, patiently: Heartbeat
    ) -> None:
        """Begin with `rows` to do in the run just taken; `patiently` waits where nothing else is in flight."""
        self.counters = Counters()
        self.proven = False
        self.target = taken.fingerprint
        self._to_ask_again, self._limited = 0, False
        self._patiently = patiently
        self._store, self._run, self._tools, self._batch = store, taken.run, tools, request.batch
        lied_before = taken.run.counters.disagreed > 0
        self._remedies = int(lied_before)
        self._schedule = Schedule(rows=rows, batch=request.batch, doubted=lied_before)
        # Since the witness agreed; since rows agreed that were asked again with nothing else in flight.
        self._watch, self._unproven, self._kept = Watch(), Watch(), Kept(tools.chance)
        self._asked: set[str] = set()
        self._shared, self._alike = Shared(), Alike()
        # Only before its first vector can a run show that they are those of another model.
        self._to_compare = 0 if request.same_vectors or taken.run.counters.reembedded else FIRST

    @property
    def most_again(self) -> int:
        """How many rows of a page may be asked again."""
        most = self._schedule.most(self._batch, size=self._tools.embedder.max_batch)
        return min(most + SUSPECTS, self._batch) + 1

    def works(self, pages: Iterator[Page], budget: Budget) -> Iterator[Work]:
        """Yield the pages with what is asked again of them; the witness among them so often, and behind the last."""
        taken = sent_pages = sent_rows = 0
        embedder, self._to_ask_again = self._tools.embedder, 0
        budget.asked_again, self._limited = self.most_again, budget.limited
        for page in pages:
            rows = len(page.documents)
            again = self._schedule.next(rows, side_by_side=embedder.concurrency, size=embedder.max_batch)
            self._to_ask_again += again.texts
            yield EmbedPage(page, again)
            taken += bool(rows)
            at_end = self._most_at_end(min(taken, MOST + 1), limited=budget.limited)
            budget.asked_again = self._to_ask_again + self.most_again + at_end + AT_END
            sent_pages, sent_rows = sent_pages + 1, sent_rows + rows
            if sent_pages >= WITNESS_EVERY or sent_rows >= WITNESS_ROWS or self._schedule.at_first:
                yield AskWitness()
                sent_pages = sent_rows = 0
        if sent_rows and not self._tools.stop.requested():
            yield AskWitness()

    @staticmethod
    def _most_at_end(kept: int, *, limited: bool) -> int:
        """Return how many of the rows kept in mind are asked again at the end: a limit of tokens is for new rows."""
        return min(max(kept // PART_OF_LIMIT, FIRST), kept) if limited else kept

    def ask(self, work: Work) -> PageAnswer:
        """Return what became of a page's documents; in a thread of the executor's.

        Raises:
            EmbedError, EndpointUnusable: see `embed_documents`.
            TargetChanged: the endpoint serves other weights.
        """
        embedder = self._tools.embedder
        if isinstance(work, AskWitness):
            return ask_witness(self.target, embedder)
        embedded = tuple(embed_documents(embedder, work.page.documents))
        sharing, lied = look_at(embedded, self._tools.chance)
        if lied:
            # At most one of them has its own.
            return PageAnswer(embedded, differing=sharing)
        if work.again.alone:
            return PageAnswer(embedded)
        return self._beside(embedded, chosen_of(embedded, work.again, sharing, self._tools.chance))

    def checked(self, work: Work, answered: Answered) -> Answered:
        """Return the answer with what is known of it before it is written: which rows differ, or an error."""
        self._to_ask_again -= work.again.texts
        if isinstance(work, AskWitness) and isinstance(answered.error, TargetChanged):
            return self._witness_by_itself()
        if answered.error or answered.differing or isinstance(work, AskWitness):
            return answered
        try:
            if work.again.alone:
                sharing, _ = look_at(answered.embedded, self._tools.chance)
                rows = chosen_of(answered.embedded, work.again, sharing, self._tools.chance)
                found = self._patiently.asked(partial(self._beside, answered.embedded, rows))
                asked = answered.asked_again + found.asked_again
                answered = replace(answered, embedded=found.embedded, asked_again=asked, differing=found.differing)
                if rows and not found.differing:
                    self._unproven.agreed()
            if not answered.differing and (shared := self._shared.too_many(answered.embedded)):
                answered = replace(answered, embedded=shared, differing=shared)
            if not answered.differing:
                answered = self._set_aside(answered)
            if self._to_compare > 0 and not answered.differing:
                model = self._run.target_model
                self._to_compare -= require_new(self._store, self.target, model, answered.embedded)
        except AiMemoryError as error:
            return replace(answered, error=error)
        self.proven = self.proven or (bool(answered.page.documents) and not answered.differing)
        return answered

    def wrote(self, work: Work, answered: Answered) -> None:
        """Record that a page was committed."""
        ids = [*(each.document.id for each in answered.embedded), *(each.id for each in answered.page.twins)]
        self._watch.wrote(ids)
        self._unproven.wrote(ids)
        self._kept.wrote(answered.embedded, ids, alone=work.again.alone)

    def end_of_pass(self) -> Answered | None:
        """Ask again rows from all over what was written, with nothing else in flight; return them where some differ.

        Raises:
            EmbedError: the endpoint failed.
        """
        if not (kept := self._kept.rows):
            return None
        others = self._most_at_end(len(kept), limited=self._limited) - 1
        rows = [*self._tools.chance.sample(kept[:-1], others), kept[-1]]
        asked, differing = self._patiently.asked(partial(self._at_end, rows))
        if differing:
            return Answered(Page(), tuple(rows), asked_again=asked, differing=differing)
        counted = Counters(asked_again=asked)
        with self._store.transaction() as transaction:
            runs.hold(transaction, self._run, now_ms=self._tools.clock.now_ms())
            runs.count(transaction, self._run, counted)
        self.counters += counted
        self._unproven.agreed()
        self._kept.agreed()
        return None

    def take_back(self, lie: Answered, *, in_flight_limit: int) -> None:
        """Make stale again what is in doubt, before a remedy is looked for: what was written since rows last agreed.

        Where a row of an earlier page differs, all that this invocation wrote, or since the witness last agreed.

        Raises:
            TargetChanged: the endpoint serves other weights now.
        """
        earlier = any(self._kept.has(each) for each in lie.differing)
        changed = self._witness_error() if earlier else None
        doubtful = self._watch.doubtful() if isinstance(changed, TargetChanged) else []
        if earlier and not doubtful:
            doubtful = self._kept.forget()
        ids = {*doubtful, *self._unproven.doubtful(), *(each.document.id for each in lie.differing)}
        self._kept.drop(ids)
        asked = max(lie.asked_again, len(lie.differing))
        counters = Counters(asked_again=asked, disagreed=len(lie.differing))
        limit = in_flight_limit + most_texts(len(lie.embedded))
        taken = self._take_back(sorted(ids), counters, in_flight_limit=limit)
        if isinstance(changed, TargetChanged):
            raise _with_rows(changed, taken)

    def mend(self, lie: Answered) -> None:
        """Ask the endpoint in another way from now on.

        Raises:
            EndpointUnusable: in no way does it give a text its own vector.
            TargetChanged: it serves other weights.
            EmbedError: it failed.
        """
        embedder = self._tools.embedder
        try:
            remedy = self._patiently.asked(partial(find_remedy, embedder, lie, tried=self._remedies))
        except EndpointUnusable:
            # Nothing tells since when.
            self._take_back(self._watch.doubtful(), Counters())
            raise
        self.require_witness(self._witness_error())
        self._remedies += 1
        self._tools.progress.say(f"ai-memory: warning: {remedy.words}")
        embedder.restore({**embedder.learned(), **remedy.limits})
        self._schedule.begin_anew()
        self.proven = False

    def require_witness(self, error: BaseException | None) -> None:
        """Go on where the witness agreed; where it did not, take back what was written since.

        Raises:
            BaseException: `error`, with the rows that are stale again.
        """
        if isinstance(error, TargetChanged):
            raise _with_rows(error, self._take_back(self._watch.doubtful(), Counters())) from error
        if error:
            raise error
        self._watch.agreed()

    def _ask_again(self, rows: Sequence[Embedded], *, to_the_end: bool = False) -> tuple[int, tuple[Embedded, ...]]:
        """Return how many of `rows` got a vector and were never asked again before, and those that differ."""
        embedder, stop = self._tools.embedder, self._tools.stop
        new = {each.document.id for each in rows} - self._asked
        if self.proven and not to_the_end:
            # A stop lets no request begin; what is paid for is kept without.
            asked, differing = ask_again(embedder, rows, stopped=stop.requested)
        else:
            # The first page is only kept with it, and the run is only done with it.
            with stop.finishing():
                asked, differing = ask_again(embedder, rows, stopped=lambda: False)
        self._asked |= new
        return min(asked, len(new)), differing

    def _set_aside(self, answered: Answered) -> Answered:
        """Return the answer without the vectors that too many different texts share, also of earlier pages."""
        if not (alike := {each.id: each for each in self._alike.hear(answered.embedded)}):
            return answered
        here = [each for each in answered.embedded if each.document.id in alike]
        asked, differing = self._patiently.asked(partial(self._ask_again, here[:1], to_the_end=True))
        if differing:
            # They are only given it in company.
            return replace(answered, asked_again=answered.asked_again + asked, differing=differing)
        others = [each for each in answered.embedded if each.document.id not in alike]
        earlier = alike.keys() - {each.document.id for each in here}
        self._take_back(sorted(earlier), Counters())
        aside = (Embedded(each, SET_ASIDE) for each in alike.values())
        return replace(answered, embedded=(*others, *aside), asked_again=answered.asked_again + asked)

    def _beside(self, embedded: Sequence[Embedded], rows: Sequence[Embedded]) -> PageAnswer:
        """Ask again `rows` of a page; where they agree, with them a row of the page that was written last."""
        link = tuple(self._kept.link) if rows else ()
        asked, differing = self._ask_again(rows)
        if not differing and link:
            linked, differing = self._ask_again(link)
            asked, embedded = asked + linked, [*embedded, *differing]
        return PageAnswer(tuple(embedded), asked, differing)

    def _at_end(self, rows: Sequence[Embedded]) -> tuple[int, tuple[Embedded, ...]]:
        """Ask for `rows` in as few requests as can be, then by themselves for those that differ, and for AT_END."""
        with self._tools.stop.finishing():
            now = embed_documents(self._tools.embedder, [each.document for each in rows])
        doubted = [row for row, each in zip(rows, now, strict=True) if not _agree(row, each)]
        some = self._tools.chance.sample(rows[:-1], min(AT_END - 1, len(rows) - 1))
        alone = {each.document.id: each for each in (*doubted, *some, rows[-1])}
        return self._ask_again(list(alone.values()), to_the_end=True)

    def _witness_by_itself(self) -> Answered:
        """Return what is known where the witness differs beside other requests: with none it may agree."""
        if error := self._witness_error():
            return Answered(Page(), error=error)
        found = mixed_up(np.ones((len(WITNESS_TEXTS), self.target.dim), np.float32))
        return Answered(Page(), found.embedded, asked_again=found.asked_again, differing=found.differing)

    def _witness_error(self) -> AiMemoryError | None:
        """Ask for the witness texts with nothing else in flight, and return what is wrong."""
        try:
            self._patiently.asked(partial(ask_witness, self.target, self._tools.embedder))
        except AiMemoryError as error:
            return error
        return None

    def _take_back(self, ids: Sequence[str], counters: Counters, *, in_flight_limit: int | None = None) -> int:
        """Make the rows `ids` stale again, and return how many were not."""
        taken = take_back(
            self._store,
            self._run,
            self.target,
            ids,
            counters=counters,
            in_flight_limit=in_flight_limit,
            now_ms=self._tools.clock.now_ms(),
        )
        self.counters += taken
        return -taken.reembedded


def _agree(one: Embedded, other: Embedded) -> bool:
    found = other.outcome
    return not isinstance(one.outcome, np.ndarray) or (isinstance(found, np.ndarray) and agrees(one.outcome, found))


def _with_rows(changed: TargetChanged, rows: int) -> TargetChanged:
    stale = f" {rows:,} rows that were written since they agreed are stale again." if rows else ""
    return TargetChanged(f"{changed.what}{stale}", tip=changed.tip)
