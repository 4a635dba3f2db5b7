"""Whether vectors are asked for as base64: only from an endpoint whose base64 once had the numbers of the same text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from ai_memory.embed.flow.wrapper import Wrapper
from ai_memory.errors import (
    AnswerLate,
    BudgetSpent,
    CredentialsRefused,
    EmbedError,
    Misconfigured,
    QuotaExhausted,
    RateLimited,
    RequestTooLarge,
    TransientFailure,
    WrongTarget,
)
from ai_memory.vectors.checks import agrees

if TYPE_CHECKING:
    from ai_memory.embed.port import Embedder
    from ai_memory.vectors.target import Vectors

LENGTHS_DIFFER = 0.01
"""What a text alone and the same text among others may differ by in length, as part of it."""
FROM_NOW_ON = "Vectors are asked for as numbers from now on"
UNREADABLE = f"{FROM_NOW_ON}: as base64 they cannot be read."
DIFFERENT = f"{FROM_NOW_ON}: as base64 the endpoint sends another vector for the same text."


_SAID_OTHERWISE = (
    CredentialsRefused,
    QuotaExhausted,
    RateLimited,
    AnswerLate,
    RequestTooLarge,
    Misconfigured,
    BudgetSpent,
)
"""What no encoding of an answer is the cause of."""
_NO_REFUSAL = frozenset({None, 200})
"""The statuses of what came in base64 and could not be read; a refusal says itself why base64 was given up."""
_BREAKS_DOWN = frozenset({500, 501, 502})
"""With these a server may break down over base64; what else says that it is in trouble is an outage."""


def _say_nothing(_note: str) -> None:
    """Let a note pass."""


class Packing:
    """How vectors are asked for, shared by all who ask one endpoint.

    `fixed` is the configuration's word: always as base64 (True) or as numbers (False); None: as it turns out. A single
    text is then asked for as numbers, as nothing is gained: it is compared with, and no answer to it is in doubt.
    `tell` is told why base64 was given up where nobody refused it.
    """

    def __init__(self, *, fixed: bool | None = None, tell: Callable[[str], None] | None = None) -> None:
        """Begin undecided unless it is fixed."""
        self.fixed = fixed is not None
        self.decided = self.fixed
        self.packed = bool(fixed)
        self.tell = tell or _say_nothing
        self.deciding = Lock()

    def asks(self, count: int) -> bool:
        """Return whether the vectors of `count` texts are asked for as base64 now."""
        return self.packed and (self.fixed or count > 1)


class PackingEmbedder(Wrapper):
    """An embedder that finds out with the first batch whether its endpoint's base64 can be believed.

    The first text is embedded as numbers before, by itself. A batch that fails as base64 in a way that may have to do
    with it is asked for once as numbers; where these come base64 is given up for as long as the process lives. A batch
    that fails as numbers, too, is tried again and divided as numbers: another one tells of base64.
    """

    def __init__(self, inner: Embedder, packing: Packing) -> None:
        """Wrap `inner`, whose requests ask as `packing` says."""
        super().__init__(inner)
        self._packing = packing
        self._known: tuple[str, Vectors] | None = None
        self._numbers_failed: frozenset[str] = frozenset()

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of `texts`: float32, shape (n, dim), rows in the order of texts.

        Raises:
            EmbedError: the inner one's.
        """
        packing = self._packing
        if len(texts) > 1 and not packing.decided:
            with packing.deciding:
                if not packing.decided:
                    return self._first(texts)
        packed = packing.asks(len(texts)) and not packing.fixed
        try:
            return self._inner.embed_documents(texts)
        except EmbedError as error:
            if not packed or not (_has_another_width(error) or _names_base64(error)):
                raise
            if not packing.packed:
                # Meanwhile another request found it out.
                return self._inner.embed_documents(texts)
            found = self._as_numbers(texts)
            if error.http_status in _NO_REFUSAL:
                packing.tell(f"{UNREADABLE} {error.what}")
            return found

    def embed_query(self, text: str) -> Vectors:
        """Return the vector of a search query: float32, shape (dim,).

        Raises:
            EmbedError: the inner one's.
        """
        return self._inner.embed_query(text)

    def _first(self, texts: Sequence[str]) -> Vectors:
        if not self._numbers_failed.isdisjoint(texts):
            # Base64 waits for another batch, lest each retry and each part of this one costs two requests.
            return self._inner.embed_documents(texts)
        try:
            known = self._numbers_of(texts[0])
        except EmbedError as error:
            if not error.of_texts:
                raise
            # Whether it is the text's fault the batch tells.
            self._numbers_failed = frozenset(texts)
            return self._inner.embed_documents(texts)
        self._packing.packed = True
        try:
            found = self._inner.embed_documents(texts)
        except EmbedError as error:
            if not _may_be_of_base64(error):
                self._packing.packed = False
                raise
            self._numbers_failed = frozenset(texts)
            found = self._as_numbers(texts, otherwise=False)
            if error.http_status in _NO_REFUSAL:
                self._packing.tell(f"{UNREADABLE} {error.what}")
            return found
        self._packing.decided = True
        if _agree(known, found[0]):
            return found
        self._packing.packed = False
        self._packing.tell(DIFFERENT)
        return self._inner.embed_documents(texts)

    def _numbers_of(self, text: str) -> Vectors:
        """Return the vector of one text, which is not asked for again when the batch after it has to wait."""
        if self._known is None or self._known[0] != text:
            vector: Vectors = self._inner.embed_documents([text])[0]
            self._known = text, vector
        return self._known[1]

    def _as_numbers(self, texts: Sequence[str], *, otherwise: bool = True) -> Vectors:
        """Return the vectors asked for as numbers, and ask so from now on; where these do not come all is as before.

        What fails as well without base64 did not fail for it: then `otherwise` says whether it is asked for.
        """
        self._packing.packed = False
        try:
            found = self._inner.embed_documents(texts)
        except EmbedError:
            self._packing.packed = otherwise
            raise
        self._packing.decided = True
        return found


def _has_another_width(error: EmbedError) -> bool:
    """Return whether vectors came that are narrower or wider, as those of a server that packs other numbers since."""
    return type(error) is WrongTarget and error.http_status is None


def _names_base64(error: EmbedError) -> bool:
    told = error.what.lower()
    return error.http_status is not None and ("encoding_format" in told or "base64" in told)


def _may_be_of_base64(error: EmbedError) -> bool:
    """Return whether a batch may have failed because base64 was asked for; the same endpoint just sent numbers."""
    if isinstance(error, _SAID_OTHERWISE):
        return False
    if isinstance(error, TransientFailure):
        return error.http_status in _BREAKS_DOWN or (error.http_status is None and error.in_doubt)
    return True


def _agree(one: Vectors, other: Vectors) -> bool:
    """Return whether two vectors of the same width are one text's: of one direction, and of one length."""
    lengths = [float(np.linalg.norm(each.astype(np.float64))) for each in (one, other)]
    near = abs(lengths[0] - lengths[1]) <= LENGTHS_DIFFER * max(lengths)
    return near and agrees(one, other)
