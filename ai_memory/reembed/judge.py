"""Says of one row whether its vector is the target's, and what would have to be embedded if not.

Plan, sweep, census and status all ask here, so that they can never disagree on what is to be done.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from hashlib import blake2b

from ai_memory.embed.document import MAX_BYTES, document, source_hash
from ai_memory.embed.embedder import Target
from ai_memory.store.provenance import Fingerprint
from ai_memory.store.quarantine import Reason
from ai_memory.store.schema import Schema
from ai_memory.store.walk import MemoryRow

ATTESTED = "attested"
OVERSIZE = "oversize"


class Verdict(Enum):
    """What a row is, seen from a target."""

    FRESH = "fresh"
    QUARANTINED = "quarantined"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Document:
    """A row's text, ready to be embedded; `src` is its hash."""

    id: str
    namespace: str
    title: str
    content: str
    text: str
    src: bytes


@dataclass(frozen=True, slots=True)
class Unfit:
    """A row that cannot be embedded whatever the endpoint says; `src` identifies its present state."""

    id: str
    namespace: str
    src: bytes
    reason: Reason


def examine(row: MemoryRow) -> Document | Unfit:
    """Return the document of a row, or why there is none."""
    if row.encrypted:
        return _unfit(row, _raw_hash(row), "undecryptable", "the content is encrypted")
    if row.title is None or row.content is None:
        return _unfit(row, _raw_hash(row), "undecodable", "the title or the content is not valid text")
    text = document(row.title, row.content)
    src = source_hash(text)
    if not text.strip():
        return _unfit(row, src, "empty", "title and content are blank")
    size = len(text) if text.isascii() else len(text.encode())
    if size > MAX_BYTES:
        return _unfit(row, src, OVERSIZE, f"the document has {size:,} bytes, more than {MAX_BYTES:,}")
    return Document(row.id, row.namespace, row.title, row.content, text, src)


def judge(row: MemoryRow, src: bytes, target: Fingerprint | None, schema: Schema) -> Verdict:
    """Return what a live row is; `src` is the hash of its present document, no target means all is stale."""
    if target is None:
        return Verdict.STALE
    if _agrees(row, target, schema) and _recorded(row, src, target):
        return Verdict.FRESH
    if row.quarantined_src == src:
        return Verdict.QUARANTINED
    return Verdict.STALE


def carries_stamp(row: MemoryRow, target: Fingerprint | Target, schema: Schema) -> bool:
    """Say whether a row without provenance is stamped with the target's space and width (--skip-current-space)."""
    vector = row.vector
    unrecorded = vector.fingerprint_id is None and vector.width == target.dim
    return unrecorded and schema.has_space and _agrees(row, target, schema)


def _agrees(row: MemoryRow, target: Fingerprint | Target, schema: Schema) -> bool:
    same_dim = not schema.has_dim or row.vector.dim == target.dim
    return same_dim and (not schema.has_space or row.vector.space == target.space)


def _recorded(row: MemoryRow, src: bytes, target: Fingerprint) -> bool:
    vector = row.vector
    return vector.fingerprint_id == target.id and vector.src == src and vector.recorded_head == vector.head


def _unfit(row: MemoryRow, src: bytes, kind: str, message: str) -> Unfit:
    return Unfit(row.id, row.namespace, src, Reason(kind, message))


def _raw_hash(row: MemoryRow) -> bytes:
    return blake2b(row.raw, digest_size=16).digest()
