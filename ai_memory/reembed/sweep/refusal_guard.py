"""Stops a run of which the endpoint refuses rows en masse: that is the endpoint's fault, not the rows'."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ai_memory.embed.outcomes import Refused
from ai_memory.errors import EndpointUnusable

if TYPE_CHECKING:
    from ai_memory.reembed.work import Answered

REFUSED_ROWS = 50
REFUSED_SHARE = 0.01
"""More newly refused rows than both of these are the endpoint's fault, not the rows'.

Choices of 2026-11-23, not measured."""


class RefusalGuard:
    """Counts the refused rows of a whole run: a few at each start of cron would in the end be all of them."""

    def __init__(self, *, refused: int = 0, total: Callable[[], int] | None = None) -> None:
        """Begin with the rows `refused` by earlier invocations, of `total` (None: each is told of, however many).

        `total` may take its time, and is asked only where it matters.
        """
        self._refused, self._total = refused, total

    def require_few(self, answered: Answered) -> None:
        """Count what is refused of a page.

        Raises:
            EndpointUnusable: it is too much.
        """
        if self._total is None:
            return
        newly = sum(isinstance(each, Refused) for each in answered.outcomes)
        self._refused += newly
        if newly and self._refused > REFUSED_ROWS and self._refused > REFUSED_SHARE * (total := self._total()):
            raise EndpointUnusable(
                f"The endpoint refused {self._refused:,} rows of {total:,} one by one.",
                tip="Look at its answers: ai-memory reembed quarantine; if the endpoint is at fault, fix it, then: "
                "ai-memory reembed --resume --retry-quarantined; if the rows are bad: ai-memory reembed cancel",
            )
