"""Asks the endpoint for the witness texts: does it serve the target, and still with the same weights?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ai_memory.errors import (
    DataRefused,
    EmbedderInitFailed,
    EndpointUnusable,
    Misconfigured,
    RowsRefused,
    TargetChanged,
    WrongTarget,
)
from ai_memory.vectors.blob import decode, is_sound
from ai_memory.vectors.checks import SAME_COSINE, cosines
from ai_memory.vectors.witness import WITNESS_TEXTS

if TYPE_CHECKING:
    from ai_memory.embed.port import Embedder
    from ai_memory.vectors.target import Fingerprint, Vectors

SAME_DISTANCE = 0.01414
"""Part of the longer one's length: a cosine of 0.9999 where both are as long. No model has witness texts this near."""
SAME_DIRECTION = 0.999999
WAYS_OUT = (
    "Bring the old model back; or give it another name, change [embeddings].model to that and start over: "
    "ai-memory reembed --retarget"
)


def apart(embedder: Embedder, texts: Sequence[str]) -> Vectors:
    """Return the vectors of `texts`, each asked for by itself: float32, shape (n, dim).

    Raises:
        EmbedError: the embedder's.
    """
    return np.concatenate([embedder.embed_documents([text]) for text in texts])


def probe(embedder: Embedder, texts: Sequence[str] = WITNESS_TEXTS, *, one_by_one: bool = False) -> Vectors:
    """Return the vectors of `texts`: float32, shape (n, dim); asked for in one request, or each by itself.

    Raises:
        EmbedderInitFailed: the endpoint serves another model or another width.
        EmbedError: no answer, refused credentials or quota, an answer that cannot be believed.
        EndpointUnusable: two different texts have the same vector.
    """
    try:
        vectors = apart(embedder, texts) if one_by_one else embedder.embed_documents(list(texts))
    except Misconfigured as error:
        raise EmbedderInitFailed(f"The embedder cannot be asked: {error.what}", tip=error.tip) from error
    except (WrongTarget, RowsRefused) as error:
        raise EmbedderInitFailed(
            f"The embedder does not serve the target: {error.what}",
            tip=error.tip or "Correct the model, dim or the endpoint; see ai-memory config show",
        ) from error
    require_apart(vectors)
    return vectors


def require_apart(vectors: Vectors) -> None:
    """Check that different witness texts have different vectors.

    Raises:
        EndpointUnusable: two share one.
    """
    # Each with the one after it, the last with the first: of three texts all pairs.
    pairs = zip(vectors, np.roll(vectors, -1, axis=0), strict=True) if len(vectors) > 1 else ()
    if any(_same(one, other) for one, other in pairs):
        raise EndpointUnusable(
            "The embedder gives different texts the same vector: two of the three witness texts share one.",
            tip="Look at that server and its model, then run the same command again.",
        )


def _same(one: Vectors, other: Vectors) -> bool:
    """Return whether two vectors are nearly one: by their difference, or whatever their lengths by their direction."""
    longer = max(np.linalg.norm(one), np.linalg.norm(other))
    cosine = float(cosines(one[np.newaxis], other)[0])
    return not (np.linalg.norm(one - other) > SAME_DISTANCE * longer and cosine <= SAME_DIRECTION)


def check_witness(fingerprint: Fingerprint, vectors: Vectors) -> None:
    """Compare the first vectors of the witness texts with those the target was known by.

    Raises:
        TargetChanged: another width, or the cosine of a pair is below 0.999: the same name, other weights.
        DataRefused: what was recorded is not the vectors of the witness texts.
    """
    require_width(fingerprint, int(vectors.shape[1]))
    if fingerprint.witness is None:
        return
    known = _witness(fingerprint, count=len(vectors))
    if not (lowest := float(cosines(known, vectors).min())) >= SAME_COSINE:
        raise TargetChanged(
            f"The endpoint serves other weights under the same name: the witness texts have a cosine of {lowest:.4f} "
            f"with their recorded vectors where at least {SAME_COSINE} is needed.",
            tip=WAYS_OUT,
        )


def require_width(fingerprint: Fingerprint, told: int) -> None:
    """Check that the vectors of a target of which no `dim` is configured are as wide as those it is known by.

    Raises:
        TargetChanged: they are not; where one is configured, the embedder itself takes no other.
    """
    if told != fingerprint.dim:
        raise TargetChanged(
            f"The configured target is not the recorded one: dim: {fingerprint.dim} -> {told}. No dim is configured, "
            f"and the endpoint's vectors are {told} wide.",
            tip=f"Set [embeddings].dim = {fingerprint.dim} again, bring back the model that gave such vectors, or "
            f"go to the new width: ai-memory reembed --retarget",
        )


def require_witness(fingerprint: Fingerprint, embedder: Embedder, vectors: Vectors) -> bool:
    """Compare what `embedder` gave the witness texts in one request; where it differs, ask for each by itself.

    Returns whether they agreed at once: where they did only by themselves, texts of one request are mixed up.

    Raises:
        TargetChanged, DataRefused: see `check_witness`.
        EmbedError: the endpoint failed.
    """
    try:
        check_witness(fingerprint, vectors)
    except TargetChanged:
        check_witness(fingerprint, apart(embedder, WITNESS_TEXTS[: len(vectors)]))
        return False
    return True


def witness_bytes(vectors: Vectors) -> bytes:
    """Return the witness vectors as the fingerprint keeps them: float32 little-endian, one after the other."""
    return np.ascontiguousarray(vectors, dtype="<f4").tobytes()


def _witness(fingerprint: Fingerprint, *, count: int) -> Vectors:
    """Return the first `count` witness vectors: float32, shape (count, dim)."""
    kept, size = fingerprint.witness or b"", 4 * fingerprint.dim
    blobs = [kept[start : start + size] for start in range(0, len(kept), size)] if size else []
    if len(blobs) < count or not all(is_sound(blob, fingerprint.dim) for blob in blobs):
        raise DataRefused(
            f"The database is damaged: column witness of target {fingerprint.id} does not hold the vectors of the "
            "witness texts, so nothing tells whether the endpoint still serves the same weights.",
            tip="Restore a backup of the file, or start anew under another model name: ai-memory reembed --retarget",
        )
    return np.stack([decode(blob) for blob in blobs[:count]])
