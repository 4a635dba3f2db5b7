"""What the processor of this machine has instructions for, as far as the system tells."""

from __future__ import annotations

from pathlib import Path

LISTED = Path("/proc/cpuinfo")
"""Linux's list: a line `flags` (x86-64) or `Features` (Arm) for each core."""


def processor_features(listed: Path = LISTED) -> frozenset[str]:
    """Return the names that the system has for sets of instructions of the first core; none where it does not tell."""
    try:
        lines = listed.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    return next((frozenset(line.partition(":")[2].split()) for line in lines if _names_them(line)), frozenset())


def _names_them(line: str) -> bool:
    return line.partition(":")[0].strip() in {"flags", "Features"}
