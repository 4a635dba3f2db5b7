"""What the operating system says of a database's file and of the files that SQLite keeps beside it.

Every error of the system on the way to a file becomes one of ours here, so that no path, folder or working directory
is a traceback. SQLite itself is not asked.
"""

from __future__ import annotations

import errno
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from ai_memory.errors import WRITE_FAULTS, AiMemoryError, Damaged, DataRefused, StorageFailed

LONGEST_PATH = 504
"""Bytes of a path, links resolved, that SQLite on Unix opens: 512 less the `-journal` it appends (os_unix.c)."""

HEADER_BYTES = 100
"""The length of the database header (sqlite.org, fileformat2)."""

PRIVATE = 0o600
"""A new database is its owner's alone; SQLite gives its log and journal the mode of the database."""

SIDE_FILES = LOG, INDEX_OF_LOG, JOURNAL = "-wal", "-shm", "-journal"

DISK_FAULTS = WRITE_FAULTS - {errno.EFBIG, errno.EROFS}
"""On the way to a database a file system that is read-only is a matter of permission."""


@contextmanager
def reachable(path: Path) -> Iterator[None]:
    """Turn an error of the system on the way to `path` into one of ours.

    Raises:
        StorageFailed: the disk refused.
        DataRefused: anything else: no permission, a name too long, a loop of links …
    """
    try:
        yield
    except OSError as error:
        raise _ours(error, path) from error
    except ValueError as error:
        # A null byte: no file has it in its name.
        raise DataRefused(f"{path} is not a path: {error}.", tip="Name the database file with --db PATH.") from error


def _ours(error: OSError, path: Path) -> AiMemoryError:
    why = error.strerror or type(error).__name__
    if error.errno in DISK_FAULTS:
        return StorageFailed(
            f"{path}: {why}.", tip="Free some space or check the disk, then run the same command again."
        )
    if error.errno == errno.ENAMETOOLONG:
        return DataRefused(f"{path} is too long for a path.", tip="Name another file.")
    return DataRefused(f"{path} cannot be reached: {why}.", tip="Check the path, and who may enter its folders.")


def look(path: Path) -> os.stat_result | None:
    """Return what the system knows of the file, None where there is none.

    Raises:
        DataRefused: the way to it is barred.
    """
    with reachable(path):
        try:
            return path.stat()
        except FileNotFoundError:
            return None


def absolute(path: Path) -> Path:
    """Return the path from the root on, links as they are.

    Raises:
        DataRefused: the path is relative, and the working directory is gone.
    """
    try:
        return Path(os.path.abspath(path))  # noqa: PTH100 - Path.absolute keeps what SQLite would not take
    except FileNotFoundError as error:
        what = f"{path} cannot be found: the working directory was deleted."
        raise DataRefused(what, tip="Change to another folder, or give the whole path.") from error


def real_path(path: Path) -> Path:
    """Return the path with links resolved: the one name of a database for all its users.

    Raises:
        DataRefused: the path is relative, and the working directory is gone.
    """
    return Path(os.path.realpath(absolute(path)))


def beside(path: Path, suffix: str) -> Path:
    """Return the file that SQLite, or we, keep beside a database under that suffix: where its name's links lead to."""
    real = real_path(path)
    return real.with_name(real.name + suffix)


def identity(path: Path) -> tuple[int, int] | None:
    """Return what stays the same as long as a path leads to the same file; None where there is no file."""
    found = look(path)
    return (found.st_dev, found.st_ino) if found else None


def require_identity(path: Path, opened: tuple[int, int] | None) -> None:
    """Check that a path still leads to the file that was opened under it.

    Raises:
        StorageFailed: the file was removed or replaced; what is written to it now would be lost.
    """
    if identity(path) != opened:
        raise moved(path)


def moved(path: Path) -> StorageFailed:
    """Return the error that a file is not the one any more that was opened."""
    return StorageFailed(
        f"{path} was removed or replaced while it was open.",
        tip="Put the file back, then run the same command again.",
    )


def is_new(path: Path) -> bool:
    """Return whether there is no database yet: no file, or one that was made and never written.

    Raises:
        DataRefused: the path leads to something that is not a file, or nowhere.
    """
    found = look(path)
    if found:
        _require_regular(path, found)
    return found is None or found.st_size == 0


