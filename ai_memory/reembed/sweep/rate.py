"""How fast a run has worked over its last minutes."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp

REMEMBERED_S = 180.0
"""What lies this far back counts a third of what was done just now."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Rows and the seconds they took, the older the fewer of both; `at` is when they were last added to (seconds)."""

    at: float
    rows: float = 0.0
    seconds: float = 0.0

    def after(self, rows: int, now: float) -> Rate:
        """Return the rate once `rows` more are done at `now`."""
        elapsed = max(now - self.at, 0.0)
        kept = exp(-elapsed / REMEMBERED_S)
        return Rate(now, self.rows * kept + rows, self.seconds * kept + elapsed)

    @property
    def per_hour(self) -> int:
        """Rows an hour; 0 where no time has passed yet."""
        return round(3600 * self.rows / self.seconds) if self.seconds else 0
