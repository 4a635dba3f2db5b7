"""The machine's databases on a server of PostgreSQL, each with a column `rowid` that numbers the memories."""

from __future__ import annotations

import re
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from ai_memory.stores.postgres import connection as ours
from ai_memory.stores.postgres import lock, transactions
from ai_memory.stores.postgres.database import Database
from ai_memory.text.database_address import DatabaseAddress
from tests.machine.storage import TEXT, Begun, Refused, Statement, Trace, Value
from tests.support import postgres_shapes, promises
from tests.support.postgres_server import Server
from tests.support.promises import Row, View
from tests.support.shapes import LONG_AGO

if TYPE_CHECKING:
    from pathlib import Path

OWN, NEWEST = 0, 101
"""Our own schema; every other number is one of the Rust program's, see tests/support/postgres_shapes.py."""
BEGINNINGS = ((OWN, False), (54, False), (84, False), (101, False), (OWN, True))
"""Schemas, and whether their vectors are pgvector's, of any width; else they are BYTEA."""
GUARDED = (101,)
NUMBERED = "ALTER TABLE memories ADD COLUMN rowid BIGINT"
RAISE = "RAISE EXCEPTION 'legal hold'"
HOLDS = (
    ("abort", "BEFORE", RAISE),
    ("fail", "BEFORE", RAISE),
    ("rollback", "AFTER", RAISE),
    ("ignore", "BEFORE", "RETURN NULL"),
    ("gone", "AFTER", "UPDATE memories SET embedding = NULL WHERE rowid = new.rowid; RETURN NULL"),
)
"""See promises.TRIGGERS."""
HELD = """
    CREATE FUNCTION held_{name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; END $$;
    CREATE TRIGGER held_{name} {when} UPDATE OF embedding ON memories
    FOR EACH ROW WHEN (old.content = 'held: {name}' AND {unless}) EXECUTE FUNCTION held_{name}()
"""
SHADOW = """
    CREATE SCHEMA shadow;
    CREATE TABLE shadow.memories (LIKE memories INCLUDING ALL)
"""
COLUMNS = """
    SELECT attname FROM pg_attribute WHERE attrelid = 'memories'::regclass AND attnum > 0 AND NOT attisdropped
        AND attname NOT LIKE 'ai_memory_%' ORDER BY attnum
"""
OTHERS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
HOLDERS = f"""
    SELECT pg_terminate_backend(pid) FROM pg_locks
    WHERE locktype = 'advisory' AND classid::bigint = {lock.KEY >> 32} AND objid::bigint = {lock.KEY & 0xFFFFFFFF}
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
REFUSING = ("22", "23", "P0")
"""Classes of SQLSTATE: a value that is none, a constraint, a trigger that raises."""
LONGEST_END_S = 20.0
BYTES_OF = re.compile(r"CAST\((\S+) AS BLOB\)")


@dataclass(frozen=True, slots=True)
class ServerSide:
    """See `storage.Side`."""

    connection: psycopg.Connection[tuple[Any, ...]]
    pgvector: bool

    def execute(self, sql: str, bindings: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        try:
            cursor = self.connection.execute(_translated(sql).encode(), bindings or None)
        except psycopg.Error as error:
            if (error.sqlstate or "22")[:2] in REFUSING:
                raise Refused from error
            raise
        return cursor.fetchall() if cursor.description else []

    def view(self) -> View:
        return promises.view(self._rows(), lambda table, sql: self.execute(sql) if self.has_table(table) else [])

    def vector(self, blob: bytes) -> Value:
        floats = blob[1:] if len(blob) % 4 == 1 else blob
        if not self.pgvector:
            return floats
        return "[" + ",".join(map(repr, struct.unpack(f"<{len(floats) // 4}f", floats))) + "]"

    def sent(self, column: str) -> str:
        return f"vector_send({column})" if self.pgvector else column

    def blob(self, sent: bytes | None) -> bytes | None:
        if sent is None:
            return None
        if self.pgvector:
            floats = struct.unpack_from(f">{len(sent) // 4 - 1}f", sent, 4)
            return b"\x01" + struct.pack(f"<{len(floats)}f", *floats)
        return b"\x01" + sent if sent and len(sent) % 4 == 0 else sent

    def columns(self) -> list[str]:
        return [str(name) for (name,) in self.execute(COLUMNS)]

    def other_columns(self) -> list[tuple[object, ...]]:
        others = ", ".join(name for name in self.columns() if not name.startswith("embedding"))
        return list(self.execute(f"SELECT rowid, {others} FROM memories ORDER BY rowid"))

    def has_table(self, name: str) -> bool:
        return self.execute("SELECT to_regclass(?) IS NOT NULL", (name,)) == [(True,)]

    def require_sound(self) -> None:
        """A server checks its files by itself."""

    def close(self) -> None:
        self.connection.close()

    def _rows(self) -> list[Row]:
        present = self.columns()
        space = "embedding_space" if "embedding_space" in present else "NULL"
        texts = ", ".join(f"CAST({name} AS BLOB)" for name in ("id", "namespace", "title", "content"))
        found = self.execute(
            f"SELECT rowid, {texts}, CASE WHEN expires_at < now() THEN '{LONG_AGO}' END, {self.sent('embedding')},"
            f" embedding_dim, {space}, CAST(lifecycle_state AS BLOB), encrypted_envelope FROM memories"
        )
        stamped = ("embedding_dim" in present, "embedding_space" in present)
        guarded = bool(self.execute("SELECT 1 FROM pg_trigger WHERE tgname = 'held_abort'"))
        return [Row(*(*row[:6], self.blob(row[6]), *row[7:], stamped, guarded)) for row in found]


@dataclass(frozen=True, slots=True)
class OnServer:
    """See `storage.Storage`; with a `width` every database is the Rust program's, whose vectors have that width."""

    server: Server
    width: int | None = None

    @property
    def beginnings(self) -> int:
        return len(BEGINNINGS)

    @property
    def fixed_width(self) -> bool:
        return self.width is not None

    def begin(self, number: int) -> Begun:
        version, pgvector = (NEWEST, True) if self.width else BEGINNINGS[number]
        url = self._own(pgvector=pgvector) if version == OWN else self.server.fresh(*_theirs(version, self.width))
        file, shadow = (
            ServerSide(
                psycopg.connect(url, autocommit=True, options=f"-c search_path={path} -c TimeZone=UTC"), pgvector
            )
            for path in (f"{ours.OURS},public", "shadow,public")
        )
        return Begun(DatabaseAddress(url), file, shadow)

    @contextmanager
    def traced(self, trace: Trace | None) -> Iterator[None]:
        connect: Callable[[ours.Connection], psycopg.Connection[ours.Row]] = getattr(ours.Connection, "_connect")  # noqa: B009

        def traced(connection: ours.Connection) -> psycopg.Connection[ours.Row]:
            if trace:
                trace(Statement(begins_snapshot=False, writing=False))
            made = connect(connection)
            if trace:
                made.cursor_factory, made.server_cursor_factory = _cursors(trace)
            return made

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ours.Connection, "_connect", traced)
            yield

    @contextmanager
    def alone(self, path: Path) -> Iterator[None]:
        assert isinstance(path, DatabaseAddress)
        with psycopg.connect(path.address, autocommit=True) as look:
            before = look.execute(OTHERS.encode()).fetchall()
            yield
            # A session ends some time after its client has hung up, and holds its locks until then.
            end = time.monotonic() + LONGEST_END_S
            while left := set(look.execute(OTHERS.encode()).fetchall()) - set(before):
                assert time.monotonic() < end, left
                time.sleep(0.001)

    def lose_lock(self, path: Path) -> None:
        assert isinstance(path, DatabaseAddress)
        with psycopg.connect(path.address, autocommit=True) as other:
            while other.execute(HOLDERS.encode()).fetchall():
                time.sleep(0.001)

    def close(self) -> None:
        """The server drops the databases that it has too many of."""

    def _own(self, *, pgvector: bool) -> str:
        made = self.server.fresh("CREATE EXTENSION vector") if pgvector else self.server.fresh()
        with Database(made).write(now_ms=0, create=True):
            pass
        with psycopg.connect(made, autocommit=True) as connection:
            connection.execute(f"{NUMBERED}; {SHADOW}".encode())
        return made


