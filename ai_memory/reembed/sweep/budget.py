"""What one invocation may still take up: rows and tokens, asked before each document."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from ai_memory.embed.port import AnyAmount, Spending
from ai_memory.reembed.doubt import AT_END
from ai_memory.reembed.options import MAX_ROWS
from ai_memory.vectors.witness import CANARY, WITNESS_TEXTS

BESIDE_ROWS = (CANARY, *WITNESS_TEXTS)
"""A refused row needs a harmless text after it, the last page the witness: neither must fail what is paid for.

As much begins an invocation: the witness texts, and one of them alone to compare base64 with.
"""


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
    to wait. `asked_again` is how many rows may be asked again beside: each may be the largest. `begun` is what was
    spent before the first document was asked for.
    """

    def __init__(self, spending: Spending | None = None, *, max_rows: int | None = None) -> None:
        """Begin with nothing taken up; None means no limit."""
        spending = spending or AnyAmount()
        self.spent = ""
        self.tight = False
        self._spending, self._max_rows = spending, max_rows
        self._rows = self._reserved = 0
        self.asked_again = self._largest = 0
        self._taken: dict[str, int] = {}
        self._kept: tuple[tuple[str, ...], int] = (), 0
        self.begun: int | None = None
        self._apart = spending.most(BESIDE_ROWS)

    @property
    def limited(self) -> bool:
        """Whether tokens are limited."""
        return self._spending.limit is not None

    @property
    def most(self) -> int:
        """How many tokens are allowed; 0 where any number is."""
        return self._spending.limit.most if self._spending.limit else 0

    def take(self, text: str) -> Take:
        """Reserve a document where no limit would be crossed by it, nor might be."""
        self.tight = False
        if self.begun is None:
            self.begun = self._spending.spent
        if self._rows_spent():
            return Take.SPENT
        tokens, limit = self._spending.most([text]), self._spending.limit
        if limit and not self._spending.allows(self._reserved + self._with_what_is_apart(tokens)):
            self.tight = self._reserved > 0
            self.spent = "" if self.tight else limit.flag
            return Take.WAIT if self.tight else Take.SPENT
        self._rows += 1
        if limit:
            self._reserved += tokens
            self._largest = max(self._largest, tokens)
            self._taken[text] = tokens
        return Take.TAKEN

    def take_row(self) -> Take:
        """Take a row whose vector is at hand: it costs nothing, but is a row."""
        if self._rows_spent():
            return Take.SPENT
        self._rows += 1
        return Take.TAKEN

    def _rows_spent(self) -> bool:
        if self._max_rows is None or self._rows < self._max_rows:
            return False
        self.spent = MAX_ROWS
        return True

    def keep_for(self, texts: Sequence[str]) -> None:
        """Keep what it takes to ask at the end for earlier texts: all once, some by themselves, one with a page."""
        if self.limited and self._kept[0] != (kept := tuple(texts)):
            largest = max((self._spending.most([each]) for each in kept), default=0)
            self._kept = kept, self._spending.most(kept) + (AT_END + 1) * largest

    def needs(self, text: str, *, begun: int | None = None) -> int:
        """Return how many tokens an invocation must be allowed to take up `text` first; 0 without a limit.

        `begun` are those that it spends before (None: the most that this can take).
        """
        if not self.limited:
            return 0
        begun = self._apart if begun is None else begun
        return begun + self._with_what_is_apart(self._spending.most([text]) if text else 0)

    @property
    def next_begun(self) -> int:
        """What the next invocation spends before its first document, at most: judged by what this one did."""
        if not self.begun:
            return self._apart
        # This one asked for one of them at least, and no more is charged for the others by the byte.
        as_much = self.begun * self._apart // self._spending.most([CANARY])
        return max(self.begun, min(as_much, self._apart))

    def settle(self, texts: Sequence[str]) -> None:
        """Record that the requests of `texts` were answered: what they cost is spent."""
        self._reserved -= sum(self._taken.pop(text, 0) for text in texts)

    def give_back(self, rows: int) -> None:
        """Record that so many rows were taken up in vain: others, or they again, may be."""
        self._rows -= rows
        if rows > 0 and self.spent == MAX_ROWS:
            self.spent = ""

    def _with_what_is_apart(self, tokens: int) -> int:
        """Return what a document of so many tokens takes with all that is kept for what is asked beside it."""
        return tokens + self._apart + self._kept[1] + self.asked_again * max(self._largest, tokens)
