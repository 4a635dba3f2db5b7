"""One memory as a migration reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ai_memory.frozen import Frozen
from ai_memory.vectors.blob import head, is_sound, width

if TYPE_CHECKING:
    from ai_memory.memory.reason import Reason
    from ai_memory.memory.text_codec import Codec


class Traits(Frozen):
    """What the rows of a database declare of their vector: its space, its width."""

    has_space: bool
    has_dim: bool


class MemoryRow(NamedTuple):
    """One memory as the migration sees it: the columns of ROW, decoded where they are asked for.

    A tuple, and lazy, because a census makes one per row. `raw_…` is text as its bytes in the file's encoding;
    `is_text` says whether title and content are stored as text. `raw_recipient` is whose key opens the `envelope`, None
    where nothing says it. `dim` is the declared width. `fingerprint_id` to
    `origin` are the vector's provenance, None where there is none; `quarantined_src` is the hash for which the
    row stands in quarantine, None where it does not. `reads` is how often the memory was read, by its own count.
    """

    raw_id: bytes
    raw_namespace: bytes
    is_text: int
    raw_title: bytes | None
    raw_content: bytes | None
    envelope: bytes | None
    raw_recipient: bytes | None
    live: int
    embedding: bytes | None
    dim: int | None
    raw_space: bytes | None
    fingerprint_id: int | None
    recorded_src: bytes | None
    recorded_head: bytes | None
    origin: str | None
    quarantined_src: bytes | None
    reads: int
    codec: Codec

    @property
    def id(self) -> str:
        """The row's id."""
        return self.codec.name(self.raw_id)

    @property
    def namespace(self) -> str:
        """The row's namespace."""
        return self.codec.name(self.raw_namespace)

    @property
    def title(self) -> str | None:
        """The title, None where it is not valid text."""
        return self._text(self.raw_title)

    @property
    def content(self) -> str | None:
        """The content, None where it is not valid text."""
        return self._text(self.raw_content)

    @property
    def encrypted(self) -> bool:
        """Whether the content is to be had from the envelope only."""
        return self.envelope is not None and self.raw_content == b""

    def opened(self) -> str | Reason | None:
        """Return the content of an encrypted row, or why it cannot be had; None: nobody is to open envelopes."""
        if self.codec.opener is None:
            return None
        recipient = None if self.raw_recipient is None else self.codec.text(self.raw_recipient)
        return self.codec.opener.open(self.envelope or b"", recipient)

    @property
    def raw(self) -> bytes:
        """What identifies the present state of a row without readable text."""
        return b"\x00".join((self.raw_title or b"", self.raw_content or b"", self.envelope or b""))

    @property
    def head(self) -> bytes | None:
        """The head of the vector's BLOB (see `vectors.blob.head`), None where there is no vector."""
        return None if self.embedding is None else head(self.embedding)

    @property
    def width(self) -> int:
        """How many floats the BLOB carries: 0 where there is none, -1 where it is malformed."""
        return 0 if self.embedding is None else width(len(self.embedding))

    def has_sound_vector(self, dim: int) -> bool:
        """Return whether the row has a vector of width `dim` with which something can be compared."""
        return self.embedding is not None and is_sound(self.embedding, dim)

    def _text(self, stored: bytes | None) -> str | None:
        return self.codec.text(stored) if self.is_text and stored is not None else None
