"""Vectors of another width on a PostgreSQL server whose column gives them one: beside it, and then in its place."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ai_memory.cli import main
from tests.support import postgres_shapes
from tests.support.command import Command, answer, kill, plain, remote, wait_for
from tests.support.fake_endpoint import FakeEndpoint
from tests.support.postgres_server import Server, running, with_pgvector

ROWS, OLD, NEW, KILLS = 120, 16, 24, 8
COLUMNS = """
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
    FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
    WHERE c.relname IN ('memories', 'archived_memories') AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY 1, 2
"""
INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'memories' ORDER BY 1"
TRIGGERS = "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1"
VECTORS = "SELECT id, embedding::text, embedding_dim, embedding_space FROM memories ORDER BY id"
PROPERTIES = """
    SELECT attrelid::regclass::text, attstorage, attcompression, attstattarget, col_description(attrelid, attnum)
    FROM pg_attribute
    WHERE attrelid IN ('memories'::regclass, 'archived_memories'::regclass) AND attname = 'embedding' ORDER BY 1
"""
COMMENTS = """
    SELECT c.relname, d.description FROM pg_description AS d JOIN pg_class AS c ON c.oid = d.objoid
    WHERE c.relkind = 'i' AND c.relname LIKE 'memories%' ORDER BY 1
"""
STAGED_BESIDE = """
    SELECT s.memory_id, s.text_hash = sha256(
        sha256(convert_to(m.title, 'UTF8')) || sha256(convert_to(m.content, 'UTF8')) || sha256('')
    ) FROM ai_memory_reembed.embedding_staged AS s JOIN memories AS m ON m.id = s.memory_id ORDER BY 1
"""
RIGHTS = """
    SELECT grantee, column_name, privilege_type FROM information_schema.column_privileges
    WHERE table_name = 'memories' AND grantee = 'PUBLIC' AND column_name NOT LIKE 'ai%' ORDER BY 1, 2, 3
"""
STATE = "SELECT state FROM ai_memory_reembed.reembed_run ORDER BY run_id DESC LIMIT 1"
MOVED = "SELECT moved FROM ai_memory_reembed.reembed_run ORDER BY run_id DESC LIMIT 1"
SLOW = """
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.02); RETURN new; END $$;
    CREATE TRIGGER slow BEFORE UPDATE ON memories FOR EACH ROW EXECUTE FUNCTION slow()
"""
RECORDS_OF_ANOTHER = """
    ALTER TABLE ai_memory_reembed.embedding_provenance OWNER TO postgres;
    GRANT ALL ON ai_memory_reembed.embedding_provenance TO app
