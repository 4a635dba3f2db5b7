"""Embedding on this machine: what an embedder adds to an engine, which only computes.

The texts' prefixes, how much a forward pass may carry, the width that is given out, and the truth about the model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from ai_memory.embed.local.model_files import AGAIN
from ai_memory.embed.local.pass_size import NotKept, PassSize
from ai_memory.embed.local.shared_passes import SharedPasses
from ai_memory.embed.usage import Meter, Usage
from ai_memory.errors import AiMemoryError, EmbedderInitFailed
from ai_memory.vectors.checks import check

if TYPE_CHECKING:
    from ai_memory.embed.local.pass_size import KeptSize
    from ai_memory.embed.port import Engine, ModelFacts
    from ai_memory.vectors.target import Target, Vectors

AT_ONCE = 3
"""Calls whose texts share passes. With fewer there are too few texts of one length, and while a page is committed the
next one must be there; with more, more is lost at a kill."""
AT_ONCE_ACCELERATED = 32
"""Those of an accelerator, which is idle in passes of a few hundred tokens: with 3 calls of 100 docstrings a pass has
690, with 32 it has 4,000. Of MiniLM on an H200 a migration made 1,240 rows/s with 3, 1,670 with 16 and 1,780 with 64
(2026-11-27; starts included). More would be lost at a kill."""
MAX_BATCH = 4_096


class LocalEmbedder:
    """A model that an engine computes, loaded by the first call.

    `target.dim` below the model's width cuts the vectors to their first components and scales them to length 1 again
    (Matryoshka models lose little by it). `target.dim` 0 and `target.max_tokens` 0 are filled in when the model is
    loaded.
    """

    max_batch = MAX_BATCH

    def __init__(
        self,
        target: Target,
        engine: Engine[Any],
        kept: Callable[[ModelFacts, str], KeptSize] | None = None,
        *,
        at_once: int = AT_ONCE,
    ) -> None:
        """Keep what computes; nothing is loaded yet.

        `kept` says where it is kept which size of a forward pass is the fastest, of a loaded model on a device.
        So many calls `at_once` share passes.
        """
        self.concurrency = at_once
        self.meter = Meter()
        self._target = target
        self._engine = engine
        self._kept = kept or (lambda _, __: NotKept())
        self._size = PassSize("cpu", NotKept())
        self._passes = SharedPasses(self._timed, self._most)
        self._agreed = False
        self._reading = Lock()

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
        with self._reading:
            self._agreed = False
            self._engine.close()

    def _embed(self, texts: list[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self._target.dim), dtype=np.float32)
        found = _shortened(self._passes.compute(self._read(texts)), self._target.dim)
        return check(found, count=len(texts), dim=self._target.dim)

    def _most(self) -> int:
        """Return how many tokens the next forward pass may have."""
        return self._size.next()

    def _timed(self, texts: Sequence[Any]) -> Vectors:
        """Return what the engine computes in one forward pass, and count it."""
        began = perf_counter()
        try:
            found = self._engine.run(texts)
        except AiMemoryError:
            self._size.failed()
            raise
        seconds = perf_counter() - began
        tokens, filled_up = sum(map(len, texts)), len(texts) * max(map(len, texts))
        self._size.timed(filled_up, seconds)
        self.meter.add(Usage(computed=tokens, filling=filled_up - tokens, seconds=seconds))
        return found

    def _read(self, texts: list[str]) -> Sequence[Any]:
        """Return texts as the loaded model reads them; others may be computed meanwhile."""
        with self._reading:
            if not self._agreed:
                facts = self._engine.facts()
                self.meter.reached = True
                self._target = _agreed(self._target, facts)
                self._size = PassSize(self._engine.device, self._kept(facts, self._engine.device))
                self._agreed = True
            self.meter.add(Usage(requests=1, texts_sent=len(texts)))
            read = self._engine.tokenize(texts)
            self.meter.add(Usage(tokens=sum(map(len, read))))
            return read


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
        threads=loaded.threads,
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
