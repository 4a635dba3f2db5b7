"""Takes memories in: the text first, in one transaction, then its vector, so that no embedder can lose a text."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING

from ai_memory.errors import DraftRefused
from ai_memory.frozen import Frozen
from ai_memory.memory.records import DEFAULT_NAMESPACE, Draft, Memory, Value
from ai_memory.memory.rules import MAX_INTEGER
from ai_memory.text.cleaning import one_line
from ai_memory.text.times import timestamp

if TYPE_CHECKING:
    from ai_memory.stores.memory_port import LibraryTransaction
    from ai_memory.stores.memory_port_reading import MemoryReader

DEFAULT_TIER = "mid"
EMBEDDED_COLUMNS = frozenset({"title", "content", "encrypted_envelope"})
"""A change of one of these makes the stored vector one of another text."""


class Outcome(Enum):
    """What became of a draft."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    KEPT_ENCRYPTED = "kept_encrypted"


class Put(Frozen):
    """A draft's memory and what became of it; its id is None where it is not text, which no command can address.

    `altered` are the columns of the draft that a trigger of the database changed at once.
    """

    id: str | None
    outcome: Outcome
    altered: tuple[str, ...] = ()


def put(transaction: LibraryTransaction, draft: Draft, *, now_ms: int, source: str) -> Put:
    """Insert a draft, or change the memory of its id, else of its title and namespace.

    A text that changes takes its vector away. An encrypted memory is kept where the draft is plain.

    Raises:
        DraftRefused: the title belongs to another memory, or to one without id.
        StatementRefused: the database does not take it, or a trigger undid it.
        SchemaRefused: the database takes no memory at all.
    """
    memories = transaction.library.memories
    given = _columns(memories, draft)
    found = find(memories, draft)
    if found is None:
        return _insert(transaction, given, now_ms=now_ms, source=source)
    if found.encrypted and given.get("content") and given.get("encrypted_envelope") is None:
        return Put(found.id, Outcome.KEPT_ENCRYPTED)
    changed = {name: value for name, value in given.items() if name != "id" and found.values[name] != value}
    if not changed:
        return Put(found.id, Outcome.UNCHANGED)
    key = found.values["id"]
    if key is None:
        raise DraftRefused(f"{draft.where}: its title is that of a memory without an id.", tip="Rename one of the two.")
    _require_free_title(memories, found, changed, draft.where)
    version = found.values.get("version")
    bumped = {"version": version + 1} if isinstance(version, int) and version < MAX_INTEGER else {}
    stamped = {"updated_at": timestamp(now_ms)} if "updated_at" in memories.columns else {}
    keeps_vector = not changed.keys() & EMBEDDED_COLUMNS
    altered = transaction.memories.update(key, changed, beside={**bumped, **stamped}, keeps_vector=keeps_vector)
    return Put(found.id, Outcome.UPDATED, altered)


def _columns(memories: MemoryReader, draft: Draft) -> dict[str, Value]:
    known = {name: value for name, value in draft.values.items() if name in memories.columns}
    return {name: value for name, value in known.items() if value is not None or not memories.columns[name].required}


def find(memories: MemoryReader, draft: Draft) -> Memory | None:
    """Return the memory that a draft changes: that of its id, else of its title and namespace; None: it is new."""
    given = _columns(memories, draft)
    by_id = memories.get(given["id"]) if given.get("id") is not None else None
    return by_id or memories.titled(given["title"], given.get("namespace", DEFAULT_NAMESPACE))


def _insert(transaction: LibraryTransaction, given: Mapping[str, Value], *, now_ms: int, source: str) -> Put:
    now = timestamp(now_ms)
    defaults: dict[str, Value] = {
        "id": str(uuid.uuid4()),
        "tier": DEFAULT_TIER,
        "namespace": DEFAULT_NAMESPACE,
        "source": source,
        "created_at": now,
        "updated_at": now,
    }
    known = {name: value for name, value in defaults.items() if name in transaction.library.memories.columns}
    said = {name: value for name, value in given.items() if (name, value) != ("id", None)}
    altered = transaction.memories.insert(said, beside=known)
    row_id = said.get("id", known["id"])
    return Put(row_id if isinstance(row_id, str) else None, Outcome.CREATED, altered)


def _require_free_title(memories: MemoryReader, found: Memory, changed: Mapping[str, Value], where: str) -> None:
    if not changed.keys() & {"title", "namespace"}:
        return
    title, namespace = (changed.get(name, found.values[name]) for name in ("title", "namespace"))
    if memories.titled(title, namespace) is not None:
        raise DraftRefused(
            f"{where}: namespace {_short(namespace)} has another memory with the title {_short(title)}.",
            tip="Rename or delete one of the two; nothing was imported.",
        )


def _short(value: Value) -> str:
    return repr(one_line(str(value)))
