"""Whether another number format than float32 is worth it, and harmless, shown on texts of the user's own.

Four things are measured. How fast it is, because that is all it is for. Whether the same texts are found: each text is
a query for the others, and its first ten are compared with those of float32, once with queries in that precision and
once with queries in float32, as a machine without it would ask. The least cosine of a text's two vectors, by which a
witness is known again. And the same of a text that is computed by itself: a run asks for some rows again one by one,
and some formats scale numbers by all that stands in a pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ai_memory.frozen import Frozen
from ai_memory.vectors.checks import SAME_COSINE, cosines
from ai_memory.vectors.witness import WITNESS_TEXTS

if TYPE_CHECKING:
    from ai_memory.embed.port import Embedder
    from ai_memory.vectors.target import Vectors

ROWS = 300
LEAST_ROWS = 100
"""Of fewer texts the first ten are too large a part of all to be missed. A choice."""
FASTER = 1.2
SAME_FOUND = 0.99
FIRST = 10
_ALONE = 16
_TURN = 50
"""Texts that one computes before it is the other's turn: what else the machine does then meets both."""


class Probed(Frozen):
    """What was measured of `rows` texts in a precision, against float32.

    `speed` is tokens/s by tokens/s, `overlap` the part of the first ten that are the same, `cosine` the least one of a
    text's two vectors, and `alone` that of its vectors with and without company.
    """

    rows: int
    speed: float = 0.0
    overlap: float = 0.0
    cosine: float = 0.0
    alone: float = 0.0

    @property
    def fault(self) -> str:
        """What speaks against the precision; empty where nothing does."""
        if self.rows < LEAST_ROWS:
            return f"{self.rows} rows are too few to judge it by, {LEAST_ROWS} are needed"
        if not self.overlap >= SAME_FOUND:
            return f"of the first {FIRST} found {self.overlap:.3f} are the same, and {SAME_FOUND} are needed"
        if not self.cosine >= SAME_COSINE:
            return f"a vector's cosine with that of float32 is {self.cosine:.4f}, and {SAME_COSINE} is needed"
        if not self.alone >= SAME_COSINE:
            return f"a text gets another vector in other company: a cosine of {self.alone:.4f}"
        if not self.speed >= FASTER:
            return f"it computes {self.speed:.2f} times what float32 does, and {FASTER} times is needed"
        return ""


def probe_precision(plain: Embedder, other: Embedder, texts: Sequence[str]) -> Probed:
    """Return what `other` gives for texts against `plain`, which computes in float32; of too few nothing is computed.

    Raises:
        EmbedError, EmbedderInitFailed: one of them cannot compute them.
    """
    texts = list(dict.fromkeys(texts))
    if len(texts) < LEAST_ROWS:
        return Probed(len(texts))
    for each in (plain, other):
        each.embed_documents(WITNESS_TEXTS)
    turns = [texts[start : start + _TURN] for start in range(0, len(texts), _TURN)]
    pairs = [(_timed(plain, turn), _timed(other, turn)) for turn in turns]
    known = np.concatenate([vectors for (vectors, _), _ in pairs])
    found = np.concatenate([vectors for _, (vectors, _) in pairs])
    alone = np.concatenate([other.embed_documents([text]) for text in texts[:_ALONE]])
    return Probed(
        rows=len(texts),
        speed=median(fast / usual for (_, usual), (_, fast) in pairs),
        overlap=min(_overlap(known, queries, found) for queries in (found, known)),
        cosine=float(cosines(known, found).min()),
        alone=float(cosines(alone, found[:_ALONE]).min()),
    )


def _timed(embedder: Embedder, texts: Sequence[str]) -> tuple[Vectors, float]:
    """Return the vectors of texts, and how many tokens were computed in a second."""
    before = embedder.meter.spent
    vectors = embedder.embed_documents(texts)
    used = embedder.meter.spent - before
    return vectors, used.computed / used.seconds


def _overlap(known: Vectors, queries: Vectors, found: Vectors) -> float:
    """Return which part of the first ten of `known` each of `queries` finds among `found`, on an average."""
    pairs = zip(_first(known, known), _first(queries, found), strict=True)
    return float(np.mean([len({*one} & {*other}) / FIRST for one, other in pairs]))


def _first(queries: Vectors, rows: Vectors) -> npt.NDArray[np.intp]:
    """Return the places of the nearest rows to each query, of which the row at its own place is none."""
    nearness = _unit(queries) @ _unit(rows).T
    np.fill_diagonal(nearness, -np.inf)
    found: npt.NDArray[np.intp] = np.argsort(-nearness, axis=1)[:, :FIRST]
    return found


def _unit(vectors: Vectors) -> npt.NDArray[np.float64]:
    wide = vectors.astype(np.float64)
    found: npt.NDArray[np.float64] = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return found
