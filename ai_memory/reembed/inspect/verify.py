"""`verify --sample`: embeds some rows again and compares the result with the vectors that are stored.

The first of them, chosen at random, one text per request: an endpoint that mixes up texts which share one would agree
with itself, or belie rows that are right. Of the others those that differ are asked for by themselves.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ai_memory.embed.outcomes import Embedded
from ai_memory.frozen import Frozen
from ai_memory.memory.freshness import ATTESTED, Document, examine, is_recorded
from ai_memory.reembed.inspect.bound import bound, differ_at_most
from ai_memory.reembed.scope import Scope, in_scope
from ai_memory.reembed.sweep.alike import Alike
from ai_memory.vectors import checks
from ai_memory.vectors.blob import decode, is_sound

if TYPE_CHECKING:
    from ai_memory.embed.port import Embedder
    from ai_memory.memory.row import Traits
    from ai_memory.stores.port import Reader, Snapshot
    from ai_memory.vectors.target import Fingerprint, Vectors

MIN_COSINE = 0.99
"""Below this a stored vector is not the model's: what shares a batch changes far less (about 1e-6)."""


ONE_BY_ONE = 300
"""Rows asked for by themselves at most: that so many agree means that at most 1 % of all differ (95 %)."""


class Sample(Frozen):
    """Rows embedded again: how many, which differ, and the lowest cosine met (1.0 where none was compared).

    `one_by_one` of them were asked for by themselves whatever they are. `sharing` of them got the very vector of too
    many different texts. `unattested`: they are rows of which nothing records where their vectors come from.
    """

    compared: int
    differing: tuple[str, ...]
    lowest_cosine: float
    one_by_one: int = 0
    sharing: int = 0
    unattested: bool = False

    @property
    def found(self) -> bool:
        """Whether something is wrong with the rows or with the endpoint."""
        return bool(self.differing or self.sharing)

    @property
    def mostly(self) -> bool:
        """Whether more rows differ than agree."""
        return 2 * len(self.differing) > self.compared

    def differ_at_most(self, *, attested: int, rows: int) -> float:
        """Return the share of `rows` that can differ (95 %), the `attested` of which are sampled before all others."""
        if self.sharing:
            return 1.0
        of_attested = min(attested, self.one_by_one)
        drawn, others = self.one_by_one - of_attested, max(rows - attested, 0)
        if not self.differing:
            # Of the others none is drawn before all that are attested were.
            shares = differ_at_most(of_attested, attested) * attested + differ_at_most(drawn, others) * others
            return shares / max(attested + others, 1)
        return bound(max(drawn - len(self.differing), 0), drawn)

    def values(self) -> dict[str, object]:
        """Return the keys that a sample adds to the JSON object of `verify`."""
        return {
            "sampled": self.compared,
            "differing": list(self.differing),
            "sharing_a_vector": self.sharing,
            "lowest_cosine": round(self.lowest_cosine, 6),
        }


def choose(store: Reader, target: Fingerprint, scope: Scope, *, size: int | None) -> list[Document]:
    """Return up to `size` rows that are recorded as the target's (None: all).

    Those attested by an operator come first, the others at random.
    """
    traits = store.memories.traits
    attested, others = store.consistently(lambda found: _recorded(found, traits, target, scope))
    random.shuffle(attested)
    random.shuffle(others)
    return [*attested, *others][:size]


def choose_unattested(store: Reader, dim: int, scope: Scope, *, size: int | None) -> list[Document]:
    """Return up to `size` rows (None: all) with a vector `dim` wide of which nothing records where it comes from."""

    def read(snapshot: Snapshot) -> list[Document]:
        rows = (row for row in snapshot.rows(target=None, only=scope) if row.live and in_scope(row.namespace, scope))
        due = (examine(row) for row in rows if row.fingerprint_id is None and row.has_sound_vector(dim))
        return [each for each in due if isinstance(each, Document)]

    found = store.consistently(read)
    return random.sample(found, min(size or len(found), len(found)))


def _recorded(
    snapshot: Snapshot, traits: Traits, target: Fingerprint, scope: Scope
) -> tuple[list[Document], list[Document]]:
    """Return the rows recorded as the target's: those attested by an operator, and the others."""
    attested: list[Document] = []
    others: list[Document] = []
    for row in snapshot.rows(target=target.id, only=scope):
        if not row.live or not in_scope(row.namespace, scope):
            continue
        # Also those whose vector is not sound, which a census calls stale: they differ.
        if is_recorded(row, target, traits) and isinstance(examined := examine(row), Document):
            (attested if row.origin == ATTESTED else others).append(examined)
    return attested, others


def compare(store: Reader, embedder: Embedder, target: Fingerprint | None, documents: Sequence[Document]) -> Sample:
    """Embed `documents` again and return how their vectors of a target (None: those they have) compare.

    Rows edited meanwhile are left out.

    Raises:
        EmbedError: the embedder failed.
    """
    first, rest = documents[:ONE_BY_ONE], documents[ONE_BY_ONE:]
    alike = Alike()
    cosines = _compare(store, embedder, target, first, alike, size=1)
    one_by_one = len(cosines)
    cosines |= _compare(store, embedder, target, rest, alike, size=min(embedder.max_batch, 100))
    doubted = [each for each in rest if not cosines.get(each.id, 1.0) >= MIN_COSINE]
    cosines |= _compare(store, embedder, target, doubted, alike, size=1)
    differing = tuple(each for each, cosine in cosines.items() if not cosine >= MIN_COSINE)
    return Sample(len(cosines), differing, min(cosines.values(), default=1.0), one_by_one, len(alike.told))


def _compare(
    store: Reader,
    embedder: Embedder,
    target: Fingerprint | None,
    documents: Sequence[Document],
    alike: Alike,
    *,
    size: int,
) -> dict[str, float]:
    """Return the cosine of each row's stored vector with the one that comes for it in a request of `size` texts.

    `alike` hears of what comes.
    """
    cosines: dict[str, float] = {}
    for start in range(0, len(documents), size):
        batch = documents[start : start + size]
        embedded = embedder.embed_documents([each.text for each in batch])
        alike.observe(Embedded(document, vector) for document, vector in zip(batch, embedded, strict=True))
        for document, vector in zip(batch, embedded, strict=True):
            blob = store.memories.stored_vector(document, target=target.id if target else None)
            if blob is not None:
                cosines[document.id] = cosine(blob, vector)
    return cosines


def cosine(blob: bytes, vector: Vectors) -> float:
    """Return the cosine of a stored vector with the one that came; -1 where nothing can be compared with the former."""
    if not is_sound(blob, len(vector)):
        return -1.0
    return float(checks.cosines(decode(blob)[np.newaxis], vector)[0])
