"""Embedding over HTTP; the only importer of requests. One call is one request, nothing is retried here."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from http.client import HTTPResponse
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from ai_memory import __version__
from ai_memory.embed import rate_headers, vectors
from ai_memory.embed.answers import Answer, classify, inner_status, mentions_base64, one_line
from ai_memory.embed.deadline import TimedResponse
from ai_memory.embed.dialect import Dialect
from ai_memory.embed.embedder import Meter, Target, Vectors
from ai_memory.embed.gate import Gate
from ai_memory.embedding_settings import is_loopback
from ai_memory.errors import AnswerLate, AnswerViolation, RowsRefused, TransientFailure, WrongTarget

if TYPE_CHECKING:
    from requests import PreparedRequest, Response, Session
    from requests.adapters import HTTPAdapter

_CHUNK = 1 << 18
_SHORT = 1 << 12
_ANSWER_BYTES = 1 << 20
_ANSWER_BYTES_A_TEXT = 1 << 18
"""8,192 components of at most 25 characters fit: no model's vectors are longer."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long one request may take, in seconds: to connect, between two reads, and altogether."""

    connect: float = 10.0
    read: float = 60.0
    total: float = 120.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where requests go; `key` is sent to that host only, and not at all when it is empty."""

    base_url: str
    key: str = field(default="", repr=False)
    deadlines: Deadlines = field(default_factory=Deadlines)

    @property
    def host(self) -> str:
        """The host and port, for people."""
        return urlsplit(self.base_url).netloc


class HttpEmbedder:
    """A model behind an endpoint. Any thread may call; `max_batch` is an upper bound.

    A request holds its slot of the `gate` from its first byte to the last of its answer: what comes before
    and after is done while other requests are in flight.
    """

    def __init__(
        self,
        target: Target,
        dialect: Dialect,
        endpoint: Endpoint,
        *,
        max_batch: int,
        gate: Gate,
    ) -> None:
        """Keep what to ask and whom; no connection is opened yet."""
        self.max_batch = max_batch
        self.meter = Meter()
        self._gate = gate
        self._target = target
        self._dialect = dialect
        self._endpoint = endpoint
        self._base64 = dialect.offers_base64
        self._session: Session | None = None
        self._lock = Lock()

    @property
    def target(self) -> Target:
        """What is known of the target; its `dim` is known after the first answer at the latest."""
        return self._target

    @property
    def concurrency(self) -> int:
        """How many calls may usefully run at once, now."""
        return self._gate.limit

    def fitting(self, texts: Sequence[str]) -> int:
        """Return how many of the first `texts` one call may carry."""
        return min(len(texts), self.max_batch)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of `texts`: float32, shape (n, dim), rows in the order of texts.

        Raises:
            EmbedError: its subclass says whether a retry, a smaller batch or a person can help.
        """
        return self._embed([self._target.document_prefix + text for text in texts])

    def embed_query(self, text: str) -> Vectors:
        """Return the vector of a search query: float32, shape (dim,).

        Raises:
            EmbedError: see `embed_documents`.
        """
        row: Vectors = self._embed([self._target.query_prefix + text])[0]
        return row

    def close(self) -> None:
        """Close the pooled connections."""
        with self._lock:
            if self._session is not None:
                self._session.close()
                self._session = None

    def _embed(self, texts: list[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self._target.dim), dtype=np.float32)
        try:
            return self._checked(texts)
        except AnswerViolation as error:
            raise AnswerViolation(
                f"{self._endpoint.host} sent an answer that cannot be believed: {error.what}",
                tip="Look at that server and its model, then run the same command again.",
                http_status=error.http_status,
            ) from error

    def _checked(self, texts: list[str]) -> Vectors:
        reply = self._dialect.read(_parsed(self._ask(texts)), count=len(texts))
        self.meter.add(tokens=reply.tokens)
        found = vectors.check(reply.vectors, count=len(texts), dim=self._target.dim)
        if not self._target.dim:
            self._target = replace(self._target, dim=found.shape[1])
        return found

    def _ask(self, texts: list[str]) -> Answer:
        """Return the answer to one request, which is no refusal.

        Raises:
            EmbedError: what the refusal means, see `classify`.
            TransientFailure: no whole answer came.
            AnswerLate: none came in time, and there are several texts.
            AnswerViolation: the answer is larger than any true one.
            WrongTarget: the address cannot be asked at all.
        """
        request = self._prepared(texts)
        with self._gate.slot(texts):
            answer = self._sent(request, len(texts))
            if self._base64 and mentions_base64(answer):
                self._base64 = False
                answer = self._sent(self._prepared(texts), len(texts))
            if status := _refusal(answer):
                refused = replace(answer, status=status)
                raise classify(refused, host=self._endpoint.host, now=time.time(), key=self._endpoint.key)
        return answer

    def _prepared(self, texts: list[str]) -> PreparedRequest:
        body = _encoded(json.dumps(self._dialect.body(texts, base64=self._base64), ensure_ascii=False))
        return _prepared(self._connected(), self._endpoint, self._dialect.path, body)

    def _sent(self, request: PreparedRequest, count: int) -> Answer:
        """Return the answer to a request of `count` texts, whatever its status."""
        self.meter.add(requests=1, texts_sent=count)
        limit = _ANSWER_BYTES + count * _ANSWER_BYTES_A_TEXT
        try:
            answer = _send(self._connected(), self._endpoint, request, limit=limit)
        except AnswerLate as error:
            if count > 1:
                raise
            raise TransientFailure(error.what, tip=error.tip, in_doubt=True) from error
        if told := rate_headers.left(answer.headers, now=time.time()):
            self._gate.hear(told)
        return answer

    def _connected(self) -> Session:
        with self._lock:
            if self._session is None:
                self._session = _session(self._endpoint, self._gate.most)
            return self._session


