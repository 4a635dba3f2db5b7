"""Where a start may not write what it tells of itself: over a database, or a file that belongs to one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

HEADER = b"SQLite format 3\0"
OF_A_DATABASE = ("", "-wal", "-shm", "-journal", ".reembed.lock")
"""What is added to the name of a database for the files that belong to it."""


def require_apart(flag: str, path: Path, database: Path, *, replaced: bool) -> None:
    """Check that the file of a flag may be written while a run on `database` works; `replaced`: it is, each time.

    Raises:
        UsageError: it is a database, belongs to this one, or is a device that would be replaced by a file.
    """
    tip = f"Give {flag} another file."
    if replaced and path.exists() and not path.is_file():
        raise UsageError(f"{flag}: {path} is not a file.", tip=tip)
    real = database.resolve()
    if path.resolve() in [real.with_name(f"{real.name}{each}") for each in OF_A_DATABASE]:
        raise UsageError(f"{flag}: {path} belongs to the database.", tip=tip)
    if path.is_file() and _head(path) == HEADER:
        raise UsageError(f"{flag}: {path} is a database.", tip=tip)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(len(HEADER))
    except OSError:
        return b""
