"""From the vectors of a text's tokens to the vector of the text, as sentence-transformers computes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from ai_memory.vectors.target import Vectors

Mask = npt.NDArray[np.float32]
_LEAST = np.float32(1e-9)
"""Stands for the number of tokens where there are none."""
_SHORTEST = np.float32(1e-12)
"""Stands for a length below it when vectors are normalised, as in PyTorch's."""


def pooled(tokens: Vectors, mask: npt.NDArray[np.int64], modes: Sequence[str]) -> Vectors:
    """Return a vector for each text: float32, shape (n, modes * width), of `tokens`, shape (n, tokens, width).

    `mask`, shape (n, tokens), is 1 where a token is one of the text's.
    """
    weights = mask.astype(np.float32)
    found: Vectors = np.concatenate([_MODES[mode](tokens, weights) for mode in modes], axis=1)
    return found


def scaled(vectors: Vectors) -> Vectors:
    """Return vectors, shape (n, dim), at length 1."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    found: Vectors = vectors / np.maximum(lengths, _SHORTEST)
    return found


def _sum(tokens: Vectors, weights: Mask) -> Vectors:
    found: Vectors = np.einsum("ntd,nt->nd", tokens, weights)
    return found


def _count(weights: Mask) -> Mask:
    found: Mask = np.maximum(weights.sum(axis=1, keepdims=True), _LEAST)
    return found


def _mean(tokens: Vectors, weights: Mask) -> Vectors:
    found: Vectors = _sum(tokens, weights) / _count(weights)
    return found


def _mean_sqrt(tokens: Vectors, weights: Mask) -> Vectors:
    found: Vectors = np.asarray(_sum(tokens, weights) / np.sqrt(_count(weights)), dtype=np.float32)
    return found


def _weighted(tokens: Vectors, weights: Mask) -> Vectors:
    return _mean(tokens, weights * np.arange(1, weights.shape[1] + 1, dtype=np.float32))


def _largest(tokens: Vectors, weights: Mask) -> Vectors:
    found: Vectors = tokens.max(axis=1, initial=-np.inf, where=weights[:, :, np.newaxis] > 0)
    return found


def _first(tokens: Vectors, weights: Mask) -> Vectors:
    del weights  # padding stands on the right
    return tokens[:, 0]


def _last(tokens: Vectors, weights: Mask) -> Vectors:
    found: Vectors = tokens[np.arange(len(tokens)), weights.sum(axis=1).astype(np.int64) - 1]
    return found


_MODES: dict[str, Callable[[Vectors, Mask], Vectors]] = {
    "cls": _first,
    "max": _largest,
    "mean": _mean,
    "mean_sqrt_len_tokens": _mean_sqrt,
    "weightedmean": _weighted,
    "lasttoken": _last,
}
MODES = frozenset(_MODES)
"""The modes there are."""
