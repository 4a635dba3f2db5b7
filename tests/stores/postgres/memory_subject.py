"""A PostgreSQL database under the conformance suite for memories."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from ai_memory.memory.records import Value
from ai_memory.stores.memory_port import Library, WritableLibrary
from ai_memory.stores.memory_values import LeftBehind
from ai_memory.stores.place_port import Place
from ai_memory.stores.postgres import database, library, place
from ai_memory.vectors.blob import decode
from tests.stores.conformance import EMBEDDER, IDS, NOW_MS
from tests.support import postgres_shapes
from tests.support.postgres_server import Server

ON_INSERT = """
    CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        {body};
        RETURN NULL;
    END $$;
    CREATE TRIGGER theirs AFTER INSERT ON memories FOR EACH ROW EXECUTE FUNCTION theirs()
"""


@dataclass(frozen=True, slots=True)
class PostgresMemorySubject:
    """The database at `url`; see `tests.stores.memory_conformance.MemorySubject`."""

    url: str
    pgvector: bool = False

    @property
    def place(self) -> Place:
        return place.Place(database.Database(self.url))

    @property
    def version(self) -> int | None:
        return postgres_shapes.VERSIONS[-1]

    @property
    def width(self) -> int | None:
        return EMBEDDER.dim if self.pgvector else None

    @contextmanager
    def read(self) -> Iterator[Library]:
        with database.Database(self.url).read() as store:
            yield library.Library(store)

    @contextmanager
    def write(self) -> Iterator[WritableLibrary]:
        with database.Database(self.url).write(now_ms=NOW_MS) as store:
            yield library.Library(store)

    @contextmanager
    def created(self) -> Iterator[WritableLibrary]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        with database.Database(self.url).write(now_ms=NOW_MS, create=True) as store:
            yield library.Library(store)

    def edit_all(self, content: str) -> bool:
        self._execute("UPDATE memories SET content = %s", content)
        return True

    def edit(self, row_id: str, content: str) -> None:
        self._execute("UPDATE memories SET content = %s WHERE id = %s", content, row_id)

    def set_column(self, row_id: str, column: str, value: Value) -> None:
        vector = self.pgvector and column == "embedding"
        told, mark = (
            (str(decode(value).tolist()), "%s::vector") if vector and isinstance(value, bytes) else (value, "%s")
        )
        self._execute(f"UPDATE memories SET {column} = {mark} WHERE id = %s", told, row_id)

    def prioritise_new(self, priority: int) -> None:
        self._on_insert(f"UPDATE memories SET priority = {priority} WHERE id = new.id")

    def take_out(self, row_id: str, *, when: str) -> None:
        self._on_insert(f"DELETE FROM memories WHERE id = '{row_id}' AND new.title = '{when}'")

    def refuse_title(self, title: str, words: str) -> None:
        self._on_insert(f"IF new.title = '{title}' THEN RAISE EXCEPTION '{words}'; END IF")

    def end_at_title(self, title: str) -> None:
        self._on_insert(f"IF new.title = '{title}' THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF")

    def refuse_writing(self) -> None:
        self._execute("REVOKE INSERT ON memories, memory_links FROM app")

    def refer_to(self, row_id: str) -> dict[str, int]:
        self._execute('CREATE TABLE "my notes" (m TEXT REFERENCES memories (id))')
        self._execute('INSERT INTO "my notes" VALUES (%s), (%s)', row_id, row_id)
        return {"my notes": 2}

    def drop_links(self) -> None:
        self._execute("DROP TABLE memory_links")

    def leave_behind(self) -> LeftBehind:
        for sql in (
            "CREATE TABLE empty (x INTEGER)",
            "CREATE TABLE filled (x INTEGER)",
            "INSERT INTO filled VALUES (1)",
        ):
            self._execute(sql)
        for name in ("old", "older"):
            self._execute(
                "INSERT INTO archived_memories (id, tier, title, content, created_at, updated_at, archived_at)"
                " VALUES (%s, 'mid', 't', 'c', now(), now(), now())",
                name,
            )
        return LeftBehind(2, ["filled"])

    def _on_insert(self, body: str) -> None:
        self._execute(ON_INSERT.format(body=body))

    def _execute(self, sql: str, *bindings: object) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.encode(), bindings or None)


def with_bytea(server: Server) -> PostgresMemorySubject:
    """Return a database as the Rust program makes it where there is no pgvector."""
    return PostgresMemorySubject(server.fresh(*postgres_shapes.statements(), *postgres_shapes.memories(len(IDS))))


def with_vectors(server: Server) -> PostgresMemorySubject:
    """Return a database as the Rust program makes it with pgvector, for vectors of the width of the suite's own."""
    made = [*postgres_shapes.statements(width=EMBEDDER.dim), *postgres_shapes.memories(len(IDS))]
    return PostgresMemorySubject(server.fresh(*made), pgvector=True)
