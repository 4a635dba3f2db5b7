"""What a run would send, and how long it would take: by the rate of an earlier run, or by the probe's one request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.memory.freshness import OVERSIZE, Document, Unfit
from ai_memory.reembed.plan.sample import Sample
from ai_memory.vectors.witness import WITNESS_TEXTS

if TYPE_CHECKING:
    from ai_memory.stores.port import Reader
    from ai_memory.stores.values import Measured


USUAL_BYTES_A_TOKEN = 4
"""Rule of thumb for English text (OpenAI, "What are tokens and how to count them", 2024)."""


@dataclass(slots=True)
class Load:
    """What the rows that a run would try to embed would send to a model that reads `max_tokens` of a text.

    `lost` tokens of `truncated` rows are cut off, `oversize` rows are too long to be sent at all; `sample` has some of
    the texts.
    """

    max_tokens: int
    count_tokens: Callable[[str], int] | None
    tokens: int = 0
    truncated: int = 0
    lost: int = 0
    oversize: int = 0
    sample: Sample = field(default_factory=Sample)

    def add(self, examined: Document | Unfit) -> None:
        """Count one of those rows."""
        if isinstance(examined, Unfit):
            self.oversize += examined.reason.kind == OVERSIZE
            return
        tokens = self.count_tokens(examined.text) if self.count_tokens else examined.size // USUAL_BYTES_A_TOKEN + 1
        self.tokens += tokens
        self.sample.add(examined.text, examined.size)
        if 0 < self.max_tokens < tokens:
            self.truncated += 1
            self.lost += tokens - self.max_tokens


class Probed(Frozen):
    """What the probe found: the width of the target's vectors, and how long its request took."""

    dim: int
    seconds: float


class Estimate(Frozen):
    """A time in seconds, and the words for what it goes by."""

    seconds: float
    by: str


def estimate(
    store: Reader, rows: int, *, target: int | None, is_local: bool, batch: int, probed: Probed | None
) -> Estimate | None:
    """Return the time that `rows` take, None where nothing tells: by a run to the target, the probe, or another run."""
    measured = store.runs.last_rate(target)
    if measured and (measured.target == target or probed is None):
        return Estimate(rows / measured.rows_per_hour * 3600, _rate_of(measured, target))
    if probed is None:
        return None
    # A model that runs here takes its time for each text, an endpoint for each request.
    units = rows / len(WITNESS_TEXTS) if is_local else ceil(rows / batch)
    return Estimate(units * probed.seconds, "if each request takes as long as the probe, one after the other")


def _rate_of(measured: Measured, target: int | None) -> str:
    other = "" if measured.target == target else ", which had another target"
    return f"at the rate of run {measured.run_id}{other}"
