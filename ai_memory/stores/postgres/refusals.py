"""What is said where PostgreSQL refuses a connection or a statement of ours, and what to do next.

By the SQLSTATE of the error (PostgreSQL, Appendix A): its words are for people, in whatever language the server has.
"""

from __future__ import annotations

from ai_memory.errors import AiMemoryError, Damaged, DataRefused, NotFinished, StatementRefused, StorageFailed
from ai_memory.memory.text_codec import printable
from ai_memory.text.hints import MAKE_ROOM

MAX_WORDS = 200
"""Characters of the server's own words that an error shows: a name in a schema can be of any length."""
AGAIN = "Run the same command again."

LOST = ("08", "57P01", "57P02", "57P03", "57P05")
"""The connection is gone: its own faults, and a server that shuts down, crashed or starts."""
CONNECTION = "connection lost"
"""The reason of an end by a server that went away."""
DEADLOCK, SERIALIZATION = "40P01", "40001"
LOCKED = ("55P03", "57014", "25P03", "25P04")
"""Somebody held a row or a table for too long, or ended the statement."""
DISK_FULL, TOO_MANY = "53100", "53300"
OF_MACHINE = ("53", "58")
DAMAGED = "XX00"
NO_RIGHT, READ_ONLY = "42501", "25006"
OF_LOGIN = ("28", "3D000")


def words(said: str) -> str:
    """Return the server's own words: one line, printable, no longer than people read."""
    shown = printable(" ".join(said.split())).rstrip(".")
    return shown if len(shown) <= MAX_WORDS else f"{shown[:MAX_WORDS]} …"


def opening(name: str, state: str | None, said: str) -> AiMemoryError:
    """Return our error for a database that cannot be reached."""
    told = words(said)
    if state and state.startswith(OF_LOGIN):
        return DataRefused(
            f"{name} cannot be opened: {told}.",
            tip="Check the name of the database, the user, and its password: PGPASSFILE names a file with it.",
        )
    if state == TOO_MANY:
        return NotFinished(f"{name} has no connection left: {told}.", tip=AGAIN)
    return NotFinished(f"{name} cannot be reached: {told}.", tip="Start the server, then run the same command again.")


def of(name: str, state: str | None, said: str, *, lost: bool, writing: bool) -> AiMemoryError:
    """Return our error for a statement that failed.

    `lost` says that the connection is gone by it, `writing` that a transaction was open which nobody knows the end of:
    whoever writes asks then whether it was committed, and may try again.
    """
    state, told = state or "", words(said)
    if lost or state.startswith(LOST):
        what = f"The connection to {name} was lost: {told}."
        return in_doubt(what) if writing else NotFinished(what, tip=AGAIN)
    if state in (DEADLOCK, SERIALIZATION):
        what = f"{name}: {told}."
        return in_doubt(what) if writing else NotFinished(what, tip=AGAIN)
    if state in LOCKED:
        return NotFinished(f"{name} is locked by another program that writes it: {told}.", tip=AGAIN)
    if state == DISK_FULL:
        return StorageFailed(f"{name}: the disk is full.", tip=MAKE_ROOM)
    if state.startswith(OF_MACHINE):
        return StorageFailed(f"{name}: {told}.", tip="Check the server, then run the same command again.")
    if state.startswith(DAMAGED) and state != "XX000":
        return Damaged(f"{name} is damaged: {told}.", tip="Restore a backup of the database.")
    return _refused(name, state, told)


def in_doubt(what: str) -> StorageFailed:
    """Return the error of a transaction of which nobody knows the end: whoever writes asks, and may write it again.

    Where that does not help either, it is not finished: no disk failed.
    """
    error = StorageFailed(what, tip=AGAIN)
    error.exit_code, error.reason = NotFinished.exit_code, CONNECTION
    return error


def _refused(name: str, state: str, told: str) -> AiMemoryError:
    if state == NO_RIGHT:
        return DataRefused(
            f"{name}: {told}.", tip="Connect as the owner of the memories, or grant this user the right."
        )
    if state == READ_ONLY:
        return DataRefused(f"{name} is read-only.", tip="Name the primary server, which can be written.")
    return statement(name, told)


def statement(name: str, said: str) -> StatementRefused:
    """Return the refusal of one statement, for what stands in the database."""
    return StatementRefused(f"{name} refuses a statement: {said}.", tip=look_at_schema(name), words=said)


def look_at_schema(name: str) -> str:
    """Return what to do about a database whose own schema refuses something."""
    return f"Look at its triggers and constraints: psql '{name}' -c '\\d memories'"
