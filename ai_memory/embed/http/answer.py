"""An HTTP answer, and what was asked for, as values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

UNPACKED = frozenset({"", "identity", "gzip", "x-gzip", "deflate"})
"""Encodings that are asked for, one at a time; what comes in another is not unpacked."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it came: status, body and headers (names in lower case)."""

    status: int
    body: bytes | bytearray
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The body as text, whatever its bytes are."""
        return self.body.decode(json.detect_encoding(self.body[:4]), "replace")


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked, as far as its answer is judged by it: host, address and key, and what may be wrong with both.

    `hint` says what may be wrong with the address. `dimensions`: a width was asked for, and no answer had it yet.
    """

    host: str
    url: str = ""
    key: str = field(default="", repr=False)
    hint: str = ""
    dimensions: bool = False
