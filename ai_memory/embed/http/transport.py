"""The way of one request over HTTP; the only importer of requests.

An answer comes back whole whatever its status; what breaks on the way becomes one of our errors here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from http.client import HTTPResponse
from threading import Lock
from typing import TYPE_CHECKING, Any

from ai_memory import __version__
from ai_memory.embed.awaited import Awaited
from ai_memory.embed.http.answer import UNPACKED, Answer
from ai_memory.embed.http.came import Came
from ai_memory.embed.http.deadline import Deadlines, Heard, TimedResponse, Warmth
from ai_memory.embed.http.key_header import key_header
from ai_memory.embed.http.surroundings import misfit, require_bundle, require_proxy
from ai_memory.errors import UNUSABLE, AnswerLate, AnswerViolation, Breakdown, Misconfigured, TransientFailure
from ai_memory.text import address
from ai_memory.text.cleaning import one_line

if TYPE_CHECKING:
    from requests import PreparedRequest, Response, Session
    from requests.adapters import HTTPAdapter

    from ai_memory.text.address import Address

LOOK_THERE = "Look at that server and at [embeddings].base_url, then run the same command again."
_CHUNK = 1 << 16
_ERROR_BYTES = 1 << 16
"""So much of an answer without vectors is read; the rest tells nothing."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where requests go; `key` is sent to that host only, and not at all when it is empty.

    `loopback_only`: a policy forbids every other machine.
    """

    base_url: str
    key: str = field(default="", repr=False)
    deadlines: Deadlines = field(default_factory=Deadlines)
    loopback_only: bool = False

    @property
    def address(self) -> Address:
        """The base URL, read by the one reader of such."""
        return address.read(self.base_url)

    @property
    def host(self) -> str:
        """The host and port, for people."""
        return self.address.shown

    def url(self, path: str) -> str:
        """Return where a request for `path` goes."""
        return address.below(self.base_url, path)

    def forbids(self, asked: Address) -> bool:
        """Return whether a request may not go to an address: another host, in plain text, or against the policy."""
        meant = self.address
        elsewhere = (asked.scheme, asked.host, asked.port) != (meant.scheme, meant.host, meant.port)
        return elsewhere or asked.is_plain_to_others or (self.loopback_only and not asked.is_loopback)


class Transport:
    """Connections to one endpoint, at most `connections` of them kept open; any thread may use it."""

    def __init__(self, endpoint: Endpoint, *, connections: int, awaited: Awaited | None = None) -> None:
        """Keep whom to ask; no connection is opened yet. By `awaited` answers are broken off (None: nobody does)."""
        self.endpoint = endpoint
        self._connections = connections
        self._awaited = awaited or Awaited()
        self._session: Session | None = None
        self._around: dict[str, Any] = {}
        self._lock = Lock()
        self._warmth = Warmth(endpoint.deadlines)
        self._came = Came()

    def prepare(self, path: str, body: bytes, *, limit: int) -> Callable[[], Answer]:
        """Return what posts a JSON body; nothing is sent before it is called.

        It returns the answer whatever its status, with its whole body where it is a 200, the beginning of it
        where it is another, none of it where it is a redirect; and raises

            TransientFailure: no whole answer came, or it was broken off; `AnswerLate` where it did not come in time.
            AnswerViolation: a 200 has more than `limit` bytes.
            Misconfigured: the certificate does not fit, or a proxy refuses.

        Raises:
            Misconfigured: the address cannot be asked at all, as things are set up.
        """
        import requests

        try:
            request = requests.Request("POST", self.endpoint.url(path), data=body)
            prepared = self._connected().prepare_request(request)
            _require_allowed(self.endpoint, f"{prepared.url}")
            return partial(self._send, prepared, limit=limit)
        except (requests.RequestException, ValueError) as error:
            raise _unaskable(self.endpoint, error) from None

    def close(self) -> None:
        """Close the connections that no request is using, the others when it ends; a request opens them again."""
        with self._lock:
            session, self._session = self._session, None
        if session:
            session.close()

    def _send(self, request: PreparedRequest, *, limit: int) -> Answer:
        try:
            return self._received(request, limit=limit)
        finally:
            self._awaited.require()

    def _received(self, request: PreparedRequest, *, limit: int) -> Answer:
        import requests
        from urllib3.exceptions import HTTPError

        session = self._connected()
        limits = self._warmth.limits()
        self._came.forget()
        try:
            # Not the session's own `send`: that reads the body of a redirect whole, and keeps cookies.
            adapter = session.get_adapter(f"{request.url}")
            with adapter.send(request, timeout=limits, **self._around) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                answer = Answer(response.status_code, _body(response, limit=limit), headers)
        except (requests.ConnectionError, requests.Timeout, HTTPError, OSError) as error:
            if found := misfit(_causes(error), self.endpoint.host):
                raise found from None
            # Not from the library's error: its words may quote what the server sent.
            raise self._unanswered(error) from None
        except (requests.RequestException, ValueError) as error:
            raise _unaskable(self.endpoint, error) from None
        self._warmth.cold &= answer.status != HTTPStatus.OK
        return answer

    def _unanswered(self, error: Exception) -> TransientFailure:
        """Return the error of a request that brought no whole answer; what came of one is shown."""
        kind, host = _kind(error), self.endpoint.host
        self._warmth.cold |= kind is AnswerLate
        why = one_line(_root(error), self.endpoint.key).rstrip(".")
        if not self._came:
            tip = "Is it running, and is the base URL right?"
            return kind(f"{host} gave no answer: {why}.", tip=tip, in_doubt=not _unconnected(error))
        what = f"{host} gave no answer that can be used: {why}. {self._came.shown(self.endpoint.key)}"
        found = kind(what, tip=LOOK_THERE, in_doubt=True)
        found.reason = UNUSABLE
        return found

    def _connected(self) -> Session:
        with self._lock:
            if self._session is None:
                total, heard = self._warmth.altogether, self._came.add
                adapter = _timed_adapter(total, heard, self._connections, self._awaited)
                session = _session(self.endpoint, adapter)
                self._around = _around(session, self.endpoint)
                self._session = session
            return self._session


def _require_allowed(endpoint: Endpoint, url: str) -> None:
    """Check where a prepared request would go, as the library that connects reads it.

    Raises:
        Misconfigured: not to the host that was allowed.
        ValueError: it is not an address.
    """
    from urllib3.util import parse_url

    seen, asked = parse_url(url), address.read(url)
    agreed = (seen.scheme, seen.host, seen.port or asked.port, seen.auth) == (
        asked.scheme,
        asked.host,
        asked.port,
        None,
    )
    if not agreed or endpoint.forbids(asked):
        raise Misconfigured(
            f"{endpoint.host} cannot be asked: its address leads to a host that is not allowed.",
            tip="Check [embeddings].base_url and AI_MEMORY_INFERENCE_EGRESS.",
        )


def _session(endpoint: Endpoint, adapter: HTTPAdapter) -> Session:
    from requests import Session

    session = Session()
    # An explicit auth keeps the library from sending what ~/.netrc has for the host instead of our key.
    session.auth = _keyed(endpoint)
    session.headers.update(
        {
            "User-Agent": f"ai-memory/{__version__}",
            "Content-Type": "application/json",
            "Accept-Encoding": "gzip, deflate",
        }
    )
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def _around(session: Session, endpoint: Endpoint) -> dict[str, Any]:
    """Return what the environment says of the way to an endpoint: its CA bundle, and a proxy but to loopback.

    Raises:
        Misconfigured: it cannot be the way.
    """
    from requests.utils import select_proxy

    found = session.merge_environment_settings(endpoint.base_url, proxies={}, stream=True, verify=None, cert=None)
    around: dict[str, Any] = {**found, "proxies": {} if endpoint.address.is_loopback else found["proxies"]}
    if isinstance(around["verify"], str) and endpoint.address.scheme == "https":
        require_bundle(around["verify"])
    if proxy := select_proxy(endpoint.base_url, around["proxies"]):
        require_proxy(proxy)
    return around


def _timed_adapter(total: Callable[[], float], heard: Heard, connections: int, awaited: Awaited) -> HTTPAdapter:
    """Return an adapter whose answers end at the latest so many seconds after their request as `total` returns then.

    `heard` is given what is read of them, `awaited` may end them.
    """
    from requests.adapters import HTTPAdapter

    make = partial(TimedResponse, total=total, clock=time.monotonic, heard=heard, awaited=awaited)
    timed = {"response_class": staticmethod(make)}

    class TimedAdapter(HTTPAdapter):
        def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - passed through
            pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
            if pool.ConnectionCls.response_class is HTTPResponse:
                pool.ConnectionCls = type("TimedConnection", (pool.ConnectionCls,), timed)
            return pool

    return TimedAdapter(pool_connections=1, pool_maxsize=max(1, connections), max_retries=0)


def _keyed(endpoint: Endpoint) -> Callable[[PreparedRequest], PreparedRequest]:
    def authorize(request: PreparedRequest) -> PreparedRequest:
        if endpoint.key:
            name, value = key_header(endpoint.base_url, endpoint.key)
            request.headers[name] = value
        return request

    return authorize


def _unaskable(endpoint: Endpoint, error: Exception) -> Misconfigured:
    # The library's own words may quote headers.
    why = type(error).__name__
    return Misconfigured(f"{endpoint.host} cannot be asked: {why}.", tip="Check [embeddings].base_url.")


def _body(response: Response, *, limit: int) -> bytes | bytearray:
    """Return as much of a body as its status is worth, read piece by piece so that no body fills the memory."""
    if 300 <= response.status_code < 400:
        return b""
    whole = response.status_code == HTTPStatus.OK
    most = limit if whole else _ERROR_BYTES
    unpacked = response.headers.get("content-encoding", "").strip().lower() in UNPACKED
    pieces = bytearray()
    while len(pieces) <= most and (piece := response.raw.read1(_CHUNK, decode_content=unpacked)):
        pieces += piece
    if whole and len(pieces) > most:
        raise AnswerViolation(f"it has more than {limit:,} bytes.", http_status=response.status_code, in_doubt=True)
    del pieces[most:]
    return pieces


def _kind(error: BaseException) -> type[TransientFailure]:
    """Return what it is that no answer came: a server that broke the connection may have broken down over the texts."""
    if _unconnected(error):
        return TransientFailure
    return AnswerLate if _late(error) else Breakdown


def _unconnected(error: BaseException) -> bool:
    """Return whether no connection came about, so that nothing was sent."""
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

    return any(isinstance(each, ConnectTimeoutError | NewConnectionError) for each in _causes(error))


def _late(error: BaseException) -> bool:
    """Return whether the answer to a request that was sent did not come, or did not end, in time."""
    import requests
    from urllib3.exceptions import ReadTimeoutError

    return isinstance(error, requests.ReadTimeout | ReadTimeoutError | TimeoutError)


def _root(error: BaseException) -> str:
    """Return the words of the first failure below a library's error, without its object names."""
    causes = list(_causes(error))
    plain = (words for each in causes for kinds, words in _plain_words() if isinstance(each, kinds))
    first = causes[-1]
    return next(plain, "") or getattr(first, "strerror", None) or str(first) or type(first).__name__


def _plain_words() -> tuple[tuple[type[BaseException], str], ...]:
    """Return what the libraries' errors of broken answers mean, whose own words are those of their insides."""
    from http import client

    from urllib3 import exceptions

    return (
        (exceptions.DecodeError, "it is not compressed as its header says"),
        (exceptions.InvalidChunkLength, "its pieces do not have the lengths that it says"),
        (exceptions.IncompleteRead, "it broke off"),
        (client.IncompleteRead, "it broke off"),
        (client.RemoteDisconnected, "it closed the connection without an answer"),
        (client.LineTooLong, "it has a header that is far too long"),
        (client.BadStatusLine, "it is no HTTP answer"),
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield a library's error and those below it, the first one last."""
    from http.client import HTTPException

    from urllib3.exceptions import HTTPError
    from urllib3.util.ssl_match_hostname import CertificateError

    yield error
    # What the caller was handling at the time stands further up the same chain, and is none of this.
    while isinstance(error.__context__, OSError | HTTPError | HTTPException | CertificateError):
        error = error.__context__
        yield error
