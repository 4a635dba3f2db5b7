"""Workers beside each other: whatever they are, they get the frozen settings alone and give back the same vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from ai_memory.config.embedding import EmbeddingSettings, resolve
from ai_memory.config.file import Table
from ai_memory.embed.assemble import assemble, in_turn
from ai_memory.embed.pools.threads import ThreadPool
from ai_memory.embed.port import ONE_ATTEMPT, Pool, ResilientEmbedder, TokenLimit
from ai_memory.embed.terms import Terms
from ai_memory.embed.usage import Usage
from ai_memory.errors import EmbedError, RowsRefused, WrongTarget
from ai_memory.vectors.target import Vectors
from ai_memory.vectors.witness import WITNESS_TEXTS
from tests.embed.processes import ProcessPool, embedded
from tests.support.command import remote
from tests.support.fake_endpoint import FakeEndpoint

TEXTS = (*(f"text {number}" for number in range(40)), "", "Zürich 東京\0")
TERMS = Terms(ONE_ATTEMPT, concurrency=2, limit=TokenLimit(100_000), batch=16)


@dataclass(frozen=True, slots=True)
class Told:
    """What a worker gives back: vectors, what they cost, and what was learned on the way."""

    vectors: Vectors
    usage: Usage
    learned: Mapping[str, int]


def told(embedder: ResilientEmbedder, texts: Sequence[str]) -> Told:
    vectors = embedder.embed_documents(texts)
    return Told(vectors, embedder.meter.spent, embedder.learned())


def each(embedder: ResilientEmbedder, texts: Sequence[str]) -> list[Vectors | EmbedError]:
    return list(embedder.each(texts))


Ask = Callable[[ResilientEmbedder, Sequence[str]], object]
MakePool = Callable[[EmbeddingSettings, Ask], Pool[Sequence[str], object]]


def threads(settings: EmbeddingSettings, ask: Ask) -> Pool[Sequence[str], object]:
    return ThreadPool(assemble(settings, TERMS), ask, threads=4)


def processes(settings: EmbeddingSettings, ask: Ask) -> Pool[Sequence[str], object]:
    return ProcessPool(settings, TERMS, ask)


def calling_thread(settings: EmbeddingSettings, ask: Ask) -> Pool[Sequence[str], object]:
    return in_turn(assemble(settings, TERMS), ask)


@pytest.fixture(params=[threads, processes, calling_thread], ids=["threads", "processes", "calling thread"])
def make(request: pytest.FixtureRequest) -> Iterator[MakePool]:
    pools: list[Pool[Sequence[str], object]] = []

    def made(settings: EmbeddingSettings, ask: Ask) -> Pool[Sequence[str], object]:
        pools.append(request.param(settings, ask))
        return pools[-1]

    yield made
    for pool in pools:
        pool.close()


def at(endpoint: FakeEndpoint, backend: str = "openai-compatible") -> EmbeddingSettings:
    urls = {"openai-compatible": endpoint.url, "ollama": endpoint.ollama_url}
    environ = {"AI_MEMORY_EMBED_BACKEND": backend, "AI_MEMORY_EMBED_BASE_URL": urls[backend]}
    return resolve(Table(), {**remote(endpoint), **environ})


@pytest.mark.parametrize("backend", ["openai-compatible", "ollama"])
def test_a_worker_gets_byte_for_byte_the_vectors_of_the_parent(make: MakePool, backend: str) -> None:
    with FakeEndpoint(max_inputs=12) as endpoint:
        settings = at(endpoint, backend)
        with closing(assemble(settings, TERMS)) as own:
            expected = told(own, TEXTS)
        found = make(settings, told).submit(TEXTS).result(timeout=120)

    assert isinstance(found, Told)
    assert found.vectors.tobytes() == expected.vectors.tobytes()
    assert found.vectors.dtype == np.float32
    assert found.vectors.shape == (len(TEXTS), 16)
    # But for the time that it took.
    usage = replace(found.usage, asking=expected.usage.asking)
    assert (usage, found.learned) == (expected.usage, expected.learned)
    assert found.learned["inputs"] <= 12


def test_a_worker_loads_a_local_model_of_its_own(make: MakePool, tiny_model: Path) -> None:
    table = {"backend": "local", "model_path": str(tiny_model), "device": "cpu"}
    settings = resolve(Table(values={"embeddings": table}), {})
    expected = assemble(settings, TERMS).embed_documents(TEXTS)

    found = make(settings, embedded).submit(TEXTS).result(timeout=240)

    assert isinstance(found, np.ndarray)
    assert found.tobytes() == expected.tobytes()


def test_the_witness_is_asked_of_every_worker(make: MakePool, endpoint: FakeEndpoint) -> None:
    pool = make(at(endpoint), embedded)
    answers = [each.result(timeout=120) for each in pool.witness(WITNESS_TEXTS)]

    workers = pool.capacity if isinstance(pool, ProcessPool) else 1
    assert len(answers) == workers
    assert endpoint.seen.texts == dict.fromkeys(WITNESS_TEXTS, workers) | {WITNESS_TEXTS[0]: 2 * workers}
    for answer in answers:
        assert isinstance(answer, np.ndarray)
        assert np.array_equal(answer, [endpoint.vector(text) for text in WITNESS_TEXTS])


def test_an_error_of_a_worker_comes_back_as_it_was_raised(make: MakePool, endpoint: FakeEndpoint) -> None:
    settings = resolve(Table(), {**remote(endpoint), "AI_MEMORY_EMBED_MODEL": "another"})
    answer = make(settings, embedded).submit(TEXTS).exception(timeout=120)

    assert type(answer) is WrongTarget
    assert (answer.http_status, answer.exit_code) == (404, 78)
    assert "another" in answer.line()
    assert answer.tip


def test_an_outcome_that_is_an_error_comes_back_among_the_vectors(make: MakePool) -> None:
    with FakeEndpoint(poison="bad") as endpoint:
        found = make(at(endpoint), each).submit(["good", "bad", "better"]).result(timeout=120)

    assert isinstance(found, list)
    good, bad, better = found
    assert np.array_equal([good, better], [endpoint.vector("good"), endpoint.vector("better")])
    assert isinstance(bad, RowsRefused)
    assert bad.http_status == 400


def test_a_closed_pool_takes_no_work_and_closes_again(make: MakePool, endpoint: FakeEndpoint) -> None:
    pool = make(at(endpoint), embedded)
    pool.submit(TEXTS).result(timeout=120)
    pool.close()
    pool.close()

    assert pool.capacity >= 1
    with pytest.raises(RuntimeError):
        pool.submit(TEXTS)
