"""Starts this program once more, as a process that lives by itself."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import IO

_BOOT = (
    "import sys; after = 2 + int(sys.argv[1]); sys.path[:], sys.argv[1:] = sys.argv[2:after], sys.argv[after:]; "
    "from ai_memory.__main__ import start; sys.exit(start())"
)
"""Run with -P: nothing is imported from the working folder that this program would not import from there."""
GENTLE = 10
"""The niceness of what nobody waits for, as of nice(1) without a number."""


def start_own(
    words: Sequence[str], *, stderr: IO[bytes] | int | None = None, gently: bool = False
) -> subprocess.Popen[bytes]:
    """Begin `ai-memory WORDS` in a session of its own: it goes on when this process ends, and when its group is killed.

    It reads nothing, and what it prints is dropped but for `stderr` (None: goes where ours goes). `gently`: whatever
    else wants to compute comes first.

    Raises:
        OSError: it cannot be begun.
    """
    line = [sys.executable, "-P", "-c", _BOOT, str(len(sys.path)), *sys.path, *words]
    process = subprocess.Popen(  # noqa: S603 - this interpreter, and our own words
        line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr, start_new_session=True
    )
    if gently:
        # Its threads are begun later, and take it over.
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, GENTLE)
    return process
