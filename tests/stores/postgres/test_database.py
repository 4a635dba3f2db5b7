"""A PostgreSQL database: what is made in it, what is refused, and what becomes of a connection."""

from __future__ import annotations

import socketserver
import sys
import threading
from collections.abc import Callable

import psycopg
import pytest

from ai_memory.errors import DataRefused, NotFinished, SchemaRefused, Stopped, StorageFailed, UsageError
from ai_memory.memory.freshness import Freshness
from ai_memory.stores import opening
from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.port import Store
from ai_memory.stores.postgres.connection import Connection
from ai_memory.stores.postgres.database import Database
from ai_memory.stores.values import Staged, Terms
from ai_memory.text.database_address import DatabaseAddress
from ai_memory.vectors.target import Fingerprint
from tests.stores.conformance import (
    EMBEDDER,
    HOLDER,
    IDS,
    NOW_MS,
    begin,
    entered,
    freshness,
    staged,
    take,
    write_of,
    written,
)
from tests.support import postgres_shapes
from tests.support.command import wait_for
from tests.support.fakes import HashEmbedder
from tests.support.postgres_proxy import between
from tests.support.postgres_server import Server

THEIRS = """
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid)
    FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
    LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 ORDER BY 1, 2
"""
SSL_REQUEST = 80_877_103
SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname = 'ai_memory_reembed'"
OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
ASLEEP = f"SELECT count(*) {OTHERS} AND query LIKE '%pg_sleep(61)%' AND state = 'active'"

WAITING = f"SELECT count(*) {OTHERS} AND wait_event_type = 'Lock'"


