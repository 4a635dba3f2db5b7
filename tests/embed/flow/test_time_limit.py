"""Somebody waits: no endpoint holds a command longer than it may, whatever it does."""

from __future__ import annotations

import threading
from itertools import chain
from pathlib import Path

import pytest

from ai_memory.config.embedding import resolve
from ai_memory.config.file import Table
from ai_memory.embed.assemble import assemble
from ai_memory.embed.flow.time_limit import TimeLimit, TimeLimitedEmbedder
from ai_memory.embed.terms import Ties
from ai_memory.errors import BudgetSpent, EmbedError, TransientFailure
from tests.support.command import Command, remote, remote_at
from tests.support.fake_endpoint import FOREVER, FakeEndpoint
from tests.support.fakes import HashEmbedder, patient
from tests.support.raw_endpoint import RawEndpoint, same


def prompt(url: str, seconds: float = 0.3) -> TimeLimitedEmbedder:
    stop = threading.Event()
    settings = resolve(Table(), remote_at(url))
    return TimeLimitedEmbedder(assemble(settings, ties=Ties(stop)), TimeLimit.begin("that host", seconds, stop))


@pytest.mark.parametrize("fault", ["hang", "drip", "drip-body", "rate", "server-error", "not-json"])
def test_the_wait_ends_whatever_the_endpoint_does(fault: str) -> None:
    with FakeEndpoint() as endpoint:
        endpoint.fail(fault, times=FOREVER, seconds=3_600 if fault == "rate" else 0.01)
        with pytest.raises(EmbedError):
            prompt(endpoint.url).embed_query("text")


@pytest.mark.parametrize("greeting", [b"", b"\x16\x03\x03"])
def test_a_handshake_that_does_not_go_on_is_not_waited_for(greeting: bytes) -> None:
    late = pytest.raises(TransientFailure, match=r"that host gave no answer within 0 s\.")
    with RawEndpoint(same(), greeting=greeting) as server, late:
        prompt(server.url.replace("http:", "https:")).embed_query("text")


def test_a_body_that_comes_in_drops_is_not_waited_for() -> None:
    pause = threading.Event()
    drops = (b" " for _ in iter(lambda: pause.wait(0.05), True))
    with RawEndpoint(lambda _head, _body: chain((b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n",), drops)) as server:
        with pytest.raises(TransientFailure, match="gave no answer within"):
            prompt(server.url).embed_documents(["text"])
        pause.set()


def test_all_calls_together_have_the_time_of_one() -> None:
    with FakeEndpoint() as endpoint:
        embedder = prompt(endpoint.url, seconds=30)
        assert embedder.embed_query("first").shape == (16,)
        late = TimeLimitedEmbedder(
            assemble(resolve(Table(), remote(endpoint))), TimeLimit("that host", 1, 0, threading.Event())
        )
        endpoint.fail("hang", times=FOREVER)

        with pytest.raises(TransientFailure):
            late.embed_query("second")


def test_what_the_embedder_says_is_heard() -> None:
    def refuse(_texts: object) -> None:
        raise BudgetSpent("no more.")

    embedder = TimeLimitedEmbedder(
        patient(HashEmbedder(before=refuse)), TimeLimit.begin("that host", 30, threading.Event())
    )
    with pytest.raises(BudgetSpent):
        embedder.embed_documents(["text"])


@pytest.mark.parametrize(
    ("words", "told"), [(("recall", "title"), "by words alone"), (("store", "-T", "a", "-c", "b"), "without a vector")]
)
def test_who_waits_at_a_silent_endpoint_is_served_without_it(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    with FakeEndpoint() as endpoint:
        endpoint.fail("hang", times=FOREVER)
        command = Command(tmp_path / "m.db", remote(endpoint), timeout_s=50)
        command.run("store", "-T", "title", "-c", "content", "--no-embed")
        answer = command.run(*words)

    assert answer.code == 0
    assert f"{told}: 127.0.0.1:{endpoint.port} gave no answer within 10 s." in answer.err
