"""What one invocation may still take up: rows and tokens, asked before each document."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from ai_memory.embed.port import AnyAmount, Spending
from ai_memory.vectors.witness import CANARY, WITNESS_TEXTS

MAX_ROWS = "max-rows"
BESIDE_ROWS = (CANARY, *WITNESS_TEXTS)
"""A refused row needs a harmless text after it, the last page the witness: neither must fail what is paid for."""


class Take(Enum):
    """What becomes of a document that is to be taken up.

    WAIT: only what is reserved stands in the way. It may cost less, which is known when it is settled.
    """

    TAKEN = "taken"
    WAIT = "wait"
    SPENT = "spent"


class Budget:
    """Reserves what a document may cost from when it is taken up until its page is committed.

    A run so ends between two pages, before `spending` would have to refuse a request in the middle of one.
    `spent` names the limit that would be crossed, empty while there is none. `tight` says that the last document has
    to wait. `asked_again` is how many rows may be asked again beside: each may be the largest.
    """

    def __init__(self, spending: Spending | None = None, *, max_rows: int | None = None) -> None:
        """Begin with nothing taken up; None means no limit."""
        spending = spending or AnyAmount()
        self.spent = self._refused = ""
        self.tight = False
        self._spending, self._max_rows = spending, max_rows
        self._rows = self._reserved = 0
        self.asked_again = self._largest = 0
        self._taken: dict[str, int] = {}
        self._apart = spending.most(BESIDE_ROWS)

    @property
    def limited(self) -> bool:
        """Whether tokens are limited."""
        return self._spending.limit is not None

    def take(self, text: str) -> Take:
        """Reserve a document where no limit would be crossed by it, nor might be."""
        self.tight = False
        if self._max_rows is not None and self._rows >= self._max_rows:
            self.spent = MAX_ROWS
            return Take.SPENT
        tokens, limit = self._spending.most([text]), self._spending.limit
        if limit and not self._spending.allows(self._reserved + self._with_what_is_apart(tokens)):
            self.tight = self._reserved > 0
            self.spent, self._refused = ("", "") if self.tight else (limit.flag, text)
            return Take.WAIT if self.tight else Take.SPENT
        self._rows += 1
        if limit:
            self._reserved += tokens
            self._largest = max(self._largest, tokens)
            self._taken[text] = tokens
        return Take.TAKEN

    def needs(self, text: str) -> int:
        """Return how many tokens an invocation must be allowed to take up `text` first; 0 without a limit.

        What begins one is counted, too: the witness texts, or what was really spent where that is more.
        """
        if not self.limited:
            return 0
        begun = max(self._spending.spent, self._spending.most(WITNESS_TEXTS))
        return begun + self._with_what_is_apart(self._spending.most([text]))

    def needs_next(self, otherwise: str) -> int:
        """Return what `needs` says of the document that was refused, or of `otherwise` where none was."""
        return self.needs(self._refused or otherwise)

    def settle(self, texts: Sequence[str]) -> None:
        """Record that the requests of `texts` were answered: what they cost is spent."""
        self._reserved -= sum(self._taken.pop(text, 0) for text in texts)

    def give_back(self, rows: int) -> None:
        """Record that so many rows were taken up in vain."""
        self._rows -= rows

    def _with_what_is_apart(self, tokens: int) -> int:
        """Return what a document of so many tokens takes with all that is kept for what is asked beside it."""
        return tokens + self._apart + self.asked_again * max(self._largest, tokens)
