"""Every transaction of a sweep: one page, or what is taken back.

Why one committer, in the thread that leads: SQLite has one writer, and cursors that several threads move have gaps.
What workers know comes back as values and is written here, in the order in which the pages were read. Why what may be
sent until the next commit is written before it is sent: a killed runner cannot tell what it sent, and the next one
says how many texts were paid for twice at most. Why what is known in memory moves on only after the commit: an error
leaves it as the file has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from ai_memory.errors import StatementRefused
from ai_memory.reembed.sweep.commit import rehearse_page, spent, write_page
from ai_memory.reembed.sweep.commit_once import Numbered, commit_once
from ai_memory.reembed.sweep.progressed import Progressed, Rate
from ai_memory.stores.values import Counters, Steps

if TYPE_CHECKING:
    from ai_memory.reembed.sweep.journal import Journal
    from ai_memory.reembed.tools import SweepTools
    from ai_memory.reembed.work import Answered, Sizes, Unwritable
    from ai_memory.stores.port import Store, Transaction
    from ai_memory.vectors.target import Fingerprint


UNWRITTEN = 1_024
"""Vectors that are kept for rows of the same text: of 4,096 numbers each they take 16 MiB. A choice of 2026-11-28."""


class Committer:
    """Writes on behalf of one invocation; `counters` is what it did, as far as it is committed.

    `reads` is how often the rows that it wrote were read. `taken_from_others` is how many rows it took back that
    earlier ones had written, at least. `unwritten` are some vectors, by the hash of their text, that came for rows
    which could not be given them: rows of the same text get them.

    Each method raises OperatorNeeded or NotFinished where a run is no longer ours.
    """

    def __init__(
        self,
        store: Store,
        journal: Journal,
        target: Fingerprint,
        tools: SweepTools,
        *,
        unsettled: int = 0,
        sizes: Sizes = MappingProxyType({}),
    ) -> None:
        """Write vectors of `target`; the last commit told of so many `unsettled` texts, and of these `sizes`."""
        self.counters, self.taken_from_others, self.reads = Counters(), 0, 0
        self.unwritten: dict[bytes, bytes] = {}
        self.target = target
        self._store, self._journal, self._tools = store, journal, tools
        self._now = Progressed(Rate(tools.clock.monotonic()), unsettled, sizes)

    @property
    def unsettled(self) -> int:
        """How many texts that killed runners had sent are not committed yet, at most."""
        return self._now.unsettled

    @property
    def standing(self) -> int:
        """How many rows this invocation has given a vector that was not taken back."""
        return self.counters.reembedded + self.taken_from_others

    @property
    def unnoted(self) -> Counters:
        """What the requests cost of which no commit of the run tells yet."""
        return spent(self._tools.ledger.spent - self._now.spent)

    def begin(self) -> None:
        """Count the time from now on."""
        self._now = replace(self._now, rate=Rate(self._tools.clock.monotonic()))

    def commit(self, answered: Answered, steps: Steps, *, in_flight: int) -> None:
        """Write a page and move its cursors by `steps`; until the next commit so many texts may be sent.

        Raises:
            StorageFailed: it failed twice.
        """
        page, ledger, clock = answered.page, self._tools.ledger, self._tools.clock
        now = self._now.after(page, spent=ledger.spent, sizes=ledger.sizes, at=clock.monotonic())
        traffic = replace(now.since(self._now, in_flight=in_flight), computing=ledger.computing)

        def write(transaction: Transaction, unwritable: Unwritable) -> Numbered:
            now_ms, told = clock.now_ms(), replace(answered, unwritable=unwritable, unwritten=self.unwritten)
            return write_page(
                transaction, self._journal, self.target, told, steps=steps, traffic=traffic, now_ms=now_ms
            )

        committed = commit_once(
            self._store,
            self._journal,
            write,
            lambda: rehearse_page(self._store, self._journal, page, self.target),
        )
        self.counters += committed.counters
        self.reads += committed.reads
        if len(self.unwritten) < UNWRITTEN:
            self.unwritten.update(committed.unwritten)
        # Only now: no more may be sent than the committed row says, or a kill would make it a lie.
        self._now = now

    def take_back(self, ids: Sequence[str], *, asked: int = 0, disagreed: int = 0, in_flight: int | None = None) -> int:
        """Make rows stale again, and return how many were not; so many were `asked` again, of which some `disagreed`.

        `in_flight` is how many texts may be sent until the next commit (None: as before).
        """
        taken = _take_back(
            self._store,
            self._journal,
            self.target,
            ids,
            counters=Counters(asked_again=asked, disagreed=disagreed),
            in_flight_limit=None if in_flight is None else in_flight + self.unsettled,
            now_ms=self._tools.clock.now_ms(),
        )
        self.counters += taken
        # They came with what is taken back.
        self.unwritten.clear()
        # More than it has written itself.
        self.taken_from_others = max(self.taken_from_others, -self.counters.reembedded)
        return -taken.reembedded

    def agreed(self, rows: int) -> None:
        """Record that rows from all over what was written were asked again, so many for the first time, and agreed."""
        counters = Counters(asked_again=rows)
        with self._store.transaction() as transaction:
            self._journal.hold(transaction, now_ms=self._tools.clock.now_ms())
            self._journal.count(transaction, counters)
            transaction.targets.begin_stretch(self.target.id)
        self.counters += counters
        self.target = replace(self.target, stretch=self.target.stretch + 1)


def _take_back(
    store: Store,
    journal: Journal,
    target: Fingerprint,
    ids: Sequence[str],
    *,
    counters: Counters,
    in_flight_limit: int | None,
    now_ms: int,
) -> Counters:
    """Take back the vectors of `ids` and count that beside `counters`, in one transaction; return the sum.

    `in_flight_limit` is the most texts to be in flight until the next commit (None: as before).

    Raises:
        OperatorNeeded, NotFinished: the run is no longer ours.
    """

    def forgotten(*, plainly: bool) -> Counters:
        with store.transaction() as transaction:
            journal.hold(transaction, in_flight_limit=in_flight_limit, now_ms=now_ms)
            counted = replace(counters, reembedded=-journal.forget(transaction, target, ids, plainly=plainly))
            # What is kept of them may be a lie as well.
            transaction.undo.doubt(target)
            journal.count(transaction, counted)
        return counted

    try:
        return forgotten(plainly=False)
    except StatementRefused:
        # A schema that wants a stamp on every vector: without provenance they are stale all the same.
        return forgotten(plainly=True)
