"""No answer of a server fills the memory, whatever it is made of, and each ends as one clear line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import chain, repeat
from pathlib import Path

import numpy as np
import pytest

from ai_memory.vectors.witness import WITNESS_TEXTS
from tests.support.command import Command, remote_at
from tests.support.raw_endpoint import PEAK, RawEndpoint, peak, whole, zeros

WIDTH = 1_536
ROWS = 3_000
MOST_MIB = 300
KINDS = ("gzip",), ("gzip", "gzip"), ("deflate",)

Bodies = Callable[[int], bytes]


def filled(size: int, piece: bytes, *, head: bytes = b'{"data":[', tail: bytes = b"]}") -> bytes:
    """Return `size` bytes of repeated pieces between a head and a tail."""
    inside = piece * ((size - len(head) - len(tail)) // len(piece))
    return head + inside.removesuffix(b",") + tail


BODIES: Mapping[str, Bodies] = {
    "empty tables": lambda size: filled(size, b"{},"),
    "empty lists": lambda size: filled(size, b"[],"),
    "lists in lists": lambda size: b"[" * size,
    "tables in tables": lambda size: filled(size, b'{"a":', head=b"", tail=b""),
    "small numbers": lambda size: filled(size, b"7,"),
    "fractions": lambda size: filled(size, b".5,"),
    "true fractions": lambda size: filled(size, b"0.5,", head=b'{"data":[{"index":0,"embedding":[', tail=b"]}]}"),
    "booleans": lambda size: filled(size, b"true,"),
    "strings": lambda size: filled(size, b'"ab",'),
    "one string": lambda size: filled(size, b"a", head=b'{"data":"', tail=b'"}'),
    "one wide string": lambda size: filled(size, b"a", head='{"data":"\U0001f600'.encode(), tail=b'"}'),
    "one escaped string": lambda size: filled(size, b"a", head=b'{"data":"\\ud83d\\ude00', tail=b'"}'),
    "one base64": lambda size: filled(size, b"AAAA", head=b'{"data":[{"index":0,"embedding":"', tail=b'"}]}'),
    "one long number": lambda size: filled(size, b"1"),
    "one long fraction": lambda size: filled(size, b"1", head=b'{"data":[0.'),
    "names": lambda size: filled(size, b'"abc":1,', head=b"{", tail=b"}"),
    "blanks": lambda size: b" " * size,
    "wide characters": lambda size: b"\xff" * size,
    "utf-16": lambda size: filled(size // 2, b"7,").decode().encode("utf-16"),
}
"""Bodies of a given size that cost a parser much."""


@cache
def body(kind: str, size: int) -> bytes:
    return BODIES[kind](size)


def allowed(texts: int) -> int:
    """Return the size of the largest answer that is read."""
    return texts * (25 * WIDTH + 200) + 60_000


def truth(request: bytes) -> bytes:
    texts = json.loads(request)["input"]
    made = [np.random.default_rng(sum(text.encode())).random(WIDTH).round(3).tolist() for text in texts]
    return whole(json.dumps({"data": [{"index": i, "embedding": each} for i, each in enumerate(made)]}).encode())


def sends(kind: str, *, many: int = 1) -> Callable[[bytes, bytes], Iterable[bytes]]:
    """Return a server that passes the probe and then sends bodies `many` times as large as is read."""

    def answer(_head: bytes, request: bytes) -> Iterable[bytes]:
        texts = json.loads(request)["input"]
        true = set(texts) <= set(WITNESS_TEXTS)
        return (truth(request),) if true else (whole(body(kind, many * allowed(len(texts)))),)

    return answer


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of rows without vectors."""
    path = tmp_path_factory.mktemp("notes") / "notes.db"
    lines = "".join(f'{{"title": "t{n}", "content": "c{n}"}}\n' for n in range(ROWS))
    assert Command(path).run("import", "-", "--no-embed", stdin=lines).code == 0
    return path


@pytest.fixture
def db(notes: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(notes, tmp_path / "m.db"))


