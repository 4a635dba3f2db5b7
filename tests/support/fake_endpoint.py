"""A real HTTP embedding server on loopback that misbehaves on request.

In a test: ``with FakeEndpoint(dim=16) as endpoint: endpoint.fail("rate", times=2, seconds=1)``.
As a program: ``python tests/support/fake_endpoint.py --port 0`` prints its port, and takes
``GET /stats`` and ``POST /fail {"kind": "server-error", "times": 3}`` while it runs.

It speaks OpenAI's language below /v1 and Ollama's at /api/embed. A vector depends on the text, the model's
name, `weights` and the width alone.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import os
import socket
import struct
import threading
import time
from base64 import b64encode
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from email.utils import formatdate
from hashlib import blake2b
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

FOREVER = -1


def vector(text: str, *, model: str = "fake", dim: int = 16, weights: str = "") -> npt.NDArray[np.float32]:
    """Return the vector of a text: float32, shape (dim,), length 1."""
    seed = blake2b(f"{weights}\0{model}\0{text}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    drawn = np.random.Generator(np.random.PCG64(int.from_bytes(seed, "little"))).standard_normal(dim)
    unit: npt.NDArray[np.float32] = (drawn / np.linalg.norm(drawn)).astype(np.float32)
    return unit


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the server is like when no fault is asked for.

    Texts that contain `poison` are refused with their whole request. More than `max_inputs` texts
    are answered 413; more than `per_minute` requests in a minute, 429. `latency` is in seconds. `remaining`
    requests (-1: nothing is said) are told to be left for a minute. Only so many requests as there are `places` (0: any
    number) are worked on at once, the others wait for theirs. A refusal of base64 says so if `names_base64`.
    `tokens_a_byte` is what texts are charged for (0: three tokens each). `words` are what some faults tell.
    With `poison_fault` and `inputs_fault`, names in `FAULTS`, those requests are answered otherwise than with 400 and
    413; with `poison_number` a text that contains `poison` gets a vector of that number, and the others theirs.
    `mixes_up` makes requests side by side spoil each other's answers. `also` has the widths of further models.
    `lies` names what becomes of vectors, see LIES.
    """

    dim: int = 16
    model: str = "fake"
    weights: str = ""
    key: str = ""
    poison: str = ""
    latency: float = 0.0
    places: int = 0
    max_inputs: int = 0
    per_minute: int = 0
    takes_base64: bool = True
    names_base64: bool = True
    tokens_a_byte: float = 0.0
    zipped: bool = False
    remaining: int = -1
    words: str = ""
    lies: str = ""
    poison_fault: str = ""
    inputs_fault: str = ""
    poison_number: str = ""
    mixes_up: bool = False
    also: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: its kind (a name in `FAULTS`), for how many requests, and its parameters."""

    kind: str
    times: int = 1
    seconds: float = 0.0
    location: str = ""


@dataclass(slots=True)
class Seen:
    """What the server was asked: requests, how often each text, and the last bodies, headers, peers and times."""

    requests: int = 0
    texts: Counter[str] = field(default_factory=Counter)
    bodies: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=1000))
    headers: deque[dict[str, str]] = field(default_factory=lambda: deque(maxlen=1000))
    connections: set[tuple[str, int]] = field(default_factory=set)
    at: deque[float] = field(default_factory=lambda: deque(maxlen=10_000))
    in_flight: int = 0
    most_in_flight: int = 0


class FakeEndpoint:
    """The server; a context manager that starts and stops it. `seen` counts, `fail` asks for faults."""

    def __init__(self, *, port: int = 0, **behaviour: Any) -> None:  # noqa: ANN401 - fields of Behaviour
        self.behaviour = Behaviour(**behaviour)
        self.seen = Seen()
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.places = threading.Semaphore(self.behaviour.places or 10_000)
        self._faults: deque[Fault] = deque()
        endpoint = self

        class Handler(_Handler):
            owner = endpoint

        self._server = _Server(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """The base URL for OpenAI's language."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def ollama_url(self) -> str:
        """The base URL for Ollama's language."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def fail(self, kind: str, *, times: int = 1, seconds: float = 0.0, location: str = "") -> None:
        """Answer the next `times` requests (FOREVER: all) with a fault, after those asked for before."""
        if kind not in FAULTS:
            raise ValueError(f"{kind} is none of {', '.join(FAULTS)}")
        with self.lock:
            self._faults.append(Fault(kind, times, seconds, location))

    def heal(self) -> None:
        """Forget all faults asked for."""
        with self.lock:
            self._faults.clear()

    def change(self, **behaviour: Any) -> None:  # noqa: ANN401 - fields of Behaviour
        """Behave otherwise from now on."""
        self.behaviour = replace(self.behaviour, **behaviour)

    def vector(self, text: str, dim: int = 0, *, model: str = "") -> npt.NDArray[np.float32]:
        """Return the vector this server gives a text."""
        like = self.behaviour
        dim = dim or like.also.get(model, like.dim)
        return vector(text, model=model or like.model, dim=dim, weights=like.weights)

    def next_fault(self) -> Fault | None:
        """Return the fault for the request in hand, None for a true answer."""
        with self.lock:
            if not self._faults:
                return None
            fault = self._faults[0]
            if fault.times == 1:
                self._faults.popleft()
            elif fault.times > 1:
                self._faults[0] = replace(fault, times=fault.times - 1)
            return fault

    def over_rate(self) -> bool:
        """Return whether the request in hand is one too many in the last minute."""
        limit, now = self.behaviour.per_minute, time.monotonic()
        return limit > 0 and sum(now - at < 60 for at in self.seen.at) > limit

    def stats(self) -> dict[str, object]:
        """Return the counts, for programs that test."""
        repeated = sum(count - 1 for count in self.seen.texts.values())
        return {"requests": self.seen.requests, "texts": self.seen.texts.total(), "texts_sent_twice": repeated}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that give up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    owner: FakeEndpoint
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # header and body leave together

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Log nothing."""

    def do_GET(self) -> None:
        self.say(200, self.owner.stats())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/fail":
            self.owner.fail(**body)
            self.say(200, {})
            return
        seen = self.owner.seen
        with self.owner.lock:
            seen.in_flight += 1
            seen.most_in_flight = max(seen.most_in_flight, seen.in_flight)
        try:
            self.embed(body)
        finally:
            with self.owner.lock:
                seen.in_flight -= 1

    def embed(self, body: dict[str, Any]) -> None:
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        with self.owner.lock:
            seen = self.owner.seen
            seen.requests += 1
            seen.texts.update(texts)
            seen.bodies.append(body)
            seen.headers.append(dict(self.headers))
            seen.connections.add(self.client_address)
            seen.at.append(time.monotonic())
        if self.owner.behaviour.latency:
            with self.owner.places:
                self.owner.closing.wait(self.owner.behaviour.latency)
        if fault := self.owner.next_fault() or self.fault_of(texts):
            FAULTS[fault.kind](self, fault, body, texts)
        else:
            self.respond(body, texts)

    def fault_of(self, texts: Sequence[str]) -> Fault | None:
        """Return the fault that the behaviour has for a request of these texts, None for a true answer."""
        like = self.owner.behaviour
        if like.poison_fault and any(like.poison in text for text in texts):
            return Fault(like.poison_fault)
        if like.inputs_fault and len(texts) > like.max_inputs:
            return Fault(like.inputs_fault)
        return Fault("beyond") if like.mixes_up and self.owner.seen.in_flight > 1 else None

    def respond(self, body: dict[str, Any], texts: list[str]) -> None:
        """Answer as the behaviour says, without a fault."""
        if refusal := self.refusal(body, texts):
            self.say(*refusal)
        else:
            self.answer(body, texts)

    def refusal(self, body: Mapping[str, Any], texts: Sequence[str]) -> tuple[int, object, dict[str, str]] | None:
        """Return status, body and headers of the answer to a request that asks too much, None for a fair one."""
        like = self.owner.behaviour
        if like.key and self.headers.get("Authorization") != f"Bearer {like.key}":
            return 401, error("Incorrect API key provided.", "invalid_api_key"), {}
        if self.owner.over_rate():
            headers = {"Retry-After": "1", "x-ratelimit-limit-requests": str(like.per_minute)}
            return 429, error("Rate limit reached.", "rate_limit_exceeded"), headers
        if self.path not in ("/v1/embeddings", "/api/embed"):
            return 404, error("Not found.", "not_found"), {}
        if body["model"] not in (like.model, *like.also):
            return 404, error(f"model {body['model']!r} not found, try pulling it first", "model_not_found"), {}
        if like.max_inputs and len(texts) > like.max_inputs:
            return 413, error(f"{len(texts)} inputs, at most {like.max_inputs}.", "too_large"), {}
        if not like.takes_base64 and body.get("encoding_format") == "base64":
            words = "encoding_format: only float is supported" if like.names_base64 else "Bad Request"
            return 400, error(words, "invalid_request_error"), {}
        if like.poison and not like.poison_number and any(like.poison in text for text in texts):
            return 400, error("invalid input", "invalid_request_error"), {}
        return None

    def answer(self, body: Mapping[str, Any], texts: Sequence[str]) -> None:
        left = self.owner.behaviour.remaining
        told = {"x-ratelimit-remaining-requests": str(left), "x-ratelimit-reset-requests": "1m0s"} if left >= 0 else {}
        self.say(200, self.truth(body, self.vectors(body, texts)), told)

    def vectors(self, body: Mapping[str, Any], texts: Sequence[str]) -> list[npt.NDArray[np.float32]]:
        found = [self.owner.vector(text, body.get("dimensions", 0), model=body["model"]) for text in texts]
        like = self.owner.behaviour
        for each, text in zip(found, texts, strict=True):
            if like.poison_number and like.poison in text:
                each[:] = float(like.poison_number)
        lie = LIES.get(like.lies)
        return lie(self.owner.seen, texts, found) if lie else found

    def truth(self, body: Mapping[str, Any], vectors: Sequence[npt.NDArray[np.float32]]) -> dict[str, Any]:
        """Return the answer that carries `vectors`, in the language of the request."""
        if self.path == "/api/embed":
            return {"embeddings": [each.tolist() for each in vectors], "prompt_eval_count": 3 * len(vectors)}
        packed = body.get("encoding_format") == "base64"
        data = [
            {"index": index, "embedding": b64encode(each.tobytes()).decode() if packed else each.tolist()}
            for index, each in enumerate(vectors)
        ]
        charged = self.owner.behaviour.tokens_a_byte * sum(len(text.encode()) for text in body["input"])
        return {"data": data, "usage": {"total_tokens": int(charged) or 3 * len(vectors)}}

    def say(self, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        zipped = self.owner.behaviour.zipped and "gzip" in self.headers.get("Accept-Encoding", "")
        content = gzip.compress(content) if zipped else content
        self.send_response(status)
        for name, value in {**(headers or {}), **({"Content-Encoding": "gzip"} if zipped else {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def error(message: str, code: str) -> dict[str, object]:
    """Return an error body in OpenAI's form."""
    return {"error": {"message": message, "type": code, "code": code}}


Respond = Callable[[_Handler, Fault, dict[str, Any], list[str]], None]


def _status(status: int, message: str, code: str = "") -> Respond:
    return lambda handler, _fault, _body, _texts: handler.say(status, error(message, code))


def _told(status: int) -> Respond:
    return lambda handler, _fault, _body, _texts: handler.say(status, error(handler.owner.behaviour.words, ""))


def _told_in_the_status_line(handler: _Handler, _fault: Fault, _body: object, _texts: object) -> None:
    handler.wfile.write(f"HTTP/1.1 {handler.owner.behaviour.words}\r\n\r\n".encode())
    handler.close_connection = True


def _rate(handler: _Handler, fault: Fault, _body: object, _texts: object) -> None:
    handler.say(429, error("Slow down.", "rate_limit_exceeded"), {"Retry-After": f"{fault.seconds:g}"})


def _rate_until(handler: _Handler, fault: Fault, _body: object, _texts: object) -> None:
    moment = formatdate(math.ceil(time.time() + fault.seconds), usegmt=True)
    handler.say(429, error("Slow down.", "rate_limit_exceeded"), {"Retry-After": moment})


def _full_until(handler: _Handler, fault: Fault, _body: object, _texts: object) -> None:
    handler.say(503, {}, {"Retry-After": f"{fault.seconds:.0f}"})


def _hang(handler: _Handler, fault: Fault, _body: object, _texts: object) -> None:
    handler.owner.closing.wait(fault.seconds or 3600)
    handler.close_connection = True


def _drip(handler: _Handler, fault: Fault, _body: object, _texts: object) -> None:
    """Send a byte of an endless header every `seconds`."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not handler.owner.closing.wait(fault.seconds or 0.05):
        handler.wfile.write(b"a")
        handler.wfile.flush()


def _drip_body(handler: _Handler, fault: Fault, _body: object, _texts: object) -> None:
    """Send a byte of the body every `seconds`."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not handler.owner.closing.wait(fault.seconds or 0.05):
        handler.wfile.write(b" ")
        handler.wfile.flush()


def _reset(handler: _Handler, _fault: Fault, body: dict[str, Any], texts: list[str]) -> None:
    """Break the connection in the middle of the body."""
    content = json.dumps(handler.truth(body, handler.vectors(body, texts))).encode()
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content) + content[: len(content) // 2])
    handler.wfile.flush()
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(handler.connection.detach())


def _close(handler: _Handler, _fault: Fault, _body: object, _texts: object) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def _redirect(handler: _Handler, fault: Fault, _body: object, _texts: object) -> None:
    handler.say(307, b"", {"Location": fault.location})


def _changed(change: Callable[[dict[str, Any]], object]) -> Respond:
    """Return a fault that changes the data of a true answer."""

    def respond(handler: _Handler, _fault: Fault, body: dict[str, Any], texts: list[str]) -> None:
        plain = {**body, "encoding_format": "float"}
        answer = handler.truth(plain, handler.vectors(body, texts))
        rows = answer.get("data") or [{"embedding": each} for each in answer["embeddings"]]
        table = {"data": rows}
        change(table)
        ollama = {"embeddings": [row["embedding"] for row in table["data"]]}
        handler.say(200, ollama if "embeddings" in answer else {**answer, **table})

    return respond


def _echo(handler: _Handler, _fault: Fault, body: dict[str, Any], texts: list[str]) -> None:
    """Quote the request's key where an index should be."""
    answer = handler.truth(body, handler.vectors(body, texts))
    answer["data"][0]["index"] = handler.headers["Authorization"].removeprefix("Bearer ") + "\n" + "x" * 3000
    handler.say(200, answer)


ONE: npt.NDArray[np.float32] = np.linspace(0.1, 1.0, 16, dtype=np.float32)
Lie = Callable[[Seen, Sequence[str], list[npt.NDArray[np.float32]]], list[npt.NDArray[np.float32]]]


def _spoiled(vectors: Sequence[npt.NDArray[np.float32]]) -> list[npt.NDArray[np.float32]]:
    """Return vectors with as much of another one in them: always the same, and near enough to look right."""
    return [(each + ONE / np.linalg.norm(ONE) / 2).astype(np.float32) for each in vectors]


def _pairs(vectors: Sequence[npt.NDArray[np.float32]]) -> list[npt.NDArray[np.float32]]:
    """Return vectors of which each two have changed places."""
    swapped = [index ^ 1 for index in range(len(vectors))]
    return [vectors[other if other < len(vectors) else index] for index, other in enumerate(swapped)]


def _other(vectors: Sequence[npt.NDArray[np.float32]]) -> list[npt.NDArray[np.float32]]:
    """Return the vectors of another model: the same for a text each time."""
    return [np.roll(each, 5) for each in vectors]


def _where(
    names: set[str],
    texts: Sequence[str],
    true: Sequence[npt.NDArray[np.float32]],
    lie: Sequence[npt.NDArray[np.float32]],
) -> list[npt.NDArray[np.float32]]:
    """Return the vectors of `lie` for texts with one of these words, the true ones for all others."""
    pairs = zip(texts, true, lie, strict=True)
    return [other if names.intersection(text.split()) else each for text, each, other in pairs]


def _several(seen: Seen) -> int:
    return sum(len(body["input"]) > 1 for body in seen.bodies)


LIES: Mapping[str, Lie] = {
    "shifted": lambda _seen, texts, true: [*true[1:], true[0]] if len(texts) >= 4 else true,
    "pairs": lambda _seen, _texts, true: _pairs(true),
    "pairs in the last page": lambda _seen, texts, true: _pairs(true) if 1 < len(texts) < 10 else true,
    "crowded": lambda _seen, texts, true: _spoiled(true) if len(texts) > 8 else true,
    "crowded behind": lambda _seen, _texts, true: [*true[:8], *_spoiled(true[8:])],
    "last in line": lambda _seen, texts, true: [*true[:-1], *_spoiled(true[-1:])] if len(texts) > 4 else true,
    "beside": lambda seen, _texts, true: _spoiled(true) if seen.in_flight > 1 else true,
    "beside two": lambda seen, _texts, true: _spoiled(true) if seen.in_flight > 2 else true,
    "now and then": lambda seen, texts, true: (
        [*true[1:], true[0]] if len(texts) > 1 and _several(seen) % 5 == 0 else true
    ),
    "every seventh": lambda seen, _texts, true: _spoiled(true) if seen.requests % 7 == 0 else true,
    "later": lambda seen, texts, true: true[::-1] if len(texts) > 1 and _several(seen) > 13 else true,
    "two alike": lambda _seen, _texts, true: [*true[:-1], true[0]],
    "one language": lambda _seen, texts, true: [
        ONE if text.startswith("t1") else each for text, each in zip(texts, true, strict=True)
    ],
    "another for a while": lambda seen, _texts, true: _other(true) if 12 < seen.requests < 75 else true,
    "another for a moment": lambda seen, _texts, true: _other(true) if 85 < seen.requests < 90 else true,
    "another at first": lambda seen, _texts, true: _other(true) if 4 < seen.requests < 9 else true,
    "some alike": lambda _seen, texts, true: [
        ONE if text.split()[0] in {"t3", "t14", "t25", "t36"} else each for text, each in zip(texts, true, strict=True)
    ],
    "one vector by now": lambda seen, _texts, true: [ONE for _ in true] if seen.requests > 40 else true,
    "three alike": lambda _seen, texts, true: _where({"id-001", "id-004", "id-007"}, texts, true, [ONE] * len(true)),
    "restless for one": lambda seen, texts, true: _where(
        {"id-001"}, texts, true, [np.roll(each, seen.requests) for each in true]
    ),
    "another witness": lambda _seen, texts, true: true if "id-" in texts[0] else _other(true),
    "another witness by now": lambda seen, texts, true: (
        true if "id-" in texts[0] or seen.requests < 18 else _other(true)
    ),
    "restless": lambda seen, _texts, true: [np.roll(each, seen.requests) for each in true],
}
"""What endpoints were seen to do to vectors, as a function of what they were asked, the texts, and the true vectors."""


def _first(value: Callable[[list[float]], object]) -> Respond:
    """Return a fault that changes the first vector of a true answer."""
    return _changed(lambda table: table["data"][0].update(embedding=value(table["data"][0]["embedding"])))


FAULTS: Mapping[str, Respond] = {
    "none": lambda handler, _fault, body, texts: handler.respond(body, texts),
    "rate": _rate,
    "rate-until": _rate_until,
    "full-until": _full_until,
    "quota": _status(429, "You exceeded your current quota.", "insufficient_quota"),
    "unpaid": _status(402, "Insufficient balance.", "insufficient_balance"),
    "unauthorized": _status(401, "Incorrect API key provided.", "invalid_api_key"),
    "forbidden": _status(403, "Forbidden.", "forbidden"),
    "not-acceptable": _status(406, "Not acceptable."),
    "dependency": _status(424, "Backend error: CUDA_ERROR_OUT_OF_MEMORY"),
    "crashed": _status(400, "Model unloaded or crashed."),
    "null-beyond": lambda handler, _fault, body, texts: _changed(
        lambda table: [row.update(embedding=None) for row in table["data"][handler.owner.behaviour.max_inputs :]]
    )(handler, _fault, body, texts),
    "first-only": _changed(lambda table: table["data"].__delitem__(slice(1, None))),
    "no-model": _status(404, "The model does not exist.", "model_not_found"),
    "bad-request": _status(400, "Invalid input.", "invalid_request_error"),
    "too-large": _status(413, "Payload too large."),
    "unprocessable": _status(422, "Unprocessable."),
    "server-error": _status(500, "Internal error."),
    "unavailable": _status(503, "Overloaded."),
    "inner-error": lambda handler, _fault, _body, _texts: handler.say(200, {"error": {"code": 502, "message": "down"}}),
    "not-json": lambda handler, _fault, _body, _texts: handler.say(200, b"<html>login</html>"),
    "huge": lambda handler, _fault, _body, _texts: handler.say(200, b" " * (3 << 20)),
    "hang": _hang,
    "drip": _drip,
    "drip-body": _drip_body,
    "reset": _reset,
    "close": _close,
    "redirect": _redirect,
    "short": _changed(lambda table: table["data"].pop()),
    "shuffled": _changed(lambda table: table["data"].reverse()),
    "twice": _changed(lambda table: table["data"][0].update(index=len(table["data"]) - 1)),
    "beyond": _changed(lambda table: table["data"][0].update(index=len(table["data"]))),
    "narrow": _changed(lambda table: [row.update(embedding=row["embedding"][:-1]) for row in table["data"]]),
    "ragged": _first(lambda numbers: numbers[:-1]),
    "words": _first(lambda numbers: ["one"] * len(numbers)),
    "nan": _first(lambda numbers: [math.nan, *numbers[1:]]),
    "infinite": _first(lambda numbers: [math.inf, *numbers[1:]]),
    "null": _first(lambda numbers: [None, *numbers[1:]]),
    "zero": _first(lambda numbers: [0.0] * len(numbers)),
    "far": _first(lambda numbers: [3e38] * len(numbers)),
    "near": _first(lambda numbers: [1e-44] * len(numbers)),
    "true": _first(lambda numbers: [True, *numbers[1:]]),
    "texts": _first(lambda numbers: [str(number) for number in numbers]),
    "one-wide": _changed(lambda table: [row.update(embedding=[1.0]) for row in table["data"]]),
    "empty": _changed(lambda table: [row.update(embedding=[]) for row in table["data"]]),
    "same": _changed(lambda table: [row.update(embedding=table["data"][0]["embedding"]) for row in table["data"]]),
    "alike": _changed(lambda table: table["data"][-1].update(embedding=table["data"][0]["embedding"])),
    "constant": lambda handler, _fault, body, texts: handler.say(200, handler.truth(body, [ONE] * len(texts))),
    "echo": _echo,
    "told-200": _told(200),
    "told-400": _told(400),
    "told-401": _told(401),
    "told-500": _told(500),
    "told-status-line": _told_in_the_status_line,
    "nested": lambda handler, _fault, _body, _texts: handler.say(400, b"[" * 100_000),
}


READ: Mapping[str, Callable[[str], object]] = {
    "int": int,
    "float": float,
    "str": str,
    "bool": lambda text: text == "yes",
    "Mapping[str, int]": json.loads,
}
"""How a flag's text is read, by the type of its field."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--fail", action="append", default=[], metavar="KIND[:TIMES]", help=", ".join(FAULTS))
    for each in fields(Behaviour):
        default = getattr(Behaviour(), each.name)
        parser.add_argument(f"--{each.name.replace('_', '-')}", type=READ[str(each.type)], default=default)
    args = vars(parser.parse_args())
    faults = args.pop("fail")
    with FakeEndpoint(**args) as endpoint:
        for fault in faults:
            kind, _, times = fault.partition(":")
            endpoint.fail(kind, times=int(times or 1))
        print(endpoint.port, flush=True)  # noqa: T201 - the caller reads it
        endpoint.closing.wait()


if __name__ == "__main__":
    main()
