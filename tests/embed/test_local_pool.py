"""Processes that each load a model: what becomes of texts when one of them dies, and of one with other weights."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ai_memory.config.embedding import resolve
from ai_memory.config.file import Table
from ai_memory.embed.assemble import assemble, embedders, workplace
from ai_memory.embed.awaited import Awaited
from ai_memory.embed.documents import embed_documents
from ai_memory.embed.outcomes import Embedded, Refused
from ai_memory.embed.pools.channel import Begin
from ai_memory.embed.pools.local import processes
from ai_memory.embed.pools.spread import SpreadEmbedder
from ai_memory.embed.pools.spread_pool import SpreadPool
from ai_memory.embed.port import ONE_ATTEMPT, Embedder, Outcasts, ResilientEmbedder, RetryPolicy
from ai_memory.embed.terms import Terms, Ties
from ai_memory.errors import AiMemoryError, EmbedderInitFailed, TargetChanged, TransientFailure
from ai_memory.memory.freshness import Document
from ai_memory.vectors.target import Vectors
from ai_memory.vectors.witness import WITNESS_TEXTS
from tests.embed.worker_models import BUG, DEADLY, HELD, SLOW, TARGET, OfOdd, held_while_loading, odd, unloadable
from tests.support.command import wait_for
from tests.support.fakes import HashEmbedder, patient

TEXTS = [f"text {number}" for number in range(20)]
WITNESS = len(WITNESS_TEXTS)
MAX_BATCH = 64


@dataclass
class Crew(OfOdd):
    """Processes of one odd model; `folder` is theirs, and `told` what they and their end have told."""

    folder: Path
    processes: int = 2
    model: Callable[[Path, Callable[[str], None]], Embedder] = odd
    told: list[str] = field(default_factory=list)
    awaited: Awaited = field(default_factory=Awaited)

    def __post_init__(self) -> None:
        begin = Begin(partial(self.model, self.folder), at_once=3)
        tell = self.told.append
        crew = processes(self.processes, lambda: begin, self.awaited, tell, at_once=begin.at_once, max_batch=MAX_BATCH)
        self.embedder = SpreadEmbedder(TARGET, crew, self.awaited, tell)

    def change_weights(self) -> None:
        (self.folder / "weights").write_text("others", "utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    return tmp_path / "model"


@pytest.fixture
def crew(folder: Path) -> Iterator[Crew]:
    made = Crew(folder)
    yield made
    made.go()
    made.embedder.close()


def document(text: str) -> Document:
    return Document(text, "a", "", text, text, text.encode(), len(text))


def right(texts: Sequence[str], found: Vectors) -> bool:
    return np.array_equal(found, HashEmbedder(model="first").embed_documents(texts))


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_processes_start_when_they_are_needed_and_not_before(crew: Crew) -> None:
    assert crew.embedder.embed_documents([]).shape == (0, 16)
    assert crew.started() == []
    assert right(TEXTS, crew.embedder.embed_documents(TEXTS))
    assert right(TEXTS, crew.embedder.embed_documents(TEXTS))
    assert len(crew.started()) == 1

    with ThreadPoolExecutor(2) as threads:
        answers = [threads.submit(crew.embedder.embed_documents, [f"{HELD} {number}"]) for number in range(2)]
        wait_for(lambda: len(crew.held()) == 2)
        crew.go()
    assert all(right([f"{HELD} {number}"], each.result()) for number, each in enumerate(answers))
    assert sorted(crew.started()) == sorted(crew.held())


def test_vectors_are_those_of_the_model_and_what_they_cost_is_counted(crew: Crew) -> None:
    assert right(TEXTS, crew.embedder.embed_documents(TEXTS))
    assert right(TEXTS[:1], crew.embedder.embed_query(TEXTS[0])[np.newaxis])

    spent = crew.embedder.meter.spent
    assert (spent.requests, spent.texts_sent) == (3, WITNESS + len(TEXTS) + 1)
    assert spent.unreported_bytes == sum(len(text.encode()) for text in (*WITNESS_TEXTS, *TEXTS, TEXTS[0]))
    assert spent.seconds > 0
    assert crew.embedder.target.engine.endswith("in 2 processes")


def test_a_batch_whose_process_is_killed_fails_as_what_may_succeed_later_and_does(crew: Crew) -> None:
    texts = [HELD, *TEXTS]
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(crew.embedder.embed_documents, texts)
        wait_for(crew.held)
        os.kill(crew.held()[0], signal.SIGKILL)
        with pytest.raises(TransientFailure, match="ended by SIGKILL over 21 texts"):
            answer.result(timeout=60)
    crew.go()

    assert right(texts, crew.embedder.embed_documents(texts))
    # Twice, as they were sent twice, and so was the witness.
    assert crew.embedder.meter.spent.texts_sent == 2 * (WITNESS + len(texts))
    assert [text for text in crew.told if "ended" in text] == [
        "A process that embeds ended by SIGKILL; another one takes its place."
    ]


def test_who_retries_hears_nothing_of_a_killed_process(crew: Crew) -> None:
    retrying = patient(crew.embedder, retry_policy=RetryPolicy())
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(retrying.embed_documents, [HELD, *TEXTS])
        wait_for(crew.held)
        crew.go()
        os.kill(crew.held()[0], signal.SIGKILL)
        assert right([HELD, *TEXTS], answer.result(timeout=60))


def test_a_text_over_which_processes_die_goes_into_quarantine_and_takes_no_other_with_it(crew: Crew) -> None:
    documents = [document(text) for text in (*TEXTS[:5], f"a {DEADLY} text", *TEXTS[5:])]
    retrying = patient(crew.embedder, retry_policy=RetryPolicy(), sleep=lambda _: None)

    outcomes = embed_documents(retrying, documents)

    refused = [each for each in outcomes if isinstance(each, Refused)]
    assert [each.document.id for each in refused] == [f"a {DEADLY} text"]
    assert (
        "the process that embeds ended each time it had 1 text, the last time by SIGKILL" in refused[0].reason.message
    )
    embedded = [each for each in outcomes if isinstance(each, Embedded)]
    assert len(embedded) == len(TEXTS)
    assert right([each.document.id for each in embedded], np.stack([each.vector for each in embedded]))


def test_what_is_in_flight_beside_a_deadly_text_is_not_blamed(folder: Path) -> None:
    check_blame(folder)


def test_a_process_of_other_weights_is_found_out_before_it_embeds_a_text(folder: Path) -> None:
    check_weights(folder)


def check_workers(folder: Path) -> None:
    """Check what a mistake in the dealing with processes would break."""
    for number, check in enumerate((check_blame, check_weights)):
        own = folder / str(number)
        own.mkdir()
        check(own)


def check_blame(folder: Path) -> None:
    """A text that is in the one process when a deadly one ends it is embedded all the same."""
    crew, innocent = Crew(folder, processes=1), f"{HELD} {SLOW}"
    retrying = patient(crew.embedder, retry_policy=RetryPolicy(), sleep=lambda _: None)
    with closing(crew.embedder), ThreadPoolExecutor(2) as threads:
        good = threads.submit(error_of, retrying, [innocent])
        wait_for(crew.held)
        deadly = threads.submit(embed_documents, retrying, [document(DEADLY)])
        wait_for(lambda: is_gone(crew.started()[0]))
        crew.go()
        error, [refused] = good.result(timeout=60), deadly.result(timeout=60)
    assert error is None
    assert isinstance(refused, Refused)


def check_weights(folder: Path) -> None:
    """A process that finds other weights embeds no text, and ends."""
    crew = Crew(folder)
    crew.go()
    crew.embedder.embed_documents(TEXTS)
    crew.change_weights()
    os.kill(crew.started()[0], signal.SIGKILL)
    wait_for(lambda: is_gone(crew.started()[0]))

    retrying = patient(crew.embedder, retry_policy=RetryPolicy(), sleep=lambda _: None)
    with closing(crew.embedder):
        found = error_of(retrying, [HELD])
    assert isinstance(found, TargetChanged)
    assert "has other weights of first than were there before" in found.what
    assert len(crew.started()) == 2
    assert crew.held() == []
    assert is_gone(crew.started()[1])


def error_of(embedder: ResilientEmbedder, texts: Sequence[str]) -> AiMemoryError | None:
    try:
        embedder.embed_documents(texts)
    except AiMemoryError as error:
        return error
    return None


def test_the_witness_is_asked_of_every_process(crew: Crew) -> None:
    def held_by(embedder: ResilientEmbedder, texts: Sequence[str]) -> Vectors:
        return embedder.embed_documents(texts)

    with closing(SpreadPool(patient(crew.embedder), held_by, crew.embedder)) as pool:
        answers = pool.witness([HELD])
        wait_for(lambda: len(crew.held()) == 2)
        crew.go()
        assert all(right([HELD], each.result(timeout=60)) for each in answers)


def test_closing_ends_the_processes_and_a_later_call_starts_one_anew(crew: Crew) -> None:
    crew.embedder.embed_documents(TEXTS)
    crew.embedder.close()
    crew.embedder.close()
    assert all(is_gone(pid) for pid in crew.started())
    assert right(TEXTS, crew.embedder.embed_documents(TEXTS))


def test_breaking_off_ends_the_wait_for_a_process_that_does_not_answer(crew: Crew) -> None:
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(crew.embedder.embed_documents, [HELD])
        wait_for(crew.held)
        crew.awaited.break_off()
        with pytest.raises(TransientFailure, match="not waited for, because the run is stopping"):
            answer.result(timeout=60)
    wait_for(lambda: is_gone(crew.held()[0]))


def test_a_bug_in_a_process_keeps_its_traceback_and_blames_no_text(crew: Crew) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)in a worker process:.*worker_models.py.*ZeroDivisionError: bug"):
        crew.embedder.embed_documents([BUG])


def test_a_process_that_is_killed_while_it_loads_is_started_again(folder: Path) -> None:
    crew = Crew(folder, model=held_while_loading)
    retrying = patient(crew.embedder, retry_policy=RetryPolicy(), sleep=lambda _: None)
    with closing(crew.embedder), ThreadPoolExecutor(1) as thread:
        answer = thread.submit(retrying.embed_documents, TEXTS)
        wait_for(crew.held)
        os.kill(crew.held()[0], signal.SIGKILL)
        wait_for(lambda: len(crew.held()) == 2)
        crew.go()
        assert right(TEXTS, answer.result(timeout=60))
    # Nothing of the first one was answered, so that nothing is known to have been sent to it.
    assert crew.embedder.meter.spent.texts_sent == WITNESS + len(TEXTS)


def test_where_no_process_can_be_started_that_is_said(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(EmbedderInitFailed, match="no process to embed can be started: No such file or directory"):
        crew.embedder.embed_documents(TEXTS)


def test_a_model_that_cannot_be_loaded_is_told_as_in_this_process() -> None:
    awaited, begin = Awaited(), Begin(unloadable, 3)
    crew = processes(1, lambda: begin, awaited, lambda _: None, at_once=3, max_batch=MAX_BATCH)
    embedder = SpreadEmbedder(HashEmbedder().target, crew, awaited, lambda _: None)
    with closing(embedder), pytest.raises(EmbedderInitFailed, match="not whole") as caught:
        embedder.embed_documents(TEXTS)
    assert caught.value.tip == "Get it again."


NOBODY: Outcasts[Vectors] = Outcasts(lambda _: False, lambda found: found)


def embedded(embedder: ResilientEmbedder, texts: Sequence[str]) -> Vectors:
    return embedder.embed_documents(texts)


@pytest.mark.parametrize("engine", ["onnx", "openvino", "torch"])
def test_each_engine_computes_the_same_in_a_process_on_its_share_of_the_cores(tiny_onnx: Path, engine: str) -> None:
    table = {"backend": "local", "model_path": str(tiny_onnx), "device": "cpu", "engine": engine}
    settings = resolve(Table(values={"embeddings": table}), {})
    with closing(assemble(settings, Terms(ONE_ATTEMPT))) as own:
        expected = own.embed_documents(TEXTS)
    embedder, make = embedders(workplace(64, settings, Ties()), settings, Terms(ONE_ATTEMPT), Ties(), embedded, NOBODY)
    with closing(make()) as pool:
        assert np.allclose(pool.submit(TEXTS).result(timeout=240), expected, atol=1e-6)
        assert embedder.target.threads == 1
        assert pool.capacity == 64 * 3
    assert embedder.meter.spent.computed > 0
