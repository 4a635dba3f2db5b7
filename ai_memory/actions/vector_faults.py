"""Which stored vectors are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ai_memory.actions.diagnosis import NAMED_ROWS
from ai_memory.errors import DataRefused
from ai_memory.memory.text_codec import printable
from ai_memory.text.amounts import counted
from ai_memory.vectors.blob import decode, is_sound

if TYPE_CHECKING:
    from ai_memory.actions.diagnosis import Diagnosis
    from ai_memory.stores.memory_port import Library
    from ai_memory.stores.memory_values import StoredVector, VectorPage

PLAIN = 1e-10, 1e10
"""A vector whose length lies between is plainly sound: `is_sound` is laxer, and asked of all others."""


def examine_vectors(library: Library, diagnosis: Diagnosis) -> None:
    """Add the spaces of the stored vectors, and which of them are none; within one state of the database."""
    malformed: list[tuple[str, str]] = []
    for page in library.search.vectors(None):
        faults = ((number, vector_fault(library.search.vector(number))) for number in _suspects(page))
        malformed += [(library.search.text(number).id or "(no id)", why) for number, why in faults if why]
    diagnosis.values["spaces"] = [
        {"space": each.space, "dim": each.dim, "rows": each.rows} for each in library.counts.spaces()
    ]
    diagnosis.count("malformed", len(malformed))
    diagnosis.values["malformed_rows"] = [{"id": row_id, "why": why} for row_id, why in malformed]
    for row_id, why in malformed[:NAMED_ROWS]:
        diagnosis.find(f"the vector of {printable(row_id)} {why}")
    if len(malformed) > NAMED_ROWS:
        more = counted(len(malformed) - NAMED_ROWS, "more vector is", "more vectors are")
        diagnosis.find(f"{more} malformed; --json names all")


def _suspects(page: VectorPage) -> list[int]:
    """Return the row numbers of what must be looked at one by one: all that is not plainly a sound vector."""
    lengths = ((group.numbers, np.linalg.norm(group.vectors.astype(np.float64), axis=1)) for group in page.groups)
    with np.errstate(all="ignore"):
        doubtful = [numbers[~((PLAIN[0] < length) & (length < PLAIN[1]))] for numbers, length in lengths]
    return sorted(np.concatenate([page.malformed, *doubtful]).tolist())


def vector_fault(each: StoredVector) -> str | None:
    """Return what is wrong with a stored vector, None when nothing is."""
    try:
        vector = decode(each.blob)
    except DataRefused:
        return f"is malformed: {len(each.blob)} bytes"
    if not np.isfinite(vector).all():
        return "holds NaN or infinity"
    if not vector.any():
        return "is all zero"
    if each.dim is not None and each.dim < 0:
        return f"is {len(vector)} wide and declares a width that is not one"
    if each.dim is not None and each.dim != len(vector):
        return f"is {len(vector)} wide and declared {each.dim}"
    if not is_sound(each.blob, len(vector)):
        return "is so long or so short that nothing can be compared with it"
    return None
