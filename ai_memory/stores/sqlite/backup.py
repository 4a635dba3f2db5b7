"""Copies a database file as a whole: to a new file, or over a database that is in use, by SQLite's backup API."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ai_memory.errors import WRITE_FAULTS, AiMemoryError, DataRefused, StorageFailed, UsageError
from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.sqlite import side_file
from ai_memory.stores.sqlite.connection import Connection
from ai_memory.stores.sqlite.consistent import JOURNAL_MODE, consistently, data_version
from ai_memory.stores.sqlite.file import SIDE_FILES
from ai_memory.stores.sqlite.transactions import snapshot

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.handle import PageCopy

STEP_PAGES = 500
"""Pages copied between two looks at who wants to end the work; without a write-ahead log a writer waits so long."""

ROLL_BACK_IN_MEMORY = "PRAGMA journal_mode = MEMORY"
KEEP_NO_LOG = "PRAGMA journal_mode = DELETE"
SET_MODE = "PRAGMA journal_mode = {mode}"
PAGE_SIZE = "PRAGMA page_size"
ENCODING = "PRAGMA encoding"
WAIT_FOR_NOBODY = "PRAGMA busy_timeout = 0"
EMPTY_LOG = "PRAGMA wal_checkpoint(TRUNCATE)"

ANOTHER = "Name another file after --backup."
NO_HARD_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})

PagesObserver = Callable[[int, int], None]
"""Is told how many bytes of how many are copied; what it raises ends the copy."""


def copy_to(db: Connection, target: Path, *, told: PagesObserver) -> int:
    """Write a consistent copy of the file to `target`, with its mode, and return how many bytes it has.

    All of it is on the disk, or there is no file. With a write-ahead log nobody waits for it.

    Raises:
        UsageError: `target`, or the file that becomes it, is there already, or cannot be made.
        NotFinished: the database is locked by another writer.
        StorageFailed: the disk is full, or fails.
    """
    with _explained(target):
        require_free(target)
    target = target.absolute()
    unfinished = target.with_name(f"{target.name}.unfinished")
    with _explained(target), _unfinished(unfinished, db.path.stat()) as descriptor:
        _fill(db, unfinished, told)
        os.fsync(descriptor)
        size = os.fstat(descriptor).st_size
        _put_in_place(descriptor, unfinished, target)
    with _explained(target):
        _sync_folder(target.parent)
    return size


def require_free(target: Path) -> None:
    """Check that nothing of the name of a copy is there, and that there is a folder for it.

    Raises:
        UsageError: something is, be it a link that leads nowhere, or there is no folder.
    """
    if os.path.lexists(target):
        raise _taken(target)
    # SQLite would take a log that lies there for the copy's own, and play it into it.
    if other := next((each for each in _with_side_files(target) if os.path.lexists(each)), None):
        raise UsageError(f"{other} exists already, and would be taken for the backup's.", tip=ANOTHER)
    if not target.absolute().parent.is_dir():
        raise UsageError(f"There is no folder {target.parent} for the backup.", tip="Create it first.")


def replace_by(path: Path, source: Connection, *, damaged: bool, options: OpenOptions, told: PagesObserver) -> None:
    """Give the database at `path` the content of `source`, as one transaction of its own, and keep its journal mode.

    Who has it open sees either all of the old content or all of the new one; so does whoever opens it after a kill.
    With `damaged` the header of the file is not looked at.

    Raises:
        NotFinished: another writer held the file, or without a write-ahead log a reader did; nothing was changed.
        StorageFailed: the disk is full or fails.
    """
    db = _open_to_receive(path, options=options)
    try:
        mode = None if damaged else str(db.value(JOURNAL_MODE))
        with db.handle.receiving(source.handle, damaged=damaged) as pages:
            size = int(source.value(PAGE_SIZE))
            while not pages.copy(STEP_PAGES):
                told(*(number * size for number in pages.count()))
        # It is done. Whatever fails from here on, or whoever wants to end it, cannot undo it.
        with suppress(AiMemoryError):
            if mode not in (None, "wal") and db.value(JOURNAL_MODE) == "wal":
                db.execute(SET_MODE.format(mode=mode))
            # Whoever reads on empties it later: nothing is worth waiting for any more.
            db.execute(WAIT_FOR_NOBODY)
            db.execute(EMPTY_LOG)
    finally:
        db.close()
    db.handle.require_same_file()


def require_fit(db: Connection, source: Connection) -> None:
    """Check that SQLite can put the pages of `source` into a sound database.

    Raises:
        DataRefused: the sizes of their pages or their encodings differ.
    """
    ours, theirs = (int(each.value(PAGE_SIZE)) for each in (db, source))
    tip = f"Stop whatever uses {db.path}, move it away with its -wal and -shm, and copy the backup to its place."
    if ours != theirs and db.value(JOURNAL_MODE) == "wal":
        raise DataRefused(
            f"{source.path} has pages of {theirs} bytes and {db.path}, in WAL mode, of {ours}: SQLite cannot restore "
            "one into the other. Nothing was changed.",
            tip=tip,
        )
    ours, theirs = (each.value(ENCODING) for each in (db, source))
    if ours != theirs:
        raise DataRefused(
            f"{source.path} has its text in {theirs} and {db.path} in {ours}: whoever has it open could no "
            "longer read it. Nothing was changed.",
            tip=tip,
        )


@contextmanager
def _unfinished(path: Path, model: os.stat_result) -> Iterator[int]:
    """Make the file that becomes the copy, for no more readers than the database has, and remove it at the end."""
    if other := next((each for each in _with_side_files(path) if os.path.lexists(each)), None):
        raise UsageError(
            f"{other} is in the way: it is left over from a copy that was killed, or it is somebody else's.",
            tip="Remove it if nobody needs it, or name another file.",
        )
    descriptor = side_file.create(path, model, mode=(stat.S_IMODE(model.st_mode) & 0o666) | stat.S_IRUSR | stat.S_IWUSR)
    try:
        yield descriptor
    finally:
        # On a full disk half a copy would be in the way of everything else.
        if _is_still(path, descriptor):
            for each in _with_side_files(path):
                each.unlink(missing_ok=True)
        os.close(descriptor)


def _is_still(path: Path, descriptor: int) -> bool:
    return os.path.lexists(path) and os.path.samestat(path.lstat(), os.fstat(descriptor))


def _with_side_files(path: Path) -> list[Path]:
    return [path.with_name(path.name + suffix) for suffix in ("", *SIDE_FILES)]


def _fill(db: Connection, path: Path, told: PagesObserver) -> None:
    copy = _open_to_receive(path)
    try:
        # Until it is whole it is nothing: it needs no journal of its own, and is synced once.
        copy.execute(ROLL_BACK_IN_MEMORY)
        consistently(db, lambda: _copy_pages(db, copy, told))
        copy.execute(KEEP_NO_LOG)
    finally:
        copy.close()


def _copy_pages(db: Connection, copy: Connection, told: PagesObserver) -> None:
    """Copy all pages; where no lock is held, stop as soon as another writer has committed."""
    held, version = db.in_transaction, data_version(db)
    size = int(db.value(PAGE_SIZE))
    with copy.handle.receiving(db.handle, synced=False) as pages:
        while not (pages.copy(STEP_PAGES) if held else _copy_between_writers(db, pages)):
            told(*(number * size for number in pages.count()))
            if not held and data_version(db) != version:
                return


def _copy_between_writers(db: Connection, pages: PageCopy) -> bool:
    # The lock is taken by a statement of the source, so that it is the source's name that stands in the error.
    with snapshot(db):
        data_version(db)
        return pages.copy(STEP_PAGES)


def _put_in_place(descriptor: int, path: Path, target: Path) -> None:
    """Give the finished file its name, which nobody else may have taken meanwhile."""
    if not _is_still(path, descriptor):
        raise StorageFailed(f"{path} was replaced while it was written.", tip="Name a file in a folder of your own.")
    try:
        os.link(path, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in NO_HARD_LINKS:
            raise
        # A file system without links: the name is taken first, then what we took is replaced.
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        path.rename(target)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _explained(target: Path) -> Iterator[None]:
    """Turn what the file system says of a copy into one of our errors that names it."""
    try:
        yield
    except FileExistsError as error:
        raise _taken(target) from error
    except OSError as error:
        what = f"{target} cannot be written: {error.strerror}."
        if error.errno in WRITE_FAULTS:
            raise StorageFailed(what, tip="Free some space, or name a file elsewhere.") from error
        raise UsageError(what, tip="Name a file in a folder where you may write.") from error


def _taken(target: Path) -> UsageError:
    return UsageError(f"{target} exists already; a backup never overwrites a file.", tip=ANOTHER)


def _open_to_receive(path: Path, *, options: OpenOptions = OpenOptions()) -> Connection:
    """Return a connection to a file, empty, damaged or sound, whose content a copy is going to replace."""
    return Connection(path, read_only=False, create=False, options=replace(options, receiving=True))
