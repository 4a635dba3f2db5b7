"""`reembed prune`: drops what was kept of replaced vectors, but what an unfinished run may still need."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ai_memory.errors import Stopped
from ai_memory.frozen import Frozen
from ai_memory.reembed.finish.undoable import name_runs
from ai_memory.reembed.holding import holding
from ai_memory.stores.holder import Task
from ai_memory.stores.values import Room, Span
from ai_memory.text.amounts import counted, size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ai_memory.reembed.tools import SweepTools
    from ai_memory.stores.port import Database, Reader, Store

PAGE_ROWS = 1_000
"""Rows dropped in one transaction: about 20 ms, which is how long a writer waits at most (2026-11-26, two cores)."""


class Pruned(Frozen):
    """What was dropped, and what stays; the fields are the keys of its JSON line.

    `freed_bytes` are free in the database now and were not before, `given_back_bytes` are those that the file system
    has again (None: not asked for). `spared` names the runs of which everything stays, `kept_rows` is how much that is.
    """

    rows: int
    freed_bytes: int
    given_back_bytes: int | None
    kept_rows: int
    spared: str

    def values(self) -> dict[str, object]:
        """Return the JSON object."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return the words for people."""
        found = [
            f"Dropped what was kept of {counted(self.rows, 'row')}; {size(self.freed_bytes)} are free in the file."
        ]
        if not self.rows:
            found = ["There is nothing to prune."]
        if self.given_back_bytes is not None:
            found.append(f"The file is {size(self.given_back_bytes)} smaller.")
        elif self.rows:
            found.append("They are used again; to give them back to the file system: ai-memory reembed prune --vacuum")
        if self.kept_rows:
            found.append(f"What was kept of {self.spared} stays: it is unfinished ({counted(self.kept_rows, 'row')}).")
        return found


class Prune(Frozen):
    """One invocation on one database; `disclose` is told what is going to be dropped, and refuses by raising."""

    database: Database
    tools: SweepTools
    disclose: Callable[[Room], None]
    vacuum: bool = False
    batch: int = PAGE_ROWS

    def run(self) -> Pruned:
        """Drop what is kept, page by page.

        Raises:
            RunHeld: a run is at work.
            Stopped: a signal came; what was dropped by then is dropped.
            StorageFailed: there is no room for a copy of the file, which --vacuum makes.
        """
        now_ms = self.tools.clock.now_ms()
        with holding(self.database, now_ms=now_ms, task=Task.PRUNE):
            with self.database.write(now_ms=now_ms) as store:
                spare = _spared(store)
                kept = store.targets.previous.kept()
                rooms = [room for run_id, room in kept if not any(run_id in each.numbers for each in spare)]
                due = sum(rooms, Room())
                if rooms:
                    self.disclose(due)
                free = store.targets.previous.free()
                dropped = self._drop(store, spare) if rooms else Room()
                freed = max(store.targets.previous.free() - free, 0)
                left = sum((room for _, room in store.targets.previous.kept()), Room())
            given_back = self.database.vacuum(now_ms=self.tools.clock.now_ms()) if self.vacuum else None
        return Pruned(dropped.rows, freed, given_back, left.rows, " and ".join(map(name_runs, spare)))

    def _drop(self, store: Store, spare: Sequence[Span]) -> Room:
        after: int | None = 0
        dropped = Room()
        while after is not None:
            if self.tools.stop.requested():
                what = f"Ended by {self.tools.stop.reason}; what is kept of {counted(dropped.rows, 'row')} was dropped."
                raise Stopped(what, exit_code=self.tools.stop.exit_code)
            with store.transaction() as transaction:
                after, room = transaction.undo.prune(after, spare=spare, limit=self.batch)
            dropped += room
        return dropped


def _spared(store: Reader) -> list[Span]:
    """Return the runs that an unfinished run, or a rollback, may still be undone to, or goes on with."""
    run = store.runs.unfinished()
    if run is None:
        return []
    undoes = run.undoes or store.targets.previous.to_undo()
    return [undoes] if undoes else []
