"""The embedder as commands get it, against a real endpoint."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from ai_memory.config_file import Table
from ai_memory.embed.chain import assemble
from ai_memory.embed.divide import DividedEmbedder
from ai_memory.embedding_settings import resolve
from tests.command import remote
from tests.fake_endpoint import FakeEndpoint

TEXTS = [f"text {number}" for number in range(40)]


def assembled(endpoint: FakeEndpoint, *, concurrency: int | None = None) -> DividedEmbedder:
    settings = resolve(Table(), remote(endpoint))
    return assemble(settings, stop=threading.Event(), concurrency=concurrency)


@pytest.mark.parametrize(("concurrency", "expected"), [(None, 2), (5, 5)])
def test_requests_in_flight_are_those_asked_for_else_found_by_trial(concurrency: int | None, expected: int) -> None:
    with FakeEndpoint() as endpoint:
        assert assembled(endpoint, concurrency=concurrency).concurrency == expected


def test_each_request_of_a_divided_batch_is_retried_by_itself() -> None:
    with FakeEndpoint(max_inputs=16) as endpoint:
        embedder = assembled(endpoint)
        embedder.embed_documents(TEXTS[:2])
        endpoint.seen.bodies.clear()
        endpoint.fail("none", times=2)
        endpoint.fail("server-error")

        found = embedder.embed_documents(TEXTS)

        assert np.array_equal(found, [endpoint.vector(text) for text in TEXTS])
        assert [len(body["input"]) for body in endpoint.seen.bodies] == [40, 16, 16, 16, 8]


def test_a_rate_refusal_is_waited_for_by_everyone() -> None:
    with FakeEndpoint() as endpoint:
        embedder = assembled(endpoint, concurrency=4)
        endpoint.fail("rate", seconds=0.5)
        threads = [threading.Thread(target=embedder.embed_query, args=(text,)) for text in TEXTS[:4]]
        threads[0].start()
        while not endpoint.seen.requests:
            threads[0].join(0.01)
        threads[0].join(0.1)
        for thread in threads[1:]:
            thread.start()
        for thread in threads:
            thread.join()

        first, *others = endpoint.seen.at
        assert len(others) == 4
        assert min(others) - first >= 0.45
