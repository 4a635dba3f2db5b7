"""Finds by measuring how many tokens a forward pass should have; knows no clock, no file and no model.

How fast a pass is depends on its tokens: a few leave cores idle, many do not fit in the caches. Where the best lies
depends on the model, the library and the processor. So passes of two sizes take turns, the one that is the best so far
and twice as many, until enough of both were timed: what else happens on the machine, and the length of the texts,
disturbs both alike. The larger one is taken if it is faster, and is compared with twice as many then.
"""

from __future__ import annotations

from itertools import cycle
from statistics import median
from typing import Protocol

CPU_SIZES = 256, 8_192
"""The least and the largest passes of a processor, in tokens. Of MiniLM in onnxruntime a second of a processor's time
computes 6,600 to 6,700 tokens in passes of 128 to 512, 6,200 in those of 1,024 and 5,600 in those of 4,096: what lies
in the caches is computed faster (texts of 64 tokens, two cores with AVX-512, 2026-11-26)."""
DEVICE_SIZES = 16_384, 131_072
"""Those of an accelerator, where a pass of a few texts leaves most of it idle. Of MiniLM on an H200, with 32 calls of
500 docstrings, 383,000 tokens a second are computed in passes from 16,384 on and 366,000 from 4,096 on (2026-11-27, one
run each: no more than noise)."""
ENOUGH = 8
"""Passes of each size that are timed. So many of 256 and 512 tokens take two seconds with MiniLM on two cores."""
GAIN = 1.03
"""A larger pass must be so many times as fast: the smaller one has less padding, and its page is whole sooner."""
FULL = 0.75
"""A pass that has less of what it may have says nothing of that size: there were no more texts of its length."""
IN_VAIN = 100
"""So many passes without an answer end the search: texts come in numbers too small to fill the larger ones."""


class KeptSize(Protocol):
    """Where it is kept what was found."""

    def read(self) -> int | None:
        """Return what an earlier process found, None where it is not known."""

    def keep(self, tokens: int) -> None:
        """Keep what was found."""


class NotKept:
    """For a model of which nothing is kept."""

    def read(self) -> int | None:
        """Return None."""
        return None

    def keep(self, tokens: int) -> None:
        """Keep nothing."""


class PassSize:
    """The tokens that a pass may have; passes come one after the other."""

    def __init__(self, device: str, kept: KeptSize) -> None:
        """Begin with what is `kept` for this `device`, or with the least size, to be compared with larger ones."""
        least, self._most = sizes_of(device)
        known = kept.read()
        believed = known is not None and least <= known <= self._most
        self._kept = kept
        self.best = known if known is not None and believed else least
        self._trial = 0 if believed else 2 * least
        self._now = self.best
        # Neither size always comes after the other one.
        self._turns = cycle((True, False, False, True))
        self._rates: dict[int, list[float]] = {}
        self._passes = 0

    def next(self) -> int:
        """Return how many tokens the next pass may have."""
        if self._trial:
            self._now = self._trial if next(self._turns) else self.best
        return self._now

    def timed(self, tokens: int, seconds: float) -> None:
        """Learn from the time of the pass begun last, which computed so many tokens, filling included."""
        if not self._trial:
            return
        self._passes += 1
        if tokens >= FULL * self._now and seconds > 0:
            self._rates.setdefault(self._now, []).append(tokens / seconds)
        timed = {size: self._rates.get(size, ()) for size in (self.best, self._trial)}
        if min(map(len, timed.values())) >= ENOUGH:
            self._judge(*(median(rates) for rates in timed.values()))
        elif self._passes >= IN_VAIN:
            self._settle(for_others=False)

    def failed(self) -> None:
        """Learn that the pass begun last could not be computed: where it was a trial, it may have been too large."""
        if self._trial and self._now == self._trial:
            self._settle(for_others=False)

    def _judge(self, best: float, trial: float) -> None:
        if trial < GAIN * best:
            self._settle(for_others=True)
            return
        self.best, self._trial = self._trial, 2 * self._trial
        self._rates, self._passes = {}, 0
        if self._trial > self._most:
            self._settle(for_others=True)

    def _settle(self, *, for_others: bool) -> None:
        """Measure no more; keep what was found where other processes may go by it."""
        self._trial, self._now = 0, self.best
        if for_others:
            self._kept.keep(self.best)


def sizes_of(device: str) -> tuple[int, int]:
    """Return the least and the largest passes of a device, in tokens."""
    return CPU_SIZES if device == "cpu" else DEVICE_SIZES
