"""Which rows were written since the endpoint was last seen to serve the target's own weights."""

from __future__ import annotations

from collections.abc import Iterable


class Watch:
    """The ids written since the last witness but one that agreed.

    Not since the last: pages that were in flight beside it may have been answered after it.
    """

    def __init__(self) -> None:
        """Begin with nothing written."""
        self._before: list[str] = []
        self._since: list[str] = []

    def wrote(self, ids: Iterable[str]) -> None:
        """Record that rows were written."""
        self._since += ids

    def agreed(self) -> None:
        """Record that the witness was asked for again, and agreed."""
        self._before, self._since = self._since, []

    def doubtful(self) -> list[str]:
        """Return the rows whose vectors may be of other weights."""
        return [*self._before, *self._since]