def _theirs(version: int, width: int | None) -> Iterator[str]:
    yield from postgres_shapes.statements(version, width=width)
    yield NUMBERED
    yield SHADOW
    for schema in ("public", "shadow") if width is None else ():
        for each in postgres_shapes.memories(3, namespaces=("global", "team/a")):
            yield each.replace("INTO memories", f"INTO {schema}.memories")
        yield f"UPDATE {schema}.memories SET rowid = 1 + right(id, 3)::bigint"
    for name, when, body in HOLDS if version in GUARDED and width is None else ():
        unless = "new.embedding IS NOT NULL" if name == "gone" else "true"
        yield HELD.format(name=name, when=when, body=body, unless=unless)


def _translated(sql: str) -> str:
    """Return what PostgreSQL says where SQLite says it in its own way."""
    known = sql.replace("typeof(m.id) = 'text'", "true").replace(TEXT, "convert_from(?, 'UTF8')")
    if "FROM reembed_event" in known:
        known = known.replace("rowid", "id")
    return BYTES_OF.sub(r"convert_to(\1, 'UTF8')", known).replace("?", "%s")


def _cursors(trace: Trace) -> tuple[type[psycopg.Cursor[Any]], type[psycopg.ServerCursor[Any]]]:
    """Return the cursors of one connection, which show `trace` what they are asked for."""
    began = [""]

    def step(cursor: psycopg.Cursor[Any] | psycopg.ServerCursor[Any], sql: object) -> None:
        idle = cursor.connection.info.transaction_status is TransactionStatus.IDLE
        trace(Statement(sql == transactions.ONE_STATE, not idle and began[0] != transactions.ONE_STATE))
        if idle:
            began[0] = str(sql)

    class Traced(psycopg.Cursor[Any]):
        def execute(self, query: Any, *rest: Any, **named: Any) -> Any:  # noqa: ANN401
            step(self, query)
            return super().execute(query, *rest, **named)

        def copy(self, statement: Any, *rest: Any, **named: Any) -> Any:  # noqa: ANN401
            step(self, statement)
            return super().copy(statement, *rest, **named)

    class TracedServer(psycopg.ServerCursor[Any]):
        def execute(self, query: Any, *rest: Any, **named: Any) -> Any:  # noqa: ANN401
            step(self, query)
            return super().execute(query, *rest, **named)

    return Traced, TracedServer