"""
ASLEEP = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
WAITS = "SELECT 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted"
ARCHIVED = "INSERT INTO archived_memories (id, tier, title, content, created_at, updated_at, archived_at, embedding)"


def rows(url: str, sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []


def embed(url: str) -> None:
    with FakeEndpoint(dim=OLD) as endpoint:
        assert Command(url, remote(endpoint)).reembed("--yes").code == 0  # type: ignore[arg-type]
    rows(url, f"{ARCHIVED} SELECT 'archived', tier, 't', 'c', now(), now(), now(), embedding FROM memories LIMIT 1")


@pytest.fixture
def url(postgres: Server) -> str:
    """A database of theirs with vectors of the old width, made by this program."""
    return postgres.fresh(*postgres_shapes.statements(width=OLD), *postgres_shapes.memories(ROWS), then=embed)


@pytest.fixture
def wider() -> Iterator[FakeEndpoint]:
    with FakeEndpoint(dim=NEW, model="wider") as server:
        yield server


@pytest.fixture
def command(url: str, wider: FakeEndpoint) -> Iterator[Command]:
    made = Command(url, remote(wider))  # type: ignore[arg-type]
    yield made
    made.end()


def of_width(found: list[tuple[object, ...]], width: int) -> list[tuple[object, ...]]:
    """Return columns as they are told, of another width."""
    return [tuple(f"vector({width})" if each == f"vector({OLD})" else each for each in row) for row in found]


def test_a_staged_run_gives_the_column_another_width_and_all_else_is_as_before(
    command: Command, url: str, wider: FakeEndpoint
) -> None:
    columns, indexes, triggers, vectors = (rows(url, sql) for sql in (COLUMNS, INDEXES, TRIGGERS, VECTORS))

    assert command.reembed("--staged", "--yes").code == 0
    assert rows(url, VECTORS) == vectors

    told = command.run("reembed", "switch", "--json")

    assert (told.code, told.json["state"], told.json["moved"]) == (0, "done", ROWS), told
    found = [row for row in rows(url, COLUMNS) if not str(row[1]).startswith("ai_memory_before_")]
    assert found == of_width(columns, NEW)
    assert [row for row in rows(url, INDEXES) if not str(row[0]).startswith("ai_memory_before_")] == indexes
    assert rows(url, TRIGGERS) == triggers
    assert {row[2:] for row in rows(url, VECTORS)} == {(NEW, "wider#none")}
    assert rows(url, "SELECT embedding FROM archived_memories") == [(None,)]
    rows(
        url,
        "INSERT INTO memories (id, tier, title, content, created_at, updated_at, embedding)"
        " SELECT 'archived', tier, 't', 'c', now(), now(), embedding FROM archived_memories",
    )
    rows(url, "DELETE FROM memories WHERE id = 'archived'")
    assert (
        rows(
            url,
            "CREATE INDEX IF NOT EXISTS memories_embedding_hnsw ON memories USING hnsw (embedding vector_cosine_ops)",
        )
        == []
    )
    assert command.run("reembed", "verify", "--sample", "all").code == 0
    assert command.run("recall", "title id-007", "--json").code == 0

    sent = len(wider.seen.texts)
    back = command.run("reembed", "switch", "--back")
    assert back.code == 0, back
    assert (rows(url, COLUMNS), rows(url, INDEXES), rows(url, TRIGGERS)) == (columns, indexes, triggers)
    assert rows(url, VECTORS) == vectors
    assert len(rows(url, "SELECT 1 FROM archived_memories WHERE embedding IS NOT NULL")) == 1
    assert len(wider.seen.texts) == sent


def check_exchange() -> None:
    """Check that an exchange of columns is whole or not at all: in this process, so that it can be a mutant's."""
    with running(with_pgvector()) as server, FakeEndpoint(dim=OLD) as old, FakeEndpoint(dim=NEW, model="new") as new:
        url = server.fresh(*postgres_shapes.statements(width=OLD), *postgres_shapes.memories(20))
        assert said(url, old, "--yes") == 0
        rows(url, f"{ARCHIVED} SELECT 'archived', tier, 't', 'c', now(), now(), now(), embedding FROM memories LIMIT 1")
        triggers = rows(url, TRIGGERS)
        assert said(url, new, "--staged", "--yes") == 0
        rows(url, "UPDATE memories SET content = 'edited since it is ready' WHERE id = 'id-007'")
        assert said(url, new, "switch", "--max-rows", "10") == 75
        assert not [row for row in rows(url, STAGED_BESIDE) if row == ("id-007", False)]

        rows(url, "CREATE VIEW seen AS SELECT embedding FROM memories")
        assert said(url, new, "switch") == 65
        assert rows(url, STATE) == [("switched",)]
        rows(url, "DROP VIEW seen")
        assert said(url, new, "switch") == 0

        assert {row[2:] for row in rows(url, VECTORS)} == {(NEW, "new#none")}
        assert rows(url, TRIGGERS) == triggers
        assert rows(url, "SELECT embedding FROM archived_memories") == [(None,)]