def _parsed(answer: Answer) -> object:
    try:
        parsed: object = json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise AnswerViolation("it is no JSON.", http_status=200) from error
    return parsed


def _refusal(answer: Answer) -> int:
    """Return the status of an answer that is a refusal, also inside a 200; 0 where it is none."""
    if answer.status != 200:
        return answer.status
    # Vectors are long and errors are short: a long answer is parsed after its slot was given back.
    try:
        return inner_status(json.loads(answer.body)) if len(answer.body) < _SHORT else 0
    except (ValueError, RecursionError):
        return 0


def _encoded(body: str) -> bytes:
    try:
        return body.encode()
    except UnicodeEncodeError as error:
        raise RowsRefused("a text is not valid Unicode.", tip="Correct its bytes in the database.") from error


def _session(endpoint: Endpoint, connections: int) -> Session:
    from requests import Session

    session = Session()
    # Proxies and certificates of the environment are for other hosts; loopback is always asked directly.
    session.trust_env = not is_loopback(endpoint.base_url)
    # An explicit auth keeps the library from sending what ~/.netrc has for the host instead of our key.
    session.auth = _bearer(endpoint.key)
    session.headers.update({"User-Agent": f"ai-memory/{__version__}", "Content-Type": "application/json"})
    adapter = _timed_adapter(endpoint.deadlines.total, connections)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def _timed_adapter(total: float, connections: int) -> HTTPAdapter:
    """Return an adapter whose answers end `total` seconds after their request at the latest."""
    from requests.adapters import HTTPAdapter

    timed = {"response_class": staticmethod(partial(TimedResponse, total=total, clock=time.monotonic))}

    class TimedAdapter(HTTPAdapter):
        def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - passed through
            pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
            if pool.ConnectionCls.response_class is HTTPResponse:
                pool.ConnectionCls = type("TimedConnection", (pool.ConnectionCls,), timed)
            return pool

    return TimedAdapter(pool_connections=1, pool_maxsize=max(1, connections), max_retries=0)


def _bearer(key: str) -> Callable[[PreparedRequest], PreparedRequest]:
    def authorize(request: PreparedRequest) -> PreparedRequest:
        if key:
            request.headers["Authorization"] = f"Bearer {key}"
        return request

    return authorize


def _prepared(session: Session, endpoint: Endpoint, path: str, body: bytes) -> PreparedRequest:
    import requests

    try:
        return session.prepare_request(requests.Request("POST", f"{endpoint.base_url}{path}", data=body))
    except (requests.RequestException, ValueError) as error:
        raise _unaskable(endpoint, error) from None


def _send(session: Session, endpoint: Endpoint, request: PreparedRequest, *, limit: int) -> Answer:
    import requests
    from urllib3.exceptions import HTTPError

    # What `Session.post` would take from the environment; loopback takes nothing from it.
    around: Any = session.merge_environment_settings(request.url, proxies={}, stream=True, verify=None, cert=None)
    limits = endpoint.deadlines.connect, endpoint.deadlines.read
    try:
        with session.send(request, timeout=limits, allow_redirects=False, **around) as response:
            content = _read(response, limit=limit)
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status_code, content.decode("utf-8", "replace"), headers)
    except (requests.ConnectionError, requests.Timeout, HTTPError, OSError) as error:
        reason = one_line(_root(error), endpoint.key).rstrip(".")
        kind = AnswerLate if _late(error) else TransientFailure
        raise kind(
            f"{endpoint.host} gave no answer: {reason}.",
            tip="Is it running, and the base URL right?",
            in_doubt=not _unconnected(error),
        ) from error
    except (requests.RequestException, ValueError) as error:
        raise _unaskable(endpoint, error) from None


def _unaskable(endpoint: Endpoint, error: Exception) -> WrongTarget:
    # The library's own words may quote headers.
    return WrongTarget(f"{endpoint.host} cannot be asked: {type(error).__name__}.", tip="Check [embeddings].base_url.")


def _read(response: Response, *, limit: int) -> bytes:
    """Return the whole body, read piece by piece so that an endless one does not fill the memory."""
    pieces = bytearray()
    while piece := response.raw.read1(_CHUNK, decode_content=True):
        pieces += piece
        if len(pieces) > limit:
            raise AnswerViolation(f"it has more than {limit:,} bytes.", http_status=response.status_code)
    return bytes(pieces)


def _unconnected(error: BaseException) -> bool:
    """Return whether no connection came about, so that nothing was sent."""
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

    return any(isinstance(each, ConnectTimeoutError | NewConnectionError) for each in _causes(error))


def _late(error: BaseException) -> bool:
    """Return whether the request was sent and its answer did not come, or did not end, in time."""
    import requests
    from urllib3.exceptions import ReadTimeoutError

    if _unconnected(error):
        return False
    return isinstance(error, requests.ReadTimeout | ReadTimeoutError | TimeoutError)


def _root(error: BaseException) -> str:
    """Return the words of the first failure behind a library's error, without its object names."""
    first = list(_causes(error))[-1]
    return getattr(first, "strerror", None) or str(first) or type(first).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield a library's error and those behind it, the first one last."""
    from urllib3.exceptions import HTTPError

    yield error
    # What the caller was handling at the time stands further up the same chain, and is none of this.
    while isinstance(error.__context__, OSError | HTTPError):
        error = error.__context__
        yield error
