"""What a hostile server may send and is not given: memory, a way to another host, the truth about an outage."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path
from threading import Event

import pytest

from ai_memory.embed.flow.limiter import Unlimited
from ai_memory.embed.http.deadline import Deadlines
from ai_memory.embed.http.embedder import HttpEmbedder
from ai_memory.embed.http.key_header import key_header
from ai_memory.embed.http.openai import OpenAiDialect
from ai_memory.embed.http.transport import Endpoint
from ai_memory.errors import UNUSABLE, AnswerLate, TransientFailure, WrongTarget
from ai_memory.vectors.target import Target, Vectors
from tests.support.command import Command, remote_at
from tests.support.raw_endpoint import PEAK, RawEndpoint, peak, same, whole, zeros

KEY = "sk-loopback-0123456789"
TARGET = Target(space="fake#none", dim=0, backend="openai-compatible", model="fake")


TRUTH = whole(
    b'{"data": [{"index": 0, "embedding": [1, 2]}, {"index": 1, "embedding": [2, 1]}]}', "Set-Cookie: track=me"
)


def embedder(server: RawEndpoint) -> HttpEmbedder:
    endpoint = Endpoint(server.url, KEY, Deadlines(connect=2, read=2, total=5))
    return HttpEmbedder(TARGET, OpenAiDialect("fake"), endpoint, max_batch=100, limiter=Unlimited(4))


def embed(server: RawEndpoint) -> Vectors:
    return embedder(server).embed_documents(["first", "second"])


def test_connections_are_closed_once_nobody_holds_the_embedder() -> None:
    with RawEndpoint(same(TRUTH)) as server:
        asked = embedder(server)
        asked.embed_documents(["first", "second"])
        transport = weakref.ref(asked._transport)
        del asked
        gc.collect()

        assert transport() is None


@pytest.mark.parametrize("status", [300, 302, 304, 307, 399])
@pytest.mark.parametrize("layers", [("gzip",), ("gzip", "gzip"), ("deflate", "gzip")])
def test_a_redirect_with_a_body_of_any_size_is_a_redirect(status: int, layers: tuple[str, ...]) -> None:
    bomb = whole(zeros(16, *layers), "Location: /x", f"Content-Encoding: {', '.join(layers)}", status=f"{status} Moved")
    with RawEndpoint(same(bomb)) as server, pytest.raises(WrongTarget, match="redirects"):
        embed(server)


def test_no_body_of_a_redirect_is_read() -> None:
    head = b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 655360000\r\n\r\n"
    with RawEndpoint(lambda _head, _body: chain((head,), repeat(b"x" * (1 << 16), 10_000))) as server:
        with pytest.raises(WrongTarget, match="redirects"):
            embed(server)

        assert server.sent < 64 << 20


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://elsewhere.example/v2", "to https://elsewhere.example/v2)"),
        (f"https://me:{KEY}@elsewhere.example/v2?key={KEY}#{KEY}", "to https://elsewhere.example/v2)"),
        (f"https://me:a/b@c@elsewhere.example/{KEY}", "to https://elsewhere.example/***)"),
        ("/x", "to /x)"),
    ],
)
def test_a_redirect_is_named_without_what_may_be_secret(location: str, shown: str) -> None:
    with RawEndpoint(same(whole(b"", f"Location: {location}", status="302 Found"))) as server:
        with pytest.raises(WrongTarget) as caught:
            embed(server)

        assert shown in caught.value.what


@pytest.mark.parametrize("words", [("recall", "x"), ("doctor",), ("store", "-T", "a", "-c", "b"), ("backfill",)])
def test_a_bomb_in_a_redirect_costs_no_memory(tmp_path: Path, words: tuple[str, ...]) -> None:
    plain = Command(tmp_path / "m.db", {})
    plain.run("store", "-T", "title", "-c", "content", "--no-embed")
    bomb = whole(zeros(512, "gzip", "gzip"), "Location: /x", "Content-Encoding: gzip, gzip", status="302 Found")
    with RawEndpoint(same(bomb)) as server:
        answer = Command(plain.db, remote_at(server.url), PEAK).run(*words)

        assert server.heads
        assert "redirects" in answer.out + answer.err
        assert peak(answer.err) < 200


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_is_no_way_around_the_policy(tmp_path: Path, scheme: str) -> None:
    with RawEndpoint(same(whole(b"{}"))) as proxy:
        ways = {
            name: proxy.url.removesuffix("/v1") for name in ("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "https_proxy")
        }
        env = {
            **remote_at(f"{scheme}://127.0.0.1:1/v1"),
            **ways,
            "NO_PROXY": "",
            "AI_MEMORY_INFERENCE_EGRESS": "loopback-only",
        }
        command = Command(tmp_path / "m.db", env)
        command.run("store", "-T", "title", "-c", "content")

        assert command.run("recall", "x").code == 0
        assert proxy.heads == []


def test_a_cookie_is_never_sent_back() -> None:
    with RawEndpoint(same(TRUTH)) as server:
        asked = embedder(server)
        for _ in range(3):
            asked.embed_documents(["first", "second"])

        assert len(server.heads) == 3
        assert not any(b"cookie" in head.lower() for head in server.heads)


@pytest.mark.parametrize(
    ("base", "name"),
    [
        ("https://x.openai.azure.com/openai/v1", "api-key"),
        ("https://x.cognitiveservices.azure.com/openai/deployments/e", "api-key"),
        ("https://x.services.ai.azure.com/models?api-version=2024-05-01-preview", "api-key"),
        ("https://gateway.example/openai?api-version=2024-02-01", "api-key"),
        ("https://openai.azure.com.example/v1", "Authorization"),
        ("https://api.openai.com/v1", "Authorization"),
    ],
)
def test_the_key_goes_in_the_header_that_its_host_reads(base: str, name: str) -> None:
    header, value = key_header(base, KEY)

    assert header == name
    assert value == (KEY if name == "api-key" else f"Bearer {KEY}")


def test_an_azure_key_is_sent_in_its_own_header_alone_and_the_query_kept() -> None:
    with RawEndpoint(same(TRUTH)) as server:
        base = f"http://127.0.0.1:{server.port}/openai/deployments/emb/?api-version=2024-02-01"
        endpoint = Endpoint(base, KEY)
        asked = HttpEmbedder(TARGET, OpenAiDialect("fake"), endpoint, max_batch=9, limiter=Unlimited(4))
        asked.embed_documents(["first", "second"])
        head = server.heads[0]

    assert head.startswith(b"POST /openai/deployments/emb/embeddings?api-version=2024-02-01 HTTP/1.1")
    assert f"api-key: {KEY}".encode() in head
    assert b"authorization" not in head.lower()


def test_only_an_endpoint_that_has_not_answered_lately_is_waited_for_longer() -> None:
    waits = Event()

    def answer(_head: bytes, _body: bytes) -> list[bytes]:
        waits.wait(0.6)
        return [TRUTH]

    with RawEndpoint(answer) as server:
        endpoint = Endpoint(server.url, KEY, Deadlines(read=0.2, total=0.4, first=5))
        asked = HttpEmbedder(TARGET, OpenAiDialect("fake"), endpoint, max_batch=9, limiter=Unlimited(4))
        asked.embed_documents(["first", "second"])
        with pytest.raises(AnswerLate):
            asked.embed_documents(["first", "second"])
        asked.embed_documents(["first", "second"])
        waits.set()


@pytest.mark.parametrize("status", [b"100 Continue", b"102 Processing", b"103 Early Hints", b"199 Odd"])
def test_an_answer_that_only_announces_another_is_skipped(status: bytes) -> None:
    announced = b"HTTP/1.1 " + status + b"\r\nLink: </style.css>\r\n\r\n"
    with RawEndpoint(same(announced * 3, TRUTH)) as server:
        asked = embedder(server)

        assert asked.embed_documents(["first", "second"]).tolist() == [[1, 2], [2, 1]]
        assert asked.embed_documents(["first", "second"]).tolist() == [[1, 2], [2, 1]]
        assert server.connections == 1


@pytest.mark.parametrize("status", [b"100 Continue", b"103 Early Hints"])
def test_announcements_without_end_end(status: bytes) -> None:
    announced = b"HTTP/1.1 " + status + b"\r\nLink: </style.css>\r\n\r\n"
    with RawEndpoint(lambda _head, _body: repeat(announced * 100, 100_000)) as server:
        with pytest.raises(TransientFailure, match="its headers have no end"):
            embed(server)

        assert server.sent < 16 << 20


MANY = [f"X-{n}: {'a' * 50}" for n in range(300)]
USELESS = {
    "a banner": (b"SSH-2.0-OpenSSH_9.2\r\n", "begins: SSH-2.0-OpenSSH_9.2 "),
    "a status line": (b"HTTP/1.1 2OO fine\r\n\r\n", "begins: HTTP/1.1 2OO fine "),
    "headers": (whole(b"{}", "Server: odd", *MANY), "begins: HTTP/1.1 200 OK Server: odd X-0: aaa"),
    "not packed": (
        whole(b"\x1f\x8brubbish \x00\x01 of " + KEY.encode(), "Content-Type: text/odd", "Content-Encoding: gzip"),
        "What came is text/odd and begins: rubbish of *** ",
    ),
    "pieces": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
        "What came is of no type and begins: zz {} ",
    ),
    "half": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{down",
        "it broke off. What came is of no type and begins: {d",
    ),
}


def once(sent: bytes) -> Iterator[bytes]:
    """Yield what is sent before the connection is closed."""
    yield sent
    raise ConnectionResetError


@pytest.mark.parametrize("kind", sorted(USELESS))
def test_what_came_and_is_no_answer_is_shown(kind: str) -> None:
    sent, shown = USELESS[kind]
    with RawEndpoint(lambda _head, _body: once(sent)) as server, pytest.raises(TransientFailure) as caught:
        embed(server)

    line = caught.value.line()
    assert " gave no answer that can be used: " in line
    assert shown in line
    assert KEY not in line
    assert "Look at that server and at [embeddings].base_url" in line
    assert "running" not in line
    assert caught.value.reason == UNUSABLE


def test_what_came_before_is_not_shown_where_nothing_comes() -> None:
    answers = iter([b"SSH-2.0\r\n", b""])
    with RawEndpoint(lambda _head, _body: once(next(answers))) as server:
        asked = embedder(server)
        with pytest.raises(TransientFailure, match="can be used"):
            asked.embed_documents(["first"])
        with pytest.raises(TransientFailure, match="gave no answer: it closed the connection"):
            asked.embed_documents(["first"])
