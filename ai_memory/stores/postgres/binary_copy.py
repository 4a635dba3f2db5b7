"""Writes rows as the binary form of COPY takes them (PostgreSQL, COPY, "Binary Format")."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

BEGINNING = b"PGCOPY\n\xff\r\n\x00" + struct.pack(">ii", 0, 0)
END = struct.pack(">h", -1)
NULL = struct.pack(">i", -1)
BIGINT = struct.Struct(">q")
_FIELDS, _LENGTH = struct.Struct(">h"), struct.Struct(">i")

Field = bytes | str | int | None
"""bytes as they are sent, text, a BIGINT, or NULL."""


def binary_copy(rows: Iterable[Sequence[Field]]) -> bytes:
    """Return the whole stream of some rows."""
    return b"".join([BEGINNING, *(_row(each) for each in rows), END])


def _row(fields: Sequence[Field]) -> bytes:
    return _FIELDS.pack(len(fields)) + b"".join(map(_field, fields))


def _field(value: Field) -> bytes:
    if value is None:
        return NULL
    if isinstance(value, int):
        value = BIGINT.pack(value)
    elif isinstance(value, str):
        value = value.encode("utf-8")
    return _LENGTH.pack(len(value)) + value
