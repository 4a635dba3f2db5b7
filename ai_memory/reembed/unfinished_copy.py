"""The pause that stands on a database until it is the whole copy of another one: who made it, and what finishes it."""

from __future__ import annotations

from shlex import quote

from ai_memory.stores.values import Pause
from ai_memory.text.hints import PROGRAM

BY = "A copy"
"""Who paused the target of a copy that is not finished: while it stands no migration begins there."""
OF = "it is the unfinished copy of "


def marked(source: str) -> str:
    """Return why a database is paused that is the unfinished copy of `source`."""
    return f"{OF}{source}"


def pause_of(source: str, *, now_ms: int) -> Pause:
    """Return the pause that stands on a target until it is the whole copy of `source`."""
    return Pause(now_ms, None, BY, marked(source))


def finishing(name: str, pause: Pause | None) -> str:
    """Return the command that goes on with the copy which paused the database of that name; empty where no copy did."""
    if pause is None or pause.by != BY or not pause.reason.startswith(OF):
        return ""
    return f"{PROGRAM} copy {quote(pause.reason.removeprefix(OF))} {quote(name)}"
