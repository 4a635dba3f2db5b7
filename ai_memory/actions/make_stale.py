"""Makes rows stale of which `verify --sample` found that their vectors are not what the embedder gives.

Why so much is asked before: an endpoint that lies today would take good vectors for bad ones, and a run would then
replace them.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING

from ai_memory.embed.probe import WAYS_OUT, apart, probe, require_witness
from ai_memory.errors import EndpointUnusable, StatementRefused, TargetChanged
from ai_memory.frozen import Frozen
from ai_memory.reembed.inspect.verify import MIN_COSINE, cosine
from ai_memory.reembed.recorded import recorded_run
from ai_memory.reembed.writes import write_of
from ai_memory.vectors.checks import agrees

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ai_memory.embed.port import Embedder
    from ai_memory.memory.freshness import Document
    from ai_memory.reembed.inspect.verify import Sample
    from ai_memory.stores.port import Store, Transaction
    from ai_memory.vectors.target import Fingerprint, Vectors

LOOK = "Look at that server and its model, then run the same command again."
STEADY = 3
"""Rows that are asked for twice before anything is made of how many differ. A choice of 2026-11-26, not measured."""


class _Doubted(Frozen):
    """A row whose vector is another than its text gets; `digest` is of the one that was compared."""

    document: Document
    digest: bytes


def make_stale(
    store: Store, embedder: Embedder, target: Fingerprint, sample: Sample, documents: Sequence[Document]
) -> int:
    """Delete, in one transaction, the record of those of `documents` that differ in `sample`; return of how many.

    Each is asked for twice more by itself; one that was edited or written anew since then is left alone. A row with
    the same text and the same vector as one of them is among them, too.

    Raises:
        EndpointUnusable: the endpoint gives one text different vectors, or different texts one.
        TargetChanged: it serves other weights than those that made the vectors, or most of the sample differ.
        EmbedError: it failed.
        StatementRefused: the database lets nobody delete the record. In each case nothing was changed.
    """
    if not sample.found:
        return 0
    _require_different(sample)
    known = set(sample.differing)
    differing = [each for each in documents if each.id in known]
    asked = _doubted(store, embedder, target, differing)
    # Before anything else: what an endpoint says that is never of one mind is no word on its weights.
    doubted = list(islice(asked, STEADY))
    _require_weights(target, embedder)
    _require_few(sample)
    doubted += asked
    # What comes for the last of them must be of the same weights as what came for the first.
    _require_weights(target, embedder)
    try:
        return _disowned(store, target, doubted, unstamp=True)
    except StatementRefused:
        # A schema that wants a stamp on every vector: without their record they are stale all the same.
        return _disowned(store, target, doubted, unstamp=False)


def _require_different(sample: Sample) -> None:
    if sample.sharing:
        raise EndpointUnusable(
            f"The endpoint gives different texts the same vector: {sample.sharing:,} of {sample.compared:,} rows "
            "embedded again share one; no row was made stale.",
            tip=LOOK,
        )


def _require_few(sample: Sample) -> None:
    if sample.mostly:
        raise TargetChanged(
            f"{len(sample.differing):,} of {sample.compared:,} rows embedded again differ: so many usually mean that "
            "the endpoint has other weights than those that made these vectors; no row was made stale.",
            tip=WAYS_OUT,
        )


def _require_weights(target: Fingerprint, embedder: Embedder) -> None:
    require_witness(target, embedder, probe(embedder))


def _doubted(
    store: Store, embedder: Embedder, target: Fingerprint, documents: Sequence[Document]
) -> Iterator[_Doubted]:
    """Yield the rows that get, twice by themselves, one vector that is not the stored one."""
    for each in documents:
        blob = store.memories.stored_vector(each, target=target.id)
        if blob is None:
            continue
        if not cosine(blob, _steady(embedder, each)) >= MIN_COSINE:
            yield _Doubted(each, _digest(blob))


def _steady(embedder: Embedder, document: Document) -> Vectors:
    """Return the one vector that a row gets, twice by itself."""
    one, other = apart(embedder, [document.text, document.text])
    if not agrees(one, other):
        raise EndpointUnusable(
            "The endpoint gives the same text different vectors, even when it is asked for nothing else; "
            "no row was made stale.",
            tip=LOOK,
        )
    vector: Vectors = one
    return vector


def _disowned(store: Store, target: Fingerprint, doubted: Sequence[_Doubted], *, unstamp: bool) -> int:
    with store.transaction() as transaction:
        rows = sum(_disown(transaction, target, each, unstamp=unstamp) for each in doubted)
        _note(transaction, target, rows)
    return rows


def _disown(transaction: Transaction, target: Fingerprint, doubted: _Doubted, *, unstamp: bool) -> int:
    document = doubted.document
    blob = transaction.reader.memories.stored_vector(document, target=target.id)
    if blob is None or _digest(blob) != doubted.digest:
        return 0
    return transaction.vectors.disown([write_of(document, blob)], target, unstamp=unstamp)


def _note(transaction: Transaction, target: Fingerprint, rows: int) -> None:
    """Add the rows to those that remain of the last run to the target: `status` tells of them without counting."""
    run = recorded_run(transaction.reader)
    if rows and run and not run.undoes and run.target == target.id and (was := run.counted):
        remaining = min(was.remaining + rows, was.live)
        transaction.progress.note_census(run, replace(was, remaining=remaining))


def _digest(blob: bytes) -> bytes:
    return blake2b(blob, digest_size=16).digest()
