"""How near a query is to texts that have nothing to do with it: what tells the cosines of a space that has few rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ai_memory.vectors.checks import cosines
from ai_memory.vectors.witness import WITNESS_TEXTS

if TYPE_CHECKING:
    from ai_memory.stores.values import KeptTarget
    from ai_memory.vectors.target import Vectors


def unrelated(known: Sequence[KeptTarget], space: str, vector: Vectors) -> float | None:
    """Return the mean cosine of a query with the witness of its space, None where the file has none."""
    size = len(WITNESS_TEXTS) * len(vector)
    for each in known:
        if (each.space, each.dim) == (space, len(vector)) and each.witness and len(each.witness) == 4 * size:
            witness = np.frombuffer(each.witness, dtype="<f4").reshape(len(WITNESS_TEXTS), len(vector))
            found = float(cosines(witness, vector).mean())
            return None if np.isnan(found) else found
    return None
