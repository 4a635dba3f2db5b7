"""Deletes one memory, and what is known of its vector."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.actions.meant import the_memory
from ai_memory.errors import DataRefused, StatementRefused, UsageError
from ai_memory.memory.text_codec import printable
from ai_memory.text.amounts import counted

if TYPE_CHECKING:
    from ai_memory.stores.memory_port import LibraryTransaction


def forget(transaction: LibraryTransaction, memory_id: str) -> None:
    """Delete the memory of that id.

    Raises:
        NotFound: there is none.
        UsageError: other memories are atoms of it, or rows of other tables refer to it.
        DataRefused: the database refuses it, or a trigger puts it back.
    """
    shown, memories = printable(memory_id), transaction.library.memories
    the_memory(transaction.library, memory_id)
    if atoms := memories.atoms(memory_id):
        raise UsageError(
            f"{counted(atoms, 'memory is an atom', 'memories are atoms')} of {shown}.", tip="Delete those first."
        )
    try:
        deleted = transaction.memories.delete(memory_id)
    except StatementRefused as error:
        if referring := memories.referring(memory_id, error):
            told = " and ".join(f"{rows:,} of the table {printable(table)}" for table, rows in referring.items())
            raise UsageError(f"Rows refer to {shown}: {told}.", tip="Delete those first.") from error
        raise DataRefused(f"{shown} cannot be deleted; the database says: {error.words}.") from error
    if not deleted:
        raise DataRefused(f"{shown} cannot be deleted: a trigger of the database leaves it where it is.")
