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
    from ai_memory.stores.memory_values import Candidate


def examine_vectors(library: Library, diagnosis: Diagnosis) -> None:
    """Add the spaces of the stored vectors, and which of them are none; within one state of the database."""
    malformed: list[tuple[str, str]] = []
    for block in library.search.candidates(None):
        faults = ((each, vector_fault(each)) for each in block if each.blob is not None)
        malformed += [(library.search.text(each.row_number).id or "(no id)", why) for each, why in faults if why]
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


def vector_fault(each: Candidate) -> str | None:
    """Return what is wrong with a stored vector, None when nothing is."""
    try:
        vector = decode(each.blob or b"")
    except DataRefused:
        return f"is malformed: {len(each.blob or b'')} bytes"
    if not np.isfinite(vector).all():
        return "holds NaN or infinity"
    if not vector.any():
        return "is all zero"
    if each.dim is not None and each.dim < 0:
        return f"is {len(vector)} wide and declares a width that is not one"
    if each.dim is not None and each.dim != len(vector):
        return f"is {len(vector)} wide and declared {each.dim}"
    if not is_sound(each.blob or b"", len(vector)):
        return "is so long or so short that nothing can be compared with it"
    return None
