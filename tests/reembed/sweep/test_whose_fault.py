"""When a request fails: is it a row's fault, the batch's size, or the endpoint's? Of a real server, without waits."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, log2

import pytest

from ai_memory.embed.documents import embed_documents
from ai_memory.embed.flow.documented import DocumentedLimits
from ai_memory.embed.flow.limiter import Unlimited
from ai_memory.embed.flow.splitting import SplittingEmbedder
from ai_memory.embed.http.embedder import HttpEmbedder
from ai_memory.embed.http.openai import OpenAiDialect
from ai_memory.embed.http.transport import Endpoint
from ai_memory.embed.outcomes import Outcome, Refused, Unanswered
from ai_memory.embed.port import RetryPolicy
from ai_memory.errors import AiMemoryError, AnswerViolation
from ai_memory.memory.document import source_hash
from ai_memory.memory.freshness import Document
from ai_memory.vectors.target import Target
from ai_memory.vectors.witness import WITNESS_TEXTS
from tests.embed.flow.passing_time import PassingTime
from tests.support.fake_endpoint import FOREVER, FakeEndpoint
from tests.support.fakes import patient

ROWS, BATCH = 100, 20
TARGET = Target(space="fake#none", dim=16, backend="openai-compatible", model="fake")


@pytest.fixture
def server() -> Iterator[FakeEndpoint]:
    with FakeEndpoint() as endpoint:
        yield endpoint


def embedder(server: FakeEndpoint, *, batch: int = BATCH) -> SplittingEmbedder:
    """Return an embedder of which a request has passed, as after the probe."""
    time = PassingTime()
    inner = HttpEmbedder(TARGET, OpenAiDialect("fake", 0), Endpoint(server.url), max_batch=batch, limiter=Unlimited(1))
    found = patient(
        inner,
        retry_policy=RetryPolicy(retry_for=20),
        limits=DocumentedLimits(inputs=batch),
        clock=time.clock,
        sleep=time.sleep,
    )
    found.embed_documents(WITNESS_TEXTS[1:2])
    server.seen.bodies.clear()
    return found


def documents(*poison: int) -> list[Document]:
    texts = [f"{'POISON ' if number in poison else ''}text {number}" for number in range(ROWS)]
    return [
        Document(f"id-{number}", "a", "", text, text, source_hash(text), len(text)) for number, text in enumerate(texts)
    ]


def in_pages(asked: SplittingEmbedder, rows: list[Document]) -> list[Outcome]:
    return [each for start in range(0, ROWS, BATCH) for each in embed_documents(asked, rows[start : start + BATCH])]


def of(found: list[Outcome], kind: type[Refused | Unanswered]) -> list[str]:
    return [each.document.id for each in found if isinstance(each, kind)]


def sizes(server: FakeEndpoint) -> list[int]:
    return [len(body["input"]) for body in server.seen.bodies]


REFUSING = [
    {"poison_fault": "bad-request"},
    {"poison_fault": "too-large"},
    {"poison_fault": "forbidden"},
    {"poison_fault": "not-acceptable"},
    {"poison_fault": "no-model"},
    {"poison_number": "nan"},
    {"poison_number": "inf"},
    {"poison_number": "0"},
]


@pytest.mark.parametrize("how", REFUSING, ids=lambda how: "-".join(how.values()))
@pytest.mark.parametrize("row", [0, 57])
def test_a_text_that_gets_no_vector_harms_only_its_row_and_costs_few_requests(
    server: FakeEndpoint, how: dict[str, str], row: int
) -> None:
    server.change(poison="POISON", **how)

    found = in_pages(embedder(server), documents(row))

    assert (of(found, Refused), of(found, Unanswered)) == ([f"id-{row}"], [])
    # With a 404 the endpoint is suspected before the text is.
    assert len(sizes(server)) <= ROWS // BATCH + 2 * ceil(log2(BATCH)) + 2 + (how.get("poison_fault") == "no-model")


@pytest.mark.parametrize("how", REFUSING, ids=lambda how: "-".join(how.values()))
@pytest.mark.parametrize("batch", [1, BATCH])
def test_two_such_texts_are_both_named_whatever_the_batch(
    server: FakeEndpoint, how: dict[str, str], batch: int
) -> None:
    server.change(poison="POISON", **how)

    assert of(in_pages(embedder(server, batch=batch), documents(41, 42)), Refused) == ["id-41", "id-42"]


@pytest.mark.parametrize("how", REFUSING, ids=lambda how: "-".join(how.values()))
def test_a_whole_page_of_such_texts_is_named_too(server: FakeEndpoint, how: dict[str, str]) -> None:
    server.change(poison="POISON", **how)

    found = in_pages(embedder(server), documents(*range(20, 40)))

    assert of(found, Refused) == [f"id-{number}" for number in range(20, 40)]


@pytest.mark.parametrize("fault", ["server-error", "dependency", "crashed", "close", "reset"])
def test_a_text_over_which_the_server_breaks_down_is_left_and_all_others_are_done(
    server: FakeEndpoint, fault: str
) -> None:
    server.change(poison="POISON", poison_fault=fault)

    found = in_pages(embedder(server), documents(57))

    assert (of(found, Refused), of(found, Unanswered)) == ([], ["id-57"])


@pytest.mark.parametrize("fault", ["dependency", "server-error", "too-large", "bad-request", "first-only", "close"])
@pytest.mark.parametrize("most", [1, 2, 7])
def test_a_size_that_the_endpoint_does_not_take_is_learned_whatever_it_says(
    server: FakeEndpoint, fault: str, most: int
) -> None:
    server.change(max_inputs=most, inputs_fault=fault)
    asked = embedder(server)

    found = in_pages(asked, documents())

    assert of(found, Refused) == of(found, Unanswered) == []
    assert asked.learned()["inputs"] <= most
    assert all(size <= most for size in sizes(server)[-ROWS // 2 // most :])


def test_a_text_too_large_by_itself_makes_no_later_request_smaller(server: FakeEndpoint) -> None:
    server.change(poison="POISON", poison_fault="too-large")
    asked = embedder(server)

    in_pages(asked, documents(3, 47))

    assert asked.learned() == {}
    assert sizes(server)[-1] == BATCH


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("forbidden", 77),
        ("unauthorized", 77),
        ("no-model", 78),
        ("not-acceptable", 78),
        ("bad-request", 69),
        ("too-large", 69),
        ("short", 69),
        ("server-error", 75),
        ("crashed", 75),
        ("dependency", 75),
        ("close", 75),
    ],
)
def test_what_every_text_meets_blames_no_row(server: FakeEndpoint, fault: str, code: int) -> None:
    asked = embedder(server)
    server.fail(fault, times=FOREVER)

    with pytest.raises(AiMemoryError) as caught:
        in_pages(asked, documents())

    assert caught.value.exit_code == code
    assert len(sizes(server)) < 50


def test_vectors_that_are_broken_for_every_text_are_the_endpoints_fault(server: FakeEndpoint) -> None:
    asked = embedder(server)
    server.change(poison="", poison_number="nan")

    with pytest.raises(AnswerViolation, match="holds NaN"):
        in_pages(asked, documents())


def test_vectors_that_are_broken_from_so_many_inputs_on_are_asked_for_in_smaller_requests(server: FakeEndpoint) -> None:
    asked = embedder(server)
    server.change(max_inputs=6, inputs_fault="null-beyond")

    found = in_pages(asked, documents())

    assert of(found, Refused) == of(found, Unanswered) == []
    assert asked.learned()["inputs"] <= BATCH // 2
