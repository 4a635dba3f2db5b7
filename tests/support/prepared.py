"""A process that has the program imported, and splits off one for each command, so that Python starts once.

What is split off is a process of its own like any other, with its own number, environment, folder and streams. Only
what it has imported is there already. A command whose environment changes how Python starts is started by Python, and
so are all with TESTS_START_PYTHON.
"""

from __future__ import annotations

import array
import atexit
import gc
import importlib
import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

ROOT = Path(__file__).resolve().parent.parent.parent
ALWAYS_START = "TESTS_START_PYTHON"
OF_PYTHON = ("PYTHON", "LD_", "LC_", "LANG", "OPENBLAS_", "OMP_", "MKL_")
"""How the names of variables begin that say how Python and its libraries start."""
IMPORTED = (
    "apsw",
    "numpy",
    "requests",
    "tenacity",
    "psycopg",
    "ai_memory.commands.doctor",
    "ai_memory.commands.recall",
    "ai_memory.commands.reembed.run",
    "ai_memory.commands.reembed.status",
    "ai_memory.embed.assemble",
    "ai_memory.stores.postgres.database",
    "ai_memory.stores.sqlite.database",
)
"""What most commands import. None of it reads the environment when it is imported."""


@dataclass(frozen=True, slots=True)
class Run:
    """Split off a process for a command."""

    words: Sequence[str]
    env: Mapping[str, str]
    folder: str


@dataclass(frozen=True, slots=True)
class Reap:
    """Say how a process ended, which has."""

    pid: int


class Prepared:
    """The process that splits off others, as whoever runs tests sees it; it starts with the first that is asked for."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._asks: socket.socket | None = None
        self._began: dict[str, str] | None = None
        self._lock = Lock()

    def fits(self, env: Mapping[str, str]) -> bool:
        """Return whether Python starts in that environment as it starts here."""
        return ALWAYS_START not in os.environ and _of_python(env) == (self._began or _of_python(_ours()))

    def ask(self, what: Run | Reap, streams: Sequence[int] = ()) -> int:
        """Return the number of a process that was split off with these streams, or the status of one that ended."""
        with self._lock:
            asks = self._asks = self._asks or self._started()
            words = pickle.dumps(what)
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", streams))] if streams else []
            asks.sendmsg([len(words).to_bytes(4, "big")], rights)
            asks.sendall(words)
            answer = asks.recv(8, socket.MSG_WAITALL)
        assert len(answer) == 8, "the process that splits off others has ended"
        return int.from_bytes(answer, "big")

    def _started(self) -> socket.socket:
        self._began = _of_python(_ours())
        ours, theirs = socket.socketpair()
        line = [sys.executable, "-m", "tests.support.prepared", str(theirs.fileno())]
        process = subprocess.Popen(line, env=_ours(), stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], cwd=ROOT)
        theirs.close()

        def end() -> None:
            ours.close()
            process.wait()

        atexit.register(end)
        return ours


PREPARED = Prepared()


class Split(subprocess.Popen[str]):
    """A process that was split off, with pipes for its streams, as if it had been started."""

    def __init__(self, line: Sequence[str], words: Sequence[str], env: Mapping[str, str]) -> None:
        """Start a command with these words; `line` is how it would be started."""
        (theirs_in, ours_in), (ours_out, theirs_out), (ours_err, theirs_err) = (os.pipe() for _ in range(3))
        streams = [theirs_in, theirs_out, theirs_err]
        # What `Popen` leaves for its methods to find.
        self.args, self.returncode, self.encoding, self.errors, self.pipesize = line, None, "utf-8", None, -1
        self.text_mode, self._child_created, self._communication_started, self._input = True, True, False, None
        self._waitpid_lock, self._closed_child_pipe_fds, self._sigint_wait_secs = Lock(), True, 0.25
        self.stdin = os.fdopen(ours_in, "w", encoding="utf-8")
        self.stdout, self.stderr = (os.fdopen(each, encoding="utf-8") for each in (ours_out, ours_err))
        self.pid = PREPARED.ask(Run(words, env, str(Path.cwd())), streams)
        self._ended = os.pidfd_open(self.pid)
        for each in streams:
            os.close(each)

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        """Return the number and the status, as `os.waitpid` does, which knows one's own children alone."""
        ended = select.poll()
        ended.register(self._ended, select.POLLIN)
        if not ended.poll(0 if wait_flags & os.WNOHANG else None):
            return 0, 0
        os.close(self._ended)
        return self.pid, PREPARED.ask(Reap(self.pid))

    def _internal_poll(self, **_: object) -> int | None:
        with self._waitpid_lock:
            if self.returncode is None and (ended := self._try_wait(os.WNOHANG))[0]:
                self.returncode = os.waitstatus_to_exitcode(ended[1])
        return self.returncode


def _ours() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def _of_python(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(OF_PYTHON)}


def _next(asks: socket.socket) -> Run | None:
    """Answer what is asked; return what the process that was split off is to do, and None in this one at the end."""
    while True:
        size, rights, _, _ = asks.recvmsg(4, socket.CMSG_SPACE(3 * 4))
        if not size:
            return None
        what: Run | Reap = pickle.loads(asks.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL))
        if isinstance(what, Reap):
            asks.sendall(os.waitpid(what.pid, 0)[1].to_bytes(8, "big"))
            continue
        streams = array.array("i")
        for _, _, given in rights:
            streams.frombytes(given)
        child = os.fork()
        for number, stream in enumerate(streams):
            if not child:
                os.dup2(stream, number)
            os.close(stream)
        if not child:
            asks.close()
            return what
        asks.sendall(child.to_bytes(8, "big"))


def main() -> int:
    """Serve until whoever asks is gone; in a process that is split off, run the command that was asked for."""
    for name in IMPORTED:
        importlib.import_module(name)
    gc.freeze()
    asked = _next(socket.socket(fileno=int(sys.argv[1])))
    if asked is None:
        return 0
    os.environ.clear()
    os.environ.update(asked.env)
    # Where the time zone was read once it stays.
    time.tzset()
    os.chdir(asked.folder)
    sys.argv = [str(ROOT / "ai_memory" / "__main__.py"), *asked.words]
    # As the module that is started takes away what -m puts there.
    del sys.path[0]
    from ai_memory.__main__ import start

    return start()


if __name__ == "__main__":
    # Whoever runs tests ignores what the terminal sends to all: so would whoever is split off.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # What comes over the socket is of the module by its name.
    sys.exit(importlib.import_module("tests.support.prepared").main())
