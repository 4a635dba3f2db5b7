"""What earlier invocations wrote of a target's vectors and no end of theirs has shown to be right.

Whoever is killed, or leaves while the endpoint is away, asks no rows again at the end. An endpoint that lied to it may
be honest by now; only the rows that it wrote can tell.
"""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from ai_memory.embed.outcomes import Embedded
from ai_memory.frozen import Frozen
from ai_memory.memory.freshness import Document, examine, is_recorded
from ai_memory.reembed.doubt import MOST
from ai_memory.vectors.blob import decode, is_sound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ai_memory.stores.port import Reader
    from ai_memory.vectors.target import Fingerprint


class Inherited(Frozen):
    """The ids of all such rows, and some of them with their vectors."""

    ids: Sequence[str] = ()
    rows: tuple[Embedded, ...] = ()


def inherited(store: Reader, target: Fingerprint) -> Inherited:
    """Return what is inherited, with MOST rows of it that nobody edited since: of the same ids always the same."""
    ids = store.targets.unproven(target)
    # What it takes to ask for them is told at the end of one invocation, and must be so for the next one.
    chance = Random(json.dumps(ids))  # noqa: S311 - a sample, no secret
    chosen: list[Embedded] = []
    # However large the pages were, or are now: a few rows of many say little. Rows that were edited say nothing.
    order = chance.sample(ids, len(ids))
    for start in range(0, len(order), MOST):
        chosen += _embedded(store, target, order[start : start + MOST])
        if len(chosen) >= MOST:
            break
    chosen = sorted(chosen[:MOST], key=lambda each: each.document.id)
    # In other company than they were written in, which is mostly that of their neighbours.
    return Inherited(ids, (*chosen[1::2], *chosen[::2]))


def _embedded(store: Reader, target: Fingerprint, ids: Sequence[str]) -> list[Embedded]:
    found = []
    for row in store.memories.rows_by_id(ids, target=target.id):
        document = examine(row)
        if not isinstance(document, Document) or not is_recorded(row, target, store.memories.traits):
            continue
        blob = store.memories.stored_vector(document, target=target.id)
        if blob is not None and is_sound(blob, target.dim):
            found.append(Embedded(document, decode(blob).astype(np.float32)))
    return found
