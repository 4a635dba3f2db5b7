"""Reads a database without the files that SQLite keeps beside it, and tells afterwards whether that was sound."""

from __future__ import annotations

import os
from pathlib import Path

from ai_memory.errors import DataRefused, NotFinished
from ai_memory.frozen import Frozen
from ai_memory.stores.sqlite.file import (
    HEADER_BYTES,
    INDEX_OF_LOG,
    LOG,
    beside,
    log_bytes,
    look,
    may_write,
    owner_of,
    reachable,
    real_path,
)

WRITE_VERSION = 18
WAL = 2
"""In the header, the byte that says by which journal the file is written (sqlite.org, fileformat2)."""


class Mark(Frozen):
    """What tells that a file was not written in between: its identity, size, times and header."""

    identity: tuple[int, int]
    size: int
    times: tuple[int, int]
    header: bytes


def mark(path: Path) -> Mark:
    """Return what tells later whether the file was written since.

    Only for a file that this process holds no lock on: the system drops all of them with the descriptor closed here.

    Raises:
        DataRefused: the file may not be read.
    """
    with reachable(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            found, header = os.fstat(descriptor), os.pread(descriptor, HEADER_BYTES, 0)
        finally:
            os.close(descriptor)
    return Mark((found.st_dev, found.st_ino), found.st_size, (found.st_mtime_ns, found.st_ctime_ns), header)


def require_mark(path: Path, before: Mark) -> None:
    """Check that nobody has written a file since it was marked.

    Raises:
        NotFinished: somebody has; what was read without locks may never have stood in the file together.
    """
    if mark(path) != before:
        raise NotFinished(f"{path} was written while it was read.", tip="Run the same command again.")


def to_be_read_without_log(path: Path) -> Mark | None:
    """Return the mark of a database whose reader has to do without the files that SQLite keeps beside it, else None.

    To read a file in WAL mode SQLite makes a log and its index where they are not there, and a read-only connection
    cannot take them away again. Made by anybody but the owner (or by root, who gives them to the owner) they lock the
    owner out of the file.

    Raises:
        DataRefused: the log has commits in it that cannot be read without making such a file.
    """
    # Asked first: to look into the file would drop the locks that this process may hold on it.
    if _may_make_files_beside(path):
        return None
    found = mark(path)
    if found.header[WRITE_VERSION : WRITE_VERSION + 1] != bytes([WAL]):
        return None
    if look(beside(path, LOG)) and look(beside(path, INDEX_OF_LOG)):
        return None
    if log_bytes(path):
        owner = owner_of(path)
        raise DataRefused(
            f"{path} was not closed by the program that wrote it: a part of it is in its write-ahead log (WAL), "
            f"which only {owner} can read without leaving files that lock {owner} out.",
            tip=f"Run the same command as {owner}, or copy {path.name} and {path.name}{LOG} to a folder of your own.",
        )
    return found


def whole_without_log(path: Path) -> Mark | None:
    """Return the mark of a database that is whole without a log, None where there is one."""
    return None if log_bytes(path) else mark(path)


def _may_make_files_beside(path: Path) -> bool:
    real = real_path(path)
    found = look(real)
    ours = found is not None and os.geteuid() in (0, found.st_uid)
    return ours and may_write(real) and may_write(real.parent)
