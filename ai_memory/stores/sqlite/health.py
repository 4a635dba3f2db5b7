"""Asks SQLite whether a file is sound; reads only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ai_memory.errors import Damaged, DataRefused
from ai_memory.memory.text_codec import quoted
from ai_memory.stores.sqlite.refusals import OF_WORD_INDEX

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.connection import Connection

MAX_COMPLAINTS = 20
QUICK_CHECK = "PRAGMA main.quick_check({what})"
INTEGRITY_CHECK = "PRAGMA main.integrity_check({what})"
"""The same, and every index compared with its table."""
TABLES = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'shadow')"
HEADING = "***"
"""How a complaint begins that is only the name of the database."""


def complaints(db: Connection, *, thorough: bool = False) -> list[str]:
    """Return what SQLite's check, the quick or the thorough one, finds wrong but for the word index; empty: sound.

    Raises:
        Damaged: the check ends before it finds anything.
    """
    check = INTEGRITY_CHECK if thorough else QUICK_CHECK
    return [line for line in _complaints(db, check) if not OF_WORD_INDEX.search(line)]


def _complaints(db: Connection, check: str) -> list[str]:
    try:
        return list(_lines(db, check.format(what=MAX_COMPLAINTS)))
    except DataRefused:
        # A virtual table that cannot be opened ends the check of the whole file, which says nothing of the others.
        return _complaints_by_table(db, check)


def _complaints_by_table(db: Connection, check: str) -> list[str]:
    found: list[str] = []
    ended: Damaged | None = None
    for (name,) in db.execute(TABLES):
        try:
            # One by one: what SQLite finds before it gives up is told, too.
            for line in _lines(db, check.format(what=quoted(name))):
                found.append(line)  # noqa: PERF402
        except Damaged as error:
            ended = error
    if ended and not found:
        raise ended
    return found[:MAX_COMPLAINTS]


def _lines(db: Connection, check: str) -> Iterator[str]:
    for (told,) in db.stream(check):
        yield from (line for line in str(told).splitlines() if line != "ok" and not line.startswith(HEADING))
