"""Who holds the runner's lock, and what can be told of it."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict
from enum import Enum, StrEnum

from ai_memory.frozen import Frozen
from ai_memory.text import nesting


class Task(StrEnum):
    """What the lock is held for, as a user would type it."""

    REEMBED = "reembed"
    STAMP = "reembed --stamp-only"
    BACKFILL = "backfill"
    MAKE_STALE = "reembed verify --make-stale"
    RESTORE = "restore"
    REPAIR = "doctor --repair-fts"
    PRUNE = "reembed prune"
    COPY = "copy"
    UNINSTALL = "uninstall-tables"


class Holder(Frozen):
    """Who holds the lock: process id, host and start of the process (Unix milliseconds), and for what."""

    pid: int
    host: str
    started_at: int
    task: Task = Task.REEMBED

    def to_json(self) -> str:
        """Return the holder as JSON, as the run row and the lock file keep it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> Holder:
        """Return the holder of a JSON text; keys that a later release may add are passed over.

        Raises:
            ValueError: it is not a holder.
        """
        with nesting.bounded():
            found = json.loads(text)
        if isinstance(found, dict):
            pid, host, started_at = (found.get(name) for name in ("pid", "host", "started_at"))
            task = found["task"] if found.get("task") in list(Task) else Task.REEMBED
            if type(pid) is int and type(host) is str and type(started_at) is int and pid > 0 and started_at >= 0:
                return cls(pid, host, started_at, Task(task))
        raise ValueError("not a holder")

    def may_live(self) -> bool:
        """Return False where the process was on this host and is gone; on another host nothing can be known."""
        if self.host != socket.gethostname():
            return True
        try:
            os.kill(self.pid, 0)
        except (ProcessLookupError, OverflowError):
            return False
        except PermissionError:
            return True
        return True


class LockState(Enum):
    """What can be told of a lock without taking it.

    A runner holds it alone. A process that may only read the file can share it, which no runner does. It is `HIDDEN`
    from a user who may not read it.
    """

    FREE = "free"
    RUNNER = "held by a runner"
    READER = "held by a process that only reads it"
    HIDDEN = "may not be read"
