"""`--on-end`: a command of the user's that hears how a start ended, and changes nothing of it."""

from __future__ import annotations

import io
import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from ai_memory.show.console import Shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ai_memory.show.console import Console

PATIENCE_S = 30.0
"""How long the command is waited for: enough to ping a URL or hand over a mail, and no night is held up by it."""


def tell_end(command: str, console: Console, values: Mapping[str, object], *, patience: float = PATIENCE_S) -> None:
    """Run a shell command with the result as one JSON object on its standard input; what it prints goes to stderr.

    Where it fails, or takes longer than `patience` (seconds), a warning says so.
    """
    report = io.StringIO()
    replace(console, json=True, out=report, shown=Shown()).result(values)
    # A session of its own: what the shell has started ends with it.
    with subprocess.Popen(  # noqa: S603 (a command line of whoever typed this one)
        ["/bin/sh", "-c", command], stdin=subprocess.PIPE, stdout=console.err.fileno(), start_new_session=True
    ) as running:
        try:
            running.communicate(report.getvalue().encode(), timeout=patience)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
            console.warn(f"--on-end: the command was ended after {patience:g} s; the start ended as told.")
            return
    if running.returncode:
        console.warn(f"--on-end: the command ended with {running.returncode}; the start ended as told.")
