"""Answers that are broken off, wherever the server is with them: nobody waits, and nothing of them is believed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from ai_memory.embed.awaited import Awaited
from ai_memory.embed.flow.limiter import Unlimited
from ai_memory.embed.http.deadline import Deadlines
from ai_memory.embed.http.embedder import HttpEmbedder
from ai_memory.embed.http.openai import OpenAiDialect
from ai_memory.embed.http.transport import Endpoint
from ai_memory.errors import TransientFailure
from ai_memory.vectors.target import Target
from tests.support.raw_endpoint import TLS, RawEndpoint, certificate, whole

TARGET = Target(space="fake#none", dim=0, backend="openai-compatible", model="fake")
TRUTH = b'{"data": [{"index": 0, "embedding": [1, 2]}]}'
UNTIL_CLOSED = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
REFUSED_UNTIL_CLOSED = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n{}"
LONG = Deadlines(connect=60, read=60, total=60, first=60)


def embedder(server: RawEndpoint, awaited: Awaited) -> HttpEmbedder:
    endpoint = Endpoint(server.url, deadlines=LONG)
    return HttpEmbedder(TARGET, OpenAiDialect("fake"), endpoint, max_batch=9, limiter=Unlimited(4), awaited=awaited)


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(
    "begun", [b"", b"HTTP/1.1 200 OK\r\nX-Slow: ", UNTIL_CLOSED, UNTIL_CLOSED + TRUTH, REFUSED_UNTIL_CLOSED]
)
def test_an_answer_that_does_not_end_is_broken_off(begun: bytes, tls: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(TLS / "ca.pem"))
    asked, end, awaited = threading.Event(), threading.Event(), Awaited()

    def answer(_head: bytes, _body: bytes) -> Iterator[bytes]:
        yield begun
        asked.set()
        end.wait(60)

    with RawEndpoint(answer, tls=certificate("server") if tls else None) as server, ThreadPoolExecutor(2) as threads:
        vectors = [threads.submit(embedder(server, awaited).embed_documents, ["text"]) for _ in range(2)]
        assert asked.wait(20)
        time.sleep(0.1)
        awaited.break_off()
        errors = [each.exception(20) for each in vectors]
        end.set()

    assert [(type(each), "not waited for" in f"{each}") for each in errors] == [(TransientFailure, True)] * 2


def test_nothing_is_awaited_any_more_after_that() -> None:
    awaited, answered = Awaited(), whole(TRUTH)

    def answer(_head: bytes, _body: bytes) -> Iterator[bytes]:
        yield answered

    with RawEndpoint(answer) as server:
        asking = embedder(server, awaited)
        before = asking.embed_documents(["text"])
        awaited.break_off()
        with pytest.raises(TransientFailure, match="not waited for"):
            asking.embed_documents(["text"])

    assert before.tolist() == [[1.0, 2.0]]
