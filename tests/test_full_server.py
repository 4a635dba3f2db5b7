"""A PostgreSQL server whose disk is full: said in one line, and a run goes on once there is room."""

from __future__ import annotations

import os
from collections.abc import Iterator

import psycopg
import pytest

from tests.support import postgres_shapes
from tests.support.command import Command, remote
from tests.support.fake_endpoint import FakeEndpoint
from tests.support.postgres_server import Server, running, with_pgvector
from tests.support.small_disk import remount, small_disk

ROWS, OLD, NEW = 1_500, 64, 512
ROOM, MORE = "size=13m", "size=80m"
VECTORS = "SELECT count(*), count(embedding), min(vector_dims(embedding)) FROM memories"


@pytest.fixture
def server() -> Iterator[Server]:
    with running(with_pgvector()) as server:
        yield server


@pytest.fixture
def url(server: Server) -> Iterator[str]:
    """A database of theirs, alone on a disk that has room for what stands there, and little more."""
    made = server.fresh(*postgres_shapes.statements(width=OLD), *postgres_shapes.memories(ROWS))
    with small_disk(server.folder / "small", ROOM) as folder:
        owner = server.folder.stat()
        os.chown(folder, owner.st_uid, owner.st_gid)
        server.execute(f"CREATE TABLESPACE small LOCATION '{folder}'")
        server.execute(f"ALTER DATABASE {made.rpartition('/')[2]} SET TABLESPACE small")
        yield made
        server.kill()


def test_a_run_says_that_the_disk_is_full_and_ends_right_once_there_is_room(server: Server, url: str) -> None:
    with FakeEndpoint(dim=NEW) as endpoint:
        command = Command(url, remote(endpoint))  # type: ignore[arg-type]
        full = command.run("reembed", "--staged", "--yes", "--batch", "100")
        remount(server.folder / "small", MORE)
        staged = command.reembed("--resume", "--batch", "100")
        remount(server.folder / "small", MORE)
        switched = command.run("reembed", "switch")

    assert full.code == 74
    assert "the disk is full" in full.err
    assert "Traceback" not in full.err
    assert (staged.code, switched.code) == (0, 0)
    with psycopg.connect(url) as connection:
        assert connection.execute(VECTORS).fetchall() == [(ROWS, ROWS, NEW)]
