"""Processes of this machine, as the system tells of them."""

from __future__ import annotations

from pathlib import Path


def all_processes() -> dict[int, tuple[int, str]]:
    """Return the parent and the command line of each process that has not ended, by its number."""
    found = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = status.read_text("utf-8").rpartition(")")[2].split()[:2]
            line = status.with_name("cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            found[int(status.parent.name)] = (int(parent), line)
    return found


def below(pid: int) -> list[tuple[int, str]]:
    """Return the processes that a process started, and those that they started, each with its command line."""
    everyone, found, left = all_processes(), [], [pid]
    while left:
        parent = left.pop()
        children = [(each, line) for each, (its, line) in everyone.items() if its == parent]
        found += children
        left += [each for each, _ in children]
    return found


def runs(pid: int) -> bool:
    """Return whether a process has not ended."""
    return pid in all_processes()
