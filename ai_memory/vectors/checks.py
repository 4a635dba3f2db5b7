"""The checks a vector must pass before it is believed, and the cosine of two."""

from __future__ import annotations

from math import isfinite

import numpy as np
import numpy.typing as npt

from ai_memory.errors import AnswerViolation, VectorsBroken, WrongTarget
from ai_memory.text.amounts import counted
from ai_memory.vectors.target import MAX_DIM, Vectors

NARROWEST = 2
"""One number gives every text the same direction, or the opposite one."""
SHORTEST, LONGEST = 1e-3, 1e4
"""No model makes shorter or longer vectors (int8 of 4,096 numbers: 8,128 at most): other bytes were read as float32."""
SAME_COSINE = 0.999
"""The least cosine of two vectors that one model gives one text."""


def cosines(a: Vectors, b: Vectors) -> npt.NDArray[np.float64]:
    """Return the cosine of each row of `a`, shape (n, dim), with `b`, shape (dim,), or with its row of `b`, (n, dim).

    Equal rows have equal cosines, to the last bit, wherever they stand. NaN where one of the two holds NaN or infinity
    or is all zero: such a cosine is neither near nor far, so ask `not cosine >= LEAST`.
    """
    with np.errstate(all="ignore"):
        wide, other = a.astype(np.float64), b.astype(np.float64)
        found: npt.NDArray[np.float64] = _dots(wide, other) / np.sqrt(_dots(wide, wide) * _dots(other, other))
    return found


def _dots(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    # Not `a @ b`: what BLAS adds up first depends on where in the array a row stands.
    found: npt.NDArray[np.float64] = np.einsum("...j,...j->...", a, b)
    return found


def agrees(one: Vectors, other: Vectors) -> bool:
    """Return whether two vectors of a text, shape (dim,), are the same but for rounding."""
    return bool(cosines(one[np.newaxis], other)[0] >= SAME_COSINE)


def check(vectors: Vectors, *, count: int, dim: int) -> Vectors:
    """Return `vectors` if they are `count` finite, non-zero float32 vectors of width `dim`.

    `dim` 0 means the width is not yet known: any is taken.

    Raises:
        WrongTarget: the width differs.
        AnswerViolation: the count differs, no model's vectors are so narrow or so wide, or all of them hold NaN or
            infinity, or have lengths that none has.
        VectorsBroken: only some of them do.
    """
    if vectors.ndim != 2 or len(vectors) != count:
        raise AnswerViolation(
            f"{counted(count, 'text was', 'texts were')} sent and {counted(len(vectors), 'vector')} came back."
        )
    if not NARROWEST <= vectors.shape[1] <= MAX_DIM:
        raise AnswerViolation(f"the vectors are {vectors.shape[1]:,} wide.")
    if dim and vectors.shape[1] != dim:
        raise WrongTarget(f"the vectors are {vectors.shape[1]} wide where {dim} was expected.")
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    sound = (lengths > SHORTEST) & (lengths < LONGEST)
    if sound.all():
        return vectors
    broken = np.flatnonzero(~sound)
    why = _flaw(float(lengths[broken[0]]))
    if sound.any():
        raise VectorsBroken(why, vectors=vectors, broken=broken.tolist())
    raise AnswerViolation(why)


def _flaw(length: float) -> str:
    """Return what is wrong with a vector of this length."""
    if not isfinite(length):
        return "a vector holds NaN or infinity."
    if length == 0:
        return "a vector is all zero."
    return f"a vector has a length outside of {SHORTEST:g} to {LONGEST:,.0f}."
