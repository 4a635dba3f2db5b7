"""Embedding on this machine: what an embedder adds to an engine, which only computes.

The texts' prefixes, which texts share a forward pass, the width that is given out, and the truth about the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from ai_memory.embed.local.model_files import AGAIN
from ai_memory.embed.usage import Meter, Usage
from ai_memory.errors import EmbedderInitFailed
from ai_memory.text.utf8 import utf8_size
from ai_memory.vectors.checks import check

if TYPE_CHECKING:
    from ai_memory.embed.port import Engine, ModelFacts
    from ai_memory.vectors.target import Target, Vectors

CPU_BATCH = 8
"""Texts per forward pass on a processor. Measured with MiniLM and docstrings, sorted by length, 100 per call, one
thread: 14.3 ms per text at 8, 15.2 at 4, 16.5 at 16, 25 at 32, 38 at 64: what is padded costs as much as text."""
DEVICE_BATCH = 64
"""Texts per forward pass on an accelerator, where a pass of a few texts leaves most of it idle (not measured)."""
MAX_BATCH = 4_096


class LocalEmbedder:
    """A model that an engine computes, loaded by the first call.

    `target.dim` below the model's width cuts the vectors to their first components and scales them to length 1 again
    (Matryoshka models lose little by it). `target.dim` 0 and `target.max_tokens` 0 are filled in when the model is
    loaded.
    """

    max_batch = MAX_BATCH
    concurrency = 1

    def __init__(self, target: Target, engine: Engine[Any]) -> None:
        """Keep what computes; nothing is loaded yet."""
        self.meter = Meter()
        self._target = target
        self._engine = engine
        self._agreed = False
        self._one_at_a_time = Lock()

    @property
    def target(self) -> Target:
        """What is known of the target; complete once the model is loaded."""
        return self._target

    def fitting(self, texts: Sequence[str]) -> int:
        """Return how many of the first `texts` one call may carry."""
        return min(len(texts), self.max_batch)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of `texts`: float32, shape (n, dim), rows in the order of texts.

        Raises:
            EmbedderInitFailed: the model cannot be loaded, or is another than its files said.
            RowsRefused: the model cannot take these texts, or the device has no memory for them.
            AnswerViolation: the model computed NaN, infinity or zero.
        """
        return self._embed([self._target.document_prefix + text for text in texts])

    def embed_query(self, text: str) -> Vectors:
        """Return the vector of a search query: float32, shape (dim,).

        Raises:
            EmbedderInitFailed, RowsRefused, AnswerViolation: see `embed_documents`.
        """
        row: Vectors = self._embed([self._target.query_prefix + text])[0]
        return row

    def close(self) -> None:
        """Let go of the model; a call for vectors loads it again."""
        with self._one_at_a_time:
            self._engine.close()

    def _embed(self, texts: list[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self._target.dim), dtype=np.float32)
        with self._one_at_a_time:
            if not self._agreed:
                facts = self._engine.facts()
                self.meter.reached = True
                self._target = _agreed(self._target, facts)
                self._agreed = True
            size = sum(map(utf8_size, texts))
            self.meter.add(Usage(requests=1, texts_sent=len(texts), unreported_bytes=size))
            computed = self._computed(texts)
        found = _shortened(computed, self._target.dim)
        return check(found, count=len(texts), dim=self._target.dim)

    def _computed(self, texts: list[str]) -> Vectors:
        """Return what the engine computes of texts, those of about one length together: float32, in their order."""
        longest_first = np.argsort([-len(text) for text in texts])
        size = CPU_BATCH if self._engine.device == "cpu" else DEVICE_BATCH
        passes = [longest_first[start : start + size] for start in range(0, len(texts), size)]
        computed = [self._engine.run(self._engine.tokenize([texts[place] for place in each])) for each in passes]
        found: Vectors = np.concatenate(computed)[np.argsort(longest_first)]
        return found


def _agreed(target: Target, loaded: ModelFacts) -> Target:
    """Return `target` completed by the loaded model.

    Raises:
        EmbedderInitFailed: the model's truth differs from what was configured or read from its files.
    """
    if target.dim > loaded.dim:
        raise EmbedderInitFailed(
            f"the model {target.model} gives {loaded.dim} dimensions, fewer than the {target.dim} expected.",
            tip="Correct [embeddings].dim.",
        )
    cut = 0 < target.dim < loaded.dim
    found = replace(
        target,
        dim=target.dim or loaded.dim,
        max_tokens=loaded.max_tokens,
        normalized=cut or loaded.normalized,
        engine=loaded.engine,
    )
    if target.max_tokens and found != target:
        raise EmbedderInitFailed(
            f"the loaded model {target.model} cuts at {found.max_tokens} tokens (normalised: {found.normalized})"
            f" where its files say {target.max_tokens} ({target.normalized}).",
            tip=AGAIN,
        )
    return found


def _shortened(computed: Vectors, dim: int) -> Vectors:
    """Return the first `dim` components of each vector at length 1; wider than computed: as they are."""
    if not 0 < dim < computed.shape[1]:
        return computed
    cut = computed[:, :dim]
    lengths = np.linalg.norm(cut.astype(np.float64), axis=1, keepdims=True)
    with np.errstate(all="ignore"):  # what is not finite is refused by the check of all vectors
        scaled: Vectors = np.divide(cut, lengths, out=np.zeros_like(cut), where=lengths > 0, casting="same_kind")
    return scaled