@pytest.mark.parametrize("concurrency", [1, 32])
@pytest.mark.parametrize("many", [1, 10])
@pytest.mark.parametrize("kind", ["true fractions", "one escaped string"])
def test_a_migration_takes_bounded_memory_whatever_the_answers(
    db: Path, kind: str, many: int, concurrency: int
) -> None:
    with RawEndpoint(sends(kind, many=many)) as server:
        command = Command(db, remote_at(server.url), PEAK)
        answer = command.run("reembed", "--yes", "-q", "--retry-for", "0.1s", "--concurrency", str(concurrency))

    assert answer.code == 69
    assert "cannot be believed" in answer.err
    assert peak(answer.err) < MOST_MIB


@pytest.mark.parametrize("kind", sorted(BODIES))
def test_each_kind_of_answer_is_refused_in_bounded_memory(db: Path, kind: str) -> None:
    with RawEndpoint(sends(kind)) as server:
        answer = Command(db, remote_at(server.url), PEAK).run("reembed", "--yes", "-q", "--retry-for", "0.1s")

    # Of a single text it is one vector, and only too wide.
    assert answer.code == (78 if kind == "one base64" else 69)
    assert peak(answer.err) < MOST_MIB


@pytest.mark.parametrize("kind", sorted(BODIES))
def test_a_single_text_takes_bounded_memory_whatever_the_answer(db: Path, kind: str) -> None:
    with RawEndpoint(lambda _head, _body: (whole(body(kind, 20 << 20)),)) as server:
        answer = Command(db, remote_at(server.url), PEAK).run("doctor")

    assert "cannot be believed" in answer.out
    assert peak(answer.err) < 120


@pytest.mark.parametrize(
    ("words", "told"), [(("recall", "x"), "by words alone"), (("store", "-T", "a", "-c", "b"), "without a vector")]
)
def test_who_waits_is_answered_whatever_the_endpoint_sends(db: Path, words: tuple[str, ...], told: str) -> None:
    with RawEndpoint(lambda _head, _body: (whole(body("empty tables", 20 << 20)),)) as server:
        answer = Command(db, remote_at(server.url), PEAK).run(*words)

    assert answer.code == 0
    assert told in answer.err
    assert peak(answer.err) < 120


HEAD = b"HTTP/1.1 200 OK\r\n"
ENDLESS: Mapping[str, tuple[bytes, bytes]] = {
    "header lines": (HEAD, b"X-Name: value\r\n" * 1_000),
    "a header line": (HEAD + b"X-Name: ", b"v" * 10_000),
    "a status line": (b"HTTP/1.1 200 ", b"O" * 10_000),
    "cookies": (HEAD, b"Set-Cookie: a=b\r\n" * 1_000),
    "chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"3e8\r\n" + b" " * 1_000 + b"\r\n"),
    "a chunk's size": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0" * 10_000),
    "a body without a length": (HEAD + b"\r\n", b" " * 10_000),
    "a body of an error": (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"x" * 10_000),
}


@pytest.mark.parametrize("kind", sorted(ENDLESS))
def test_an_endless_answer_ends(db: Path, kind: str) -> None:
    first, then = ENDLESS[kind]
    with RawEndpoint(lambda _head, _body: chain((first,), repeat(then, 20_000))) as server:
        answer = Command(db, remote_at(server.url), PEAK).run("doctor")

    assert answer.code == 1
    assert "  the embedder: " in answer.out
    assert peak(answer.err) < 120


@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request", "429 Slow", "500 Broken"])
@pytest.mark.parametrize("layers", KINDS)
def test_a_packed_body_takes_bounded_memory(db: Path, status: str, layers: tuple[str, ...]) -> None:
    bomb = whole(packed(layers), f"Content-Encoding: {', '.join(layers)}", status=status)
    with RawEndpoint(lambda _head, _body: (bomb,)) as server:
        answer = Command(db, remote_at(server.url), PEAK).run("doctor")

    assert answer.code == 1
    assert "  the embedder: " in answer.out
    assert peak(answer.err) < 120


@cache
def packed(layers: tuple[str, ...]) -> bytes:
    return zeros(512, *layers)


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip", ", ".join(["gzip"] * 100), "no-such"])
def test_what_was_not_asked_for_is_not_unpacked(db: Path, encoding: str) -> None:
    with RawEndpoint(lambda _head, _body: (whole(packed(KINDS[0]), f"Content-Encoding: {encoding}"),)) as server:
        answer = Command(db, remote_at(server.url)).run("doctor")

        assert b"accept-encoding: gzip, deflate\r\n" in server.heads[0].lower()
    assert "  the embedder: " in answer.out
