"""What earlier invocations wrote of a target's vectors and no end of theirs has shown to be right.

Whoever is killed, or leaves while the endpoint is away, asks no rows again at the end. An endpoint that lied to it may
be honest by now; only the rows that it wrote can tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ai_memory.embed.outcomes import Embedded
from ai_memory.memory.freshness import Document, examine, is_recorded
from ai_memory.reembed.doubt import MOST
from ai_memory.vectors.blob import decode, is_sound

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from ai_memory.stores.port import Store
    from ai_memory.vectors.target import Fingerprint


@dataclass(frozen=True, slots=True)
class Inherited:
    """The ids of all such rows, and some of them with their vectors."""

    ids: Sequence[str] = ()
    rows: tuple[Embedded, ...] = ()


def inherited(store: Store, target: Fingerprint, chance: Random) -> Inherited:
    """Return what is inherited, with MOST rows of it that nobody edited since; `chance` chooses them."""
    ids = store.targets.unproven(target)
    # However large the pages were, or are now: a few rows of many say little.
    chosen = sorted(chance.sample(ids, min(MOST, len(ids))))
    # In other company than they were written in, which is mostly that of their neighbours.
    return Inherited(ids, tuple(_embedded(store, target, [*chosen[1::2], *chosen[::2]])))


def _embedded(store: Store, target: Fingerprint, ids: Sequence[str]) -> list[Embedded]:
    found = []
    for row in store.memories.rows_by_id(ids, target=target.id):
        document = examine(row)
        if not isinstance(document, Document) or not is_recorded(row, target, store.memories.traits):
            continue
        blob = store.memories.stored_vector(document.id, document.title, document.content, target=target.id)
        if blob is not None and is_sound(blob, target.dim):
            found.append(Embedded(document, decode(blob).astype(np.float32)))
    return found
