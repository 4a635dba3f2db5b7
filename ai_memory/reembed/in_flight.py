"""How many pages are in flight: so many that the writer hardly waits, and no more.

What is in flight at a kill is sent twice. By Little's law (1961) throughput times latency is enough; more only
lies answered and waits for its commit.
"""

from __future__ import annotations

from ai_memory.embed.embedder import Embedder

GROWTH = 1.5
LEAST = 2


class InFlight:
    """The number of pages, moved after each commit by whether the writer had to wait for its page.

    It begins with what the embedder can use, and is never more.
    """

    def __init__(self, embedder: Embedder) -> None:
        """Begin with what `embedder` can use now."""
        self._embedder = embedder
        self.pages = most(embedder)
        self._calm = 0

    def next(self, *, waited: bool) -> int:
        """Return the number for the time after a commit: more if the writer `waited`, less if it long did not."""
        self._calm = 0 if waited else self._calm + 1
        wanted = int(self.pages * GROWTH) + 1 if waited else self.pages
        if self._calm > 2 * self.pages:
            self._calm = self.pages
            wanted = max(self.pages - 1, LEAST)
        # The pages that fly now do not come down at once.
        return max(min(wanted, most(self._embedder)), self.pages - 1)


def most(embedder: Embedder) -> int:
    """Return how many pages an embedder can use: some wait for their commit while others are embedded."""
    at_once = max(embedder.concurrency, 1)
    return at_once + (at_once + 1) // 2
