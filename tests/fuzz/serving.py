"""A server's answers to embedding requests: honest ones, and any number of hostile ones."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from hashlib import shake_256
from random import Random

from tests.fuzz import odd

DIM = 16
STATUSES = (200, 200, 200, 201, 204, 301, 307, 400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 501, 503, 529, 599)
HEADERS = (
    "Retry-After: -1",
    "Retry-After: 0.01",
    "Retry-After: " + "9" * 400,
    "Retry-After: Wed, 21 Oct 9999 07:28:00 GMT",
    "x-ratelimit-remaining-requests: -5",
    "x-ratelimit-reset-requests: 99999999999h",
    "x-ratelimit-limit-tokens: nan",
    "Content-Encoding: gzip",
    "Content-Encoding: br, gzip, deflate",
    "Content-Type: text/html; charset=\x9b31m",
    "Set-Cookie: track=me",
    "Location: https://user:pass@127.0.0.1/?k=1",
    "X-Odd: \xe9\x1b[31m",
    "Transfer-Encoding: chunked",
    "Content-Length: 7",
)


def honest(body: bytes) -> dict[str, object]:
    """Return the answer that a sound server gives to a request."""
    asked = json.loads(body)
    dim = asked.get("dimensions", DIM)
    vectors = [_vector(each, dim) for each in asked["input"]]
    data = [{"object": "embedding", "index": place, "embedding": vector} for place, vector in enumerate(vectors)]
    usage = {"prompt_tokens": 3 * len(data), "total_tokens": 3 * len(data)}
    return {"object": "list", "data": data, "model": asked["model"], "usage": usage}


def response(body: bytes, *, status: int = 200, headers: Iterable[str] = ()) -> bytes:
    """Return the bytes of an HTTP response."""
    lines = [f"HTTP/1.1 {status} Said", *headers]
    if not any(line.startswith(("Content-Length", "Transfer-Encoding")) for line in lines):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def hostile(random: Random, asked: bytes) -> Iterable[bytes]:
    """Yield an answer to a request as no sound server gives it, and hang up."""
    yield _hostile(random, asked)
    # A client must not wait for the rest of what is cut off: that is asked of other tests.
    raise ConnectionAbortedError("all is said")


def _hostile(random: Random, asked: bytes) -> bytes:
    kind = random.randrange(8)
    if kind < 3:
        return response(_odd_json(random, asked))
    if kind == 3:
        return response(_error(random), status=random.choice(STATUSES), headers=random.sample(HEADERS, 2))
    if kind == 4:
        return response(json.dumps(honest(asked)).encode(), headers=random.sample(HEADERS, 1))
    if kind == 5:
        whole = response(json.dumps(honest(asked)).encode())
        return whole[: random.randrange(len(whole))]
    if kind == 6:
        return random.choice(TOO_MUCH)(random)
    return f"HTTP/1.1 {odd.text(random)[:500]}\r\n\r\n".encode("utf-8", "replace")


def _odd_json(random: Random, asked: bytes) -> bytes:
    document: object = honest(asked)
    for _ in range(random.randrange(1, 4)):
        document = odd.mutated(random, document)
    return json.dumps(document).encode("utf-8", "surrogatepass")


def _error(random: Random) -> bytes:
    error = {"message": odd.text(random)[:2_000], "type": odd.text(random)[:200], "code": odd.value(random, 1)}
    told = random.choice(({"error": error}, {"error": error["message"]}, [{"error": error}], error, error["message"]))
    return json.dumps(told).encode("utf-8", "surrogatepass")


def _bomb(random: Random) -> bytes:
    zeros = gzip.compress(gzip.compress(bytes(64 << 20)))
    return response(zeros, status=random.choice(STATUSES), headers=["Content-Encoding: gzip, gzip"])


def _many(random: Random) -> bytes:
    filling = random.choice((b"{},", b"[],", b"0,", b'"",', b"[", b'{"a":'))
    return response(b'{"data":[' + filling * 1_000_000 + b"0]}", status=random.choice((200, 400, 429)))


def _digits(random: Random) -> bytes:
    return response(b'{"data":[{"index":' + b"9" * random.choice((10, 5_000, 2_000_000)) + b',"embedding":[1]}]}')


def _heads(random: Random) -> bytes:
    return response(b"{}", headers=[f"X-{number}: {odd.text(random)[:20]!a}" for number in range(20_000)])


TOO_MUCH = (_bomb, _many, _digits, _heads)


def _vector(text: str, dim: int) -> list[float]:
    drawn = shake_256(text.encode("utf-8", "surrogatepass")).digest(dim)
    return [each / 128 - 1 + 1 / 512 for each in drawn]
