"""A `reembed` that a server began, and what it said."""

from __future__ import annotations

import os
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

from ai_memory.errors import StorageFailed
from ai_memory.frozen import Frozen
from ai_memory.system.own_process import start_own
from ai_memory.text.cleaning import MOST_WORDS, one_line

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping, Sequence

READ = 1 << 16
LINE = ("--quiet", "reembed", "--resume", "--or-start")
"""An unattended start: it goes on with the unfinished run, else begins one to a target that a person approved."""


class Started(Frozen):
    """A process that works by itself; what it says goes into a file without a name, which is gone with both."""

    process: subprocess.Popen[bytes]
    said: IO[bytes]

    @property
    def runs(self) -> bool:
        """Whether it is still there."""
        return self.process.poll() is None

    def values(self) -> dict[str, object]:
        """Return its number, its exit code (None: it still runs) and what it said."""
        # Not by the file's own position, at which the process writes.
        said = os.pread(self.said.fileno(), READ, 0).decode("utf-8", "replace")
        return {
            "pid": self.process.pid,
            "exit_code": self.process.poll(),
            "said": one_line(said, most=MOST_WORDS),
        }


def start_reembed(options: Sequence[str], environ: Mapping[str, str]) -> Started:
    """Begin an unattended start, with the global `options` and the `environ` that name its files; return at once.

    Raises:
        StorageFailed: no process can be begun, or there is no place for what it says.
    """
    try:
        said = TemporaryFile()  # noqa: SIM115 (open for as long as somebody may ask)
        return Started(start_own([*options, *LINE], environ, stderr=said), said)
    except OSError as error:
        raise StorageFailed(f"No process can be begun: {error.strerror}.", tip="Free some space or memory.") from error
