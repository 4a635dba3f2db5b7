"""A PostgreSQL database under the conformance suite: with vectors as BYTEA, or with those of pgvector."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from ai_memory.stores.port import Database
from ai_memory.stores.postgres import database
from tests.conftest import ROOT
from tests.stores.conformance import EMBEDDER, IDS
from tests.support import postgres_shapes
from tests.support.postgres_proxy import between
from tests.support.postgres_server import Server

MANY = 3_000
HEAD = 16
"""Bytes of a stored vector that its record knows: four floats."""
HOLDING = """
import sys, time
from ai_memory.stores.holder import Holder
from ai_memory.stores.postgres.database import Database
with Database(sys.argv[1]).hold(Holder(1, "there", 8)) as obtained:
    print(obtained, flush=True)
    time.sleep(60)
"""
REFUSING = """
    CREATE FUNCTION refusing() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '{words}';
    END $$;
    CREATE TRIGGER refusing BEFORE UPDATE OF embedding ON memories
    FOR EACH ROW WHEN (old.id = '{row_id}') EXECUTE FUNCTION refusing()
"""


@dataclass(frozen=True, slots=True)
class PostgresSubject:
    """The database at `url`; see `tests.stores.conformance.Subject`."""

    url: str
    width: int | None = None

    @property
    def database(self) -> Database:
        return database.Database(self.url)

    def absent(self) -> Database:
        return database.Database(f"{self.url}_none")

    def grow(self) -> None:
        self._execute(
            "INSERT INTO memories (id, tier, namespace, title, content, created_at, updated_at)"
            " SELECT 'more-' || n, 'mid', 'c', 'title ' || n, repeat('two thousand characters ', 84), now(), now()"
            f" FROM generate_series(1, {MANY}) AS n"
        )

    def edit(self, row_id: str, content: str) -> None:
        self._execute("UPDATE memories SET content = %s WHERE id = %s", content, row_id)

    def encrypt(self, row_id: str, envelope: bytes) -> None:
        self._execute("UPDATE memories SET content = '', encrypted_envelope = %s WHERE id = %s", envelope, row_id)

    def note_reads(self, row_id: str, reads: int, at: str) -> None:
        self._execute("UPDATE memories SET access_count = %s, last_accessed_at = %s WHERE id = %s", reads, at, row_id)

    def edit_all(self, content: str) -> bool:
        self._execute("UPDATE memories SET content = %s", content)
        return True

    def remove(self, row_id: str) -> None:
        self._execute("DELETE FROM memories WHERE id = %s", row_id)

    def break_vector(self, row_id: str) -> None:
        if self.width:
            zeros = f"[{','.join('0' * self.width)}]"
            self._execute("UPDATE memories SET embedding = %s::vector WHERE id = %s", zeros, row_id)
            return
        # It begins as the one that is recorded.
        self._execute(
            "UPDATE memories SET embedding = substr(embedding, 1, %s)"
            " || decode(repeat('0000c07f', (octet_length(embedding) - %s) / 4), 'hex') WHERE id = %s",
            HEAD,
            HEAD,
            row_id,
        )

    def refuse(self, row_id: str, words: str) -> None:
        self._execute(REFUSING.format(words=words, row_id=row_id))

    def damage(self) -> None:
        self._execute("ALTER TABLE memories RENAME COLUMN content TO gone")

    @contextmanager
    def held_elsewhere(self) -> Iterator[Callable[[], None]]:
        command = [sys.executable, "-c", HOLDING, self.url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "True\n"

            def kill() -> None:
                process.kill()
                process.wait()

            try:
                yield kill
            finally:
                kill()

    @contextmanager
    def doubtful(self, *, stored: bool) -> Iterator[tuple[Database, Callable[[], None]]]:
        with between(self.url, answered=stored) as (url, fail):
            yield database.Database(url), fail

    def _execute(self, sql: str, *bindings: object) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.encode(), bindings or None)


def with_bytea(server: Server) -> PostgresSubject:
    """Return a database as the Rust program makes it where there is no pgvector."""
    return PostgresSubject(server.fresh(*postgres_shapes.statements(), *postgres_shapes.memories(len(IDS))))


def with_vectors(server: Server) -> PostgresSubject:
    """Return a database as the Rust program makes it with pgvector, for vectors of the width of the suite's own."""
    width = EMBEDDER.dim
    made = [*postgres_shapes.statements(width=width), *postgres_shapes.memories(len(IDS))]
    return PostgresSubject(server.fresh(*made), width)
