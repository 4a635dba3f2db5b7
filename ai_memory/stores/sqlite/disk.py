"""Tells a full disk from one that fails: SQLite has the same words for both."""

from __future__ import annotations

import os
from pathlib import Path

from ai_memory.stores.sqlite.file import real_path

CANNOT_OPEN = 14
WRITE, FSYNC, DIR_FSYNC, TRUNCATE = 778, 1034, 1290, 1546
SHM_OPEN, SHM_SIZE, SHM_MAP = 4618, 4874, 5386
"""Result codes of what needs room on the disk (sqlite.org/rescode.html); SHM is the index of the write-ahead log."""

BYTES_WANTED = {
    **dict.fromkeys((WRITE, FSYNC, DIR_FSYNC, TRUNCATE), 1),
    **dict.fromkeys((SHM_OPEN, SHM_SIZE, SHM_MAP), 32_768),
}
"""What SQLite wanted to write at the least; the index of the log grows by 32 KiB."""


def is_full(path: Path, code: int) -> bool:
    """Return whether what SQLite could not do (`code`) to a database, or beside it, failed for want of room."""
    if code not in BYTES_WANTED and code != CANNOT_OPEN:
        return False
    try:
        found = os.statvfs(real_path(path).parent)
    except OSError:
        return False
    blocks = found.f_bavail if os.geteuid() else found.f_bfree
    # Some file systems do not count their files: they say that they have none.
    no_more_files = found.f_files > 0 and found.f_favail == 0
    return no_more_files or blocks * found.f_frsize < BYTES_WANTED.get(code, 0)
