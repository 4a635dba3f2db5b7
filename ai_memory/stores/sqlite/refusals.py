"""What is said where SQLite refuses a file or a statement of ours, with whose file is at fault and what to do next."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from ai_memory.errors import (
    AiMemoryError,
    Damaged,
    DataRefused,
    NotFinished,
    StatementRefused,
    StorageFailed,
    WordIndexUnusable,
)
from ai_memory.memory.text_codec import printable
from ai_memory.stores.sqlite import file
from ai_memory.text.hints import MAKE_ROOM

MAX_WORDS = 200
"""Characters of SQLite's own words that an error shows: a name in a schema can be a megabyte long."""


OF_WORD_INDEX = re.compile(r"memories_fts|\bfts5\b|\btokenizer\b|^constraint failed$")
"""Words of SQLite in which this occurs tell of the index of words: other constraints are named where they fail."""

CORRUPT_VTAB, READONLY_ROLLBACK, READONLY_DBMOVED = 267, 776, 1032
"""Extended result codes (sqlite.org/rescode.html): a virtual table is damaged; a journal has to be played back; the
file was moved since it was opened."""


def words(said: str | bytes) -> str:
    """Return SQLite's own words: one line, printable, no longer than people read."""
    text = said[: 4 * MAX_WORDS].decode("utf-8", "surrogateescape") if isinstance(said, bytes) else said
    shown = printable(" ".join(text.split())).rstrip(".")
    return shown if len(shown) <= MAX_WORDS else f"{shown[:MAX_WORDS]} …"


def of(kind: str, code: int, said: str, path: Path, *, opening: bool, full: bool) -> AiMemoryError:
    """Return our error for one of SQLite's: `kind` is the name of its class, `code` its extended result code.

    `full` says that what SQLite could not do failed for want of room.
    """
    told = words(said) or kind
    if OF_WORD_INDEX.search(told) or code == CORRUPT_VTAB:
        return WordIndexUnusable(path, told)
    if kind == "FullError" or full:
        return StorageFailed(f"{path}: the disk is full.", tip=MAKE_ROOM)
    match kind:
        case "NotADBError":
            return file.not_a_database(path)
        case "CorruptError":
            return Damaged(
                f"{path} is damaged: {told}.",
                tip="See what is: ai-memory doctor; put a backup back: ai-memory restore BACKUP",
            )
        case "BusyError" | "LockedError" | "ProtocolError":
            return NotFinished(f"{locked(path)}.", tip="Run the same command again.")
        case "CantOpenError" | "ReadOnlyError" | "PermissionsError":
            return _denied(path, told, code, opening=opening)
        case "IOError":
            return StorageFailed(f"{path}: {told}.", tip="Check the disk, then run the same command again.")
    return statement(path, told)


def locked(path: Path) -> str:
    """Return what is said of a file that somebody else holds; without a write-ahead log a reader does, too."""
    return f"{path} is locked by another program that reads or writes it"


def require_writable(path: Path, *, read_only: bool) -> None:
    """Check that a file that is to be written was not opened read-only.

    Raises:
        DataRefused: it was.
    """
    if read_only:
        raise DataRefused(f"{path} is read-only.", tip="Make the file and its folder writable, or copy them first.")


def statement(path: Path, said: str) -> StatementRefused:
    """Return the refusal of one statement, for what stands in the database."""
    return StatementRefused(f"{path} refuses a statement: {said}.", tip=look_at_schema(path), words=said)


def look_at_schema(path: Path) -> str:
    """Return what to do about a database whose own schema refuses something."""
    return f"Look at its schema: sqlite3 {shlex.quote(str(path))} .schema"


def _denied(path: Path, told: str, code: int, *, opening: bool) -> AiMemoryError:
    if code == READONLY_ROLLBACK:
        return DataRefused(
            f"{path} has a journal beside it ({path.name}{file.JOURNAL}) of a write that was cut off, and cannot be "
            "read before that write is undone.",
            tip=f"Run the same command once as {file.owner_of(path)}, who may undo it.",
        )
    if code == READONLY_DBMOVED:
        return file.moved(path)
    why = file.fault(path, write=not opening) or told
    if opening:
        return DataRefused(f"{path} cannot be opened: {why}.", tip="Check the permissions of file and folder.")
    return StorageFailed(
        f"{path} can no longer be written: {why}.", tip="Make it writable, then run the same command again."
    )
