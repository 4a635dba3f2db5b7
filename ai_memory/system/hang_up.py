"""Whether the other end of a pipe or socket is closed, without reading what it sent."""

from __future__ import annotations

import select


def is_hung_up(descriptor: int) -> bool:
    """Return whether nobody can write to what we read; False for a file, a terminal or the null device."""
    poller = select.poll()
    poller.register(descriptor, select.POLLHUP | getattr(select, "POLLRDHUP", 0))
    return bool(poller.poll(0))