def rows(url: str, sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def url(postgres: Server) -> str:
    return postgres.fresh(*postgres_shapes.statements(), *postgres_shapes.memories(len(IDS)))


@pytest.mark.parametrize("answered", [True, False])
def test_a_connection_that_is_lost_while_it_writes_is_no_fault_of_a_disk(url: str, *, answered: bool) -> None:
    with between(url, answered=answered) as (address, lose), Database(address).write(now_ms=NOW_MS) as store:
        lose()
        with pytest.raises(StorageFailed, match="was lost") as ended, store.transaction() as transaction:
            transaction.operator.unpause()

    assert ended.value.exit_code == NotFinished.exit_code


@pytest.mark.parametrize("version", postgres_shapes.VERSIONS)
@pytest.mark.parametrize("width", [None, EMBEDDER.dim])
def test_a_database_of_each_shape_is_adopted_and_nothing_of_it_is_altered(
    postgres: Server, version: int, width: int | None
) -> None:
    made = postgres_shapes.statements(version, width=width)
    url = postgres.fresh(*made, *postgres_shapes.memories(len(IDS)))
    before = rows(url, THEIRS)
    with Database(url).write(now_ms=NOW_MS) as store:
        target = entered(store)
        assert written(store, target, write_of(store, IDS[0])) == [True]
        assert freshness(store, target, IDS[0]) is Freshness.FRESH

    assert rows(url, THEIRS) == before


@pytest.mark.parametrize("version", [53, 102])
def test_a_schema_that_nobody_looked_at_is_read_and_not_written(postgres: Server, version: int) -> None:
    url = postgres.fresh(*postgres_shapes.statements(), f"UPDATE schema_version SET version = {version}")

    with pytest.raises(DataRefused, match=str(version)), Database(url).write(now_ms=NOW_MS):
        pass
    with Database(url).read() as store:
        assert store.memories.namespaces() == []
    assert rows(url, SCHEMAS) == []


def test_who_only_reads_makes_nothing(url: str) -> None:
    with Database(url).read() as store:
        assert (store.runs.recent(), len(store.memories.rows_by_id(IDS, target=None))) == ([], len(IDS))

    assert rows(url, SCHEMAS) == []


def test_a_run_to_another_width_than_the_memories_take_is_refused_as_it_begins(postgres: Server) -> None:
    url = postgres.fresh(*postgres_shapes.statements(width=EMBEDDER.dim), *postgres_shapes.memories(len(IDS)))
    with Database(url).write(now_ms=NOW_MS) as store:
        narrow = entered(store, HashEmbedder(dim=8))
        with pytest.raises(SchemaRefused, match="8"), store.transaction() as transaction:
            begin(transaction, narrow)

        assert store.runs.recent() == []


def test_a_user_who_may_not_write_is_told_before_anything_is_made(postgres: Server, url: str) -> None:
    postgres.execute("DO $$ BEGIN CREATE ROLE looker LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    rows(url, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO looker")
    database = Database(url.replace("app@", "looker@"))

    with database.read() as store:
        assert (
            store.memories.refused_updates()
            == "this user may not write memories.embedding, embedding_dim, embedding_space"
        )
    with pytest.raises(DataRefused, match="permission"), database.write(now_ms=NOW_MS):
        pass
    assert rows(url, SCHEMAS) == []


def test_a_user_from_whom_rows_may_be_hidden_may_not_say_that_all_are_done(postgres: Server, url: str) -> None:
    postgres.execute("DO $$ BEGIN CREATE ROLE bound LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    rows(url, "GRANT ALL ON ALL TABLES IN SCHEMA public TO bound")
    rows(url, "ALTER TABLE memories ENABLE ROW LEVEL SECURITY")
    database = Database(url.replace("app@", "bound@"))

    with pytest.raises(DataRefused, match="row-level security"), database.write(now_ms=NOW_MS):
        pass
    with pytest.raises(DataRefused, match="row-level security"), database.hold(HOLDER):
        pass
    with Database(url).write(now_ms=NOW_MS) as store:
        assert store.memories.namespaces() == ["a", "b"]


def test_whoever_holds_a_row_for_too_long_is_named_a_lock(url: str) -> None:
    with Database(url, OpenOptions(busy_timeout_ms=50)).write(now_ms=NOW_MS) as store:
        target = entered(store)
        with psycopg.connect(url) as other:
            other.execute("UPDATE memories SET content = 'mine' WHERE id = %s", (IDS[0],))
            with pytest.raises(NotFinished, match="locked"):
                written(store, target, write_of(store, IDS[0]))
            other.rollback()

        assert written(store, target, write_of(store, IDS[0])) == [True]


def test_two_writers_of_ours_take_turns(url: str) -> None:
    database = Database(url, OpenOptions(busy_timeout_ms=50))
    with database.write(now_ms=NOW_MS) as one, database.write(now_ms=NOW_MS) as other:
        with one.transaction(), pytest.raises(NotFinished, match="locked"), other.transaction():
            pass
        entered(other)


def end_others(url: str) -> None:
    """End every other connection to the database, as its administrator would."""
    rows(url, f"SELECT pg_terminate_backend(pid) {OTHERS}")


def test_a_connection_that_is_lost_is_made_anew_where_nothing_hangs_on_it(url: str) -> None:
    with Database(url).write(now_ms=NOW_MS) as store:
        target = entered(store)
        end_others(url)
        with pytest.raises(NotFinished, match="lost"):
            store.memories.namespaces()

        assert written(store, target, write_of(store, IDS[0])) == [True]


def test_a_connection_that_has_tables_of_its_own_is_not_made_anew_without_them(url: str) -> None:
    with Database(url).read() as store:
        end_others(url)
        for _ in range(2):
            with pytest.raises(NotFinished, match="lost"):
                store.runs.recent()


def test_a_connection_that_is_lost_in_a_transaction_is_not_taken_for_another_one(url: str) -> None:
    with Database(url).write(now_ms=NOW_MS) as store:
        target = entered(store)
        with pytest.raises(StorageFailed, match="lost"):
            write_around(store, target, lambda: end_others(url))

        assert {freshness(store, target, each) for each in IDS[:2]} == {Freshness.STALE}


def write_around(store: Store, target: Fingerprint, between: Callable[[], None]) -> None:
    """Write two vectors in one transaction, with something between them."""
    with store.transaction() as transaction:
        transaction.vectors.write([write_of(transaction.reader, IDS[0])], target, one_by_one=False)
        between()
        transaction.vectors.write([write_of(store, IDS[1])], target, one_by_one=False)


def test_a_state_that_is_lost_is_not_taken_for_another_one(url: str) -> None:
    with Database(url).read() as store:

        def read(_: object) -> int:
            end_others(url)
            return len(store.memories.namespaces())

        with pytest.raises(NotFinished, match="lost"):
            store.consistently(read)


def refusing() -> Callable[[], None]:
    def heed() -> None:
        raise Stopped("Somebody asked for it.", exit_code=130)

    return heed


def test_whoever_asks_to_end_is_heard_while_the_server_works(url: str) -> None:
    connection = Connection(url, read_only=False, options=OpenOptions(heed=refusing()))
    with pytest.raises(Stopped):
        connection.execute("SELECT pg_sleep(61)")

    # The server ends it in its own time, which is far shorter than it would have slept.
    wait_for(lambda: rows(url, ASLEEP) == [(0,)])
    assert connection.value("SELECT 1") == 1
    connection.close()


def test_who_has_not_installed_what_it_needs_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in sys.modules if each.startswith("ai_memory.stores.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(UsageError) as refused:
        opening.database(DatabaseAddress("postgresql://ann@db1/m"))
    assert 'pip install "psycopg[binary]>=3.3.0"' in refused.value.line()


def test_a_server_that_is_starting_is_waited_for_and_no_password_is_asked_for_again() -> None:
    said = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"

    class Starting(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            if int.from_bytes(self.request.recv(8)[4:], "big") == SSL_REQUEST:
                self.request.sendall(b"N")
                self.request.recv(8)
            self.request.recv(4096)
            self.request.sendall(b"E" + (len(said) + 4).to_bytes(4, "big") + said)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Starting) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        url = f"postgresql://app@127.0.0.1:{listening.server_address[1]}/memories"
        with pytest.raises(NotFinished, match="starting up"), Database(url).read():
            pass
        listening.shutdown()


def test_a_run_and_a_writer_that_stage_vectors_of_one_memory_wait_for_each_other(url: str) -> None:
    answers = list[list[bool]]()
    with Database(url).write(now_ms=NOW_MS) as store:
        target = entered(store)
        with store.transaction() as transaction:
            take(transaction, begin(transaction, target, terms=Terms(keeps_previous=True, staged=True)))

        def stage() -> None:
            with Database(url).write(now_ms=NOW_MS) as other:
                answers.append(staged(other, target, IDS[0]))

        with store.transaction() as transaction:
            write = write_of(transaction.reader, IDS[0])
            answers.append(transaction.vectors.write([write], target, one_by_one=False, place=Staged()))
            second = threading.Thread(target=stage)
            second.start()
            wait_for(lambda: rows(url, WAITING) == [(1,)], seconds=30)
        second.join()

    assert answers == [[True], [True]]
    assert rows(url, "SELECT count(*) FROM ai_memory_reembed.embedding_staged") == [(1,)]
