"""Many vector BLOBs of one length as one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ai_memory.vectors.blob import HEADER, width

if TYPE_CHECKING:
    from ai_memory.vectors.target import Vectors


def stacked(blobs: Sequence[bytes]) -> npt.NDArray[np.uint8]:
    """Return BLOBs of one length, at least one of them, as an array of shape (n, length)."""
    return np.frombuffer(b"".join(blobs), dtype=np.uint8).reshape(len(blobs), len(blobs[0]))


def decodable(stack: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Return which of the BLOBs of one length, shape (n, length), `decode` takes."""
    count, length = stack.shape
    if width(length) < 1:
        return np.zeros(count, dtype=np.bool_)
    return stack[:, 0] == HEADER[0] if length % 4 else np.ones(count, dtype=np.bool_)


def decode_all(stack: npt.NDArray[np.uint8]) -> Vectors:
    """Return the vectors, shape (n, dim), of BLOBs of one length that are all `decodable`."""
    bare = np.ascontiguousarray(stack[:, stack.shape[1] % 4 :])
    return bare.view("<f4").astype(np.float32, copy=False)
