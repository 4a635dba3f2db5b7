"""Says of one row whether its vector is the target's, and what would have to be embedded if not.

Plan, sweep, census and status all ask here, so that they can never disagree on what is to be done.
"""

from __future__ import annotations

from enum import Enum
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple

from ai_memory.frozen import Frozen
from ai_memory.memory.document import MAX_BYTES, document, source_hash, stored_hash
from ai_memory.memory.reason import Reason
from ai_memory.text.sealed import Sealed
from ai_memory.text.utf8 import utf8_size

if TYPE_CHECKING:
    from ai_memory.memory.row import MemoryRow, Traits
    from ai_memory.vectors.target import Fingerprint, Target

ATTESTED = "attested"
OVERSIZE: Final = "oversize"


class Freshness(Enum):
    """What a row is, seen from a target."""

    FRESH = "fresh"
    QUARANTINED = "quarantined"
    STALE = "stale"


class Document(NamedTuple):
    """A row's text, ready to be embedded: `size` bytes; `src` is its hash, `reads` how often the row was read.

    A tuple, because a sweep makes one per row. Title, content and envelope are as they are stored. Of an encrypted row
    the content is empty, the text sealed, and `src` the hash of title and envelope, which needs no key and tells
    nothing of the text.
    """

    id: str
    namespace: str
    title: str
    content: str
    text: str
    src: bytes
    size: int
    reads: int = 0
    envelope: bytes | None = None

    def unfit(self, reason: Reason) -> Unfit:
        """Return the row as one that cannot be embedded, for a reason."""
        return Unfit(self.id, self.namespace, self.src, reason, self.title)


class Unfit(Frozen):
    """A row that cannot be embedded whatever the endpoint says; `src` identifies its present state."""

    id: str
    namespace: str
    src: bytes
    reason: Reason
    title: str | None = None


def examine(row: MemoryRow) -> Document | Unfit:
    """Return the document of a row, or why there is none."""
    if found := _plain(row):
        return found
    text = _text(row)
    if isinstance(text, Reason):
        return Unfit(row.id, row.namespace, _source(row), text, row.title)
    return _document(row, text, utf8_size(text))


def _plain(row: MemoryRow) -> Document | None:
    """Return the document of a row like nearly all, at a third of the time; None: look closer."""
    if (read := _read(row)) is None:
        return None
    title, content, text, size = read
    # Its hash is that of the stored bytes, which are UTF-8.
    src = stored_hash(row.raw_title or b"", row.raw_content or b"")
    return Document(row.id, row.namespace, title, content, text, src, size, row.reads)


def _read(row: MemoryRow) -> tuple[str, str, str, int] | None:
    """Return title, content, document and its size of a row like nearly all; None: look closer."""
    title, content = row.raw_title, row.raw_content
    if not _is_plain(row) or title is None or content is None:
        return None
    size = len(title) + 1 + len(content)
    try:
        shown, told = title.decode(), content.decode()
    except UnicodeDecodeError:
        return None
    text = document(shown, told)
    return None if text.isspace() or size > MAX_BYTES else (shown, told, text, size)


def identify(row: MemoryRow) -> Document | Unfit:
    """Return what `examine` does, for who needs no text: of an encrypted row without it, so that it takes no key."""
    return _document(row, "", 0) if row.encrypted and row.title is not None else examine(row)


def embeddable(row: MemoryRow) -> bool:
    """Return whether `examine` has a document for a row."""
    return text_to_embed(row) is not None


def text_to_embed(row: MemoryRow) -> str | None:
    """Return the text of the document that `examine` has for a row, None where it has none."""
    if read := _read(row):
        return read[2]
    text = _text(row)
    return None if isinstance(text, Reason) else text


