"""How long a run would take: by the rate of an earlier run, or by the probe's one request."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from ai_memory.vectors.witness import WITNESS_TEXTS

if TYPE_CHECKING:
    from ai_memory.stores.port import Reader
    from ai_memory.stores.values import Measured


@dataclass(frozen=True, slots=True)
class Probed:
    """What the probe found: the width of the target's vectors, and how long its request took."""

    dim: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Estimate:
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
