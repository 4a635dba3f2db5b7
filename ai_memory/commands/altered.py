"""What commands say of what they stored: it was changed, it is not encrypted, a daemon has not read it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from ai_memory.memory.text_codec import printable
from ai_memory.text.amounts import counted
from ai_memory.text.cleaning import one_line

if TYPE_CHECKING:
    from ai_memory.commands.teller import Teller
    from ai_memory.show.console import Console


NAMED = 3
"""How many namespaces a warning names."""


def warn_of_altered(altered: Sequence[Sequence[str]], what: str, teller: Teller) -> None:
    """Warn on one line where triggers changed columns; `altered` holds those of each memory or link."""
    changed = [columns for columns in altered if columns]
    if changed:
        names = ", ".join(one_line(name) for name in sorted({name for columns in changed for name in columns}))
        of = f" of {counted(len(changed), what)}" if len(altered) > 1 else ""
        teller.warn(f"a trigger of the database changed what was given{of}: {names}.")


def warn_of_plain(namespaces: Collection[str], teller: Teller) -> None:
    """Warn on one line that in these namespaces what was stored among encrypted memories is not encrypted."""
    if namespaces:
        first = sorted(namespaces)[:NAMED]
        more = f" and {len(namespaces) - NAMED:,} more" if len(namespaces) > NAMED else ""
        have = "has" if len(namespaces) == 1 else "have"
        names = ", ".join(map(printable, first)) + more
        teller.warn(f"stored in plain text: {names} {have} encrypted memories; this program encrypts none.")


def mention_daemon(console: Console) -> None:
    """Note what a running daemon of the Rust program does not see by itself."""
    console.note("A running ai-memory daemon serves its old index until it is restarted.")
