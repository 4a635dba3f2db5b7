"""Asks whether an endpoint serves the target, outside of a run: by the witness texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ai_memory.embed.documents import embed_documents
from ai_memory.embed.outcomes import Embedded, Outcome, embedded_of
from ai_memory.embed.probe import apart, require_apart, require_width, require_witness
from ai_memory.errors import EndpointUnusable, RowsRefused, TargetChanged
from ai_memory.reembed.plan.targets import known_fingerprint, recorded_target
from ai_memory.reembed.sweep.witness_rows import witness_document
from ai_memory.vectors.witness import WITNESS_TEXTS

if TYPE_CHECKING:
    from ai_memory.embed.port import ResilientEmbedder
    from ai_memory.memory.freshness import Document
    from ai_memory.stores.port import Store
    from ai_memory.vectors.target import Fingerprint, Vectors


def witnessed(store: Store, embedder: ResilientEmbedder) -> Vectors:
    """Return the vectors of the witness texts: different ones have different vectors, those of the target as recorded.

    Raises:
        TargetChanged: the endpoint serves other weights.
        EndpointUnusable: two texts have the same vector; or the endpoint refuses them all.
        EmbedError: it failed.
    """
    known = known_fingerprint(store, recorded_target(store, embedder.target))
    try:
        return _witnessed(store, embedder, known)
    except RowsRefused as error:
        raise EndpointUnusable(
            f"The endpoint refuses every text, even a harmless one: {error.what}",
            tip="Correct the endpoint or its settings, then run the same command again.",
        ) from error


def _witnessed(store: Store, embedder: ResilientEmbedder, known: Fingerprint | None) -> Vectors:
    def anew() -> Vectors:
        vectors = apart(embedder, WITNESS_TEXTS)
        require_apart(vectors)
        if known:
            require_width(known, vectors.shape[1])
        return vectors

    if known is None or known.witness is None:
        return anew()
    vectors = embedder.embed_documents(list(WITNESS_TEXTS))
    require_apart(vectors)
    return as_recorded(store, known, vectors, compare=partial(require_witness, known, embedder, vectors), anew=anew)


def as_recorded(
    store: Store, known: Fingerprint, vectors: Vectors, *, compare: Callable[[], object], anew: Callable[[], Vectors]
) -> Vectors:
    """Return the vectors of the witness texts to be kept.

    `compare` checks `vectors` (see `require_witness`); `anew` asks for each text by itself. A witness of which no
    vector was written proves nothing, and is forgotten: the endpoint may have served another model then.

    Raises:
        TargetChanged: they do not agree.
    """
    try:
        compare()
    except TargetChanged:
        if vectors.shape[1] != known.dim or len(vectors) < len(WITNESS_TEXTS):
            raise
        with store.transaction() as transaction:
            if not transaction.targets.forget_witness(known.id):
                raise
        return anew()
    return vectors


def embed_beside_witness(
    embedder: ResilientEmbedder, documents: Sequence[Document], known: Fingerprint | None
) -> list[Outcome]:
    """Return what became of few documents, with a witness text in their request where the target has its vector.

    Raises:
        TargetChanged: the endpoint serves other weights, or vectors of another width than the target's.
        EmbedError, EndpointUnusable: see `embed_documents`.
    """
    if known is None or known.witness is None or embedder.target.is_local:
        outcomes = embed_documents(embedder, documents)
        for wide in {len(each.vector) for each in embedded_of(outcomes)}:
            if known:
                require_width(known, wide)
        return outcomes
    *outcomes, witness = embed_documents(embedder, [*documents, witness_document(WITNESS_TEXTS[0])])
    if isinstance(witness, Embedded) and not require_witness(known, embedder, witness.vector[np.newaxis]):
        # It mixes up what shares a request.
        return [found for each in documents for found in embed_documents(embedder, [each])]
    return outcomes
