"""Requests over real HTTP on loopback: order, checks, deadlines, and what a key is shown to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

import numpy as np
import pytest

from ai_memory.embed.flow.limiter import Limiter, Remaining, Unlimited
from ai_memory.embed.flow.retry import RetryingEmbedder
from ai_memory.embed.http.deadline import Deadlines
from ai_memory.embed.http.embedder import HttpEmbedder
from ai_memory.embed.http.ollama import OllamaDialect
from ai_memory.embed.http.openai import OpenAiDialect
from ai_memory.embed.http.packing import Packing
from ai_memory.embed.http.transport import Endpoint
from ai_memory.embed.http.wire import Reply, count_of
from ai_memory.embed.port import Embedder, RetryPolicy
from ai_memory.errors import (
    AnswerLate,
    AnswerViolation,
    Breakdown,
    CredentialsRefused,
    EmbedError,
    ForeignAnswer,
    QuotaExhausted,
    RateLimited,
    RequestTooLarge,
    RowsRefused,
    TransientFailure,
    VectorsBroken,
    WrongTarget,
)
from ai_memory.vectors.target import Target
from tests.support.fake_endpoint import FOREVER, FakeEndpoint
from tests.support.raw_endpoint import RawEndpoint, same, whole

KEY = "sk-loopback-0123456789"
TEXTS = ["first", "second", "third"]
TARGET = Target(space="fake#none", dim=0, backend="openai-compatible", model="fake")
QUICK = Deadlines(connect=0.5, read=0.3, total=0.6)


@dataclass(slots=True)
class Listening:
    """A limiter without limits that remembers what it was told, and how many requests were inside at once."""

    most: int = 4
    limit: int = 4
    heard: list[Sequence[Remaining]] = field(default_factory=list)
    inside: bool = False
    doubts: int = 0

    def doubt(self) -> None:
        self.doubts += 1

    def rate_doubted(self) -> AbstractContextManager[None]:
        return nullcontext()

    @contextmanager
    def slot(self, texts: Sequence[str] = ()) -> Iterator[float]:
        del texts
        self.inside = True
        yield 0.0
        self.inside = False

    def observe(self, limits: Sequence[Remaining]) -> None:
        assert self.inside
        self.heard.append(limits)


@pytest.fixture
def server() -> Iterator[FakeEndpoint]:
    with FakeEndpoint(dim=8, key=KEY) as endpoint:
        yield endpoint


def openai(
    server: FakeEndpoint, *, dim: int = 0, key: str = KEY, url: str = "", limiter: Limiter | None = None
) -> HttpEmbedder:
    endpoint = Endpoint(url or server.url, key, QUICK)
    target = Target(space="fake#none", dim=dim, backend="openai-compatible", model="fake")
    return HttpEmbedder(target, OpenAiDialect("fake", dim), endpoint, max_batch=100, limiter=limiter or Unlimited(4))


def ollama(server: FakeEndpoint) -> HttpEmbedder:
    endpoint = Endpoint(server.ollama_url, KEY, QUICK)
    return HttpEmbedder(TARGET, OllamaDialect("fake"), endpoint, max_batch=100, limiter=Unlimited(4))


@pytest.mark.parametrize("speak", [openai, ollama])
def test_vectors_come_in_the_order_of_the_texts(
    server: FakeEndpoint, speak: Callable[[FakeEndpoint], Embedder]
) -> None:
    found = speak(server).embed_documents(TEXTS)

    assert found.dtype == np.float32
    assert np.array_equal(found, [server.vector(text) for text in TEXTS])


def test_a_shuffled_answer_is_put_in_order_by_its_indexes(server: FakeEndpoint) -> None:
    server.fail("shuffled")

    assert np.array_equal(openai(server).embed_documents(TEXTS), [server.vector(text) for text in TEXTS])


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("base64", [False, True])
def test_every_encoding_of_an_answer_gives_the_same_vectors(
    server: FakeEndpoint, *, zipped: bool, base64: bool
) -> None:
    server.change(zipped=zipped)
    endpoint = Endpoint(server.url, KEY, QUICK)
    packing = Packing(fixed=base64)
    embedder = HttpEmbedder(
        TARGET, OpenAiDialect("fake"), endpoint, max_batch=100, limiter=Unlimited(4), packing=packing
    )

    assert np.array_equal(embedder.embed_documents(TEXTS), [server.vector(text) for text in TEXTS])
    assert server.seen.bodies[0].get("encoding_format") == ("base64" if base64 else None)


def test_dimensions_are_sent_only_when_configured(server: FakeEndpoint) -> None:
    assert openai(server, dim=4).embed_documents(TEXTS).shape == (3, 4)
    openai(server).embed_documents(TEXTS)

    assert [body.get("dimensions") for body in server.seen.bodies] == [4, None]


def test_the_width_is_known_after_the_first_answer_and_binding_from_then_on(server: FakeEndpoint) -> None:
    embedder = openai(server)
    embedder.embed_documents(TEXTS)
    assert embedder.target.dim == 8

    server.change(dim=7)
    with pytest.raises(WrongTarget, match="7 wide where 8"):
        embedder.embed_documents(TEXTS)


def test_the_meter_counts_requests_texts_and_the_servers_tokens(server: FakeEndpoint) -> None:
    embedder = openai(server)
    embedder.embed_documents(TEXTS)
    embedder.embed_query("one more")

    assert (embedder.meter.spent.requests, embedder.meter.spent.texts_sent, embedder.meter.spent.tokens) == (2, 4, 12)


def test_an_answer_is_read_after_its_place_was_given_to_the_next_request(server: FakeEndpoint) -> None:
    limiter = Listening()

    class Watched(OpenAiDialect):
        def read(self, answer: object, *, count: int) -> Reply:
            assert not limiter.inside
            return super().read(answer, count=count)

        def body(self, texts: Sequence[str], *, base64: bool) -> Mapping[str, object]:
            assert not limiter.inside
            return super().body(texts, base64=base64)

    endpoint = Endpoint(server.url, KEY, QUICK)
    HttpEmbedder(TARGET, Watched("fake"), endpoint, max_batch=100, limiter=limiter).embed_documents(TEXTS)


def test_what_an_answer_says_is_left_is_told(server: FakeEndpoint) -> None:
    limiter = Listening()
    endpoint = Endpoint(server.url, KEY, QUICK)
    embedder = HttpEmbedder(TARGET, OpenAiDialect("fake"), endpoint, max_batch=100, limiter=limiter)
    embedder.embed_documents(TEXTS)
    server.change(remaining=7)
    embedder.embed_documents(TEXTS)

    assert limiter.heard == [(Remaining("requests", 7, 0, 60),)]


def test_a_single_text_that_is_late_may_be_an_outage_or_the_text(server: FakeEndpoint) -> None:
    embedder = openai(server)
    embedder.embed_documents(TEXTS)
    server.fail("drip-body", seconds=0.01)
    with pytest.raises(TransientFailure) as caught:
        embedder.embed_documents(TEXTS[:1])

    assert type(caught.value) is Breakdown


@pytest.mark.parametrize("fault", ["forbidden", "no-model"])
def test_what_is_refused_where_others_passed_may_be_a_matter_of_the_texts(server: FakeEndpoint, fault: str) -> None:
    embedder = openai(server)
    server.fail(fault)
    with pytest.raises(EmbedError) as before:
        embedder.embed_documents(TEXTS)
    embedder.embed_documents(TEXTS)
    server.fail(fault)
    with pytest.raises(EmbedError) as after:
        embedder.embed_documents(TEXTS)

    assert (before.value.of_texts, after.value.of_texts) == (False, True)


def test_a_key_that_is_refused_is_never_a_matter_of_the_texts(server: FakeEndpoint) -> None:
    embedder = openai(server)
    embedder.embed_documents(TEXTS)
    server.fail("unauthorized")
    with pytest.raises(CredentialsRefused) as caught:
        embedder.embed_documents(TEXTS)

    assert not caught.value.of_texts


@pytest.mark.parametrize(("fault", "doubts"), [("short", 1), ("not-json", 1), ("nan", 0), ("server-error", 0)])
def test_only_a_broken_answer_throws_doubt_on_the_requests_beside_it(
    server: FakeEndpoint, fault: str, doubts: int
) -> None:
    limiter = Listening()
    server.fail(fault)
    with pytest.raises(EmbedError):
        openai(server, limiter=limiter).embed_documents(TEXTS)

    assert limiter.doubts == doubts


def test_no_texts_are_no_request(server: FakeEndpoint) -> None:
    assert openai(server, dim=8).embed_documents([]).shape == (0, 8)
    assert server.seen.requests == 0


FAULTS = [
    ("rate", RateLimited),
    ("rate-until", RateLimited),
    ("quota", QuotaExhausted),
    ("unpaid", QuotaExhausted),
    ("unauthorized", CredentialsRefused),
    ("forbidden", CredentialsRefused),
    ("no-model", WrongTarget),
    ("bad-request", RowsRefused),
    ("too-large", RequestTooLarge),
    ("unprocessable", RowsRefused),
    ("server-error", Breakdown),
    ("unavailable", TransientFailure),
    ("inner-error", Breakdown),
    ("hang", Breakdown),
    ("drip", AnswerLate),
    ("drip-body", AnswerLate),
    ("reset", Breakdown),
    ("close", Breakdown),
    ("not-json", AnswerViolation),
    ("huge", AnswerViolation),
    ("short", AnswerViolation),
    ("twice", AnswerViolation),
    ("beyond", AnswerViolation),
    ("ragged", VectorsBroken),
    ("words", VectorsBroken),
    ("nan", VectorsBroken),
    ("infinite", VectorsBroken),
    ("null", VectorsBroken),
    ("zero", VectorsBroken),
    ("far", VectorsBroken),
    ("near", VectorsBroken),
    ("echo", AnswerViolation),
    ("true", VectorsBroken),
    ("one-wide", AnswerViolation),
    ("empty", AnswerViolation),
]


@pytest.mark.parametrize(("fault", "expected"), FAULTS)
def test_each_fault_is_the_error_that_says_what_helps(
    server: FakeEndpoint, fault: str, expected: type[EmbedError]
) -> None:
    embedder = openai(server)
    embedder.embed_documents(TEXTS)
    server.fail(fault, seconds=0.01)
    began = time.monotonic()

    with pytest.raises(EmbedError) as caught:
        embedder.embed_documents(TEXTS)

    assert type(caught.value) is expected
    assert f"127.0.0.1:{server.port}" in caught.value.what
    assert time.monotonic() - began < 2
    assert np.array_equal(embedder.embed_documents(TEXTS), [server.vector(text) for text in TEXTS])


def test_numbers_may_be_written_as_text(server: FakeEndpoint) -> None:
    server.fail("texts")

    assert np.array_equal(openai(server).embed_documents(TEXTS), [server.vector(text) for text in TEXTS])


def test_a_dead_host_is_transient_and_named(server: FakeEndpoint) -> None:
    with pytest.raises(TransientFailure, match=r"127\.0\.0\.1:1 gave no answer: .*refused"):
        openai(server, url="http://127.0.0.1:1/v1").embed_documents(TEXTS)


def test_a_failure_met_while_handling_another_names_its_own_cause(server: FakeEndpoint) -> None:
    server.fail("bad-request")
    embedder, dead = openai(server), openai(server, url="http://127.0.0.1:1/v1")
    try:
        embedder.embed_documents(TEXTS)
    except RowsRefused:
        with pytest.raises(TransientFailure, match=r"gave no answer: Connection refused\."):
            dead.embed_documents(TEXTS)


def test_a_redirect_is_not_followed_and_the_key_stays_here(server: FakeEndpoint) -> None:
    with FakeEndpoint(dim=8) as elsewhere:
        server.fail("redirect", location=f"{elsewhere.url}/embeddings")
        with pytest.raises(WrongTarget, match="redirects"):
            openai(server).embed_documents(TEXTS)

        assert elsewhere.seen.requests == 0


def test_an_endpoint_without_a_key_gets_no_authorization(
    server: FakeEndpoint, monkeypatch: pytest.MonkeyPatch, own_environment: object
) -> None:
    server.change(key="")
    netrc = str(own_environment) + "/.netrc"
    with open(netrc, "w", encoding="utf-8") as file:  # noqa: PTH123 - one line of set-up
        file.write("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", netrc)
    openai(server, key="").embed_documents(TEXTS)

    assert "Authorization" not in server.seen.headers[-1]


def test_a_key_that_an_answer_repeats_is_in_no_message(server: FakeEndpoint) -> None:
    with pytest.raises(CredentialsRefused) as caught:
        openai(server, key="sk-wrong-9876543210").embed_documents(TEXTS)

    assert "sk-wrong" not in caught.value.line()
    assert "sk-wrong" not in repr(Endpoint(server.url, "sk-wrong-9876543210"))


def test_a_proxy_of_the_environment_never_sees_loopback(server: FakeEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")

    assert len(openai(server).embed_documents(TEXTS)) == 3


def test_a_connection_is_used_again(server: FakeEndpoint) -> None:
    server.fail("server-error")
    embedder = openai(server)
    with pytest.raises(TransientFailure):
        embedder.embed_documents(TEXTS)
    embedder.embed_documents(TEXTS)
    embedder.embed_documents(TEXTS)

    assert len(server.seen.connections) == 1


def test_several_threads_share_one_embedder(server: FakeEndpoint) -> None:
    server.change(latency=0.05)
    embedder = openai(server)
    threads = [threading.Thread(target=embedder.embed_documents, args=([f"text {n}"],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert server.seen.most_in_flight > 1
    assert embedder.meter.spent.texts_sent == 4


def test_a_text_that_is_not_unicode_is_refused_before_it_is_sent(server: FakeEndpoint) -> None:
    with pytest.raises(RowsRefused, match="not valid Unicode"):
        openai(server).embed_documents(["good", "bad \udc80"])
    assert server.seen.requests == 0


def test_an_outage_costs_one_request_a_call(server: FakeEndpoint) -> None:
    server.fail("unavailable", times=FOREVER)
    embedder = openai(server)
    with pytest.raises(TransientFailure):
        embedder.embed_documents(TEXTS)

    assert server.seen.requests == embedder.meter.spent.requests == 1


@pytest.mark.parametrize("told", [10**9 + 1, 2**62, 10**20, -1, True, "7", None])
def test_a_count_that_no_request_can_have_is_none(told: object) -> None:
    assert count_of(told) == 0


def test_a_key_that_a_server_puts_into_its_answer_is_not_shown(server: FakeEndpoint) -> None:
    server.fail("echo")

    with pytest.raises(AnswerViolation) as caught:
        openai(server).embed_documents(TEXTS)
    assert KEY not in caught.value.line()
    assert len(caught.value.line()) < 500


def test_another_width_than_before_names_the_server_and_the_way_out(server: FakeEndpoint) -> None:
    embedder = openai(server)
    embedder.embed_documents(TEXTS)
    server.change(dim=7)

    with pytest.raises(WrongTarget) as caught:
        embedder.embed_documents(TEXTS)
    assert f"127.0.0.1:{server.port}" in caught.value.what
    assert "--retarget" in caught.value.tip


FOREIGN = {
    "a page": (b"<!doctype html><title>New API</title>", "text/html; charset=utf-8"),
    "words": (b"\xef\xbb\xbf pong", "text/plain"),
    "a table without vectors": (b'{"status": "ok"}', "application/json"),
    "vectors in lists": (b'{"data": [{"index": 0, "embedding": [[0.5, 0.5]]}]}', "application/json"),
    "another server's list": (b'[{"index": 0, "embedding": [[0.5, 0.5]]}]', "application/json"),
    "an echo of the key": (f"who is {KEY}?".encode(), "text/plain"),
}


@pytest.mark.parametrize("kind", sorted(FOREIGN))
def test_what_came_instead_of_vectors_is_shown_with_its_address_and_not_asked_for_again(kind: str) -> None:
    body, content_type = FOREIGN[kind]
    with RawEndpoint(same(whole(body, f"Content-Type: {content_type}"))) as server:
        base = server.url.removesuffix("/v1")
        asked = HttpEmbedder(TARGET, OpenAiDialect("fake"), Endpoint(base, KEY), max_batch=9, limiter=Unlimited(4))
        retrying = RetryingEmbedder(asked, stop=threading.Event(), retry_policy=RetryPolicy(retry_for=60))
        with pytest.raises(ForeignAnswer) as caught:
            retrying.embed_documents(["first"])

    line = caught.value.line()
    assert f"What came from {base}/embeddings is {content_type} and begins: " in line
    assert body.decode("utf-8-sig").strip().replace(KEY, "***") in line
    assert "Does [embeddings].base_url need /v1 at its end?" in line
    assert len(server.heads) == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le"])
def test_an_answer_is_read_in_the_encoding_that_it_shows(encoding: str) -> None:
    truth = whole('{"data": [{"index": 0, "embedding": [0.5, 0.5]}]}'.encode(encoding))
    with RawEndpoint(same(truth)) as server:
        asked = HttpEmbedder(TARGET, OpenAiDialect("fake"), Endpoint(server.url), max_batch=9, limiter=Unlimited(4))

        assert asked.embed_documents(["first"]).tolist() == [[0.5, 0.5]]


def test_an_empty_answer_is_told_to_be_one_and_asked_for_again() -> None:
    with RawEndpoint(same(whole(b" "))) as server:
        asked = HttpEmbedder(TARGET, OpenAiDialect("fake"), Endpoint(server.url), max_batch=9, limiter=Unlimited(4))
        with pytest.raises(AnswerViolation, match="it is empty") as caught:
            asked.embed_documents(["first"])

    assert not isinstance(caught.value, ForeignAnswer)


def test_a_page_between_answers_is_a_broken_answer_that_may_be_over_soon() -> None:
    truth = whole(b'{"data": [{"index": 0, "embedding": [0.5, 0.5]}]}')
    answers = iter([truth, whole(b"<html>down for maintenance</html>", "Content-Type: text/html"), truth])
    with RawEndpoint(lambda _head, _body: [next(answers)]) as server:
        asked = HttpEmbedder(TARGET, OpenAiDialect("fake"), Endpoint(server.url), max_batch=9, limiter=Unlimited(4))
        asked.embed_documents(["first"])
        with pytest.raises(AnswerViolation, match="down for maintenance") as caught:
            asked.embed_documents(["first"])

        assert not isinstance(caught.value, ForeignAnswer)
        assert asked.embed_documents(["first"]).shape == (1, 2)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"error": {"code": 429, "message": "slow down"}}', RateLimited),
        (b'{"error": {"code": "401", "message": "who?"}}', CredentialsRefused),
        (b'{"error": "this model does not support embeddings"}', WrongTarget),
        (b'{"error": "input is too long"}', RowsRefused),
        (b'{"error": "Unauthorized"}', CredentialsRefused),
        (b'{"error": {"message": "401 Unauthorized"}}', CredentialsRefused),
        (b'{"error": {"message": "No.", "type": "unauthorized"}}', CredentialsRefused),
        (b'{"errors": [{"message": "Authentication required"}]}', CredentialsRefused),
        (b'{"message": "Unauthorized"}', CredentialsRefused),
        (b'{"detail": "Unauthorized: the token is over"}', CredentialsRefused),
        (b'{"detail": "Not authenticated"}', CredentialsRefused),
        (b'{"message": "Incorrect API key provided: sk-x."}', CredentialsRefused),
        (b'{"code": "unauthorized", "message": "who?"}', CredentialsRefused),
        (b'{"code": 401, "msg": "who?"}', CredentialsRefused),
        (b'{"statusCode": 403, "message": "no"}', CredentialsRefused),
        (b'{"error": "Forbidden"}', CredentialsRefused),
        (b'{"error": "Payment Required"}', QuotaExhausted),
        (b'{"message": "Your account balance is insufficient"}', QuotaExhausted),
        (b'{"error": "Too Many Requests"}', RateLimited),
        (b'{"error": "Service Unavailable"}', TransientFailure),
        (b'{"error": "HTTP 502 Bad Gateway"}', Breakdown),
        (b'{"error": {"code": "internal_server_error"}}', Breakdown),
        (b'{"detail": "Not Found"}', WrongTarget),
        (b'{"message": "welcome"}', ForeignAnswer),
        (b'{"error": "500 tokens were too much for me"}', AnswerViolation),
        (b'{"error": "something broke"}', AnswerViolation),
        (b'{"base_resp": {"status_code": 1039, "status_msg": "rate limit"}, "vectors": null}', RateLimited),
        (b'{"error_code": 17, "error_msg": "something else"}', AnswerViolation),
        (b'{"object": "error", "message": "the model x does not exist", "code": 404}', WrongTarget),
        (b'\xef\xbb\xbf{"error": "Unexpected endpoint or method. (POST /embeddings)"}', WrongTarget),
    ],
)
def test_an_error_that_comes_with_200_is_read_like_any_other(body: bytes, expected: type[EmbedError]) -> None:
    with RawEndpoint(same(whole(body))) as server:
        asked = HttpEmbedder(TARGET, OpenAiDialect("fake"), Endpoint(server.url), max_batch=9, limiter=Unlimited(4))
        with pytest.raises(EmbedError) as caught:
            asked.embed_documents(["first"])

    assert type(caught.value) is expected


def test_an_error_beside_vectors_is_none() -> None:
    body = b'{"error": {"code": 500, "message": "x"}, "data": [{"index": 0, "embedding": [0.5, 0.5]}]}'
    with RawEndpoint(same(whole(body))) as server:
        asked = HttpEmbedder(TARGET, OpenAiDialect("fake"), Endpoint(server.url), max_batch=9, limiter=Unlimited(4))

        assert asked.embed_documents(["first"]).shape == (1, 2)


def test_a_width_is_refused_only_while_no_answer_had_it(server: FakeEndpoint) -> None:
    server.change(words="dimensions of the text: too many")
    embedder = openai(server, dim=4)
    server.fail("told-400")
    with pytest.raises(WrongTarget, match="does not take a width"):
        embedder.embed_documents(TEXTS)
    embedder.embed_documents(TEXTS)
    server.fail("told-400")
    with pytest.raises(RowsRefused):
        embedder.embed_documents(TEXTS)


@pytest.mark.parametrize(("length", "passes"), [(1e-4, False), (1e-2, True), (9_000, True), (2e4, False)])
def test_a_length_that_no_model_gives_is_refused(length: float, *, passes: bool) -> None:
    body = f'{{"data": [{{"index": 0, "embedding": [{length}, 0.0]}}]}}'.encode()
    with RawEndpoint(same(whole(body))) as server:
        asked = HttpEmbedder(TARGET, OpenAiDialect("fake"), Endpoint(server.url), max_batch=9, limiter=Unlimited(4))
        if passes:
            assert asked.embed_documents(["first"]).shape == (1, 2)
            return
        with pytest.raises(AnswerViolation, match=r"has a length outside of 0\.001 to 10,000"):
            asked.embed_documents(["first"])


def test_an_error_nested_without_end_is_one_clear_error(server: FakeEndpoint) -> None:
    embedder = openai(server)
    embedder.embed_documents(TEXTS)
    server.fail("nested")

    with pytest.raises(RowsRefused):
        embedder.embed_documents(TEXTS)
