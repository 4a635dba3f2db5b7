"""The brackets around statements: what is written together, only tried, read as one state, or undone by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ai_memory.errors import AiMemoryError, NotFinished, StatementRefused, StorageFailed

if TYPE_CHECKING:
    from ai_memory.stores.postgres.connection import Connection, Row

BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
FOR_ITSELF = "BEGIN READ WRITE"
ONE_STATE = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# One writer of ours at a time, as in a file: so a run's record and what is written for it are read and judged together.
# Others, who know nothing of it, are kept out by the text that each UPDATE asks for.
WRITER = "SELECT pg_advisory_xact_lock(%(key)s)"
WRITER_KEY = 0x41494D5F57524954
"""Of the advisory lock that our writers take in turn; the Rust program's own is another one."""
NOT_DEFERRED = "SET CONSTRAINTS ALL IMMEDIATE"


@contextmanager
def transaction(db: Connection) -> Iterator[None]:
    """Hold one write transaction: committed at the end, rolled back on any error.

    Raises:
        NotFinished: another writer held the database for longer than the busy timeout.
        StorageFailed: the commit failed, or the connection was lost; what is in the database has to be read anew.
    """
    _begin(db)
    try:
        yield
        _commit(db)
    except BaseException:
        _roll_back(db)
        raise


@contextmanager
def rehearsal(db: Connection) -> Iterator[None]:
    """Hold one write transaction that is rolled back in any case."""
    _begin(db)
    try:
        yield
    finally:
        _roll_back(db)


@contextmanager
def laying(db: Connection) -> Iterator[None]:
    """Hold a transaction in which a connection that only reads makes tables that nobody else ever sees."""
    db.execute(FOR_ITSELF)
    try:
        yield
        db.end("COMMIT")
    except BaseException:
        _roll_back(db)
        raise


@contextmanager
def snapshot(db: Connection) -> Iterator[None]:
    """Hold one read transaction: every statement inside sees the same state of the database."""
    if db.in_transaction:
        yield
        return
    db.execute(ONE_STATE)
    db.reading = True
    try:
        yield
    finally:
        db.reading = False
        _roll_back(db)


def streamed(db: Connection, sql: str, bindings: Mapping[str, object]) -> Iterator[Row]:
    """Yield the rows of one query as the server finds them, all of one state."""
    with snapshot(db):
        yield from db.stream(sql, bindings)


@contextmanager
def savepoint(db: Connection) -> Iterator[None]:
    """Hold one step of a transaction, undone by itself on any error.

    Raises:
        StorageFailed: the error ended the whole transaction.
    """
    db.execute("SAVEPOINT step")
    try:
        yield
        db.execute("RELEASE step")
    except BaseException as error:
        try:
            db.execute("ROLLBACK TO step")
            db.execute("RELEASE step")
        except AiMemoryError as ended:
            if not isinstance(error, StatementRefused):
                raise error from ended
            raise StorageFailed(f"{db.name} ended the transaction: {error}", tip="Nothing was stored.") from error
        raise


def require_references(db: Connection) -> None:
    """Check now what COMMIT would ask for.

    Raises:
        StatementRefused: something that was written breaks a rule.
    """
    db.execute(NOT_DEFERRED)


def _begin(db: Connection) -> None:
    db.execute(BEGIN)
    db.writing = True
    try:
        db.execute(WRITER, {"key": WRITER_KEY})
    except BaseException:
        _roll_back(db)
        raise


def _commit(db: Connection) -> None:
    try:
        db.end("COMMIT")
    except NotFinished as error:
        # A wait that was ended leaves no trace; whoever writes asks whether it is there.
        doubt = StorageFailed(error.what, tip=error.tip)
        doubt.exit_code, doubt.reason = error.exit_code, error.reason
        raise doubt from error
    db.writing = False


def _roll_back(db: Connection) -> None:
    db.writing = False
    # Where the connection is gone the server has rolled back.
    if db.in_transaction:
        with suppress(AiMemoryError):
            db.execute("ROLLBACK")
