"""How many requests may be in flight: a level that grows with each round of answers, and falls at a sign of trouble.

Additive increase, multiplicative decrease (Chiu and Jain, 1989): doubled per round while that brings more answers a
second, then one more per round; halved on a refusal of rate, on a failure, and when requests take
twice as long as they did with few in flight. Nothing here waits, locks or reads a clock.

Why not a fixed number: a local server takes two requests at a time, a vendor a hundred, and nobody tells. Why times
are compared among requests of one size: an answer takes as long as its texts are long, and between two pages of a
hundred texts single ones are asked again. Why it is halved once per round: all requests of a round meet the same
trouble, and halving for each would leave one. Why a broken answer counts as trouble: some servers mix up the answers
to requests that come side by side; such a one is left with fewer, each time for longer.
"""

from __future__ import annotations

START = 4
"""So many most servers take. With 2 a round more is needed, with 1 two. Of 2026-11-26."""
GAIN = 1.25
"""Twice as many in flight that bring less than so many times the answers a second only queue up. Of 2026-11-26."""
SLOWER = 2.0
"""A round that takes so many times as long as the quickest one says so, too.

All three: what they come to is measured by `scripts/bench-endpoint --only unlimited` ("adaptive")."""
FORGET = 1.02
"""The quickest latency grows by this a round, so that an endpoint that became slower for good is believed.

Twice as slow is believed after 35 rounds (1.02**35 = 2). A choice of 2026-11-23, not measured."""
CAUTION = 32
"""After a broken answer so many sound ones must come before more requests are sent side by side; doubled each time.

A choice of 2026-11-25: four rounds of eight. Not measured."""


class _Times:
    """How much longer than in the quickest round the requests of one round took, each beside those of its size."""

    def __init__(self) -> None:
        self._round: dict[int, list[float]] = {}
        self._quickest: dict[int, float] = {}
        self.count = 0

    def add(self, latency: float, tokens: int) -> None:
        # Sizes of which none is twice another one.
        self._round.setdefault(tokens.bit_length(), []).append(latency)
        self.count += 1

    def forget(self) -> None:
        self._round.clear()
        self.count = 0

    def end(self) -> float:
        """Return how many times as long the round took, and begin the next one."""
        whole = 0.0
        for size, latencies in self._round.items():
            mean = sum(latencies) / len(latencies)
            known = self._quickest.get(size, mean) * FORGET
            self._quickest[size] = quickest = min(known, mean)
            whole += len(latencies) * (mean / quickest if quickest else 1.0)
        times = whole / self.count
        self.forget()
        return times


class Level:
    """The level now, from 1 to `most`; times are seconds of one monotonic clock. What is told returns whether it moved.

    Requests that were sent before it last moved say nothing about where it went to.
    """

    def __init__(self, most: int, *, fixed: bool) -> None:
        """Begin with `most` (`fixed`: only refusals, failures and broken answers lower it), otherwise with START."""
        self.most, self._fixed = most, fixed
        self.now = float(most if fixed else min(START, most))
        self._moved_at = 0.0
        self._doubling = not fixed
        self._times, self._before = _Times(), 1.0
        self._wary, self._caution = 0, CAUTION

    def answered(self, began: float, latency: float, *, a_round: int, now: float, tokens: int = 0) -> bool:
        """Count an answer to so many `tokens`; after `a_round` of them the level moves."""
        if self._wary:
            self._wary -= 1
            return False
        if began < self._moved_at:
            return False
        self._times.add(latency, tokens)
        if self._times.count < a_round:
            return False
        times, before = self._times.end(), self._before
        self._before = times
        if not self._fixed and (times >= SLOWER or (self._doubling and GAIN * times > 2 * before)):
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
            self._times.forget()
        return moved
