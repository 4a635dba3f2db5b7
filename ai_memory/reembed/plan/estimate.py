"""What a run would send, and how long it would take: by the rate of an earlier run, or by the probe's one request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.memory.freshness import Document, Unfit
from ai_memory.reembed.plan.sample import Sample
from ai_memory.vectors.witness import WITNESS_TEXTS

if TYPE_CHECKING:
    from ai_memory.memory.reason import Kind
    from ai_memory.stores.port import Reader
    from ai_memory.stores.values import Measured


USUAL_BYTES_A_TOKEN = 4
"""Rule of thumb for English text (OpenAI, "What are tokens and how to count them", 2024)."""


@dataclass(slots=True)
class Load:
    """What the rows that a run would try to embed would send to a model that reads `max_tokens` of a text.

    `texts` are sent, of so many `tokens`, of which `lost` are cut off, from `truncated` rows. Of rows that cannot be
    sent at all `unfit` counts those of each kind; `sample` has some of the texts.
    """

    max_tokens: int
    count_tokens: Callable[[str], int] | None
    texts: int = 0
    tokens: int = 0
    truncated: int = 0
    lost: int = 0
    unfit: Counter[Kind] = field(default_factory=Counter)
    sample: Sample = field(default_factory=Sample)

    def add(self, examined: Document | Unfit) -> None:
        """Count one of those rows."""
        if isinstance(examined, Unfit):
            self.unfit[examined.reason.kind] += 1
            return
        tokens = self._tokens(examined)
        self.texts += 1
        self.tokens += tokens
        self.sample.add(examined.text, examined.size)
        if 0 < self.max_tokens < tokens:
            self.truncated += 1
            self.lost += tokens - self.max_tokens

    def add_identical(self, document: Document) -> None:
        """Count a row whose text is sent for another one, if it is at all."""
        if self.max_tokens:
            self.truncated += self.max_tokens < self._tokens(document)

    def _tokens(self, document: Document) -> int:
        return self.count_tokens(document.text) if self.count_tokens else document.size // USUAL_BYTES_A_TOKEN + 1


class Probed(Frozen):
    """What the probe found: the width of the target's vectors, and how long its request took."""

    dim: int
    seconds: float


class Estimate(Frozen):
    """A time in seconds, and the words for what it goes by."""

    seconds: float
    by: str


def estimate(
    store: Reader, texts: int, *, target: int | None, is_local: bool, batch: int, probed: Probed | None
) -> Estimate | None:
    """Return the time that `texts` take, None where nothing tells it: a run to the target, the probe, another run."""
    if not texts:
        return None
    measured = store.runs.last_rate(target)
    if measured and (measured.target == target or probed is None):
        done = store.runs.read(measured.run_id).counters
        # Its rows are counted with those that it gave the vector of an identical text.
        sent = 1 - done.identical / done.reembedded if 0 <= done.identical < done.reembedded else 1
        return Estimate(texts / (measured.rows_per_hour * sent) * 3600, _rate_of(measured, target))
    if probed is None:
        return None
    # A model that runs here takes its time for each text, an endpoint for each request.
    units = texts / len(WITNESS_TEXTS) if is_local else ceil(texts / batch)
    return Estimate(units * probed.seconds, "if each request takes as long as the probe, one after the other")


def _rate_of(measured: Measured, target: int | None) -> str:
    other = "" if measured.target == target else ", which had another target"
    return f"at the rate of run {measured.run_id}{other}"
