"""Real processes: a PostgreSQL server, and runs on it, are killed in turn while somebody edits: nothing is wrong."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Event, Thread

import numpy as np
import psycopg
import pytest

from tests.support import postgres_shapes
from tests.support.command import Command, answer, kill, remote
from tests.support.fake_endpoint import FakeEndpoint
from tests.support.postgres_server import Server, replica, running, with_pgvector

BATCH = 5
AT_LEAST = 15
"""Rows that are written between two kills."""
WRITTEN = "SELECT coalesce(sum(reembedded), 0) FROM ai_memory_reembed.reembed_run"
BORN = """
    INSERT INTO memories (id, tier, namespace, title, content, created_at, updated_at)
    VALUES ('new-' || %(n)s, 'mid', 'b', 'new ' || %(n)s, 'born in between', now(), now())
"""
EDITS = (
    "UPDATE memories SET content = 'edit ' || %(n)s WHERE id = %(id)s",
    "UPDATE memories SET title = 'title ' || %(n)s, namespace = 'moved' WHERE id = %(id)s",
    "DELETE FROM memories WHERE id = %(id)s",
    BORN,
)
ROWS = """
    SELECT m.id, m.title || ' ' || m.content, m.embedding, p.memory_id IS NOT NULL
    FROM memories AS m LEFT JOIN ai_memory_reembed.embedding_provenance AS p ON p.memory_id = m.id
"""


@contextmanager
def editing(
    url: str, rows: int, *, seed: int, pause: float = 0.05, edits: Sequence[str] = EDITS
) -> Iterator[list[int]]:
    """Edit some twenty memories a second, over connections that are lost with the server; yields how many it took."""
    over, took, draw = Event(), [0], random.Random(seed)

    def edit() -> None:
        for number in range(10**9):
            if over.wait(pause):
                return
            values = {"n": str(number), "id": f"id-{draw.randrange(rows):03}"}
            with suppress(psycopg.Error), psycopg.connect(url, connect_timeout=2) as connection:
                connection.execute(draw.choice(edits).encode(), values)
                took[0] += 1

    thread = Thread(target=edit)
    thread.start()
    try:
        yield took
    finally:
        over.set()
        thread.join()


def written(url: str) -> int:
    """Return how many rows all runs have written; nothing where no run has begun."""
    try:
        with psycopg.connect(url) as connection:
            [(found,)] = connection.execute(WRITTEN.encode()).fetchall()
    except psycopg.errors.UndefinedTable:
        return 0
    return int(found)


def runs(url: str) -> int:
    """Return how many runs were ever begun."""
    with psycopg.connect(url) as connection:
        [(found,)] = connection.execute(b"SELECT count(*) FROM ai_memory_reembed.reembed_run").fetchall()
    return int(found)


def interrupted(server: Server, url: str, command: Command, *, of_server: bool) -> int:
    """Start a run and kill it, or the server below it, once some rows are written; return the run's exit code."""
    before, words = written(url), ("reembed", "--yes", "--batch", str(BATCH))
    process = command.start(*words, *(("--resume",) if before else ()))
    while process.poll() is None and written(url) < before + AT_LEAST:
        time.sleep(0.005)
    if not of_server:
        return kill(process).code
    server.kill()
    ended = answer(process)
    assert "Traceback" not in ended.err, ended
    server.start_again()
    return ended.code


@pytest.mark.parametrize("width", [None, 16])
def test_nothing_is_wrong_however_often_the_server_or_the_run_is_killed(
    width: int | None, long_form: bool, figures: list[str]
) -> None:
    rows, rounds = (3_000, 20) if long_form else (400, 4)
    with running(with_pgvector()) as server, FakeEndpoint(dim=16, latency=0.1) as endpoint:
        url = server.fresh(*postgres_shapes.statements(width=width), *postgres_shapes.memories(rows))
        command = Command(url, remote(endpoint))  # type: ignore[arg-type]
        with editing(url, rows, seed=rows) as took:
            codes = [interrupted(server, url, command, of_server=turn % 2 == 0) for turn in range(rounds)]
        endpoint.change(latency=0)
        for words in (("--resume",), (), ()):
            if command.run("reembed", "--yes", *words).code == 0:
                break
        last = command.run("reembed", "--yes")

        assert set(codes) <= {0, 75, -9}, codes
        assert 75 in codes
        assert last.code == 0, last
        found = state(url, width)
        wrong = [row_id for row_id, text, vector, known in found if not (known and same(endpoint, text, vector))]
        assert wrong == []
        figures.append(
            f"PostgreSQL, {'BYTEA' if width is None else 'vector'}: {rounds} kills, {took[0]} edits, {len(found)} rows,"
            f" {len(wrong)} wrong; ended with {codes}"
        )


