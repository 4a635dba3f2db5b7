"""Actors of a Ray of our own that each load a model: what a run relies on where one dies, or the Ray with them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ai_memory.embed.awaited import Awaited
from ai_memory.embed.documents import embed_documents
from ai_memory.embed.outcomes import Embedded, Refused
from ai_memory.embed.pools.channel import Begin
from ai_memory.embed.pools.crew import Model
from ai_memory.embed.pools.ray.cluster import Cluster
from ai_memory.embed.pools.spread import SpreadEmbedder
from ai_memory.embed.port import LOCAL_RAY, Embedder, RetryPolicy
from ai_memory.errors import EmbedderInitFailed, TransientFailure
from ai_memory.memory.freshness import Document
from ai_memory.vectors.target import Vectors
from ai_memory.vectors.witness import WITNESS_TEXTS
from tests.embed.worker_models import BUG, DEADLY, HELD, TARGET, OfOdd, odd, unloadable
from tests.support.command import wait_for
from tests.support.fakes import HashEmbedder, patient
from tests.support.processes import below, runs

TEXTS = [f"text {number}" for number in range(20)]
WITNESS = len(WITNESS_TEXTS)
pytest.importorskip("ray", reason="Ray is not installed: pip install ray[client]")


@pytest.fixture(scope="module")
def own_ray() -> Iterator[Cluster]:
    """One Ray for all tests of this module; it takes seconds to start."""
    cluster = Cluster(LOCAL_RAY, 4, Awaited(), lambda _: None)
    with closing(cluster):
        yield cluster


@dataclass
class Crew(OfOdd):
    """Actors of one odd model; `folder` is theirs, and `told` what they and their end have told."""

    cluster: Cluster
    folder: Path
    many: int = 2
    model: Callable[[Path, Callable[[str], None]], Embedder] = odd
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        begin = Begin(partial(self.model, self.folder), at_once=3)
        crew = self.cluster.crew(self.many, Model(lambda: begin, begin.at_once, 64, lambda: None), self.told.append)
        # The Ray is that of all tests.
        self.embedder = SpreadEmbedder(TARGET, replace(crew, end=lambda: None), Awaited(), self.told.append)


@pytest.fixture
def crew(own_ray: Cluster, tmp_path: Path) -> Iterator[Crew]:
    made = Crew(own_ray, tmp_path)
    yield made
    made.go()
    made.embedder.close()


def document(text: str) -> Document:
    return Document(text, "a", "", text, text, text.encode(), len(text))


def right(texts: Sequence[str], found: Vectors) -> bool:
    return np.array_equal(found, HashEmbedder(model="first").embed_documents(texts))


def test_vectors_are_those_of_the_model_and_what_they_cost_is_counted(crew: Crew) -> None:
    assert right(TEXTS, crew.embedder.embed_documents(TEXTS))
    assert right(TEXTS[:1], crew.embedder.embed_query(TEXTS[0])[np.newaxis])

    spent = crew.embedder.meter.spent
    assert (spent.requests, spent.texts_sent) == (3, WITNESS + len(TEXTS) + 1)
    assert spent.unreported_bytes == sum(len(text.encode()) for text in (*WITNESS_TEXTS, *TEXTS, TEXTS[0]))
    assert crew.embedder.target.engine.endswith("in 2 workers")


def test_a_batch_whose_actor_is_killed_fails_as_what_may_succeed_later_and_does(crew: Crew) -> None:
    texts = [HELD, *TEXTS]
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(crew.embedder.embed_documents, texts)
        wait_for(crew.held, seconds=60)
        os.kill(crew.held()[0], signal.SIGKILL)
        with pytest.raises(TransientFailure, match="the worker that embeds ended unexpectedly over 21 texts"):
            answer.result(timeout=60)
    crew.go()

    assert right(texts, crew.embedder.embed_documents(texts))
    # Twice, as they were sent twice, and so was the witness.
    assert crew.embedder.meter.spent.texts_sent == 2 * (WITNESS + len(texts))
    assert [text for text in crew.told if "ended" in text] == [
        "A worker that embeds ended unexpectedly; another one takes its place."
    ]


def test_a_text_over_which_actors_die_goes_into_quarantine_and_takes_no_other_with_it(crew: Crew) -> None:
    documents = [document(text) for text in (*TEXTS[:2], f"a {DEADLY} text", TEXTS[2])]
    retrying = patient(crew.embedder, retry_policy=RetryPolicy(), sleep=lambda _: None)

    outcomes = embed_documents(retrying, documents)

    refused = [each for each in outcomes if isinstance(each, Refused)]
    assert [each.document.id for each in refused] == [f"a {DEADLY} text"]
    assert "the worker that embeds ended each time it had 1 text" in refused[0].reason.message
    embedded = [each for each in outcomes if isinstance(each, Embedded)]
    assert right([each.document.id for each in embedded], np.stack([each.vector for each in embedded]))


def test_each_actor_can_be_asked_by_itself(crew: Crew) -> None:
    def asked_of(number: int) -> Vectors:
        with crew.embedder.only(number):
            return crew.embedder.embed_documents([HELD])

    with ThreadPoolExecutor(2) as threads:
        answers = [threads.submit(asked_of, number) for number in range(2)]
        wait_for(lambda: len(crew.held()) == 2, seconds=60)
        crew.go()
        assert all(right([HELD], each.result(timeout=60)) for each in answers)


def test_a_bug_in_an_actor_keeps_its_traceback_and_blames_no_text(crew: Crew) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)in a worker process:.*worker_models.py.*ZeroDivisionError"):
        crew.embedder.embed_documents([BUG])


def no_model(folder: Path, tell: Callable[[str], None]) -> Embedder:
    del folder
    return unloadable(tell)


def test_a_model_that_cannot_be_loaded_is_told_as_in_this_process(own_ray: Cluster, tmp_path: Path) -> None:
    crew = Crew(own_ray, tmp_path, model=no_model)
    with closing(crew.embedder), pytest.raises(EmbedderInitFailed, match="not whole") as caught:
        crew.embedder.embed_documents(TEXTS)
    assert caught.value.tip == "Get it again."


def test_a_ray_that_is_killed_under_its_actors_is_started_anew_and_blames_no_text(crew: Crew) -> None:
    texts = [HELD, *TEXTS]
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(crew.embedder.embed_documents, texts)
        wait_for(crew.held, seconds=60)
        [raylet] = [pid for pid, line in below(os.getpid()) if "raylet/raylet" in line]
        os.kill(raylet, signal.SIGKILL)
        with pytest.raises(TransientFailure, match="ended with the Ray that it belonged to over 21 texts"):
            answer.result(timeout=120)
    crew.go()

    assert right(texts, crew.embedder.embed_documents(texts))


def test_leaving_ends_our_own_ray_and_all_that_it_started_and_a_later_call_starts_one_anew(
    own_ray: Cluster, crew: Crew
) -> None:
    crew.embedder.embed_documents(TEXTS)
    started = [pid for pid, line in below(os.getpid()) if "ray" in line]
    assert started
    own_ray.close()
    own_ray.close()
    wait_for(lambda: not any(map(runs, started)), seconds=30)

    assert right(TEXTS, crew.embedder.embed_documents(TEXTS))


def test_where_no_cluster_answers_that_is_said() -> None:
    cluster = Cluster("ray://127.0.0.1:1", 1, Awaited(), lambda _: None)
    refused = r"no Ray cluster can be used at ray://127\.0\.0\.1:1: .*Connection refused"
    with closing(cluster), pytest.raises(EmbedderInitFailed, match=refused):
        cluster.joined()