def classify(row: MemoryRow, target: Fingerprint | None, traits: Traits, *, sound: bool | None = None) -> Freshness:
    """Return what a live row is; no target means all is stale.

    `sound` is what `has_sound_vector` says, where that was found out before.
    """
    if target is None:
        return Freshness.STALE
    if is_recorded(row, target, traits) and (row.has_sound_vector(target.dim) if sound is None else sound):
        return Freshness.FRESH
    if row.quarantined_src and row.quarantined_src == _source(row):
        return Freshness.QUARANTINED
    return Freshness.STALE


def was_written(row: MemoryRow, target: Fingerprint | None) -> bool:
    """Return whether a row was given the target's vector of its present text, whatever vector it has now."""
    return target is not None and row.fingerprint_id == target.id and has_text(row, row.recorded_src)


def was_edited(row: MemoryRow, target: Fingerprint | None) -> bool:
    """Return whether a row was given the target's vector, of another text than its present one."""
    return target is not None and row.fingerprint_id == target.id and not has_text(row, row.recorded_src)


def is_recorded(row: MemoryRow, target: Fingerprint, traits: Traits) -> bool:
    """Return whether the record says that a row has the target's vector of its present text.

    It knows a vector by its head; what somebody wrote after it is no better than `has_sound_vector` says.
    """
    return _recorded(row, target) and _agrees(row, target, traits) and has_text(row, row.recorded_src)


def carries_stamp(row: MemoryRow, target: Fingerprint | Target, traits: Traits) -> bool:
    """Return whether a row without provenance is stamped with the target's space and width (--skip-current-space)."""
    stamped = row.fingerprint_id is None and traits.has_space and _agrees(row, target, traits)
    return stamped and row.has_sound_vector(target.dim)


def has_text(row: MemoryRow, src: bytes | None) -> bool:
    """Return whether `src` is the hash of a row's present state."""
    title, content = row.raw_title, row.raw_content
    if not _is_plain(row) or title is None or content is None:
        return _source(row) == src
    # Of bytes that are not valid text it is a hash that no document has.
    return stored_hash(title, content) == src


def _is_plain(row: MemoryRow) -> bool:
    """Return whether the stored bytes of title and content, where there are any, are what is hashed."""
    return bool(row.is_text) and row.envelope is None and row.codec.is_utf8


def _text(row: MemoryRow) -> str | Reason:
    """Return what would be embedded for a row, or why nothing can be."""
    title, content = row.title, row.opened() if row.encrypted else row.content
    if isinstance(content, Reason):
        return content
    if row.encrypted and content is None:
        return Reason("undecryptable", "the content is encrypted")
    if title is None or content is None:
        return Reason("undecodable", "the title or the content is not valid text")
    text = document(title, content)
    if row.encrypted:
        text = Sealed(text)
    if text.isspace():
        return Reason("empty", "title and content are blank")
    if (size := utf8_size(text)) > MAX_BYTES:
        return Reason(OVERSIZE, f"the document has {size:,} bytes, more than {MAX_BYTES:,}")
    return text


def _document(row: MemoryRow, text: str, size: int) -> Document:
    envelope = row.envelope if row.encrypted else None
    src = _source(row) if envelope else source_hash(text)
    return Document(
        row.id, row.namespace, row.title or "", row.content or "", text, src, size, row.reads, envelope=envelope
    )


def _source(row: MemoryRow) -> bytes:
    """Return the hash by which a row's present state is known: its document's, of its bytes where it has none."""
    title, content = row.title, row.content
    if row.encrypted or title is None or content is None:
        return blake2b(row.raw, digest_size=16).digest()
    return source_hash(document(title, content))


def _agrees(row: MemoryRow, target: Fingerprint | Target, traits: Traits) -> bool:
    same_dim = not traits.has_dim or row.dim == target.dim
    return same_dim and (not traits.has_space or row.raw_space == row.codec.bound(target.space))


def _recorded(row: MemoryRow, target: Fingerprint) -> bool:
    return row.fingerprint_id == target.id and row.recorded_head == row.head
