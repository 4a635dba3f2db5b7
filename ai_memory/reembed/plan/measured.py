"""Measures how fast a local model embeds: some of the very texts that a run would send, by all workers at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ai_memory.reembed.plan.estimate import Estimate
from ai_memory.text.amounts import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ai_memory.embed.port import Pool
    from ai_memory.vectors.target import Vectors

CALL_TEXTS, CALLS = 16, 2
"""Texts of a call, and calls for each place of a worker: a second or two of MiniLM on a core (2026-11-28)."""


@dataclass(frozen=True, slots=True)
class Pace:
    """So many `workers` together embed so many rows a second."""

    workers: int
    rows_per_second: float

    def estimate(self, rows: int) -> Estimate:
        """Return the time that `rows` take at this pace."""
        workers = counted(self.workers, "worker")
        told = f"at the rate of the probe, {self.rows_per_second:,.1f} rows/s by {workers}"
        return Estimate(rows / self.rows_per_second, told)


def measure(pool: Pool[Sequence[str], Vectors], sample: Sequence[str], monotonic: Callable[[], float]) -> Pace | None:
    """Return the pace of a pool's workers on a sample of texts, None where there are none.

    Each worker has loaded the model and embedded a text before the time counts.

    Raises:
        AiMemoryError: what came of a worker's call.
    """
    if not sample:
        return None
    workers = [each.result() for each in pool.witness(sample[:1])]
    texts = chosen(sample, CALLS * pool.capacity * CALL_TEXTS)
    began = monotonic()
    answers = [pool.submit(texts[begin : begin + CALL_TEXTS]) for begin in range(0, len(texts), CALL_TEXTS)]
    rows = sum(len(each.result()) for each in answers)
    return Pace(len(workers), rows / (monotonic() - began))


def chosen(sample: Sequence[str], many: int) -> list[str]:
    """Return so many texts of a sample, the longest first: of each length as many as the sample has, in proportion.

    Some of them come several times where the sample has fewer.
    """
    by_length = sorted(sample, key=len, reverse=True)
    return [by_length[(2 * each + 1) * len(by_length) // (2 * many)] for each in range(many)]
