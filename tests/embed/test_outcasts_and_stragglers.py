"""Workers that cannot be relied on alike: one that is late, and one that has other weights than the others."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from ai_memory.embed.awaited import Awaited
from ai_memory.embed.pools.channel import Answer, Begin
from ai_memory.embed.pools.local import processes
from ai_memory.embed.pools.places import Place, Places
from ai_memory.embed.pools.spread import SpreadEmbedder
from ai_memory.embed.pools.spread_pool import SpreadPool
from ai_memory.embed.pools.straggling import KNOWN, LEAST_S, TIMES, Pace
from ai_memory.embed.pools.worker import Ended
from ai_memory.embed.port import Outcasts, ResilientEmbedder
from ai_memory.errors import TargetChanged, TransientFailure
from ai_memory.vectors.target import Vectors
from ai_memory.vectors.witness import WITNESS_TEXTS
from tests.embed.worker_models import TARGET, OfOdd, drift, odd
from tests.support.command import wait_for
from tests.support.fakes import HashEmbedder, patient

TEXTS = tuple(f"text {number}" for number in range(20))
RIGHT = HashEmbedder(model="first").embed_documents(TEXTS)


class Crew(OfOdd):
    """Processes of one odd model, of which one may be put out; `told` is what they and their end have told."""

    def __init__(self, folder: Path, many: int = 3, on_record: Callable[[], Vectors | None] = lambda: None) -> None:
        self.folder, self.told, self.pace = folder, list[str](), Pace()
        begin, awaited = Begin(partial(odd, folder), at_once=1), Awaited()
        crew = processes(many, lambda: begin, awaited, self.told.append, at_once=1, max_batch=64)
        crew = replace(crew, on_record=on_record, pace=self.pace)
        self.embedder = SpreadEmbedder(TARGET, crew, awaited, self.told.append)

    def start_all(self) -> None:
        """Have each process load its model."""
        for number in self.embedder.places.open:
            with self.embedder.only(number):
                self.embedder.embed_documents(TEXTS)

    def put_out(self) -> int:
        return sum("asked no more" in text for text in self.told)


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    made = Crew(tmp_path)
    with closing(made.embedder):
        yield made


def judged(embedder: ResilientEmbedder, texts: Sequence[str]) -> str:
    expected = HashEmbedder(model="first").embed_documents(texts)
    try:
        return "same" if np.array_equal(embedder.embed_documents(texts), expected) else "other"
    except TargetChanged:
        return "other"


@pytest.fixture
def asked_for_witness(crew: Crew) -> Iterator[Callable[[], list[str]]]:
    """What returns the answer of each process to the witness texts, as a run would judge it."""
    outcasts: Outcasts[str] = Outcasts(lambda found: found == "other", lambda _: "put out")
    with closing(SpreadPool(patient(crew.embedder), judged, crew.embedder, outcasts)) as pool:
        yield lambda: sorted(each.result(timeout=60) for each in pool.witness(WITNESS_TEXTS))


def test_of_a_late_call_another_worker_is_asked_and_the_first_answer_is_taken(crew: Crew) -> None:
    crew.start_all()
    for _ in range(KNOWN):
        crew.embedder.embed_documents(TEXTS)
    sent = crew.embedder.meter.spent.texts_sent
    late = crew.started()[0]
    os.kill(late, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(1) as thread:
            answer = thread.submit(crew.embedder.embed_documents, TEXTS).result(timeout=60)
        assert np.array_equal(answer, RIGHT)
    finally:
        os.kill(late, signal.SIGCONT)

    assert any("is late" in text for text in crew.told)
    # Paid twice, and counted.
    assert crew.embedder.meter.spent.texts_sent == sent + 2 * len(TEXTS)
    # The late answer gives its place back, too, and what it cost is counted.
    wait_for(lambda: crew.embedder.places.take(alone=True, only=0))
    before = crew.embedder.meter.spent.unreported_bytes
    crew.embedder.close()
    assert crew.embedder.meter.spent.unreported_bytes - before == sum(map(len, TEXTS))


def test_how_late_an_answer_may_be_is_learned_from_the_others() -> None:
    pace = Pace()
    for number in range(KNOWN):
        assert pace.patience(TEXTS) is None
        pace.answered(TEXTS, 4.0 if number else 400.0)
    assert pace.patience(TEXTS) == pytest.approx(TIMES * 4.0)
    assert pace.patience(TEXTS * 2) == pytest.approx(TIMES * 8.0)
    assert pace.patience(TEXTS[:1]) == LEAST_S


def test_a_worker_that_drifts_is_put_out_when_the_witness_is_asked_and_the_others_go_on(
    crew: Crew, asked_for_witness: Callable[[], list[str]]
) -> None:
    crew.start_all()
    assert asked_for_witness() == ["same"] * 3
    drift(crew.folder, crew.started()[1])

    assert asked_for_witness() == ["put out", "same", "same"]
    assert asked_for_witness() == ["same", "same"]
    assert crew.put_out() == 1
    for _ in range(9):
        assert np.array_equal(crew.embedder.embed_documents(TEXTS), RIGHT)
    assert len(crew.started()) == 3


def test_where_all_have_other_weights_none_is_put_out(crew: Crew, asked_for_witness: Callable[[], list[str]]) -> None:
    crew.start_all()
    for pid in crew.started():
        drift(crew.folder, pid)

    assert asked_for_witness() == ["other"] * 3
    assert crew.put_out() == 0


def test_a_restarted_worker_of_other_weights_is_asked_for_no_text_and_the_others_are(crew: Crew) -> None:
    crew.start_all()
    (crew.folder / "weights").write_text("others", "utf-8")
    os.kill(crew.started()[0], signal.SIGKILL)
    wait_for(lambda: not Path(f"/proc/{crew.started()[0]}").exists())

    with pytest.raises(TransientFailure, match="has other weights than the others"):
        crew.embedder.embed_documents(TEXTS)
    for _ in range(6):
        assert np.array_equal(crew.embedder.embed_documents(TEXTS), RIGHT)
    assert crew.put_out() == 1


class NoRoom:
    """A worker for which there is no room; a `Worker`."""

    how = "as there was no room"

    def loaded(self) -> Ended:
        return Ended(self.how, blames=False, no_room=True)

    def ask(self, texts: tuple[str, ...], *, query: bool = False) -> Future[Answer | Ended]:
        raise AssertionError((texts, query))

    def hang_up(self) -> None:
        """It never began."""

    close = hang_up


def test_a_worker_for_which_there_is_no_room_is_done_without_and_the_capacity_is_less(tmp_path: Path) -> None:
    crew = Crew(tmp_path)
    start, tried = crew.embedder._crew.start, count()
    crew.embedder._crew = replace(crew.embedder._crew, start=lambda: start() if next(tried) else NoRoom())
    with closing(SpreadPool(patient(crew.embedder), judged, crew.embedder)) as pool:
        assert crew.embedder.places.all_open == 3
        with pytest.raises(TransientFailure, match="ended as there was no room while it loaded the model"):
            crew.embedder.embed_documents(TEXTS)
        assert crew.embedder.places.all_open == 2
        assert len(pool.witness(WITNESS_TEXTS)) == 2
        with crew.embedder.only(0):
            # It has nothing to answer for.
            assert np.array_equal(crew.embedder.embed_documents(TEXTS), RIGHT)
        for _ in range(6):
            assert np.array_equal(crew.embedder.embed_documents(TEXTS), RIGHT)


def test_a_place_that_was_shut_for_a_time_is_given_out_again_later() -> None:
    now = 0.0
    places = Places(2, 3, clock=lambda: now)
    places.shut(0, seconds=5)
    assert (places.open, places.all_open, places.take(only=0)) == ([1], 3, None)
    now = 6.0
    assert (places.open, places.take(only=0)) == ([0, 1], Place(0))
    places.shut(0)
    places.shut(1)
    assert (places.open, places.take(), places.spare(beside=1)) == ([], None, None)


def test_where_the_last_worker_comes_back_with_other_weights_that_is_an_error(tmp_path: Path) -> None:
    crew = Crew(tmp_path, many=1)
    with closing(crew.embedder):
        crew.start_all()
        (tmp_path / "weights").write_text("others", "utf-8")
        os.kill(crew.started()[0], signal.SIGKILL)
        wait_for(lambda: not Path(f"/proc/{crew.started()[0]}").exists())
        with pytest.raises(TargetChanged, match="has other weights of first"):
            crew.embedder.embed_documents(TEXTS)


def test_what_the_file_has_on_record_says_which_of_the_workers_is_wrong(tmp_path: Path) -> None:
    crew = Crew(tmp_path, on_record=lambda: HashEmbedder(model="first").embed_documents(WITNESS_TEXTS))
    weights = tmp_path / "weights"
    weights.write_text("others", "utf-8")
    with closing(crew.embedder):
        # The first worker of all is the one with other weights.
        with pytest.raises(TransientFailure):
            crew.embedder.embed_documents(TEXTS)
        weights.unlink()
        for _ in range(6):
            assert np.array_equal(crew.embedder.embed_documents(TEXTS), RIGHT)
    assert crew.put_out() == 1
