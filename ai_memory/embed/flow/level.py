"""How many requests may be in flight: a level that grows with each round of answers, and falls at a sign of trouble.

Additive increase, multiplicative decrease (Chiu and Jain, 1989): doubled per round until the first sign
of trouble, then one more per round; halved on a refusal of rate, on a failure, and when requests take
twice as long as they did with few in flight. Nothing here waits, locks or reads a clock.

Why not a fixed number: a local server takes two requests at a time, a vendor a hundred, and nobody tells. Why not
latency alone: the time of an answer depends on how long its texts are, so only a doubling counts, against the
quickest round. Why it is halved once per round: all requests of a round meet the same trouble, and halving for each
would leave one. Why a broken answer counts as trouble: some servers mix up the answers to requests that come side by
side; such a one is left with fewer, each time for longer.
"""

from __future__ import annotations

START = 2
"""The quickest latency must be measured with few in flight; one alone would double a round later. Of 2026-11-23."""
SLOWER = 2.0
"""A round that takes this many times the quickest round's latency says that requests only queue up.

Of 2026-11-23; what it comes to is measured by `scripts/bench-endpoint --only unlimited` ("adaptive")."""
FORGET = 1.02
"""The quickest latency grows by this a round, so that an endpoint that became slower for good is believed.

Twice as slow is believed after 35 rounds (1.02**35 = 2). A choice of 2026-11-23, not measured."""
CAUTION = 32
"""After a broken answer so many sound ones must come before more requests are sent side by side; doubled each time.

A choice of 2026-11-25: four rounds of eight. Not measured."""


class Level:
    """The level now, from 1 to `most`; times are seconds of one monotonic clock. What is told returns whether it moved.

    Requests that were sent before it last moved say nothing about where it went to.
    """

    def __init__(self, most: int, *, fixed: bool) -> None:
        """Begin with `most` (`fixed`: only refusals, failures and broken answers lower it), otherwise with two."""
        self.most, self._fixed = most, fixed
        self.now = float(most if fixed else min(START, most))
        self._moved_at = 0.0
        self._doubling = not fixed
        self._quickest = 0.0
        self._round: list[float] = []
        self._wary, self._caution = 0, CAUTION

    def answered(self, began: float, latency: float, *, a_round: int, now: float) -> bool:
        """Count an answer; after `a_round` of them the level moves."""
        if self._wary:
            self._wary -= 1
            return False
        if began < self._moved_at:
            return False
        self._round.append(latency)
        if len(self._round) < a_round:
            return False
        mean = sum(self._round) / len(self._round)
        self._round.clear()
        self._quickest = min(self._quickest * FORGET, mean) if self._quickest else mean
        if mean >= SLOWER * self._quickest and not self._fixed:
            return self.failed(began, now)
        return self._move_to(self.now * 2 if self._doubling else self.now + 1, now)

    def failed(self, began: float, now: float) -> bool:
        """Halve it, unless the request that failed began before it last moved."""
        if began < self._moved_at:
            return False
        self._doubling = False
        return self._move_to(self.now / 2, now)

    def doubted(self, now: float) -> bool:
        """Halve it after a broken answer, and let it grow only after many that are sound."""
        if self.now <= 1:
            return False
        self._doubling = False
        if not self._wary:
            self._wary, self._caution = self._caution, 2 * self._caution
        return self._move_to(self.now / 2, now)

    def _move_to(self, level: float, now: float) -> bool:
        level = min(max(level, 1.0), float(self.most))
        moved = level != self.now
        if moved:
            self.now, self._moved_at = level, now
            self._round.clear()
        return moved
