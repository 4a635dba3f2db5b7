"""The part of the port that puts back, marks and drops what was kept of replaced vectors, by this folder."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.stores.postgres import previous, put_back
from ai_memory.stores.values import InRow

if TYPE_CHECKING:
    from ai_memory.stores.postgres.base import Transaction
    from ai_memory.stores.values import Room, Run, Span, VectorWrite
    from ai_memory.vectors.target import Fingerprint


class UndoWriter(Frozen):
    """See `stores.port_writing.UndoWriter`."""

    inner: Transaction

    def put_back(
        self, ids: Sequence[str], undoes: Span, run: Run, *, leave: Collection[str] = (), one_by_one: bool = False
    ) -> dict[str, bool]:
        """See the port."""
        return put_back.put_back(self.inner, ids, undoes, run, leave=leave, one_by_one=one_by_one)

    def taken(self, writes: Sequence[VectorWrite], target: Fingerprint) -> None:
        """See the port."""
        previous.taken(self.inner, writes, target)

    def doubt(self, target: Fingerprint) -> None:
        """See the port."""
        previous.doubt(self.inner, target)

    def note_stamps(self, target: Fingerprint, *, target_model: str, now_ms: int, tool_version: str) -> InRow:
        """See the port."""
        noted = previous.note_stamps(self.inner, target, target_model, now_ms=now_ms, tool_version=tool_version)
        return InRow(noted)

    def undone(self, undoes: Span, by: Run) -> None:
        """See the port."""
        previous.undone(self.inner, undoes, by)

    def prune(self, after: int, *, spare: Sequence[Span], limit: int) -> tuple[int | None, Room]:
        """See the port."""
        return previous.prune(self.inner, after, spare=spare, limit=limit)