def test_a_run_waits_for_a_replica_that_is_further_behind_than_is_wanted() -> None:
    with running(with_pgvector()) as server, FakeEndpoint(dim=16) as endpoint:
        url = server.fresh(*postgres_shapes.statements(width=16), *postgres_shapes.memories(900))
        command = Command(url, remote(endpoint))  # type: ignore[arg-type]
        words = ("--batch", "20", "--concurrency", "1", "--sleep-ms", "100", "--max-lag", "1s", "--yes")
        with replica(server) as behind:
            refused = command.reembed(*words)
            assert (refused.code, "GRANT pg_read_all_stats TO app" in refused.error) == (65, True), refused
            # Before it asked anybody for anything.
            assert (runs(url), endpoint.seen.texts) == (0, Counter())
            server.execute("GRANT pg_read_all_stats TO app")
            behind.execute("SELECT pg_wal_replay_pause()")
            held_up = command.reembed(*words, "--max-runtime", "6s")
            behind.execute("SELECT pg_wal_replay_resume()")
            ended = command.reembed("--resume", *words)

        # What is in flight at the end is written: that is paid for.
        assert (held_up.code, held_up.json["reason"]) == (75, "max-runtime"), held_up
        assert held_up.json["remaining"] > 0
        assert (ended.code, ended.json["state"]) == (0, "done"), ended
        assert command.reembed("--retarget", "--max-lag", "1s").code == 0


def test_a_staged_run_is_ready_and_is_switched_to_beside_fifty_writes_a_second(figures: list[str]) -> None:
    with running(with_pgvector()) as server, FakeEndpoint(dim=16, latency=0.05) as endpoint:
        url = server.fresh(*postgres_shapes.statements(width=8), *postgres_shapes.memories(400))
        command = Command(url, remote(endpoint))  # type: ignore[arg-type]
        with editing(url, 400, seed=50, pause=0.02, edits=(BORN, EDITS[0])) as took:
            staged = command.reembed("--staged", "--yes")
            switched = command.run("reembed", "switch", "--json")
        last = command.run("reembed", "--yes")

        assert (staged.code, staged.json["state"]) == (0, "ready"), staged
        assert (switched.code in (0, 75), switched.json["state"]) == (True, "done"), switched
        assert last.code == 0, last
        found = state(url, 16)
        assert [row_id for row_id, text, vector, known in found if not (known and same(endpoint, text, vector))] == []
        figures.append(
            f"PostgreSQL, a staged run beside {took[0]} writes: ready after {staged.json['passes']} passes with"
            f" {staged.json['remaining']} rows come since, {len(found)} rows right at the end"
        )


def state(url: str, width: int | None) -> list[tuple[str, str, list[float], bool]]:
    """Return id, text, vector of each memory, and whether it is recorded."""
    with psycopg.connect(url) as connection:
        found = connection.execute(ROWS.encode()).fetchall()
    read = decoded if width is None else parsed
    return [(row_id, text, read(sent), known) for row_id, text, sent, known in found]


def decoded(sent: bytes | None) -> list[float]:
    return list(np.frombuffer(sent or b"", "<f4").tolist())


def parsed(sent: str | None) -> list[float]:
    return [float(each) for each in (sent or "[]")[1:-1].split(",") if each]


def same(endpoint: FakeEndpoint, text: str, vector: list[float]) -> bool:
    """Return whether a vector is the endpoint's of that very text."""
    expected = endpoint.vector(text)
    return len(vector) == len(expected) and bool(np.allclose(vector, expected, atol=1e-6))
