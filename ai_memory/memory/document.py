"""What is embedded for a memory: its document text, and the hash by which we know it again."""

from __future__ import annotations

from hashlib import blake2b

TEMPLATE_VERSION = 1
"""Part of every target made here: where documents are composed in another way, no vector is the same."""
MAX_BYTES = 65_536
"""ai-memory's EMBED_MAX_BYTES: a longer document is refused, never cut."""


def document(title: str, content: str) -> str:
    """Return the text embedded for a memory, as ai-memory composes it (template version 1)."""
    return f"{title} {content}"


def source_hash(text: str) -> bytes:
    """Return the 16-byte BLAKE2b of a document's UTF-8 bytes: the `src` of its vector."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def stored_hash(title: bytes, content: bytes) -> bytes:
    """Return the `source_hash` of the document of a title and a content in UTF-8, without decoding them."""
    return blake2b(b"%b %b" % (title, content), digest_size=16).digest()
