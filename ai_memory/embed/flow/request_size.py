"""How much one request may carry: documented at first, learned from refusals and from slowness, shared by threads.

Why not the obvious:
- A fixed batch is too large for one endpoint and too small for the next; what vendors document is their own limit, not
  that of the proxy or the machine in between. So a documented number is where it begins, and refusals lower it.
- A refusal seldom says that it is one of size: servers send 400, 413, 500 or hang up, for a request too large as for a
  bad text in it. Only what passes afterwards tells them apart, so a refused request stays suspected until its texts
  passed in smaller ones; a text that fails alone clears the size.
- What passed as large before clears it too, once: after a restart the same endpoint may take less.
- What refused is never tried again in a run, for that costs a request each time. Slowness passes, so the count that it
  lowered grows again; both are told apart in what a run keeps, so that a resumed one does not pay for it twice.
- Tokens are estimated from bytes, not counted: few endpoints say which tokenizer they have, and a count costs time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from ai_memory.errors import EmbedError, RequestTooLarge
from ai_memory.text.utf8 import utf8_size

if TYPE_CHECKING:
    from ai_memory.embed.flow.documented import DocumentedLimits

FEWEST_BYTES_A_TOKEN = 3
"""English has 4 bytes per token in cl100k_base, code and CJK about 3: a request is rather too small than refused.

OpenAI's help says 4 characters of English ("What are tokens and how to count them?"). Of 2026-11-25."""
AROUND_TEXT = 4
"""Tokens that a model may put around each text: BERT's [CLS] and [SEP], and as many to spare. Of 2026-11-24."""
MOST_BYTES = 8 * 1024 * 1024
"""Text of one request where a vendor is known and documents no bytes. A choice of 2026-11-23, not measured."""
SLOW = 20.0
"""A request that takes longer, in seconds, should carry fewer texts: as many as take AIM. A third of the time for which
an answer is waited (`Deadlines.read`)."""
AIM = 10.0
QUICK = 5.0
"""A request that takes less may carry twice as many the next time, up to what is documented and was not refused.

All three of 2026-11-23, chosen to stay far from the deadline of an answer; held by the tests of slow answers."""
LATE_SHARE = 4
"""After a deadline that passed a request carries this part of the texts: a hundred, 25, 6, 1. Of 2026-11-23."""
SUSPECTS = 64
"""Refused requests that are remembered at once: a batch that is halved has one. Of 2026-11-23, not measured."""
LARGE_BODY = 64 * 1024
"""A smaller body, in bytes, is not what a 413 is about. A choice of 2026-11-23, not measured."""


