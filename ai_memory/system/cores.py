"""How many threads may usefully compute at once in this process."""

from __future__ import annotations

import os
from pathlib import Path

_SIBLINGS = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
"""Of Linux: which processors share one core with a processor."""


def usable_cores() -> int:
    """Return the number of cores that this process may use, at least one; threads that share a core count as one."""
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    return len({_core_of(each) for each in os.sched_getaffinity(0)})


def _core_of(processor: int) -> str:
    try:
        return Path(_SIBLINGS.format(processor)).read_text(encoding="ascii")
    except (OSError, ValueError):
        return str(processor)
