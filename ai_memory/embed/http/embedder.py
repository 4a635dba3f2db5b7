"""Embedding over HTTP: from texts to the body of a request, from its answer to vectors. Nothing is retried here."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from ai_memory.embed.flow.request_size import most_tokens
from ai_memory.embed.http import answer_size, rate_headers
from ai_memory.embed.http.answer import Asked
from ai_memory.embed.http.answer_size import AnswerSize
from ai_memory.embed.http.body import LOOK, misread, parsed, unbelievable
from ai_memory.embed.http.packing import Packing
from ai_memory.embed.http.refusals import may_be_of_texts, refusal
from ai_memory.embed.http.transport import Endpoint, Transport
from ai_memory.embed.http.unquoted import unquoted
from ai_memory.embed.usage import Meter, RequestClass, Usage, class_of
from ai_memory.errors import (
    AnswerLate,
    AnswerViolation,
    Breakdown,
    EmbedError,
    RowsRefused,
    VectorsBroken,
    WrongTarget,
)
from ai_memory.text.sealed import behind
from ai_memory.text.utf8 import utf8_size
from ai_memory.vectors.checks import check

if TYPE_CHECKING:
    from ai_memory.embed.awaited import Awaited
    from ai_memory.embed.flow.limiter import Limiter
    from ai_memory.embed.http.answer import Answer
    from ai_memory.embed.http.wire import Dialect, Reply
    from ai_memory.vectors.target import Target, Vectors


class HttpEmbedder:
    """A model behind an endpoint. Any thread may call; `max_batch` is an upper bound.

    A request holds its slot of the `limiter` from its first byte to the last of its answer: what comes before
    and after is done while other requests are in flight.
    """

    def __init__(
        self,
        target: Target,
        dialect: Dialect,
        endpoint: Endpoint,
        *,
        max_batch: int,
        limiter: Limiter,
        packing: Packing | None = None,
        awaited: Awaited | None = None,
    ) -> None:
        """Keep what to ask and whom; no connection is opened yet. Without `packing` numbers are asked for.

        By `awaited` the requests in flight can be broken off (None: nobody does).
        """
        self.max_batch = max_batch
        self.meter = Meter()
        self._limiter = limiter
        self._target = target
        self._dialect = dialect
        self._endpoint = endpoint
        self._transport = Transport(endpoint, connections=limiter.most, awaited=awaited)
        self._packing = packing or Packing(fixed=False)
        self._passed = False
        self._parsing = Lock()

    @property
    def target(self) -> Target:
        """What is known of the target; its `dim` is known after the first answer at the latest."""
        return self._target

    @property
    def concurrency(self) -> int:
        """How many calls may usefully run at once, now."""
        return self._limiter.limit

    def fitting(self, texts: Sequence[str]) -> int:
        """Return how many of the first `texts` one call may carry."""
        return answer_size.fitting(min(len(texts), self.max_batch), self._target.dim)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of `texts`: float32, shape (n, dim), rows in the order of texts.

        Raises:
            EmbedError: its subclass says whether a retry, a smaller batch or a person can help.
        """
        return self._embed([behind(self._target.document_prefix, text) for text in texts])

    def embed_query(self, text: str) -> Vectors:
        """Return the vector of a search query: float32, shape (dim,).

        Raises:
            EmbedError: see `embed_documents`.
        """
        row: Vectors = self._embed([self._target.query_prefix + text])[0]
        return row

    def close(self) -> None:
        """Let go of connections; a call for vectors opens them again."""
        self._transport.close()

    def _embed(self, texts: list[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self._target.dim), dtype=np.float32)
        with unquoted(texts, self._endpoint.host):
            reply = self._reply(texts)
        # Some report more than there can be, and no limit of tokens would ever let a row be done.
        tokens = min(reply.tokens, most_tokens(texts))
        unreported = 0 if reply.tokens else sum(map(utf8_size, texts))
        self.meter.add(Usage(tokens=tokens, unreported_bytes=unreported))
        try:
            found = self._checked(reply.vectors, count=len(texts))
        except EmbedError:
            self.meter.count(RequestClass.UNUSABLE)
            raise
        if not self._target.dim:
            self._target = replace(self._target, dim=found.shape[1])
        self._passed = True
        self.meter.count(RequestClass.OK)
        return found

    def _checked(self, found: Vectors, *, count: int) -> Vectors:
        """Return vectors that can be those asked for.

        Raises:
            AnswerViolation, WrongTarget: see `vectors.check`.
        """
        try:
            return check(found, count=count, dim=self._target.dim)
        except VectorsBroken as error:
            what = unbelievable(self._endpoint.host, error.what)
            raise VectorsBroken(what, tip=LOOK, vectors=error.vectors, broken=error.broken) from None
        except AnswerViolation as error:
            self._limiter.doubt()
            raise AnswerViolation(unbelievable(self._endpoint.host, error.what), tip=LOOK, http_status=200) from None
        except WrongTarget as error:
            tip = "Correct [embeddings].dim or model; where they come from: ai-memory config show"
            if self._passed:
                tip = "Bring the model back, or switch to another target: ai-memory reembed --retarget"
            raise WrongTarget(f"{self._endpoint.host}: {error.what}", tip=tip) from None

    def _reply(self, texts: list[str]) -> Reply:
        """Return what the answer to one request says.

        Raises:
            AnswerViolation: it is not the answer to that request; ForeignAnswer where none ever was.
            EmbedError: see `_ask`.
        """
        answer = self._ask(texts)
        try:
            # One at a time: what a body becomes is much larger than the body.
            with self._parsing:
                AnswerSize(len(texts), self._target.dim).check(answer.body)
                return self._dialect.read(parsed(answer), count=len(texts))
        except AnswerViolation as error:
            self._limiter.doubt()
            self.meter.count(RequestClass.UNUSABLE)
            violation = misread(answer, error, asked=self._asked(), passed=self._passed)
        # Not from that error: its frames hold the whole answer, and a page's error is kept until its turn comes.
        del answer
        raise violation

    def _asked(self) -> Asked:
        path = self._dialect.path
        return Asked(
            self._endpoint.host,
            self._endpoint.url(path),
            self._endpoint.key,
            hint=self._dialect.hint(self._endpoint.address.path.rstrip("/")),
            dimensions=self._dialect.dimensions > 0 and not self._passed,
        )

    def _ask(self, texts: list[str]) -> Answer:
        """Return the answer to one request, which is not a refusal.

        Raises:
            EmbedError: what the refusal means, see `classify`.
            TransientFailure: no whole answer came; for a single text also where it did not come in time.
            AnswerLate: none came in time, and there are several texts.
            AnswerViolation: the answer is larger than any true one.
            Misconfigured: it cannot be asked at all, as things are set up.
        """
        send = self._prepared(texts)
        # Inside of the slot, too: who keeps that hears of errors.
        with self._limiter.slot(texts) as paced, unquoted(texts, self._endpoint.host):
            self.meter.add(Usage(paced=paced))
            try:
                answer = self._sent(send, len(texts))
                if error := refusal(answer, asked=self._asked(), now=time.time()):
                    # What let other requests pass may have been refused this one for its texts.
                    error.of_texts |= self._passed and may_be_of_texts(error)
                    raise error
            except EmbedError as error:
                self.meter.count(class_of(error))
                raise
        return answer

    def _prepared(self, texts: list[str]) -> Callable[[], Answer]:
        base64 = self._packing.asks(len(texts))
        body = _encoded(json.dumps(self._dialect.body(texts, base64=base64), ensure_ascii=False))
        limit = AnswerSize(len(texts), self._target.dim).most_bytes
        return self._transport.prepare(self._dialect.path, body, limit=limit)

    def _sent(self, send: Callable[[], Answer], count: int) -> Answer:
        """Return the answer to a request of `count` texts, whatever its status."""
        self.meter.add(Usage(requests=1, texts_sent=count))
        began = time.perf_counter()
        try:
            answer = send()
        except AnswerLate as error:
            if count > 1:
                raise
            raise Breakdown(error.what, tip=error.tip, in_doubt=True) from None
        except AnswerViolation as error:
            what = unbelievable(self._endpoint.host, error.what)
            raise AnswerViolation(what, tip=LOOK, http_status=200, in_doubt=True) from None
        finally:
            self.meter.add(Usage(asking=time.perf_counter() - began))
        if told := rate_headers.left(answer.headers, now=time.time()):
            self._limiter.observe(told)
        return answer


def _encoded(body: str) -> bytes:
    try:
        return body.encode()
    except UnicodeEncodeError as error:
        raise RowsRefused("a text is not valid Unicode.", tip="Correct its bytes in the database.") from error
