"""The commands on a PostgreSQL database: a run that is killed, a server that is, and what is never shown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.conftest import ROOT
from tests.support import postgres_shapes
from tests.support.command import Answer, Command, answer, kill, remote, wait_for
from tests.support.envelopes import keep_key, sealed
from tests.support.fake_endpoint import FakeEndpoint
from tests.support.postgres_server import Server, running, with_pgvector

ROWS, BATCH = 120, 5
WRITTEN = "SELECT count(*) FROM memories WHERE embedding IS NOT NULL"
STATE = """
    SELECT m.id, m.content, m.embedding::text, p.memory_id IS NOT NULL
    FROM memories AS m LEFT JOIN ai_memory_reembed.embedding_provenance AS p ON p.memory_id = m.id ORDER BY m.id
"""
IN_PLACE = ("reembed", "--json", "--yes", "--batch", str(BATCH))


def count(url: str, sql: str = WRITTEN) -> int:
    with psycopg.connect(url) as connection:
        [(found,)] = connection.execute(sql.encode()).fetchall()
    return int(found)


def rows(url: str) -> list[tuple[str, str, str | None, bool]]:
    with psycopg.connect(url) as connection:
        return connection.execute(STATE.encode()).fetchall()


@pytest.fixture
def url(postgres: Server) -> str:
    return postgres.fresh(*postgres_shapes.statements(), *postgres_shapes.memories(ROWS))


@pytest.fixture
def command(url: str, endpoint: FakeEndpoint) -> Iterator[Command]:
    # Not a path: the command is given the address as it is typed.
    made = Command(url, remote(endpoint))  # type: ignore[arg-type]
    yield made
    made.end()


@pytest.mark.parametrize("width", [None, 16])
def test_a_run_that_is_killed_goes_on_where_it_was(postgres: Server, endpoint: FakeEndpoint, width: int | None) -> None:
    url = postgres.fresh(*postgres_shapes.statements(width=width), *postgres_shapes.memories(ROWS))
    command = Command(url, remote(endpoint))  # type: ignore[arg-type]
    endpoint.change(latency=0.05)
    process = command.start(*IN_PLACE)
    wait_for(lambda: count(url) >= 3 * BATCH)
    kill(process)
    before = {row_id: vector for row_id, _, vector, _ in rows(url) if vector}
    left = ROWS - len(before)
    assert 0 < left < ROWS
    endpoint.change(latency=0)

    told = command.reembed("--resume", "--yes")

    assert (told.code, told.json["remaining"], told.json["reembedded"]) == (0, 0, left)
    after = {row_id: vector for row_id, _, vector, recorded in rows(url) if recorded}
    assert (len(after), {row_id: after[row_id] for row_id in before}) == (ROWS, before)
    assert command.reembed("status", "--check").code == 0


def test_whoever_edits_meanwhile_has_a_vector_of_the_new_text(
    command: Command, url: str, endpoint: FakeEndpoint
) -> None:
    endpoint.change(latency=0.05)
    process = command.start(*IN_PLACE)
    wait_for(lambda: count(url) >= BATCH)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE memories SET content = 'edited ' || id WHERE id >= 'id-050'")
        connection.execute("DELETE FROM memories WHERE id = 'id-119'")
        connection.execute("UPDATE memories SET namespace = 'c' WHERE id = 'id-118'")
    ended = answer(process)

    assert (ended.code, command.reembed("verify", "--sample", "all").code) == (0, 0)
    assert len(rows(url)) == ROWS - 1
    assert all(vector and recorded for _, _, vector, recorded in rows(url))


def test_a_second_run_is_told_who_works(command: Command, endpoint: FakeEndpoint) -> None:
    endpoint.change(latency=3)
    process = command.start(*IN_PLACE)
    wait_for(lambda: endpoint.seen.in_flight)

    told = command.reembed("--yes")

    assert told.code == 11
    assert str(process.pid) in told.err
    kill(process)


def test_a_server_that_is_killed_ends_the_run_and_what_was_committed_is_kept(endpoint: FakeEndpoint) -> None:
    with running(with_pgvector()) as server:
        url = server.fresh(*postgres_shapes.statements(), *postgres_shapes.memories(ROWS))
        command = Command(url, remote(endpoint))  # type: ignore[arg-type]
        endpoint.change(latency=0.05)
        process = command.start(*IN_PLACE)
        wait_for(lambda: count(url) >= 3 * BATCH)
        server.kill()
        ended = answer(process)
        assert (ended.code, "Traceback" in ended.err) == (75, False), ended

        server.start_again()
        kept = count(url)
        told = command.reembed("--resume", "--yes")

        assert kept >= 3 * BATCH
        assert (told.code, told.json["remaining"], count(url)) == (0, 0, ROWS)


def test_a_newer_release_that_alters_the_memories_under_a_run_stops_it_and_the_next_start_writes_its_stamps(
    postgres: Server, endpoint: FakeEndpoint
) -> None:
    url = postgres.fresh(*postgres_shapes.statements(54), *postgres_shapes.memories(ROWS))
    command = Command(url, remote(endpoint))  # type: ignore[arg-type]
    endpoint.change(latency=0.05)
    process = command.start(*IN_PLACE)
    wait_for(lambda: count(url) >= 3 * BATCH)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER TABLE memories ADD COLUMN embedding_space TEXT")
        connection.execute("UPDATE schema_version SET version = 84")
    ended = answer(process)
    assert (ended.code, "since this began" in ended.err) == (75, True), ended
    assert count(url) < ROWS

    told = command.reembed("--resume", "--yes")

    assert (told.code, told.json["remaining"]) == (0, 0)
    stamped = "SELECT count(*) FROM memories WHERE embedding_space = 'fake#none'"
    assert (count(url), count(url, stamped)) == (ROWS, ROWS)


def test_encrypted_memories_get_vectors_where_their_key_is(
    postgres: Server, endpoint: FakeEndpoint, tmp_path: Path
) -> None:
    url = postgres.fresh(*postgres_shapes.statements(), *postgres_shapes.memories(ROWS))
    encrypt = "UPDATE memories SET content = '', encrypted_envelope = %s, metadata = %s WHERE id = %s"
    with psycopg.connect(url, autocommit=True) as connection:
        for row_id, agent in (("id-000", "agent-a"), ("id-001", "agent-b")):
            metadata = json.dumps({"agent_id": agent})
            connection.execute(encrypt, (sealed(f"the secret of {row_id}", agent), metadata, row_id))
    keys = keep_key(tmp_path / "keys", "agent-a").parent
    command = Command(url, {**remote(endpoint), "AI_MEMORY_KEY_DIR": str(keys)})  # type: ignore[arg-type]

    told = command.reembed("--yes")

    assert (told.code, told.json["quarantined"]) == (10, 1)
    assert any("the secret of id-000" in text for text in endpoint.seen.texts)
    assert count(url) == ROWS - 1
    keep_key(keys, "agent-b")
    assert command.reembed("--retry-quarantined", "--yes").code == 0
    assert count(url) == ROWS
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT 1 FROM memories WHERE content LIKE '%secret%'").fetchall() == []


def test_our_tables_leave_and_theirs_stay(command: Command, url: str) -> None:
    assert command.reembed("--yes").code == 0
    made = "SELECT count(*) FROM pg_namespace WHERE nspname = 'ai_memory_reembed'"
    assert count(url, made) == 1

    told = command.run("uninstall-tables", "--yes", "--json")

    assert (told.code, "reembed_run" in told.json["dropped"]) == (0, True)
    assert (count(url), count(url, made)) == (ROWS, 0)
    assert command.run("uninstall-tables", "--yes").out == "There are no tables of ours in it.\n"


def test_a_password_is_never_shown(url: str, endpoint: FakeEndpoint) -> None:
    command = Command(url.replace("app@", "app:s%40cret@"), remote(endpoint))  # type: ignore[arg-type]
    for words in (
        ["stats"],
        ["init"],
        ["reembed", "status"],
        ["config", "show"],
        ["reembed", "--backup", "x", "--yes"],
    ):
        told = command.run(*words)
        assert "s%40cret" not in told.out + told.err
        assert "s@cret" not in told.out + told.err


def test_an_address_comes_from_the_environment_that_of_a_file_first(url: str, tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(f"{url}\n")
    file.chmod(0o600)
    named = {"AI_MEMORY_STORE_URL_FILE": str(file), "AI_MEMORY_STORE_URL": "postgresql://nobody@127.0.0.1:1/none"}

    told = stats(named)
    assert (told.code, told.json["db"], told.json["memories"]) == (0, url, ROWS)
    assert stats({"AI_MEMORY_STORE_URL": url}).json["memories"] == ROWS
    assert stats({"AI_MEMORY_STORE_URL": str(file)}).code == 3
    file.chmod(0o644)
    refused = stats(named)
    assert (refused.code, str(file) in refused.error) == (3, True)


def stats(env: dict[str, str]) -> Answer:
    """Run `stats` where nothing but the environment names a database."""
    line = [sys.executable, "-m", "ai_memory", "stats", "--json"]
    done = subprocess.run(
        line, check=False, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT), **env}
    )
    return Answer(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("address", "code", "told"),
    [
        ("postgresql://app@127.0.0.1:1/x", 75, "cannot be reached"),
        ("postgresql://app@127.0.0.1:{port}/none", 65, "does not exist"),
        ("postgresql://nobody@127.0.0.1:{port}/postgres", 65, "does not exist"),
        ("postgresql://app@127.0.0.1:{port}/postgres", 65, "has no table memories"),
        ("postgresql://[", 65, "cannot be opened"),
    ],
)
def test_what_cannot_be_opened_is_told_in_one_line(postgres: Server, address: str, code: int, told: str) -> None:
    command = Command(address.format(port=postgres.port))  # type: ignore[arg-type]

    for words in (["stats"], ["reembed", "status"]):
        refused = command.run(*words)
        assert (refused.code, told in refused.error) == (code, True), refused


@pytest.mark.parametrize("extension", [(), ("CREATE EXTENSION vector",)])
def test_a_database_that_is_made_there_takes_vectors_of_every_width(
    postgres: Server, endpoint: FakeEndpoint, tmp_path: Path, extension: tuple[str, ...]
) -> None:
    url = postgres.fresh(*extension)
    command = Command(url, remote(endpoint))  # type: ignore[arg-type]
    assert command.run("init").code == 0
    assert command.run("init").code == 64
    told = tmp_path / "told.jsonl"
    told.write_text("".join(f'{{"title": "t {n}", "content": "c {n}"}}\n' for n in range(20)))
    assert command.run("import", told).code == 0

    with FakeEndpoint(dim=24, model="wider") as wider:
        changed = Command(url, remote(wider))  # type: ignore[arg-type]
        assert changed.reembed("--yes").code == 0
        assert changed.run("stats", "--json").json["spaces"] == [{"space": "wider#none", "dim": 24, "rows": 20}]
        assert changed.run("reembed", "rollback", "--yes").code == 0
    assert command.run("stats", "--json").json["spaces"] == [{"space": "fake#none", "dim": 16, "rows": 20}]


def test_another_width_than_the_memories_take_is_refused_before_a_text_is_sent(
    postgres: Server, endpoint: FakeEndpoint
) -> None:
    url = postgres.fresh(*postgres_shapes.statements(width=8), *postgres_shapes.memories(ROWS))
    command = Command(url, remote(endpoint))  # type: ignore[arg-type]

    told = command.reembed("--yes")

    assert (told.code, "8 numbers" in told.error) == (65, True)
    assert count(url) == 0
    assert not any("content of" in text for text in endpoint.seen.texts)
