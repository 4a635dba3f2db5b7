"""What is said of an import: what the database does not take, what was left out, what became of the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ai_memory.actions.ingest import Outcome
from ai_memory.commands.altered import warn_of_altered, warn_of_plain
from ai_memory.memory.records import OF_VECTOR, Draft
from ai_memory.memory.text_codec import printable
from ai_memory.text.amounts import counted
from ai_memory.text.cleaning import one_line

if TYPE_CHECKING:
    from ai_memory.actions.filled import Filled
    from ai_memory.actions.import_file import Imported
    from ai_memory.memory.exchange import Parsed
    from ai_memory.show.console import Console
    from ai_memory.stores.memory_port import Library

NAMED = 20
EMBEDDED = "embedded"
"""A key that `get --json` adds to the columns of a memory."""


def tell_ignored(parsed: Parsed, library: Library, console: Console) -> None:
    """Warn of columns that the database does not have."""
    _ignored(parsed.memories, {*library.memories.columns, *OF_VECTOR, EMBEDDED}, "columns", console)
    if library.links.kept:
        _ignored(parsed.links, library.links.columns, "columns of links", console)


def _ignored(drafts: Iterable[Draft], known: Iterable[str], what: str, console: Console) -> None:
    given = {name for draft in drafts for name, value in draft.values.items() if value is not None}
    if ignored := sorted(given - set(known)):
        more = f" and {len(ignored) - NAMED:,} more" if len(ignored) > NAMED else ""
        told = ", ".join(map(one_line, ignored[:NAMED])) + more
        console.warn(f"left out, because this database has no such {what}: {told}.")


def tell_left_out(taken: Imported, console: Console) -> None:
    """Warn of what was not stored as it was given."""
    for refusal in taken.refused[:NAMED]:
        console.warn(f"left out: {printable(refusal.what)}")
    if len(taken.refused) > NAMED:
        console.warn(f"left out: {len(taken.refused) - NAMED:,} more; --json names them.")
    if taken.links_unkept:
        left = counted(taken.links_unkept, "link was", "links were")
        console.warn(f"{left} left out: this database has no table memory_links.")
    warn_of_altered([each.altered for each in taken.stored], "memory", console)
    warn_of_altered(taken.altered, "link", console)
    warn_of_plain(taken.plain_among, console)
    for each in taken.stored:
        if each.outcome is Outcome.KEPT_ENCRYPTED:
            console.warn(f"{printable(each.id or '')} is encrypted in this database and was kept as it is.")


def report(taken: Imported, filled: Filled, missing: int, console: Console, *, created: bool) -> None:
    """Show the result; `missing` memories have no vector, `created`: the database is new."""
    counts = Counter(each.outcome for each in taken.stored)
    outcomes = {outcome.value: counts[outcome] for outcome in Outcome}
    left_out = {"skipped": len(taken.refused), "left_out": [refusal.what for refusal in taken.refused]}
    vectors = {
        "vectors": filled.embedded,
        "without_vector": missing,
        "embedded": missing == 0,
        "new_database": created,
    }
    values = {"total": len(taken.stored), **outcomes, "links": taken.links, **left_out, **vectors}
    told = ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in outcomes.items() if number)
    text = f"{counted(len(taken.stored), 'memory')}: {told or 'none'}"
    text += f"; {counted(taken.links, 'link')}" if taken.links else ""
    text += f"; {len(taken.refused):,} left out" if taken.refused else ""
    console.result(values, f"{text}; {filled.embedded:,} embedded, {missing:,} without a vector.")
