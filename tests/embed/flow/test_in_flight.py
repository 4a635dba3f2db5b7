"""How many requests are in flight where nobody says, against a real server that counts them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from ai_memory.config.embedding import resolve
from ai_memory.config.file import Table
from ai_memory.embed.assemble import assemble
from ai_memory.embed.flow.level import START
from ai_memory.embed.flow.splitting import SplittingEmbedder
from ai_memory.embed.stack.remote import HTTP_CONCURRENCY
from ai_memory.embed.terms import Terms
from tests.support.command import remote
from tests.support.fake_endpoint import FakeEndpoint


def asked(endpoint: FakeEndpoint, requests: int) -> SplittingEmbedder:
    """Return an embedder that sent so many requests, as many side by side as it let pass."""
    embedder = assemble(resolve(Table(), remote(endpoint)), Terms())
    assert embedder.concurrency == START
    with ThreadPoolExecutor(2 * HTTP_CONCURRENCY) as threads:
        list(threads.map(lambda number: embedder.embed_documents([f"{number}", "other"]), range(requests)))
    embedder.close()
    return embedder


def test_a_server_that_answers_all_side_by_side_has_more_requests_in_flight_with_the_answers() -> None:
    with FakeEndpoint(latency=0.1) as endpoint:
        embedder = asked(endpoint, 300)

    assert embedder.concurrency > 2 * START
    assert 2 * START < endpoint.seen.most_in_flight <= HTTP_CONCURRENCY


def test_a_server_that_works_on_one_request_after_the_other_is_not_sent_more_than_it_queues() -> None:
    with FakeEndpoint(latency=0.02, places=1) as endpoint:
        embedder = asked(endpoint, 200)

    assert embedder.concurrency < HTTP_CONCURRENCY // 2
    assert endpoint.seen.most_in_flight < HTTP_CONCURRENCY // 2
