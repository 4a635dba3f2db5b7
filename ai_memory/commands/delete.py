"""`delete`: one memory, and what is known of its vector."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ai_memory.clock import SystemClock
from ai_memory.errors import DataRefused, NotFound, StatementRefused, UsageError
from ai_memory.memory.text_codec import printable
from ai_memory.stores.opening import reading, writing
from ai_memory.text.amounts import counted

if TYPE_CHECKING:
    from ai_memory.config.settings import Settings
    from ai_memory.show.console import Console
    from ai_memory.stores.memory_port import Library, LibraryTransaction


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the id."""
    parser.add_argument("id", metavar="ID")


def run(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Delete the memory of that id.

    Raises:
        NotFound: there is none.
        UsageError: other memories are atoms of it, or rows of other tables refer to it.
        DataRefused: the database refuses it, or a trigger puts it back.
    """
    shown = printable(args.id)
    # First read-only: a database in which there is nothing to delete stays as it is.
    with reading(settings.db.value) as library:
        _require(library, args.id)
    now_ms = SystemClock().now_ms()
    with writing(settings.db.value, now_ms=now_ms, tell=console.note) as library, library.transaction() as transaction:
        _require(transaction.library, args.id)
        if atoms := transaction.library.memories.atoms(args.id):
            raise UsageError(
                f"{counted(atoms, 'memory is an atom', 'memories are atoms')} of {shown}.", tip="Delete those first."
            )
        _delete(transaction, args.id)
    console.result({"id": args.id, "deleted": True}, f"Deleted {shown}.")
    return 0


def _require(library: Library, memory_id: str) -> None:
    if library.memories.get(memory_id) is None:
        what = f"There is no memory {printable(memory_id)} in {library.store.name}."
        raise NotFound(what, tip="See ai-memory list")


def _delete(transaction: LibraryTransaction, memory_id: str) -> None:
    shown = printable(memory_id)
    try:
        deleted = transaction.memories.delete(memory_id)
    except StatementRefused as error:
        if referring := transaction.library.memories.referring(memory_id, error):
            told = " and ".join(f"{rows:,} of the table {printable(table)}" for table, rows in referring.items())
            raise UsageError(f"Rows refer to {shown}: {told}.", tip="Delete those first.") from error
        raise DataRefused(f"{shown} cannot be deleted; the database says: {error.words}.") from error
    if not deleted:
        raise DataRefused(f"{shown} cannot be deleted: a trigger of the database leaves it where it is.")
