"""Every transaction of a sweep: one page, what is taken back, and the run's own turns.

Why one committer, in the thread that leads: SQLite has one writer, and cursors that several threads move have gaps.
What workers know comes back as values and is written here, in the order in which the pages were read. Why what may be
sent until the next commit is written before it is sent: a killed runner cannot tell what it sent, and the next one
says how many texts were paid for twice at most. Why what is known in memory moves on only after the commit: an error
leaves it as the file has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ai_memory.reembed.plan.census import Census
from ai_memory.reembed.sweep.commit import rehearse_documents, spent, write_page
from ai_memory.reembed.sweep.commit_once import Numbered, Unwritable, commit_once
from ai_memory.reembed.sweep.ending import Ending
from ai_memory.reembed.sweep.pipeline import Answered
from ai_memory.reembed.sweep.progressed import Progressed
from ai_memory.reembed.sweep.rate import Rate
from ai_memory.reembed.sweep.taking_back import take_back
from ai_memory.reembed.tools import Tools
from ai_memory.stores.port import Store, Transaction
from ai_memory.stores.values import Checkpoint, Counters, Run
from ai_memory.vectors.target import Fingerprint


class Committer:
    """Writes on behalf of one invocation that holds a run; `counters` is what it did, as far as it is committed.

    Each method raises OperatorNeeded or NotFinished where the run is no longer ours.
    """

    def __init__(self, store: Store, run: Run, target: Fingerprint, tools: Tools, *, unsettled: int) -> None:
        """Write for a run; so many texts that killed runners had sent are `unsettled`."""
        self.counters = Counters()
        self.run, self.target = run, target
        self._store, self._tools = store, tools
        rate = Rate(tools.clock.monotonic())
        self._now = Progressed(rate, unsettled, run.limits)

    @property
    def unsettled(self) -> int:
        """How many texts that killed runners had sent are not committed yet, at most."""
        return self._now.unsettled

    @property
    def unnoted(self) -> Counters:
        """What the requests cost of which no commit of the run tells yet."""
        return spent(self._tools.ledger.spent - self._now.spent)

    def begin(self) -> None:
        """Count the time from now on."""
        self._now = replace(self._now, rate=Rate(self._tools.clock.monotonic()))

    def commit(self, answered: Answered, steps: Mapping[str, Checkpoint], *, in_flight: int) -> None:
        """Write a page and move its cursors by `steps`; until the next commit so many texts may be sent.

        Raises:
            StorageFailed: it failed twice.
        """
        page, ledger, clock = answered.page, self._tools.ledger, self._tools.clock
        now = self._now.after(page, spent=ledger.spent, sizes=ledger.sizes, at=clock.monotonic())
        traffic = now.since(self._now, in_flight=in_flight)

        def write(transaction: Transaction, unwritable: Unwritable) -> Numbered:
            now_ms, told = clock.now_ms(), replace(answered, unwritable=unwritable)
            return write_page(transaction, self.run, self.target, told, steps=steps, traffic=traffic, now_ms=now_ms)

        counters = commit_once(
            self._store,
            self.run,
            write,
            lambda: rehearse_documents(self._store, page.to_write, lambda _: self.target),
        )
        self.counters += counters
        # Only now: no more may be sent than the committed row says, or a kill would make it a lie.
        self._now = now

    def take_back(self, ids: Sequence[str], counters: Counters, *, in_flight: int | None = None) -> int:
        """Make rows stale again, and return how many were not.

        `in_flight` is how many texts may be sent until the next commit (None: as before).
        """
        taken = take_back(
            self._store,
            self.run,
            self.target,
            ids,
            counters=counters,
            in_flight_limit=None if in_flight is None else in_flight + self.unsettled,
            now_ms=self._tools.clock.now_ms(),
        )
        self.counters += taken
        return -taken.reembedded

    def count(self, counters: Counters) -> None:
        """Add to the counters of the run."""
        with self._store.transaction() as transaction:
            transaction.runs.hold(self.run, now_ms=self._tools.clock.now_ms())
            transaction.progress.count(self.run, counters)
        self.counters += counters

    def next_pass(self, census: Census) -> None:
        """Begin the next pass; the census was taken after the last one."""
        with self._store.transaction() as transaction:
            transaction.progress.note_census(self.run, census.counted())
            self.run = transaction.runs.next_pass(self.run, now_ms=self._tools.clock.now_ms())

    def finish(self, census: Census) -> Ending:
        """End the run, of which a census found nothing stale."""
        reason = "quarantine" if census.exit_code else "complete"
        with self._store.transaction() as transaction:
            now_ms, proof = self._tools.clock.now_ms(), census.began_at
            transaction.runs.transition(self.run, "done", now_ms=now_ms, fenced=True, census_at=proof)
            transaction.progress.count(self.run, self.unnoted)
            transaction.progress.note_census(self.run, census.counted())
            transaction.progress.note_end(self.run, exit_code=census.exit_code, reason=reason, now_ms=now_ms)
            transaction.operator.completed(self.run, self.target, now_ms=now_ms)
        self.run = self._store.runs.read(self.run.run_id)
        return Ending(self.run, census.exit_code, reason, census)
