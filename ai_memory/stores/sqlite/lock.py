"""The runner's lock: one open-file-description lock beside the database file.

An OFD lock belongs to the open file, not to the process: the kernel frees it the moment its holder is
gone, and closing another descriptor of the file does not drop it (fcntl(2), "Open file description
locks"). Where the system has none, `flock` does the same. The lock file is never unlinked, and is never
the database itself: closing a second descriptor of that one would drop SQLite's own locks.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ai_memory.errors import DataRefused, StorageFailed
from ai_memory.stores.holder import Holder, LockState
from ai_memory.stores.sqlite import side_file
from ai_memory.stores.sqlite.file import DISK_FAULTS, beside
from ai_memory.text.hints import MAKE_ROOM

FLOCK = "hhqqi4x"
"""`struct flock` of 64-bit Linux: l_type, l_whence, l_start, l_len, l_pid (0 for OFD locks)."""

LONGEST_NOTE = 4096
"""How much of a lock file is read, in bytes; a note has about 80."""


def lock_path(database: Path) -> Path:
    """Return where the lock of a database lies: one place for every name of the file."""
    return beside(database, ".reembed.lock")


@contextmanager
def runner_lock(database: Path, holder: Holder) -> Iterator[bool]:
    """Hold the runner's lock inside the block; yields False, without waiting, where another process has it.

    Raises:
        DataRefused: the lock file cannot be opened or made, as in a read-only folder, or something else stands there;
            or the database has a second name, which would have a second lock.
        StorageFailed: the note of who holds it cannot be written.
    """
    path = lock_path(database)
    try:
        side_file.require_one_name(database)
        descriptor = _open(path, database.stat())
    except OSError as error:
        if error.errno in DISK_FAULTS:
            raise _unwritten(path, error) from error
        raise DataRefused(
            f"{path} cannot be opened for writing: {error.strerror}.",
            tip="Make the folder of the database writable, and the file if it exists.",
        ) from error
    try:
        obtained = _take(descriptor)
        if obtained:
            _note(path, descriptor, holder)
        yield obtained
    finally:
        os.close(descriptor)


def lock_state(database: Path) -> LockState:
    """Return the state of the lock; takes nothing, so no start is ever turned away by this question.

    Raises:
        DataRefused: something else stands in the place of the lock file.
    """
    try:
        descriptor = side_file.open_existing(lock_path(database), database.stat(), write=False)
    except FileNotFoundError:
        return LockState.FREE
    except OSError:
        return LockState.HIDDEN
    try:
        return _state(descriptor)
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
        return Holder.from_json(os.pread(descriptor, LONGEST_NOTE, 0))
    except ValueError:
        return None
    finally:
        os.close(descriptor)


def lock_mode(database: os.stat_result) -> int:
    """Return the mode of a lock file: for those who may write the database, because who may read a file can hold it."""
    writers = stat.S_IMODE(database.st_mode) & 0o022
    return 0o600 | writers | writers << 1


def mode_beside(database: Path) -> int:
    """Return the mode of the lock file of a database, where there is one."""
    try:
        return lock_mode(database.stat())
    except OSError:
        return 0o600


def _open(path: Path, database: os.stat_result) -> int:
    with suppress(FileExistsError):
        return side_file.create(path, database, mode=lock_mode(database))
    return side_file.open_existing(path, database, write=True)


def _note(path: Path, descriptor: int, holder: Holder) -> None:
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, holder.to_json().encode(), 0)
    except OSError as error:
        raise _unwritten(path, error) from error


def _unwritten(path: Path, error: OSError) -> StorageFailed:
    why = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror
    return StorageFailed(f"{path} cannot be written: {why}.", tip=MAKE_ROOM)


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


def _state(descriptor: int) -> LockState:
    if not hasattr(fcntl, "F_OFD_GETLK"):
        # flock has no question without taking: a shared lock disturbs only a start in this very instant.
        return LockState.FREE if _take_shared(descriptor) else LockState.RUNNER
    question = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    kind: int = struct.unpack(FLOCK, fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, question))[0]
    return {fcntl.F_UNLCK: LockState.FREE, fcntl.F_RDLCK: LockState.READER}.get(kind, LockState.RUNNER)


def _take_shared(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
