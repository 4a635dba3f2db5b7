"""A clock that only waits move."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class PassingTime:
    """Time for everything that takes a clock and a sleep; `waits` are the sleeps so far, in seconds."""

    now: float = 0.0
    waits: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds
