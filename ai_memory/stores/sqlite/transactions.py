"""The brackets around statements: what is written together, only tried, read as one state, or undone by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ai_memory.errors import StatementRefused, StorageFailed

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.connection import Connection


@contextmanager
def transaction(db: Connection) -> Iterator[None]:
    """Hold one write transaction (BEGIN IMMEDIATE): committed at the end, rolled back on any error.

    Raises:
        NotFinished: another writer held the file for longer than the busy timeout.
        StorageFailed: the commit failed; what is in the file has to be read anew.
    """
    yield from _bracket(db, "BEGIN IMMEDIATE", "COMMIT")


@contextmanager
def rehearsal(db: Connection) -> Iterator[None]:
    """Hold one write transaction that is rolled back in any case."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        _roll_back(db)


@contextmanager
def snapshot(db: Connection) -> Iterator[None]:
    """Hold one read transaction: every statement inside sees the same state of the file."""
    # Not COMMIT: a word index that is damaged fails there, though nothing was written.
    yield from _bracket(db, "BEGIN", "ROLLBACK")


@contextmanager
def savepoint(db: Connection) -> Iterator[None]:
    """Hold one step of a transaction, undone by itself on any error.

    Raises:
        StorageFailed: the error ended the whole transaction, as a trigger's RAISE(ROLLBACK) does.
    """
    db.execute("SAVEPOINT step")
    try:
        yield
        db.execute("RELEASE step")
    except BaseException as error:
        if not db.in_transaction:
            if not isinstance(error, StatementRefused):
                raise
            raise StorageFailed(f"{db.path} ended the transaction: {error}", tip="Nothing was stored.") from error
        db.execute("ROLLBACK TO step")
        db.execute("RELEASE step")
        raise


def _bracket(db: Connection, begin: str, end: str) -> Iterator[None]:
    db.execute(begin)
    try:
        yield
        db.execute(end)
    except BaseException:
        _roll_back(db)
        raise


def _roll_back(db: Connection) -> None:
    if db.in_transaction:
        db.execute("ROLLBACK")
