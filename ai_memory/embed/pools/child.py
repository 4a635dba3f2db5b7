"""A process of this program that was started to work for it, and the one socket between them.

Why not `multiprocessing`: it starts a second process beside the workers, and runs the main module again in each of
them. A fresh interpreter and one socket are all that is needed. The socket's other end is nobody else's: when the
program ends, in whatever way, the process reads that, and ends.

SIGINT and SIGTERM are blocked in it from its first instruction on: Ctrl-C goes to all processes of a terminal, and a
service manager's SIGTERM to all of a service, and what is in flight is to be answered before the program ends.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress

_BOOT = "import sys; sys.path[:] = sys.argv[2:]; from {} import main; main()"
"""Run with -P: nothing is imported from the working folder that this program would not import from there."""
ENDS_S = 5.0
"""Seconds that a process has to end by itself once nobody speaks to it. A choice of 2026-11-27, not measured."""


class Child:
    """A process that runs the `main` of one of our modules; it is started by this object's creation."""

    def __init__(self, module: str, *, env: Mapping[str, str] | None = None) -> None:
        """Start it; in an environment of its own (`env`) it says nothing to people, and leads its process group.

        Raises:
            OSError: the system starts no more processes.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = _started(module, theirs, env)
            except OSError:
                ours.close()
                raise
        self.socket, self._leads_group = ours, env is not None

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def reaped(self) -> str:
        """Return how the process ended, for people, once it has; nobody speaks to it any more."""
        try:
            code = self._process.wait(ENDS_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if self._leads_group:
            # What it started, and could not end any more.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        return f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"


def _started(module: str, theirs: socket.socket, env: Mapping[str, str] | None) -> subprocess.Popen[bytes]:
    line = [sys.executable, "-P", "-c", _BOOT.format(module), str(theirs.fileno()), *sys.path]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        return subprocess.Popen(  # noqa: S603 - this interpreter, and our own words
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=None if env is None else subprocess.DEVNULL,
            env=env,
            process_group=None if env is None else 0,
            pass_fds=[theirs.fileno()],
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
