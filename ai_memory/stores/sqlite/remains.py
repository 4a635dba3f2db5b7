"""Tells whether a file that SQLite cannot read may be what is left of a memory database."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ai_memory.stores.sqlite.file import HEADER_BYTES

READ_BYTES = 1 << 20
ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be")
OURS = ("TABLE memories", 'TABLE "memories"', "memories_fts")
"""What stands in the definitions of every memory database, a renamed table's among them."""
ANYBODYS = ("CREATE TABLE", "CREATE VIRTUAL TABLE")
"""How SQLite keeps the definition of a table (sqlite.org/fileformat2.html, 2.6)."""

MAGIC = b"SQLite format 3\0"
PAGE_SIZE, PAGES = slice(16, 18), slice(28, 32)
"""Where the header has them, big-endian; a size of 1 means 65,536."""


def may_be_of_memories(path: Path) -> bool:
    """Return whether an unreadable file has traces of memories, or nothing that tells it from a database cut off early.

    A file of nothing but zeros is one, too: so a file system leaves what was never written.
    """
    ours, anybodys, blank = _encoded(OURS), _encoded(ANYBODYS), True
    overlap, seen, others = max(map(len, (*ours, *anybodys))), b"", False
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
        file.seek(0)
        while block := file.read(READ_BYTES):
            blank = blank and not any(block)
            seen = seen[-overlap:] + block
            if _has(seen, ours):
                return True
            others = others or _has(seen, anybodys)
    return blank or (not others and _cut_off(header, path.stat().st_size))


def _encoded(words: Iterable[str]) -> list[bytes]:
    return [word.encode(encoding) for word in words for encoding in ENCODINGS]


def _has(seen: bytes, words: list[bytes]) -> bool:
    return any(word in seen for word in words)


def _cut_off(header: bytes, size: int) -> bool:
    """Return whether a file begins as a database does, and ends before the last page that it says it has."""
    if header[: len(MAGIC)] != MAGIC[: len(header)]:
        return False
    page_size = int.from_bytes(header[PAGE_SIZE], "big")
    pages = max(1, int.from_bytes(header[PAGES], "big"))
    return size < HEADER_BYTES or size < pages * (65_536 if page_size == 1 else page_size)