def said(url: str, endpoint: FakeEndpoint, *words: str) -> int:
    """Return the exit code of `reembed`, run in this process."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in remote(endpoint).items():
            patch.setenv(name, value)
        return main(["--db", url, "reembed", *words])


def test_columns_change_places_whole_or_not_at_all() -> None:
    check_exchange()


def test_how_columns_are_stored_sampled_and_commented_goes_with_their_names(command: Command, url: str) -> None:
    for table in ("memories", "archived_memories"):
        rows(
            url,
            f"ALTER TABLE {table} ALTER COLUMN embedding SET STORAGE PLAIN;"
            f"ALTER TABLE {table} ALTER COLUMN embedding SET STATISTICS 7;"
            f"ALTER TABLE {table} ALTER COLUMN embedding SET COMPRESSION pglz;"
            f"COMMENT ON COLUMN {table}.embedding IS $$the model's$$",
        )
    rows(url, "COMMENT ON INDEX memories_embedding_hnsw IS $$the model's index$$")
    properties, comments = rows(url, PROPERTIES), rows(url, COMMENTS)
    assert (len(properties), len(comments)) == (2, 1)
    staged(command)

    assert command.run("reembed", "switch").code == 0

    assert (rows(url, PROPERTIES), rows(url, COMMENTS)) == (properties, comments)
    assert command.run("reembed", "switch", "--back").code == 0
    assert (rows(url, PROPERTIES), rows(url, COMMENTS)) == (properties, comments)


def test_memories_that_were_left_out_are_not_once_they_have_a_vector(command: Command, url: str) -> None:
    rows(
        url,
        "INSERT INTO embed_skip (memory_id, reason, created_at)"
        " VALUES ('id-007', 'oversize', now()), ('of another program', 'undecryptable', now())",
    )
    staged(command)

    assert command.run("reembed", "switch").code == 0

    assert rows(url, "SELECT memory_id FROM embed_skip") == [("of another program",)]


def test_while_vectors_are_moved_it_is_told_where_they_stand(command: Command) -> None:
    staged(command)
    moved = command.run("reembed", "switch", "--max-rows", "40")

    assert (moved.code, "40 vectors stand in columns beside" in moved.out) == (75, True), moved
    assert "40 of them stand in columns beside" in command.run("reembed", "status").out
    told = command.run("reembed", "switch")
    assert "120 vectors stand in their memories" in told.out, told


def staged(command: Command) -> None:
    """Bring a staged run so far that its vectors are served, and none of them is moved yet."""
    assert command.reembed("--staged", "--yes").code == 0
    assert command.run("reembed", "switch", "--no-wait").code == 0


def test_a_move_that_is_killed_goes_on_where_it_was(command: Command, url: str) -> None:
    staged(command)
    assert command.reembed("--resume", "--max-rows", "40").code == 75
    rows(url, SLOW)
    process = command.start("reembed", "--resume")
    wait_for(lambda: rows(url, ASLEEP))
    kill(process)
    assert rows(url, MOVED) == [(40,)]
    assert command.reembed("status", "--json").json["state"] == "switched"
    rows(url, "DROP TRIGGER slow ON memories")

    told = command.reembed("--resume")

    assert told.code == 0, told
    assert {row[2:] for row in rows(url, VECTORS)} == {(NEW, "wider#none")}
    assert command.run("reembed", "prune", "--yes").code == 0
    assert not [row for row in rows(url, COLUMNS) if str(row[1]).startswith("ai_memory_")]
    assert command.run("reembed", "switch", "--back").code == 12


def test_who_goes_back_in_the_middle_has_what_was_there(command: Command, url: str) -> None:
    before = [rows(url, sql) for sql in (COLUMNS, INDEXES, TRIGGERS, VECTORS)]
    staged(command)
    assert command.reembed("--resume", "--max-rows", "40").code == 75

    assert command.run("reembed", "switch", "--back").code == 0

    assert [rows(url, sql) for sql in (COLUMNS, INDEXES, TRIGGERS, VECTORS)] == before


def test_what_others_write_meanwhile_ends_right(command: Command, url: str) -> None:
    staged(command)
    assert command.reembed("--resume", "--max-rows", "40").code == 75
    # One that was moved already, one that is to be, one that goes, and one that comes.
    rows(url, "UPDATE memories SET content = 'edited ' || id WHERE id IN ('id-000', 'id-119')")
    rows(url, "DELETE FROM memories WHERE id = 'id-118'")
    rows(
        url,
        "INSERT INTO memories (id, tier, title, content, created_at, updated_at)"
        " VALUES ('new', 'mid', 'new', 'new', now(), now())",
    )
    ended = command.reembed("--resume")
    assert (ended.code, "3 rows have no vector of wider#none" in ended.error) == (75, True), ended

    told = command.reembed("--yes")

    assert (told.code, told.json["reembedded"]) == (0, 3)
    assert {row[2:] for row in rows(url, VECTORS)} == {(NEW, "wider#none")}
    assert command.run("reembed", "verify", "--sample", "all").code == 0
    # What is new since is gone with the columns of the run: the memories that have none of before are told.
    assert command.run("reembed", "switch", "--back").code == 0
    assert {row[2] for row in rows(url, VECTORS) if row[0] not in ("new", "id-000", "id-119")} == {OLD}
    assert [row[1] for row in rows(url, VECTORS) if row[0] == "new"] == [None]


def test_a_reader_that_keeps_the_memories_keeps_nobody_else_waiting(command: Command, url: str) -> None:
    staged(command)
    with psycopg.connect(url) as reader:
        reader.execute("SELECT count(*) FROM memories")
        process = command.start("reembed", "switch")
        wait_for(lambda: rows(url, WAITS))
        # Behind the one who waits for the table: in its turn, which comes while the reader still reads.
        assert rows(url, "SELECT count(*) FROM memories") == [(ROWS,)]
        assert process.poll() is None
    ended = answer(process)

    assert ended.code == 0, ended
    assert {row[2:] for row in rows(url, VECTORS)} == {(NEW, "wider#none")}


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ("CREATE VIEW seen AS SELECT id, embedding FROM memories", "view seen"),
        ("ALTER TABLE memories ADD CONSTRAINT wide CHECK (embedding_dim > 0)", "constraint wide"),
        ("ALTER TABLE memories ALTER COLUMN embedding_dim SET NOT NULL", "a NOT NULL stands on memories.embedding_dim"),
        ("CREATE VIEW kept AS SELECT embedding FROM archived_memories", "view kept"),
        ("CREATE INDEX half ON memories USING hnsw ((embedding::halfvec(16)) halfvec_cosine_ops)", "the index half"),
    ],
)
def test_what_would_stay_with_the_old_vectors_is_named_before_a_text_is_sent(
    command: Command, url: str, wider: FakeEndpoint, made: str, told: str
) -> None:
    rows(url, made)

    planned = command.reembed("--staged", "--dry-run", "--probe").json
    refused = command.reembed("--staged", "--yes")

    assert (refused.code, told in refused.error) == (65, True), refused
    assert (planned["refused_with"], told in planned["refusal"]) == (65, True), planned
    assert not any("content of" in text for text in wider.seen.texts)


@pytest.mark.parametrize(
    ("taken", "told"),
    [
        ("REVOKE CREATE ON SCHEMA public FROM pg_database_owner", "GRANT CREATE ON SCHEMA public"),
        (RECORDS_OF_ANOTHER, "may not rename embedding_provenance"),
        ("REVOKE EXECUTE ON FUNCTION memories_embed_skip_clear FROM PUBLIC, app", "memories_embed_skip_clear"),
    ],
)
def test_a_right_that_the_exchange_needs_is_missed_before_a_text_is_sent(
    command: Command, url: str, wider: FakeEndpoint, taken: str, told: str
) -> None:
    rows(url.replace("app@", "postgres@"), taken)

    planned = command.reembed("--staged", "--dry-run", "--probe").json
    refused = command.reembed("--staged", "--yes")

    assert (refused.code, told in refused.error) == (65, True), refused
    assert (planned["refused_with"], told in planned["refusal"]) == (65, True), planned
    assert not any("content of" in text for text in wider.seen.texts)


def test_a_user_who_may_make_no_temporary_table_is_told_by_the_plan(command: Command, url: str) -> None:
    rows(url, f"REVOKE TEMPORARY ON DATABASE {url.rpartition('/')[2]} FROM PUBLIC, app")

    planned = command.reembed("--dry-run")

    assert (planned.code, "no temporary table" in planned.error) == (65, True), planned


def test_the_plan_says_what_moving_vectors_of_another_width_takes(command: Command, url: str) -> None:
    rows(url, f"ALTER DATABASE {url.rpartition('/')[2]} SET maintenance_work_mem = '64kB'")
    plan = ("reembed", "--staged", "--dry-run", "--probe")

    room = command.run(*plan, "--json").json["exchange"]

    assert command.run("reembed", "--dry-run", "--probe", "--json").json["exchange"] is None
    assert (room["memory_limit"], room["memory"]) == (65_536, ROWS * (4 * NEW + 720))
    told = command.run(*plan).out
    assert ("of index and" in told, "maintenance_work_mem is 65 kB" in told) == (True, True), told
    staged(command)
    assert command.run("reembed", "switch").code == 0
    [(index,)] = rows(url, "SELECT pg_relation_size('memories_embedding_hnsw')")
    assert abs(int(str(index)) - room["index"]) <= 2 * 8_192


def test_a_plan_that_does_not_know_how_wide_the_vectors_are_says_what_the_memories_take(command: Command) -> None:
    told = command.run("reembed", "--dry-run")

    assert "The memories take vectors of 16 numbers alone" in told.out, told
    assert "alone" not in command.run("reembed", "--dry-run", "--probe").out


def test_vectors_that_cannot_be_indexed_are_refused_before_a_text_is_sent(url: str) -> None:
    with FakeEndpoint(dim=2_001, model="widest") as widest:
        refused = Command(url, remote(widest)).reembed("--staged", "--yes")  # type: ignore[arg-type]

        assert (refused.code, "2000 are the most" in refused.error) == (65, True), refused
        assert not any("content of" in text for text in widest.seen.texts)


def test_in_place_it_is_refused_with_the_way_that_works(command: Command, url: str) -> None:
    planned = command.reembed("--dry-run", "--probe").json
    refused = command.reembed("--yes")
    assert refused.code == 65, refused
    assert (planned["refused_with"], "reembed --staged" in planned["refusal"]) == (65, True), planned
    assert command.reembed("--staged", "--retarget", "--dry-run", "--probe").json["refusal"] is None
    assert "ai-memory reembed cancel; then: ai-memory reembed --staged" in refused.error, refused
    assert command.run("reembed", "cancel").code == 0
    staged(command)
    assert command.run("reembed", "switch").code == 0

    rollback = command.run("reembed", "rollback", "--yes")
    assert (rollback.code, "switch --back" in rollback.error) == (12, True), rollback
    with FakeEndpoint(dim=8, model="third") as third:
        again = Command(url, remote(third)).reembed("--staged", "--yes")  # type: ignore[arg-type]
        assert (again.code, "reembed prune" in again.error) == (12, True), again


def test_our_tables_leave_with_the_columns_of_before(command: Command, url: str) -> None:
    staged(command)
    assert command.run("reembed", "switch").code == 0

    assert command.run("uninstall-tables", "--yes").code == 0

    assert not [row for row in rows(url, COLUMNS) if str(row[1]).startswith("ai_memory_")]
    assert {row[2:] for row in rows(url, VECTORS)} == {(NEW, "wider#none")}


def test_a_switch_that_is_killed_again_and_again_beside_an_editor_ends_right(command: Command, url: str) -> None:
    staged(command)
    enough, chance = threading.Event(), random.Random(7)
    editing = threading.Thread(target=edit, args=(url, enough, chance))
    editing.start()
    try:
        killed = 0
        while killed < KILLS and rows(url, STATE) == [("switched",)]:
            process = command.start("reembed", "--resume", "--max-rows", str(ROWS // KILLS))
            enough.wait(chance.uniform(0.3, 2.5))
            kill(process)
            killed += 1
    finally:
        enough.set()
        editing.join()
    assert killed > 1
    # What was edited since it was moved is stale, and a plain start embeds it.
    assert command.reembed("--resume").code in (0, 12, 75)
    assert command.reembed("--yes").code == 0

    assert {row[2:] for row in rows(url, VECTORS)} == {(NEW, "wider#none")}
    assert command.run("reembed", "verify", "--sample", "all").code == 0
    assert not [row for row in rows(url, COLUMNS) if str(row[1]).startswith("ai_memory_next_")]
    assert not [row for row in rows(url, INDEXES) if str(row[0]).startswith("ai_memory_next_")]


def edit(url: str, enough: threading.Event, chance: random.Random) -> None:
    """Edit, insert and delete memories, as another program does, until it is enough."""
    with psycopg.connect(url, autocommit=True) as connection:
        for number in range(100_000):
            if enough.wait(0.05):
                return
            named = f"id-{chance.randrange(ROWS):03}"
            connection.execute("UPDATE memories SET content = %s WHERE id = %s", (f"edited {number}", named))
            if number % 5 == 0:
                connection.execute(
                    "INSERT INTO memories (id, tier, title, content, created_at, updated_at)"
                    " VALUES (%s, 'mid', %s, 'new', now(), now())",
                    (f"new-{number}", f"new {number}"),
                )
            if number % 7 == 0:
                connection.execute("DELETE FROM memories WHERE id = %s", (f"id-{chance.randrange(ROWS):03}",))


def test_whatever_ran_since_the_way_back_stays_open(command: Command, url: str, endpoint: FakeEndpoint) -> None:
    vectors = rows(url, VECTORS)
    staged(command)
    assert command.run("reembed", "switch").code == 0
    with FakeEndpoint(dim=NEW, model="narrowed") as later:
        in_place = Command(url, remote(later))  # type: ignore[arg-type]
        assert in_place.reembed("--yes").code == 0
    with FakeEndpoint(dim=32, model="third") as third:
        refused = Command(url, remote(third)).reembed("--staged", "--yes")  # type: ignore[arg-type]
        assert (refused.code, "switch --back" in refused.error) == (12, True), refused

    assert command.run("reembed", "switch", "--back").code == 0

    assert rows(url, VECTORS) == vectors
    assert Command(url, remote(endpoint)).reembed("--yes").json["reembedded"] == 0  # type: ignore[arg-type]


def test_a_text_that_is_stored_with_the_model_of_before_is_stored_and_its_vector_is_told_not_to_fit(
    command: Command, url: str, endpoint: FakeEndpoint, tmp_path: Path
) -> None:
    staged(command)
    assert command.run("reembed", "switch").code == 0
    before = Command(url, remote(endpoint))  # type: ignore[arg-type]
    file = tmp_path / "more.jsonl"
    file.write_text('{"title": "imported", "content": "of a file"}', "utf-8")
    sent = len(endpoint.seen.texts)

    stored = before.run("store", "-T", "herons", "-c", "of the pond", "--json")
    imported = before.run("import", file, "--json")

    for told in (stored, imported):
        assert (told.code, "takes vectors of 24 numbers, and the target's have 16" in told.err) == (0, True), told
        assert "Configure the model whose vectors the memories have, then: ai-memory backfill" in plain(told.err), told
    assert (stored.json["embedded"], imported.json["embedded"]) == (False, 0)
    assert len(endpoint.seen.texts) == sent
    assert before.run("backfill").code == 12
    assert command.run("backfill", "--json").json["embedded"] == 2


def test_the_way_that_a_refusal_names_is_open(command: Command, url: str, endpoint: FakeEndpoint) -> None:
    staged(command)
    assert command.run("reembed", "switch").code == 0

    refused = Command(url, remote(endpoint)).reembed("--yes")  # type: ignore[arg-type]

    assert (refused.code, "--staged" in refused.error, "reembed prune" in refused.error) == (65, False, True), refused


def test_a_run_that_is_not_undone_is_not_said_to_be(command: Command, url: str) -> None:
    staged(command)
    assert command.run("reembed", "switch").code == 0
    assert command.run("reembed", "switch", "--back").code == 0
    rows(url, "UPDATE memories SET content = 'edited' WHERE id = 'id-000'")
    with FakeEndpoint(dim=OLD, model="fake") as old:
        again = Command(url, remote(old))  # type: ignore[arg-type]
        assert again.reembed("--yes").code == 0

    told = command.run("reembed", "rollback", "--run", "2", "--yes")

    assert (told.code, "is undone already" in told.error) == (12, True), told
    assert command.run("reembed", "rollback", "--yes").code == 0


def test_rights_on_a_column_go_with_its_name(command: Command, url: str) -> None:
    rows(url, "GRANT UPDATE (embedding, embedding_dim), SELECT (embedding) ON memories TO PUBLIC")
    rights = rows(url, RIGHTS)
    staged(command)

    assert command.run("reembed", "switch").code == 0

    assert rights
    assert rows(url, RIGHTS) == rights


def test_what_stands_in_texts_of_an_index_stays(command: Command, url: str) -> None:
    rows(url, "CREATE INDEX odd ON memories (coalesce(embedding_space, 'embedding')) WHERE title <> 'the embedding of'")
    indexes = rows(url, INDEXES)
    staged(command)
    assert command.run("reembed", "switch").code == 0

    assert [row for row in rows(url, INDEXES) if not str(row[0]).startswith("ai_memory_before_")] == indexes


def test_an_index_that_somebody_drops_leaves_nothing_of_ours(command: Command, url: str) -> None:
    staged(command)
    assert command.run("reembed", "switch").code == 0
    rows(url, "DROP INDEX memories_embedding_hnsw")

    assert command.run("reembed", "switch", "--back").code == 0

    assert not [row for row in rows(url, INDEXES) if str(row[0]).startswith("ai_memory_")]


@pytest.mark.parametrize("moved", [0, 40])
def test_a_view_that_is_made_meanwhile_is_named_and_nothing_is_exchanged(
    command: Command, url: str, moved: int
) -> None:
    staged(command)
    if moved:
        assert command.reembed("--resume", "--max-rows", str(moved)).code == 75
    rows(url, "CREATE VIEW seen AS SELECT id, embedding FROM memories")

    refused = command.run("reembed", "switch")

    assert (refused.code, "view seen" in refused.error) == (65, True), refused
    rows(url, "DROP VIEW seen")
    assert command.reembed("--resume").code == 0
    assert {row[2:] for row in rows(url, VECTORS)} == {(NEW, "wider#none")}


@pytest.mark.parametrize("moved", [0, 40])
def test_what_is_stored_before_the_exchange_is_found_by_its_meaning_at_once(command: Command, moved: int) -> None:
    staged(command)
    if moved:
        assert command.reembed("--resume", "--max-rows", str(moved)).code == 75
    assert command.run("store", "-T", "herons", "-c", "the heron of the pond").code == 0

    def cosine() -> float:
        found = command.run("recall", "herons the heron of the pond", "--limit", "1", "--json").json
        return float(found["memories"][0]["cosine"])

    assert cosine() == 1.0
    assert command.reembed("--resume").code == 0
    assert cosine() == 1.0
