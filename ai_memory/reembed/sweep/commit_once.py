"""Commits one page exactly once: where the answer to its COMMIT is lost, and where the database refuses some of it.

Why not simply again after a failed COMMIT: it may have been written, and a page that counts twice makes every figure
of the run wrong. Why not believe that it failed: then texts that are paid for are sent again. So each commit that
holds the run gives it another number, in the same transaction, and after a failure that number alone is read over a
new connection: is it the page's, the page is there. Why a page that the database refuses is written without the refused
rows, and not row by row from the start: that a trigger refuses some is rare, and it may undo the whole transaction.
Which rows they are a rehearsal finds out, which is rolled back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from ai_memory.errors import DataRefused, StatementRefused, StorageFailed, UpdateRefused
from ai_memory.frozen import Frozen, field
from ai_memory.reembed.work import Unwritable
from ai_memory.stores.port import Store, Transaction

if TYPE_CHECKING:
    from ai_memory.reembed.sweep.journal import Journal
    from ai_memory.stores.values import Counters

T = TypeVar("T")

Write = Callable[[Transaction, Unwritable], T]
"""Writes everything but the refused vectors; vectors one by one unless it is given None."""
Rehearse = Callable[[], Mapping[str, str]]
"""Finds out which vectors the database refuses, when what was written is rolled back."""


class Numbered(Frozen):
    """What one commit of a run wrote, and its number (see `Journal.hold`).

    `reads` is how often the rows were read that are the target's now. `unwritten` are vectors that could not be written
    to the row they came for, by the hash of its text.
    """

    number: int
    counters: Counters
    reads: int = 0
    unwritten: Mapping[bytes, bytes] = field(default_factory=dict)


def commit_once(store: Store, journal: Journal, write: Write[Numbered], rehearse: Rehearse) -> Numbered:
    """Commit what `write` writes and return what that was, also where only the answer to the COMMIT failed.

    Raises:
        OperatorNeeded, NotFinished: the run is no longer ours.
        StorageFailed: it failed twice, or the file is gone; what is in the file has to be read anew.
        StatementRefused: the database refuses something that is of no row.
    """
    written: Numbered | None = None

    def noted(transaction: Transaction, refused: Unwritable) -> Numbered:
        nonlocal written
        written = write(transaction, refused)
        return written

    try:
        return commit_without_refused(store, noted, rehearse)[0]
    except StorageFailed as failure:
        if _is_in(store, journal, written, failure) and written:
            return written
    return commit_without_refused(store, write, rehearse)[0]


def commit_without_refused(store: Store, write: Write[T], rehearse: Rehearse) -> tuple[T, Mapping[str, str]]:
    """Commit what `write` writes; where the database refuses a vector, all the rest, with `write` told of it.

    Returns what `write` returned, and the words for each memory that was refused.

    Raises:
        StatementRefused: the database refuses something that is of no row.
    """
    refused: dict[str, str] | None = None
    while True:
        try:
            with store.transaction() as transaction:
                done = write(transaction, refused)
        except StatementRefused as refusal:
            # Whatever the trigger did, RAISE(ROLLBACK) or half a row, is undone with all the rest.
            if refused is None:
                refused = dict(rehearse())
            elif isinstance(refusal, UpdateRefused) and refusal.memory_id not in refused:
                refused[refusal.memory_id] = refusal.words
            else:
                raise
        else:
            return done, refused or {}


def _is_in(store: Store, journal: Journal, written: Numbered | None, failure: StorageFailed) -> bool:
    """Connect anew after a failed commit and return whether what was written is in the database."""
    try:
        return journal.committed(store, written.number if written else None)
    except DataRefused as error:
        raise failure from error
