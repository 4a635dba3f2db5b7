"""Tells a model that was never changed: the endpoint gives the very vectors that the file has from another one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from ai_memory.embed.outcomes import Outcome, embedded_of
from ai_memory.errors import TargetChanged
from ai_memory.frozen import Frozen
from ai_memory.memory.text_codec import printable
from ai_memory.vectors.blob import decode, is_sound
from ai_memory.vectors.checks import agrees

if TYPE_CHECKING:
    from ai_memory.memory.row import MemoryRow
    from ai_memory.stores.port import Reader
    from ai_memory.vectors.target import Fingerprint

Compare = Callable[[Sequence[Outcome]], int]
"""Compares vectors that came with those stored of another model, and returns how many it could; it may raise."""


class OtherModels(Frozen):
    """How the first `rows` vectors are compared with those that the file has of other models."""

    compare: Compare = lambda _: 0
    rows: int = 0


def is_comparable(row: MemoryRow, target: Fingerprint) -> bool:
    """Return whether `require_new` might compare the vector of a row: stamped, and as wide as the target's."""
    return row.width == target.dim and (row.raw_space is not None or row.fingerprint_id is not None)


def require_new(store: Reader, target: Fingerprint, model: str, outcomes: Iterable[Outcome]) -> int:
    """Compare vectors that came with those stored under another model's stamp; return how many could be compared.

    Raises:
        TargetChanged: most of them are the stored ones.
    """
    came = {each.document.id: each for each in embedded_of(outcomes)}
    known: list[str] = []
    compared = 0
    for row in store.memories.rows_by_id(list(came), target=target.id):
        old, each = _other_model(store, row, target), came[row.id]
        if old and row.recorded_src in (None, each.document.src) and is_sound(row.embedding or b"", target.dim):
            compared += 1
            if agrees(decode(row.embedding or b""), each.vector):
                known.append(old)
    if 2 * len(known) > compared:
        raise TargetChanged(
            f"The endpoint gives the vectors that the file has already: {len(known):,} of {compared:,} are those of "
            f"{printable(known[0])}. Does it serve {printable(model)}?",
            tip="If not, correct the endpoint, then: ai-memory reembed --resume; if both names mean one model: "
            "ai-memory reembed --resume --same-vectors",
        )
    return compared


def _other_model(store: Reader, row: MemoryRow, target: Fingerprint) -> str:
    """Return the id of the model by which a row is stamped, empty where it has no stamp or it is the target's."""
    if row.raw_space is not None:
        space = row.codec.name(row.raw_space)
    elif row.fingerprint_id is not None:
        space = store.targets.read(row.fingerprint_id).space
    else:
        return ""
    old, new = (each.rpartition("#")[0] or each for each in (space, target.space))
    return "" if old == new else old
