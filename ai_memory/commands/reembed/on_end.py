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
    try:
        fault = _ran(command, report.getvalue(), console.err.fileno(), patience)
    except OSError as error:
        fault = f"cannot be run: {error.strerror}"
    if fault:
        console.warn(f"--on-end: the command {fault}; the start ended as told.")


def _ran(command: str, report: str, output: int, patience: float) -> str:
    """Run the command and return what is wrong with how it ended, empty where nothing is.

    Raises:
        OSError: it cannot be begun.
    """
    # A session of its own: what the shell has started ends with it.
    with subprocess.Popen(  # noqa: S603 (a command line of whoever typed this one)
        ["/bin/sh", "-c", command], stdin=subprocess.PIPE, stdout=output, start_new_session=True
    ) as running:
        try:
            running.communicate(report.encode(), timeout=patience)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
            return f"was ended after {patience:g} s"
    return f"ended with {running.returncode}" if running.returncode else ""