def estimated_tokens(texts: Sequence[str]) -> int:
    """Return a careful estimate of the tokens of `texts`, without their tokenizer."""
    return sum(utf8_size(text) // FEWEST_BYTES_A_TOKEN + 1 for text in texts)


def most_tokens(texts: Sequence[str]) -> int:
    """Return how many tokens `texts` can have at most.

    Byte-level BPE, WordPiece and Unigram make no more tokens than a text has bytes.
    """
    return sum(utf8_size(text) + AROUND_TEXT for text in texts)


@dataclass(slots=True)
class _Suspect:
    """A refused request of `count` texts and `size` bytes; those in `pending` did not yet pass in smaller company.

    `told` says that it was refused as too large, `unit` what it is counted in, as far as that was said. `larger` are
    the texts and the bytes that no request had passed with, 0 where one had; `largest` passed of its texts together.
    """

    count: int
    size: int
    pending: set[str]
    told: bool
    unit: str
    larger: tuple[int, int]
    largest: int


class _Suspects:
    """The refused requests of which it is open whether a text was bad or the size; needs the lock of its owner."""

    def __init__(self) -> None:
        self._open: deque[_Suspect] = deque(maxlen=SUSPECTS)
        self._passed_inputs = self._passed_bytes = 0

    def refused(self, texts: Sequence[str], left: set[str], error: EmbedError | None) -> None:
        """Remember a refusal over the texts of `left`; a single one was bad, and clears the requests that it was in."""
        guilty = [each for each in self._open if left <= each.pending]
        if len(texts) == 1:
            for suspect in guilty:
                self._open.remove(suspect)
        elif not guilty:
            told = isinstance(error, RequestTooLarge)
            unit = error.unit if isinstance(error, RequestTooLarge) else ""
            count, size = len(texts), _size(texts)
            larger = count * (count > self._passed_inputs), size * (size > self._passed_bytes)
            self._open.append(_Suspect(count, size, left, told, unit, larger, count - len(left)))

    def passed(self, texts: Sequence[str]) -> list[tuple[str, int]]:
        """Take the texts off every refused request; return what those were too large for, of which all passed."""
        found = []
        for suspect in list(self._open):
            if suspect.pending & set(texts):
                suspect.largest = max(suspect.largest, len(texts))
            suspect.pending.difference_update(texts)
            if not suspect.pending:
                self._open.remove(suspect)
                found += self._judged(suspect)
        self._passed_inputs = max(self._passed_inputs, len(texts))
        self._passed_bytes = max(self._passed_bytes, _size(texts))
        return found

    def _judged(self, suspect: _Suspect) -> list[tuple[str, int]]:
        too_many, too_long = suspect.larger
        if not too_many and not too_long:
            # Of passing trouble, or no longer true: the next one of which nothing as large passed meanwhile counts.
            self._passed_inputs = self._passed_bytes = 0
            return []
        if not too_many or (suspect.told and suspect.unit != "inputs" and suspect.size >= LARGE_BODY):
            return [("bytes", suspect.size * suspect.largest // suspect.count)]
        return [("inputs", suspect.largest)]


class RequestSize:
    """The sizes of a request. Refusals only lower them; slowness lowers the count of texts until answers are quick.

    A refusal is believed to be one of size where it says which, or where all its texts passed in smaller requests and
    no request as large has passed.
    """

    def __init__(self, documented: DocumentedLimits, *, asked: int | None = None) -> None:
        """Begin with what is documented, and no more than `asked` texts per request (None: as many as that)."""
        most = max(min(documented.inputs, asked), 1) if asked else documented.inputs
        self._most = {
            "inputs": most,
            "tokens": documented.request_tokens,
            "bytes": documented.request_bytes or MOST_BYTES,
            "in_flight": 0,
        }
        self._in_time = most
        self._learned: dict[str, int] = {}
        self._suspects = _Suspects()
        self._lock = Lock()

    @property
    def inputs(self) -> int:
        """The most texts per request may carry now."""
        return max(min(self._most["inputs"], self._in_time), 1)

    @property
    def in_flight(self) -> int:
        """The most requests that may be in flight for the vectors to be right, 0 where any number may."""
        return self._most["in_flight"]

    def fitting(self, texts: Sequence[str]) -> int:
        """Return how many of the first `texts` one request may carry; a single one always may be tried."""
        size, tokens, most = 0, 0, self._most
        for count, text in enumerate(texts[: self.inputs]):
            size += utf8_size(text)
            tokens += utf8_size(text) // FEWEST_BYTES_A_TOKEN + 1
            if count and (size > most["bytes"] or 0 < most["tokens"] < tokens):
                return count
        return min(len(texts), self.inputs)

    def learn(self, error: RequestTooLarge, texts: Sequence[str]) -> bool:
        """Learn the size that a refusal names, and return whether it named one that is smaller than what was sent."""
        sent = {"inputs": len(texts), "tokens": estimated_tokens(texts), "bytes": _size(texts)}
        if not 0 < error.most < sent.get(error.unit, 0):
            return False
        with self._lock:
            self._lower(error.unit, error.most)
        return True

    def late(self, count: int) -> None:
        """Learn from a request of `count` texts that had no answer in time."""
        with self._lock:
            self._in_time = max(min(self._in_time, count // LATE_SHARE), 1)

    def timed(self, count: int, seconds: float) -> None:
        """Learn from the time of one answered request of `count` texts, without what was waited before it."""
        with self._lock:
            if seconds > SLOW:
                self._in_time = min(self._in_time, max(int(count * AIM / seconds), 1))
            elif seconds < QUICK and count >= self._in_time:
                self._in_time = min(2 * self._in_time, self._most["inputs"])

    def passed(self, texts: Sequence[str]) -> None:
        """Take the texts off every refused request; one of which all passed was refused for its size."""
        with self._lock:
            for unit, most in self._suspects.passed(texts):
                self._lower(unit, most)

    def refused(
        self, texts: Sequence[str], error: EmbedError | None = None, *, pending: Sequence[str] | None = None
    ) -> None:
        """Remember a refusal that names no size: a text of `pending` may be bad, or the request too large.

        `pending` are those of the texts that got no vector, None for all. A part of what is remembered already adds
        nothing: what passes of the whole in the end tells the size.
        """
        left = set(texts if pending is None else pending)
        with self._lock:
            self._suspects.refused(texts, left, error)

    def learned(self) -> dict[str, int]:
        """Return what was learned, to be kept in the run: plain numbers by name."""
        with self._lock:
            in_time = {"in_time": self._in_time} if self._in_time < self._most["inputs"] else {}
            return {**self._learned, **in_time}

    def restore(self, learned: Mapping[str, int]) -> None:
        """Take over what an earlier process learned from the same endpoint."""
        with self._lock:
            for name in self._most:
                if name in learned:
                    self._lower(name, learned[name])
            self._in_time = max(min(self._in_time, learned.get("in_time", self._in_time)), 1)

    def _lower(self, name: str, most: int) -> None:
        known = self._most[name]
        if not known or most < known:
            self._learned[name] = self._most[name] = max(most, 1)


def _size(texts: Sequence[str]) -> int:
    return sum(map(utf8_size, texts))
