"""The runner's lock: one open-file-description lock beside the database file.

An OFD lock belongs to the open file, not to the process: the kernel frees it the moment its holder is
gone, and closing another descriptor of the file does not drop it (fcntl(2), "Open file description
locks"). Where the system has none, `flock` does the same. The lock file is never unlinked, and is never
the database itself: closing a second descriptor of that one would drop SQLite's own locks.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from ai_memory.errors import DataRefused
from ai_memory.store import side_file
from ai_memory.store.connection import real_path

FLOCK = "hhqqi4x"
"""`struct flock` of 64-bit Linux: l_type, l_whence, l_start, l_len, l_pid (0 for OFD locks)."""

LONGEST_NOTE = 4096
"""How much of a lock file is read, in bytes; a note has about 80."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who runs the job: process id, host and start of the process (Unix milliseconds)."""

    pid: int
    host: str
    started_at: int

    def to_json(self) -> str:
        """Return the holder as JSON, as the run row and the lock file keep it."""
        return json.dumps(asdict(self))


def lock_path(database: Path) -> Path:
    """Return where the lock of a database lies: one place for every name of the file."""
    real = real_path(database)
    return real.with_name(real.name + ".reembed.lock")


@contextmanager
def runner_lock(database: Path, holder: Holder) -> Iterator[bool]:
    """Hold the runner's lock inside the block; yields False, without waiting, where another process has it.

    Raises:
        DataRefused: the lock file cannot be opened or made, as in a read-only folder, or something else stands there.
    """
    path = lock_path(database)
    try:
        descriptor = _open(path, database.stat())
    except OSError as error:
        raise DataRefused(
            f"{path} cannot be opened for writing: {error.strerror}.",
            tip="Make the folder of the database writable, and the file where it is there.",
        ) from error
    try:
        obtained = _take(descriptor)
        if obtained:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, holder.to_json().encode(), 0)
        yield obtained
    finally:
        os.close(descriptor)


def is_locked(database: Path) -> bool:
    """Say whether a live process holds the lock; takes nothing, so no start is ever turned away by this question.

    Raises:
        DataRefused: the lock file may not be read, or something else stands there.
    """
    path = lock_path(database)
    try:
        descriptor = side_file.open_existing(path, database.stat(), write=False)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise DataRefused(f"{path} cannot be read: {error.strerror}.", tip="Make it readable.") from error
    try:
        return _is_taken(descriptor)
    finally:
        os.close(descriptor)


def read_holder(database: Path) -> Holder | None:
    """Return who took the lock last, None where nobody did or the note is half-written.

    Raises:
        DataRefused: what stands in the place of the lock file is not one.
    """
    try:
        descriptor = side_file.open_existing(lock_path(database), database.stat(), write=False)
    except OSError:
        return None
    try:
        return Holder(**json.loads(os.pread(descriptor, LONGEST_NOTE, 0)))
    except (ValueError, TypeError, RecursionError):
        return None
    finally:
        os.close(descriptor)


def _open(path: Path, database: os.stat_result) -> int:
    """Open or make the lock file; whoever may write the database may hold its lock, as SQLite does it for its log."""
    with suppress(FileExistsError):
        return side_file.create(path, database, mode=stat.S_IMODE(database.st_mode) & 0o666)
    return side_file.open_existing(path, database, write=True)


def _take(descriptor: int) -> bool:
    try:
        if hasattr(fcntl, "F_OFD_SETLK"):
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            return False
        raise DataRefused(
            f"The file system of the database cannot lock files: {error.strerror}.",
            tip="Keep the database on a local file system.",
        ) from error
    return True


def _is_taken(descriptor: int) -> bool:
    if not hasattr(fcntl, "F_OFD_GETLK"):
        # flock has no question without taking: a shared lock disturbs only a start in this very instant.
        return not _take_shared(descriptor)
    question = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    kind: int = struct.unpack(FLOCK, fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, question))[0]
    return kind != fcntl.F_UNLCK


def _take_shared(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
