"""Which namespaces a run sweeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ai_memory.memory.names import is_substrate
from ai_memory.memory.text_codec import printable

if TYPE_CHECKING:
    from ai_memory.stores.port import Reader

Scope = tuple[str, ...] | None
"""Exact namespaces, or None: all but ai-memory's own."""


def in_scope(namespace: str, scope: Scope) -> bool:
    """Return whether a namespace is swept: named, or (without names) not ai-memory's own."""
    return not is_substrate(namespace) if scope is None else namespace in scope


def name_scope(scope: Scope) -> str:
    """Return the words for a scope."""
    return "all namespaces" if scope is None else ", ".join(map(printable, scope))


def namespaces_in_scope(store: Reader, scope: Scope) -> Sequence[str]:
    """Return the namespaces of the file that are swept, in SQLite's order."""
    return [name for name in store.memories.namespaces() if in_scope(name, scope)]
