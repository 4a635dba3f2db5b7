"""How far an invocation has come as the row of its run tells, and how fast, in frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp
from typing import TYPE_CHECKING

from ai_memory.embed.usage import Usage
from ai_memory.frozen import Frozen, field

if TYPE_CHECKING:
    from ai_memory.reembed.page import Page
    from ai_memory.reembed.work import Sizes
    from ai_memory.stores.computing import Computing


REMEMBERED_S = 180.0
"""What lies this far back counts a third of what was done just now."""


class Rate(Frozen):
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


class Traffic(Frozen):
    """What the requests since the last commit cost and taught, and the most texts in flight until the next one.

    `limits` is what was learned of the size of a request, None where that is nothing new. `rows_per_hour` is the
    rate of the last minutes (None: as it was), `computing` how a model on this machine computes (None: there is none).
    """

    in_flight_limit: int
    limits: Mapping[str, int] | None = None
    usage: Usage = field(default_factory=Usage)
    rows_per_hour: int | None = None
    computing: Computing | None = None


class Progressed(Frozen):
    """What the last commit said.

    `unsettled` texts that killed runners had sent may come again; `spent` is what all requests cost by then, `sizes`
    what they taught.
    """

    rate: Rate
    unsettled: int = 0
    sizes: Sizes = field(default_factory=dict)
    spent: Usage = field(default_factory=Usage)

    def after(self, page: Page, *, spent: Usage, sizes: Sizes, at: float) -> Progressed:
        """Return how far it will have come with one more page, committed `at` seconds."""
        # Those that killed runners had sent come first in the walk.
        unsettled = max(self.unsettled - len(page.documents), 0)
        return Progressed(self.rate.after(page.stale, at), unsettled, sizes, spent)

    def since(self, before: Progressed, *, in_flight: int) -> Traffic:
        """Return what is to be written of it beside a page; `in_flight` texts may be sent until the next commit."""
        return Traffic(
            in_flight_limit=in_flight + self.unsettled,
            limits=self.sizes if self.sizes != before.sizes else None,
            usage=self.spent - before.spent,
            rows_per_hour=self.rate.per_hour or None,
        )
