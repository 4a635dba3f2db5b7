"""What came of an answer that could not be used, for people: its type and its first characters."""

from __future__ import annotations

import threading

from ai_memory.text.cleaning import one_line

_KEPT = 1 << 12
"""So many first bytes of an answer are kept: the head of most, and what is shown of the body."""
_END_OF_HEAD = b"\r\n\r\n"
_NO_TEXT = "\N{REPLACEMENT CHARACTER}"


class Came(threading.local):
    """The first bytes of the answer that this thread is reading: a request is sent and answered in one."""

    def __init__(self) -> None:
        """Begin with none."""
        self._kept = bytearray()

    def __bool__(self) -> bool:
        """Return whether anything came since the last request."""
        return bool(self._kept)

    def forget(self) -> None:
        """Forget the last answer, before the next request."""
        self._kept.clear()

    def add(self, piece: bytes | bytearray | memoryview) -> None:
        """Take what was read just now."""
        self._kept += piece[: _KEPT - len(self._kept)]

    def shown(self, key: str) -> str:
        """Return the sentence that shows what came, with nothing of `key` in it: of a whole head the body behind it."""
        head, _, body = bytes(self._kept).partition(_END_OF_HEAD)
        if not body:
            return f"What came begins: {_line(head, key)}"
        kind = next((_line(value, key) for name, value in _fields(head) if name == b"content-type"), "of no type")
        return f"What came is {kind} and begins: {_line(body, key)}"


def _fields(head: bytes) -> list[tuple[bytes, bytes]]:
    split = (line.partition(b":") for line in head.split(b"\r\n"))
    return [(name.strip().lower(), value.strip()) for name, _, value in split if value.strip()]


def _line(part: bytes, key: str) -> str:
    return one_line(part.decode("utf-8", "replace").replace(_NO_TEXT, ""), key)
