"""Workers that there comes to be room for while others work: they hold up nobody, and only the right ones are used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ai_memory.embed.awaited import Awaited
from ai_memory.embed.pools.channel import Begin
from ai_memory.embed.pools.local import processes
from ai_memory.embed.pools.spread import SpreadEmbedder
from ai_memory.embed.pools.worker import Worker
from tests.embed.test_outcasts_and_stragglers import RIGHT, TEXTS, NoRoom
from tests.embed.worker_models import TARGET, OfOdd, held_while_loading, odd
from tests.support.command import wait_for
from tests.support.processes import runs


class Crew(OfOdd):
    """One process of an odd model, and room for more, as `room` says; what starts a later one may be `replaced`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.told = folder, list[str]()
        self.room = self.starts = 0
        awaited = Awaited()
        begin = lambda: Begin(partial(held_while_loading if self.starts else odd, folder), at_once=1)  # noqa: E731
        self.crew = processes(1, begin, awaited, self.told.append, at_once=1, max_batch=64)
        self.start: Callable[[], Worker] = self.crew.start
        crew = replace(self.crew, start=self._start, spare=self._spare)
        self.embedder = SpreadEmbedder(TARGET, crew, awaited, self.told.append)

    def _start(self) -> Worker:
        worker = self.start() if self.starts else self.crew.start()
        self.starts += 1
        return worker

    def _spare(self) -> int:
        spare, self.room = self.room, 0
        return spare

    def embeds(self) -> bool:
        return np.array_equal(self.embedder.embed_documents(TEXTS), RIGHT)


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    made = Crew(tmp_path)
    with closing(made.embedder):
        yield made
        made.go()


def test_one_more_is_used_once_it_has_loaded_and_until_then_no_call_waits_for_it(crew: Crew) -> None:
    assert crew.embeds()
    crew.room = 1
    assert crew.embeds()
    wait_for(crew.held)
    for _ in range(3):
        assert crew.embeds()
    assert crew.embedder.places.all_open == 1

    crew.go()
    wait_for(lambda: crew.embedder.places.all_open == 2)
    with crew.embedder.only(1):
        assert crew.embeds()
    assert "One more process embeds from now on: there are 2." in crew.told
    assert crew.embedder.target.engine.endswith("in 2 processes")
    assert crew.starts == 2


def test_while_one_is_being_started_no_more_are(crew: Crew) -> None:
    assert crew.embeds()
    crew.room = 1
    assert crew.embeds()
    wait_for(crew.held)
    crew.room = 5
    assert crew.embeds()
    assert (crew.starts, crew.room) == (2, 5)


def test_one_that_finds_no_room_after_all_costs_no_call_and_the_next_is_tried_later(crew: Crew) -> None:
    assert crew.embeds()
    crew.start, crew.room = NoRoom, 1
    assert crew.embeds()
    wait_for(lambda: not crew.embedder._growth._coming)
    crew.room = 1
    for _ in range(3):
        assert crew.embeds()
    assert (crew.starts, crew.room) == (2, 1)
    assert crew.embedder.places.open == [0]

    crew.start, crew.embedder._growth._rests_until = crew.crew.start, 0.0
    assert crew.embeds()
    wait_for(crew.held)
    crew.go()
    wait_for(lambda: crew.embedder.places.open == [0, 1])


def test_one_of_other_weights_is_never_asked_and_is_told_of(crew: Crew) -> None:
    assert crew.embeds()
    crew.room = 1
    (crew.folder / "weights").write_text("others", "utf-8")
    crew.go()
    assert crew.embeds()
    wait_for(lambda: any("has other weights" in text for text in crew.told))
    wait_for(lambda: not runs(crew.started()[1]))

    assert crew.embeds()
    assert crew.embedder.places.open == [0]


def test_one_that_is_being_started_ends_with_the_others(crew: Crew) -> None:
    assert crew.embeds()
    crew.room = 1
    assert crew.embeds()
    wait_for(crew.held)
    crew.embedder.close()

    assert not any(map(runs, [*crew.started(), *crew.held()]))
    crew.go()
    assert crew.embeds()
    assert crew.embedder.places.open == [0]
