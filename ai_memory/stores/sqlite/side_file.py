"""Opens the files that stand beside a database, as SQLite opens its own journals: the one way to one.

Whoever may write in the folder decides what stands under such a name: a link to somebody's key, a hard link, a pipe
that never answers. So a link is not followed, nothing is waited for, and only a regular file with one name whose owner
has business here is used; owner and mode are set only on a file that was made by this very call.
"""

from __future__ import annotations

import os
import shlex
import stat
from contextlib import suppress
from pathlib import Path

from ai_memory.errors import DataRefused
from ai_memory.stores.sqlite.file import JOURNAL, SIDE_FILES, beside

FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
NAMES_ANOTHER = bytes.fromhex("d9d505f920a163d7")
"""The last bytes of a journal that names another file."""


def create(path: Path, database: os.stat_result, *, mode: int) -> int:
    """Make a new, empty file for the owner and the group of a database and return its descriptor.

    Raises:
        FileExistsError: something stands under that name already; nothing is followed or overwritten.
        OSError: the file cannot be made.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | FLAGS, mode & 0o600)
    try:
        with suppress(PermissionError):
            os.fchown(descriptor, database.st_uid if os.geteuid() == 0 else -1, database.st_gid)
        if os.fstat(descriptor).st_gid != database.st_gid:
            # What the group may do is meant for the database's group, not for one that it never named.
            mode &= ~stat.S_IRWXG
        os.fchmod(descriptor, mode)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_existing(path: Path, database: os.stat_result, *, write: bool) -> int:
    """Open a file that stands beside a database and return its descriptor; nothing of the file is changed.

    Raises:
        FileNotFoundError: there is none.
        DataRefused: it is not a regular file, has a second name, or belongs to somebody else.
        OSError: it may not be opened.
    """
    try:
        descriptor = os.open(path, (os.O_RDWR if write else os.O_RDONLY) | FLAGS)
    except OSError:
        _require_regular(path, path.lstat().st_mode)
        raise
    try:
        _require_ours(path, os.fstat(descriptor), database)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def require_own(database: Path) -> None:
    """Check the files that SQLite opens with a database: plain ones, and a journal that names no other file.

    Raises:
        DataRefused: one of them is something else; who may have put it there is not known.
    """
    for suffix in SIDE_FILES:
        _require_plain(beside(database, suffix))
    _require_own_journal(database, beside(database, JOURNAL))


def _require_plain(path: Path) -> None:
    """Check what SQLite is going to open or to remove under a name beside a database; nothing need be there.

    SQLite follows no link, but writes through a second name of somebody's file, and waits at a pipe for ever.

    Raises:
        DataRefused: it is not a regular file, or has a second name.
    """
    with suppress(OSError):
        _require_one_regular(path, path.lstat())


def require_one_name(database: Path) -> None:
    """Check that a database has one name: what stands beside it is found by its name.

    Raises:
        DataRefused: it has a second one (a hard link), with another log and another lock.
    """
    if (names := database.stat().st_nlink) > 1:
        raise DataRefused(
            f"{database} has {names} names (hard links); each has a log and a lock of its own, and two writers would "
            "not see each other.",
            tip=f"List them: find / -xdev -samefile {shlex.quote(str(database.absolute()))}. Then remove the others, "
            "or work on a copy of the file.",
        )


def _require_own_journal(database: Path, journal: Path) -> None:
    # A write to several files at once ends their journals with the name of a common one, which SQLite may remove when
    # it plays them back (sqlite.org/fileformat.html, 3).
    try:
        descriptor = os.open(journal, os.O_RDONLY | FLAGS)
    except OSError:
        return  # none, or one that SQLite cannot open either
    try:
        size = os.fstat(descriptor).st_size
        ends_in_a_name = size > len(NAMES_ANOTHER) and os.pread(descriptor, 8, size - 8) == NAMES_ANOTHER
    finally:
        os.close(descriptor)
    if ends_in_a_name:
        raise DataRefused(
            f"{database} has a journal beside it ({journal.name}) of a write to several files; to undo that write "
            "would remove a file that the journal names.",
            tip="If the file is yours, open it once with the program that wrote it.",
        )


def _require_ours(path: Path, found: os.stat_result, database: os.stat_result) -> None:
    _require_one_regular(path, found)
    if found.st_uid not in (0, os.geteuid(), database.st_uid) and not _may_share(found, database):
        raise _refused(path, f"belongs to user {found.st_uid}, who does not own the database")


def _require_one_regular(path: Path, found: os.stat_result) -> None:
    _require_regular(path, found.st_mode)
    if found.st_nlink > 1:
        raise _refused(path, f"has {found.st_nlink} names (hard links)")


def _require_regular(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise _refused(path, f"is {KINDS.get(stat.S_IFMT(mode), 'not a file')}")


def _may_share(found: os.stat_result, database: os.stat_result) -> bool:
    """Return whether the owner of a file may write the database too: then he may well have made it."""
    group = database.st_mode & stat.S_IWGRP and found.st_gid == database.st_gid
    return bool(group or database.st_mode & stat.S_IWOTH)


def _refused(path: Path, why: str) -> DataRefused:
    return DataRefused(
        f"{path} {why}; nothing is read from it or written to it.",
        tip=f"Find out who put it there, then remove it: rm {shlex.quote(str(path))}",
    )
