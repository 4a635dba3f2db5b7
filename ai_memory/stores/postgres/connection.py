"""Runs statements on an open database; the only module that knows psycopg.

Every error of the server becomes one of ours here. Statements are fetched whole, so that no read is left open while
something slow happens; `stream` is the one exception. Outside of a bracket each statement is a transaction of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
from psycopg.pq import TransactionStatus

from ai_memory.errors import AiMemoryError, DataRefused, StorageFailed
from ai_memory.stores.postgres import refusals
from ai_memory.stores.postgres.heeding import heeded
from ai_memory.text.database_address import shown

if TYPE_CHECKING:
    from psycopg.abc import RV, PQGen

    from ai_memory.stores.open_options import OpenOptions

Bindings = Mapping[str, object]
"""Texts, bytes, numbers, None, or lists of one of these, by the names that stand in a statement."""
Row = tuple[Any, ...]
NOTHING: Bindings = {}

OURS = "ai_memory_reembed"
"""The schema with all that is ours."""
CONNECT_S = 20
"""How long one of the server's addresses is tried, unless the address of the database says otherwise."""
CANCEL_S = 2.0
"""How long the server may take to hear that a statement is to end."""
AT_ONCE = 1_000
"""Rows that a stream fetches at once."""

# What is not qualified is ours where it has our names, else theirs, wherever the database keeps that. No time limit of
# the user's ends a statement that was paid for, and a commit is on the disk when it is answered.
SETTINGS = """
    SELECT
        set_config('search_path', concat_ws(', ', %(ours)s::text, nullif(current_setting('search_path'), '')), false),
        set_config('statement_timeout', '0', false), set_config('idle_in_transaction_session_timeout', '0', false),
        set_config('lock_timeout', %(lock_ms)s::text, false), set_config('TimeZone', 'UTC', false),
        set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'
            ELSE current_setting('synchronous_commit') END, false)
"""
READ_ONLY = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"
OF_A_BUG = (psycopg.ProgrammingError,)
"""Where the server did not say it: too few bindings, a connection that is closed."""


class _Heeding(psycopg.Connection[Row]):
    """psycopg's connection, which can be ended while it waits; see `heeding`."""

    heed: Callable[[], None] | None = None

    def wait(self, gen: PQGen[RV], *timing: Any, **times: Any) -> RV:  # noqa: ANN401 (which there are grew with 3.3)
        """Wait for a statement."""
        if self.heed is None:
            return super().wait(gen, *timing, **times)
        try:
            return super().wait(heeded(gen, self.heed), *timing, **times)
        except AiMemoryError:
            # Nothing more is to be had of it: what it is at is ended, and rolled back.
            with suppress(psycopg.Error):
                self.cancel_safe(timeout=CANCEL_S)
            self.close()
            raise


