"""Starts this program once more, as a process that lives by itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO

from ai_memory.system.process_env import process_environment

_BOOT = (
    "import sys; after = 2 + int(sys.argv[1]); sys.path[:], sys.argv[1:] = sys.argv[2:after], sys.argv[after:]; "
    "from ai_memory.__main__ import start; sys.exit(start())"
)
"""Run with -P: nothing is imported from the working folder that this program would not import from there."""
_BOUND = _BOOT.replace("from ", "from ai_memory.system.own_process import end_with_stdin; end_with_stdin(); from ", 1)
GENTLE = 10
"""The niceness of what nobody waits for, as of nice(1) without a number."""


def start_own(
    words: Sequence[str],
    environ: Mapping[str, str],
    *,
    stderr: IO[bytes] | int | None = None,
    gently: bool = False,
    bound: bool = False,
) -> subprocess.Popen[bytes]:
    """Begin `ai-memory WORDS` in a session of its own: it goes on when this process ends, and when its group is killed.

    `environ` is what its environment has beside ours. It reads nothing, and what it prints is dropped but for `stderr`
    (None: goes where ours goes). `gently`: whatever else wants to compute comes first. `bound`: it ends, as by SIGTERM,
    when this process does, in whatever way, or lets go of what is returned.

    Raises:
        OSError: it cannot be begun.
    """
    line = [sys.executable, "-P", "-c", _BOUND if bound else _BOOT, str(len(sys.path)), *sys.path, *words]
    process = subprocess.Popen(  # noqa: S603 - this interpreter, and our own words
        line,
        stdin=subprocess.PIPE if bound else subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        env={**process_environment(), **environ},
        start_new_session=True,
    )
    if gently:
        # Its threads are begun later, and take it over.
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, GENTLE)
    return process


def end_with_stdin() -> None:
    """Have this process end, as by SIGTERM, once nobody has the other end of its stdin open any more."""

    def watch() -> None:
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="starter", daemon=True).start()