def require_file(path: Path) -> None:
    """Check that a path leads to a file with something in it.

    Raises:
        DataRefused: there is none, it is something else, or empty.
    """
    found = look(absolute(path))
    if found is None:
        raise DataRefused(
            f"There is no database at {path}.", tip="Name it with --db PATH, or create one: ai-memory init"
        )
    _require_regular(path, found)
    # Even a switch to WAL would write a first page into it, and `init` would then find a database without memories.
    if not found.st_size:
        raise DataRefused(f"{path} is an empty file, not a database.", tip="Create a database there: ai-memory init")
    if found.st_size < HEADER_BYTES:
        # SQLite would take some of these for an empty database.
        raise not_a_database(path)


def not_a_database(path: Path) -> Damaged:
    """Return the error of a file that has no header of SQLite's."""
    tip = "Name the database file with --db PATH; if this is what is left of it: ai-memory restore BACKUP"
    return Damaged(f"{path} is not a SQLite database.", tip=tip)


def _require_regular(path: Path, found: os.stat_result) -> None:
    kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a device, pipe or socket"
    if not stat.S_ISREG(found.st_mode):
        raise DataRefused(f"{path} is {kind}, not a database.", tip="Name the database file with --db PATH.")


def make_private(path: Path) -> None:
    """Make the empty file of a new database, readable by its owner alone; one that is there stays as it is.

    Raises:
        DataRefused: it cannot be made; nor is it where the name is a link that leads nowhere.
    """
    name = _name(path)
    try:
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE))
    except FileExistsError:
        if look(path) is None:
            raise DataRefused(
                f"{path} is a link to a file that is not there.", tip="Name the file itself with --db PATH."
            ) from None
    except OSError as error:
        why = error.strerror
        if error.errno in DISK_FAULTS or error.errno == errno.ENAMETOOLONG:
            raise _ours(error, path) from error
        tip = "Make its folder first, or one that you may write."
        raise DataRefused(f"{path} cannot be made: {why}.", tip=tip) from error


def may_write(path: Path) -> bool:
    """Return whether this process may write an existing file."""
    return _may(path, os.W_OK)


def log_bytes(path: Path) -> int:
    """Return how long a database's write-ahead log is; 0 where it has none."""
    found = look(beside(path, LOG))
    return found.st_size if found else 0


def owner_of(path: Path) -> str:
    """Return the name of a file's owner, or the number where the system knows no name."""
    found = look(path)
    if found is None:
        return "nobody"
    try:
        return pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        return f"user {found.st_uid}"


def fault(path: Path, *, write: bool) -> str:
    """Return what of a database's files and folder this process may not read (or write), and whose it is; empty: none.

    To read, too, SQLite may have to make files in the folder.
    """
    mode = os.W_OK if write else os.R_OK
    for each in (path, *(beside(path, suffix) for suffix in (JOURNAL, LOG, INDEX_OF_LOG))):
        if look(each) and not _may(each, mode):
            return f"{each} belongs to {owner_of(each)} and may not be {'written' if write else 'read'}"
    folder = real_path(path).parent
    return "" if _may(folder, os.W_OK) else f"the folder {folder} belongs to {owner_of(folder)} and may not be written"


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def uri(path: Path, *, immutable: bool = False) -> str:
    """Return the URI by which SQLite opens a path, whatever bytes it is made of; `immutable`: without locks and log.

    Raises:
        DataRefused: the path is longer than SQLite takes.
    """
    # The two slashes are an empty authority: without them, a path that begins with two would name a host.
    return f"file://{quote(_name(path))}{'?immutable=1' if immutable else ''}"


def _name(path: Path) -> bytes:
    name, longest = os.fsencode(absolute(path)), len(os.fsencode(real_path(path)))
    if max(len(name), longest) > LONGEST_PATH:
        raise DataRefused(
            f"The path of {path.name} is {longest} bytes long; SQLite takes {LONGEST_PATH}.",
            tip="Keep the file in a folder with a shorter path.",
        )
    return name