class Connection:
    """One connection to a database, which can be made anew.

    `name` is what people call the database, `tell` tells the user something. `writing` and `reading` say which bracket
    is open, as far as we know: where the connection is lost in one, nobody knows how it ended, or its state is gone.
    Outside of both a lost connection is made anew, unless it is `pinned`: tables of its own would be missing.
    """

    def __init__(self, address: str, *, read_only: bool, options: OpenOptions) -> None:
        """Connect.

        Raises:
            DataRefused: there is no such database, or the user may not open it.
            NotFinished: the server cannot be reached.
        """
        self.name, self.tell = shown(address), options.tell
        self._address, self._read_only, self.options = address, read_only, options
        self._names, self.writing, self.reading, self.pinned = count(), False, False, False
        self._psycopg = self._connect()

    def execute(self, sql: str, bindings: Bindings = NOTHING) -> list[Row]:
        """Run one statement and return all its rows."""
        with self._translated():
            cursor = self._psycopg.execute(_statement(sql), bindings or None)
            return cursor.fetchall() if cursor.description else []

    def run(self, sql: str) -> None:
        """Run a text of several statements of ours."""
        with self._translated():
            self._psycopg.execute(_statement(sql))

    def stream(self, sql: str, bindings: Bindings = NOTHING) -> Iterator[Row]:
        """Yield the rows of one query as the server finds them; only within a bracket."""
        with self._translated():
            cursor = self._psycopg.cursor(name=f"stream_{next(self._names)}")
            cursor.itersize = AT_ONCE
        try:
            with self._translated():
                cursor.execute(_statement(sql), bindings or None)
            while rows := self._fetched(cursor):
                yield from rows
        finally:
            if not self._psycopg.closed and self._status is TransactionStatus.INTRANS:
                with self._translated():
                    cursor.close()

    def change(self, sql: str, bindings: Bindings = NOTHING) -> int:
        """Run one INSERT, UPDATE or DELETE; return how many rows it changed itself."""
        with self._translated():
            return max(self._psycopg.execute(_statement(sql), bindings or None).rowcount, 0)

    def value(self, sql: str, bindings: Bindings = NOTHING) -> Any:  # noqa: ANN401 (the columns' types are dynamic)
        """Return the first column of the first row, None where there is no row."""
        rows = self.execute(sql, bindings)
        return rows[0][0] if rows else None

    def copy_in(self, sql: str, stream: bytes) -> None:
        """Run one COPY … FROM STDIN with a whole binary stream."""
        with self._translated(), self._psycopg.cursor() as cursor, cursor.copy(_statement(sql)) as copy:
            copy.write(stream)

    def end(self, how: LiteralString) -> None:
        """Run what ends a transaction.

        Raises:
            StorageFailed: the transaction was ended before, by an error in it; or nobody knows how it ended.
            StatementRefused: what was written breaks a rule that is asked for at the end.
        """
        with self._translated():
            said = self._psycopg.execute(how).statusmessage
        if said != how:
            raise StorageFailed(f"{self.name} ended the transaction by itself.", tip=refusals.AGAIN)

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction or a snapshot is open, be it one that failed."""
        return self._status in (TransactionStatus.INTRANS, TransactionStatus.INERROR, TransactionStatus.ACTIVE)

    def reopen(self) -> None:
        """Leave the connection as it is, in whatever state, and go on with a new one to the same database.

        Raises:
            NotFinished: the server cannot be reached.
            DataRefused: the database cannot be opened any more.
        """
        self._psycopg.close()
        self._psycopg = self._connect()

    def close(self) -> None:
        """Close the connection; an open transaction is rolled back."""
        self._psycopg.close()

    @property
    def _status(self) -> TransactionStatus:
        return self._psycopg.info.transaction_status

    def _fetched(self, cursor: psycopg.ServerCursor[Row]) -> list[Row]:
        with self._translated():
            return cursor.fetchmany(AT_ONCE)

    def _connect(self) -> psycopg.Connection[Row]:
        try:
            connection = _Heeding.connect(
                self._address,
                autocommit=True,
                connect_timeout=CONNECT_S,
                client_encoding="UTF8",
                prepare_threshold=None,
            )
        except psycopg.ProgrammingError as error:
            raise DataRefused(
                f"{self.name} cannot be opened: {refusals.words(_said(error))}.",
                tip="Write its address as postgresql://USER@HOST/DATABASE",
            ) from error
        except (psycopg.Error, UnicodeError) as error:
            raise refusals.opening(self.name, _state(error, str(error)), _said(error)) from error
        try:
            told = {"ours": OURS, "lock_ms": str(self.options.busy_timeout_ms)}
            connection.heed = self.options.heed
            connection.execute(SETTINGS, told)
            if self._read_only:
                connection.execute(READ_ONLY)
        except psycopg.Error as error:
            connection.close()
            raise refusals.opening(self.name, _state(error, ""), _said(error)) from error
        return connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn every error inside the block that the server or the network can cause into one of ours."""
        if self._psycopg.closed and not (self.writing or self.reading or self.pinned):
            self._psycopg = self._connect()
        try:
            yield
        except OF_A_BUG as error:
            if error.sqlstate is None:
                raise
            raise self._ours(error) from error
        except (psycopg.Error, UnicodeDecodeError) as error:
            raise self._ours(error) from error

    def _ours(self, error: psycopg.Error | UnicodeDecodeError) -> AiMemoryError:
        if isinstance(error, UnicodeDecodeError):
            return DataRefused(f"{self.name} has text that is not UTF-8.", tip="Its encoding must tell its texts'.")
        return refusals.of(self.name, error.sqlstate, _said(error), lost=self._psycopg.closed, writing=self.writing)


def _statement(sql: str) -> LiteralString:
    # All of it is made of constants of this folder and of quoted names.
    return sql


def _said(error: Exception) -> str:
    """Return the server's own words: what went wrong, without the place in a statement that nobody else sees."""
    diagnosed = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return diagnosed or str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _state(error: Exception, said: str) -> str | None:
    """Return the SQLSTATE of an error; of a refused login libpq keeps none, and the words are the server's English."""
    if isinstance(error, psycopg.Error) and error.sqlstate:
        return error.sqlstate
    if "the database system is" in said:
        # It starts, stops, or recovers.
        return "57P03"
    login = ("password", "authentication", "pg_hba.conf", "no password supplied", "role ", "database ")
    return "28000" if "FATAL" in said and any(each in said for each in login) else None
