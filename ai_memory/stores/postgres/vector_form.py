"""How a vector stands in the database, and how it comes as the BLOB that a file has (see `vectors.blob`).

With pgvector as `vector(N)`, else as BYTEA: float32 little-endian without a header byte, as the Rust program writes it.
What pgvector sends is its width (two bytes), two bytes of nothing, and float32 big-endian.
"""

from __future__ import annotations

import struct

import numpy as np

from ai_memory.frozen import Frozen
from ai_memory.vectors.blob import HEADER, decode

WIDTH = struct.Struct(">hh")


class VectorForm(Frozen):
    """The form of vectors in one database: `width` is the one that its memories take, None: any (BYTEA, vector)."""

    pgvector: bool
    width: int | None = None

    @property
    def type(self) -> str:
        """The type of a column of ours that holds a vector of any width."""
        return "vector" if self.pgvector else "bytea"

    def sent(self, column: str) -> str:
        """Return SQL for a vector as bytes that `blob` reads."""
        return f"vector_send({column})" if self.pgvector else column

    def size(self, column: str) -> str:
        """Return SQL for the bytes of a vector as a BLOB, 0 where there is none."""
        if self.pgvector:
            return f"coalesce(1 + 4 * vector_dims({column}), 0)"
        return f"coalesce(octet_length({column}) + CASE mod(octet_length({column}), 4) WHEN 0 THEN 1 ELSE 0 END, 0)"

    def blob(self, sent: bytes | None) -> bytes | None:
        """Return the BLOB of a vector as the database sends it; what is none in the database is none as a BLOB."""
        if sent is None:
            return None
        if self.pgvector:
            return HEADER + np.frombuffer(sent, dtype=">f4", offset=WIDTH.size).astype("<f4").tobytes()
        return HEADER + sent if sent and len(sent) % 4 == 0 else bytes(sent)

    def received(self, blob: bytes) -> bytes:
        """Return what a binary COPY takes for a BLOB.

        Raises:
            DataRefused: it is malformed.
        """
        vector = decode(blob)
        if self.pgvector:
            return WIDTH.pack(len(vector), 0) + vector.astype(">f4").tobytes()
        return vector.astype("<f4").tobytes()
