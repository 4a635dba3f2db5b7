"""Vectors for memories that have none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ai_memory.embed.probe import witness_bytes
from ai_memory.memory.freshness import Document, Unfit, examine
from ai_memory.memory.names import is_substrate
from ai_memory.reembed.doubt import most_asked
from ai_memory.reembed.events import PageCommitted, RunTakenOver
from ai_memory.reembed.sources import FromText, FromTextWhereNone
from ai_memory.reembed.sweep.believed import witnessed
from ai_memory.reembed.sweep.inherited import inherited
from ai_memory.reembed.sweep.scan import READ_ROWS, ScanOrder
from ai_memory.reembed.sweep.without_run import WithoutRun

if TYPE_CHECKING:
    from ai_memory.actions.filled import Filled
    from ai_memory.actions.filling import Filling
    from ai_memory.reembed.work import Workers
    from ai_memory.stores.memory_port import Library
    from ai_memory.stores.memory_port_reading import Listing
    from ai_memory.vectors.target import Fingerprint

ID_PAGE = 1_000
LEAST_PAGE = 20
"""Rows of a page at least: of each of the first pages one is asked again."""


def ids_without_vector(listing: Listing) -> list[str]:
    """Return the ids of the live memories without a vector, without those in ai-memory's own namespaces."""
    found: list[str] = []
    after: int | None = None
    while rows := listing.lacking_vectors(after=after, limit=ID_PAGE):
        found += [memory_id for _, memory_id, namespace in rows if not is_substrate(namespace)]
        after = rows[-1][0]
    return found


def lacking(library: Library) -> tuple[int, int]:
    """Return how many such memories are in plain text, and how many are encrypted."""
    ids = ids_without_vector(library.listing)
    memories = (library.memories.get(each) for each in ids) if library.counts.totals().encrypted else ()
    encrypted = sum(memory is not None and memory.encrypted for memory in memories)
    return len(ids) - encrypted, encrypted


def fill(filling: Filling, ids: Sequence[str], workers: Workers, filled: Filled, *, batch: int) -> None:
    """Sweep over the live memories of `ids` that are to get a vector, `batch` texts per page; `filled` is told of them.

    Those are the memories that have none, or with `filling.over` those that have none of its target.

    Those in ai-memory's own namespaces are left out.

    Raises:
        EmbedError: a request failed in a way that says nothing about a row; earlier pages are stored.
        EndpointUnusable: the endpoint refuses a harmless text as well, or its vectors cannot be believed.
        TargetChanged: the endpoint serves other weights than those by which the target is known.
        WordIndexUnusable: each vector rewrites the word index, which is damaged.
        SchemaRefused: the memories take vectors of another width.
    """
    refused = filling.store.memories.refused_updates()
    due: list[str] = []
    known = filling.known() if filling.over else None
    for start in range(0, len(ids), READ_ROWS):
        chunk = ids[start : start + READ_ROWS]
        found = filling.due(_lacking(filling, chunk, known), filled, refused=refused)
        filling.tools.observe(PageCommitted(len(chunk) - len(found)))
        due += [each.id for each in found]
    if due or filling.unproven():
        _sweep(filling, due, workers, filled, batch=max(batch, LEAST_PAGE))


def _lacking(filling: Filling, ids: Sequence[str], known: Fingerprint | None) -> list[Document | Unfit]:
    rows = filling.store.memories.rows_by_id(ids, target=known.id if known else None)
    lacking = (row for row in rows if row.live and filling.is_due(row, known))
    return [examine(row) for row in lacking if not is_substrate(row.namespace)]


def _sweep(filling: Filling, ids: Sequence[str], workers: Workers, filled: Filled, *, batch: int) -> None:
    store, tools, target = filling.store, filling.tools, _served(filling)
    before = inherited(store, target)
    rows, origin = len(ids), filling.origin
    # Of rows without a vector, each sent once and asked again at most once.
    if lost := min(store.targets.left_in_flight(target.id, None), 2 * rows):
        filled.sent_twice = lost + most_asked(len(before.ids))
        tools.observe(RunTakenOver(filled.sent_twice))
    place = filling.place(target)
    work = WithoutRun(store, target, tools, workers, origin=origin, batch=batch, rows=rows, before=before, place=place)
    source = FromText(heeds_quarantine=False, shares=False) if filling.over else FromTextWhereNone()
    try:
        # What is inherited has a vector, and is left alone unless that is taken away.
        work.over(ScanOrder(target, (), {}, batch, source, ids=[*ids, *before.ids]))
    finally:
        filled.count(work.committer.counters, taken_from_others=work.committer.taken_from_others)
        filled.set_aside(work.journal.aside.values())
        filled.give_up(work.sweep.left.values())


def _served(filling: Filling) -> Fingerprint:
    """Return the target, once the endpoint has shown that it serves it."""
    vectors = witnessed(filling.store, filling.embedder)
    with filling.store.transaction() as transaction:
        target = filling.entered(transaction, dim=vectors.shape[1])
        filling.require_place(target)
        transaction.targets.set_witness(target.id, witness_bytes(vectors))
        return transaction.reader.targets.read(target.id)
