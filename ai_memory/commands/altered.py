"""What commands say where a database changed what it was given, or they changed what a daemon has read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ai_memory.text.amounts import counted
from ai_memory.text.cleaning import one_line

if TYPE_CHECKING:
    from ai_memory.commands.teller import Teller
    from ai_memory.show.console import Console


def warn_of_altered(altered: Sequence[Sequence[str]], what: str, teller: Teller) -> None:
    """Warn on one line where triggers changed columns; `altered` holds those of each memory or link."""
    changed = [columns for columns in altered if columns]
    if changed:
        names = ", ".join(one_line(name) for name in sorted({name for columns in changed for name in columns}))
        of = f" of {counted(len(changed), what)}" if len(altered) > 1 else ""
        teller.warn(f"a trigger of the database changed what was given{of}: {names}.")


def mention_daemon(console: Console) -> None:
    """Note what a running daemon of the Rust program does not see by itself."""
    console.note("A running ai-memory daemon serves its old index until it is restarted.")
