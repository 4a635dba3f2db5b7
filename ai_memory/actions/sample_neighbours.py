"""Compares the neighbours of rows before and after a run, on a sample of those whose old vectors are there still."""

from __future__ import annotations

import heapq
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from ai_memory.actions.sample import BLOCK, lot
from ai_memory.memory.freshness import Document, Freshness, classify, examine
from ai_memory.reembed.inspect.neighbours import LEAST, Neighbours, compare_neighbours
from ai_memory.stores.values import Span
from ai_memory.vectors.blob import decode, is_sound, width

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ai_memory.stores.port import Reader
    from ai_memory.stores.values import Run
    from ai_memory.vectors.target import Fingerprint

SAMPLE = 1_000
"""Rows of which neighbours are compared: their cosines are a million numbers."""
NOTHING_KEPT = "What the run replaced is not kept, so the old vectors cannot be compared with the new ones."
TOO_FEW = f"Fewer than {LEAST} rows have both an old and a new vector that can be compared."
A_ROLLBACK = "The run put old vectors back."


def sample_neighbours(store: Reader, run: Run, target: Fingerprint) -> tuple[Neighbours | None, str]:
    """Return how neighbours before and after the run compare, or why they cannot be compared."""
    if run.undoes:
        return None, A_ROLLBACK
    if not run.beside and not run.kept.rows:
        return None, NOTHING_KEPT
    of_old = _of_one_width(dict(chain.from_iterable(_pairs(store, run, target, ids) for ids in _drawn(store, run))))
    if len(of_old) < LEAST:
        return None, TOO_FEW
    old, new = (np.stack([decode(blobs[place]) for blobs in of_old]) for place in (0, 1))
    return compare_neighbours(old, new), ""


def _drawn(store: Reader, run: Run) -> Iterator[Sequence[str]]:
    """Yield ids of a sample of the rows that may have an old and a new vector, a block at a time."""
    ids = heapq.nsmallest(SAMPLE, _candidates(store, run), key=lot)
    for start in range(0, len(ids), BLOCK):
        yield ids[start : start + BLOCK]


def _candidates(store: Reader, run: Run) -> Iterator[str]:
    span, after = Span(run.run_id, run.run_id), None
    while True:
        if run.beside:
            page = store.targets.staged.ids_after(after, limit=BLOCK)
        else:
            page = store.targets.previous.ids_after(span, after, limit=BLOCK)
        if not page:
            return
        yield from page
        after = page[-1]


def _pairs(
    store: Reader, run: Run, target: Fingerprint, ids: Sequence[str]
) -> Iterator[tuple[str, tuple[bytes, bytes]]]:
    """Yield id, old and new BLOB of those rows whose text is the same before and after."""
    traits = store.memories.traits
    before = _served(store, ids) if run.beside else store.targets.previous.replaced_by(run.run_id, ids)
    for row in store.memories.rows_by_id(ids, target=target.id):
        src, old = before.get(row.id, (b"", b""))
        fresh = row.live and classify(row, target, traits) is Freshness.FRESH
        if fresh and row.embedding and row.recorded_src == src and is_sound(old, width(len(old))):
            yield row.id, (old, row.embedding)


def _served(store: Reader, ids: Sequence[str]) -> Mapping[str, tuple[bytes, bytes]]:
    """Return what search finds of the rows, with the hash of their text, while the new vectors stand beside them."""
    found = {}
    for row in store.memories.rows_by_id(ids, target=None):
        if row.embedding and isinstance(text := examine(row), Document):
            found[row.id] = text.src, row.embedding
    return found


def _of_one_width(pairs: Mapping[str, tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the pairs whose old vectors are as wide as most of them: others cannot be compared."""
    widths = Counter(width(len(old)) for old, _ in pairs.values())
    most = next((dim for dim, _ in widths.most_common(1)), 0)
    return [pair for pair in pairs.values() if width(len(pair[0])) == most]
