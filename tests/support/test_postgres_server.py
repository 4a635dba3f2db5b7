from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from tests.conftest import ROOT
from tests.support import postgres_shapes
from tests.support.postgres_server import Server, running, with_pgvector

STARTING = """
import sys, time
from pathlib import Path
from tests.support.postgres_server import running
with running(Path(sys.argv[1])) as server:
    print(server.process.pid, server.folder, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("version", postgres_shapes.VERSIONS)
@pytest.mark.parametrize("width", [None, 16])
def test_each_shape_can_be_made_and_a_copy_of_it_is_a_database_of_its_own(
    postgres: Server, version: int, width: int | None
) -> None:
    made = [*postgres_shapes.statements(version, width=width), *postgres_shapes.memories(3)]
    one, other = (postgres.fresh(*made) for _ in range(2))
    with psycopg.connect(one, autocommit=True) as connection:
        connection.execute("DELETE FROM memories WHERE id = 'id-001'")

    counted = []
    for each in (one, other):
        with psycopg.connect(each) as connection:
            counted += connection.execute("SELECT count(*) FROM memories").fetchall()
    assert counted == [(2,), (3,)]


def test_a_server_is_gone_with_the_tests_that_started_it() -> None:
    command = [sys.executable, "-c", STARTING, str(with_pgvector())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as tests:
        assert tests.stdout is not None
        pid, folder = tests.stdout.readline().split()
        server = int(pid)
        assert Path(f"/proc/{server}").exists()
        tests.send_signal(signal.SIGKILL)
        tests.wait()
        end = time.monotonic() + 30
        while _is_alive(server) and time.monotonic() < end:
            time.sleep(0.05)
    assert not _is_alive(server)
    shutil.rmtree(folder)


def test_a_server_that_was_killed_is_started_again_with_what_was_committed() -> None:
    with running(with_pgvector()) as server:
        server.execute("CREATE DATABASE kept")
        server.kill()
        server.start_again()
        with psycopg.connect(server.url("kept")) as connection:
            assert connection.execute("SELECT 1").fetchall() == [(1,)]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
