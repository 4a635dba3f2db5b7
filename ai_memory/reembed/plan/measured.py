"""Measures how fast a local model embeds: some of the very texts that a run would send, by all workers at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.reembed.plan.estimate import Estimate
from ai_memory.text.amounts import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ai_memory.embed.port import Pool
    from ai_memory.vectors.target import Vectors

CALL_TEXTS, CALLS = 16, 2
"""Texts of a call, and calls for each place of a worker: a second or two of MiniLM on a core (2026-11-28)."""


def measure(
    pool: Pool[Sequence[str], Vectors], sample: Sequence[str], texts_to_send: int, monotonic: Callable[[], float]
) -> Estimate | None:
    """Return the time that so many texts take a pool's workers, by a sample of their texts; None where there are none.

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
    per_second = sum(len(each.result()) for each in answers) / (monotonic() - began)
    by = f"at the rate of the probe, {per_second:,.1f} rows/s by {counted(len(workers), 'worker')}"
    return Estimate(texts_to_send / per_second, by)


def chosen(sample: Sequence[str], many: int) -> list[str]:
    """Return so many texts of a sample, the longest first: of each length as many as the sample has, in proportion.

    Some of them come several times where the sample has fewer.
    """
    by_length = sorted(sample, key=len, reverse=True)
    return [by_length[(2 * each + 1) * len(by_length) // (2 * many)] for each in range(many)]
