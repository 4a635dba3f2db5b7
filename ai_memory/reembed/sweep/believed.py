"""Believes an endpoint's vectors outside of a run only when some were asked for again: what `WitnessGuard` is to a run.

There is nothing here to go back to but a row without a vector. So vectors are held until rows asked again agree, and
where one does not, none of those held is written, and no other way to ask is looked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from random import Random

import numpy as np

from ai_memory.embed.documents import embed_documents
from ai_memory.embed.outcomes import Embedded, Outcome, embedded_of
from ai_memory.embed.port import ResilientEmbedder
from ai_memory.embed.probe import apart, require_apart, require_width, require_witness, witness_bytes
from ai_memory.errors import EndpointUnusable, RowsRefused, TargetChanged
from ai_memory.memory.freshness import Document
from ai_memory.reembed.plan.targets import known_fingerprint, recorded_target
from ai_memory.reembed.sweep.asked_again import FIRST, Shared, ask_again, chosen_of, look_at, witness_document
from ai_memory.reembed.work import Again
from ai_memory.stores.port import Store
from ai_memory.vectors.target import Fingerprint, Vectors
from ai_memory.vectors.witness import WITNESS_TEXTS

HELD = 20
"""Rows of small pages that wait for one of them to be asked again."""
TIP = "Look at that server and its model; or have smaller requests tried: ai-memory reembed"


class Belief:
    """What one filling of rows has seen of its endpoint; `witness` are the vectors to keep with its first ones."""

    def __init__(self, store: Store, embedder: ResilientEmbedder, *, chance: Random | None = None) -> None:
        """Begin without any; `chance` chooses the rows that are asked again."""
        self.witness: bytes | None = None
        self._store, self._embedder, self._chance = store, embedder, chance or Random()  # noqa: S311 - a sample, no secret
        self._held: list[Outcome] = []
        self._rows = FIRST
        self._shared = Shared()

    def require_served(self) -> None:
        """Ask for the witness texts, once: different ones have different vectors, those of the target as recorded.

        Raises:
            TargetChanged: the endpoint serves other weights.
            EndpointUnusable: two texts have the same vector; or it mixes up texts, or refuses them all.
            EmbedError: it failed.
        """
        if self.witness is not None:
            return
        known = known_fingerprint(self._store, recorded_target(self._store, self._embedder.target))
        try:
            self.witness = witness_bytes(self._asked(known))
        except RowsRefused as error:
            raise EndpointUnusable(
                f"The endpoint refuses every text, even a harmless one: {error.what}",
                tip="Correct the endpoint or its settings, then run the same command again.",
            ) from error

    def of(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Hear what became of more documents; return those that may be written now.

        Raises:
            EndpointUnusable: a row asked again got another vector, or different texts share one.
            EmbedError: the endpoint failed.
        """
        self._held += outcomes
        return self.rest(self._embedder) if self._rows == FIRST or len(self._held) >= HELD else []

    def rest(self, embedder: ResilientEmbedder) -> list[Outcome]:
        """Return the documents that are held, once rows of theirs agree.

        Raises:
            EndpointUnusable, EmbedError: see `of`.
        """
        held, self._held = self._held, []
        sharing, lied = look_at(held, self._chance)
        if alike := sharing if lied else self._shared.too_many(held):
            what = f"The endpoint gives different texts the same vector: {len(alike):,} memories share one."
            raise EndpointUnusable(what, tip="Look at that server and its model, then run the same command again.")
        rows = chosen_of(held, Again(self._rows, embedder.max_batch), sharing, self._chance)
        asked, differing = ask_again(embedder, rows, stopped=lambda: False)
        if differing:
            raise _lies(f"{len(differing):,} of {len(asked):,} that were asked for again got another.")
        if asked:
            self._rows = 1
        return held

    def _asked(self, known: Fingerprint | None) -> Vectors:
        if known is None or known.witness is None:
            return self._anew(known)
        vectors = self._embedder.embed_documents(list(WITNESS_TEXTS))
        require_apart(vectors)
        compare = partial(require_witness, known, self._embedder, vectors)
        vectors, together = as_recorded(self._store, known, vectors, compare=compare, anew=partial(self._anew, known))
        if not together:
            raise _lies("those of the witness texts are right only one text a request.")
        return vectors

    def _anew(self, known: Fingerprint | None) -> Vectors:
        vectors = apart(self._embedder, WITNESS_TEXTS)
        require_apart(vectors)
        if known:
            require_width(known, vectors.shape[1])
        return vectors


def as_recorded(
    store: Store, known: Fingerprint, vectors: Vectors, *, compare: Callable[[], bool], anew: Callable[[], Vectors]
) -> tuple[Vectors, bool]:
    """Return the vectors of the witness texts to be kept, and whether they agreed at once with the recorded ones.

    `compare` says that of `vectors` (see `require_witness`); `anew` asks for each text by itself. A witness of which no
    vector was written proves nothing, and is forgotten: the endpoint may have served another model then.

    Raises:
        TargetChanged: they do not agree.
    """
    try:
        return vectors, compare()
    except TargetChanged:
        if vectors.shape[1] != known.dim or len(vectors) < len(WITNESS_TEXTS):
            raise
        with store.transaction() as transaction:
            if not transaction.targets.forget_witness(known.id):
                raise
    return anew(), True


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


def _lies(how: str) -> EndpointUnusable:
    return EndpointUnusable(f"The endpoint gives texts other vectors than by themselves: {how}", tip=TIP)
