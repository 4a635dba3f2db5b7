"""Commits one page exactly once: where the answer to its COMMIT is lost, and where the database refuses some of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from ai_memory.errors import DataRefused, StatementRefused, StorageFailed, UpdateRefused
from ai_memory.reembed.sweep.journal import Journal
from ai_memory.stores.sqlite.store import Store, Transaction, reopen
from ai_memory.stores.values import Counters

T = TypeVar("T")

Unwritable = Mapping[str, str] | None
"""Memories whose vectors the database refuses, by id, with its words; None as long as it has refused nothing."""
Write = Callable[[Transaction, Unwritable], T]
"""Writes everything but the refused vectors; vectors one by one unless it is given None."""
Rehearse = Callable[[], Mapping[str, str]]
"""Finds out which vectors the database refuses, when what was written is rolled back."""


def commit_once(store: Store, journal: Journal, write: Write[Counters], rehearse: Rehearse) -> Counters:
    """Commit what `write` writes and return what it returned, also where only the answer to the COMMIT failed.

    Raises:
        OperatorNeeded, NotFinished: the run is no longer ours.
        StorageFailed: it failed twice, or the file is gone; what is in the file has to be read anew.
        StatementRefused: the database refuses something that is of no row.
    """
    store.db.require_same_file()
    before, written = journal.commits(store), None

    def noted(transaction: Transaction, refused: Unwritable) -> Counters:
        nonlocal written
        written = write(transaction, refused)
        return written

    try:
        return commit_without_refused(store, noted, rehearse)[0]
    except StorageFailed as failure:
        _reopen(store, failure)
        now = journal.commits(store)
        if written and now is not None and now != before:
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


def _reopen(store: Store, failure: StorageFailed) -> None:
    try:
        reopen(store)
    except DataRefused as error:
        raise failure from error
