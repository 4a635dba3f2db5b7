"""Rows asked again one by one: which, when, and what is done where they got another vector."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from unittest.mock import patch

import numpy as np
import pytest

from ai_memory.embed.outcomes import Embedded
from ai_memory.errors import TransientFailure
from ai_memory.memory.freshness import Document
from ai_memory.reembed.sweep import schedule
from ai_memory.reembed.sweep.alike import Alike as SharingToTheBit
from ai_memory.reembed.sweep.alike import Shared, sharing_a_vector, too_many
from ai_memory.reembed.sweep.asked_again import ask_again
from ai_memory.reembed.sweep.schedule import QUIET, Schedule, choose
from ai_memory.reembed.work import Again
from ai_memory.vectors import blob
from ai_memory.vectors.target import Vectors
from ai_memory.vectors.witness import WITNESS_TEXTS
from tests.reembed.work import Work
from tests.support import files
from tests.support.fakes import HashEmbedder, patient

CHANCE = Random(7)


@dataclass(slots=True)
class Shifting(HashEmbedder):
    """Hands the vectors of four texts or more on to the next one, after so many true answers."""

    true: int = 0

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        found = HashEmbedder.embed_documents(self, texts)
        self.true -= len(texts) > 3
        return np.roll(found, 1, axis=0) if len(texts) > 3 and self.true < 0 else found


class Alike(HashEmbedder):
    """Knows a text by its first word alone."""

    def vector(self, text: str) -> Vectors:
        first = HashEmbedder.vector(self, text.split(maxsplit=1)[0])
        return first if text not in WITNESS_TEXTS else HashEmbedder.vector(self, text)


def check_liar(folder: Path, *, true: int) -> None:
    """Run to a liar, and require that it is found out and no row passes for right that is not."""
    path = files.create(folder / f"liar-{true}-{len(list(folder.iterdir()))}.db", 40)
    work = Work(path, Shifting(true=true))
    with patch.multiple(schedule, DENSE=1, EVERY=4):
        ended = work.run(batch=4)

    found, texts = files.vectors(path), files.texts(path)
    recorded = [each for (each,) in files.execute(path, "SELECT memory_id FROM embedding_provenance")]
    assert ended.disagreed > 0
    assert all(found[each] == blob.encode(HashEmbedder().vector(texts[each])) for each in recorded)
    assert ended.reembedded == len(recorded)


@pytest.mark.parametrize("true", [0, 1, 2, 4, 5, 9])
def test_no_row_passes_for_right_that_an_endpoint_lied_about(tmp_path: Path, true: int) -> None:
    check_liar(tmp_path, true=true)


def rows(*texts: str, one_vector: int = 0) -> list[Embedded]:
    """Return rows with vectors of their own, but for the first, which share one."""
    embedder = HashEmbedder()
    return [
        Embedded(
            Document(f"id-{index:03}", "a", "", "", text, text.encode(), len(text)),
            embedder.vector("one" if index < one_vector else text),
        )
        for index, text in enumerate(texts)
    ]


def asked(schedule: Schedule, pages: int, *, side_by_side: int = 1, size: int = 100) -> list[Again]:
    return [schedule.next(100, side_by_side=side_by_side, size=size) for _ in range(pages)]


def test_three_rows_of_the_first_page_are_asked_again_then_one_of_each_then_of_every_twentieth() -> None:
    found = [each.rows for each in asked(Schedule(rows=10_000, batch=100, doubted=False), 60)]

    assert found[:16] == [3] + [1] * 15
    assert [number for number, each in enumerate(found, 1) if each and number > 16] == [20, 40, 60]


@pytest.mark.parametrize("total", [201, 300, 1000, 2500])
def test_of_more_than_two_hundred_rows_ten_are_asked_again_at_least(total: int) -> None:
    schedule = Schedule(rows=total, batch=100, doubted=False)

    assert sum(each.rows for each in asked(schedule, -(-total // 100))) >= 10


def test_with_twice_as_many_requests_side_by_side_a_row_is_asked_again_beside_them() -> None:
    schedule = Schedule(rows=10_000, batch=100, doubted=False)
    asked(schedule, 21, side_by_side=2)

    found = [schedule.next(100, side_by_side=number, size=100) for number in (2, 3, 4, 4, 7, 8, 8)]

    assert [each.rows for each in found] == [0, 0, 1, 0, 0, 1, 0]
    assert not any(each.alone for each in found)


def test_a_row_is_asked_when_nothing_else_is_in_flight_the_sooner_where_more_requests_are_side_by_side_than_ever() -> (
    None
):
    schedule = Schedule(rows=100_000, batch=100, doubted=False)
    few = [each.alone for each in asked(schedule, 300, side_by_side=3)]
    more = [each.alone for each in asked(schedule, 300, side_by_side=6)]

    assert [number for number, alone in enumerate(few, 1) if alone] == [1, QUIET, QUIET * (1 + 3)]
    assert [number for number, alone in enumerate(more, 301) if alone] == [QUIET * (1 + 3 + 1)]


def test_where_the_run_was_lied_to_a_row_of_every_request_is_asked_again() -> None:
    schedule = Schedule(rows=10_000, batch=100, doubted=True)

    found = asked(schedule, 50, size=30)
    page = rows(*(f"text {number}" for number in range(100)))

    assert {each.rows for each in found} == {4}
    assert [int(each.document.id[3:]) // 30 for each in choose(page, found[-1], CHANCE)] == [0, 1, 2, 3]


def test_rows_are_spread_over_the_page_and_the_last_is_among_them() -> None:
    page = rows(*(f"text {number}" for number in range(30)))

    first, second, last = (int(each.document.id[3:]) for each in choose(page, Again(3, 100), CHANCE))

    assert (first // 10, second // 10, last) == (0, 1, 29)


def test_what_a_stop_keeps_from_being_asked_hides_nothing_that_was_found_before() -> None:
    asks: list[str] = []

    def refuse_the_third(texts: Sequence[str]) -> None:
        asks.extend(texts)
        if len(asks) == 3:
            raise TransientFailure("The request was not sent.")

    embedder = patient(HashEmbedder(before=refuse_the_third))
    page = rows("x", "y", "z", "u", one_vector=1)

    asked_again, differing = ask_again(embedder, page, stopped=lambda: True)
    asks.clear()

    assert (asked_again, differing) == (("id-000", "id-001"), (page[0],))
    with pytest.raises(TransientFailure):
        ask_again(embedder, page, stopped=lambda: False)


def test_no_row_of_a_page_is_asked_again_twice_though_its_vector_is_another_ones_too(tmp_path: Path) -> None:
    asks: Counter[str] = Counter()
    alike = Alike(before=asks.update)
    work = Work(files.create(tmp_path / "m.db", 2), alike)

    ended = work.run(batch=2)

    assert (ended.exit_code, ended.asked_again) == (0, 2)
    assert [asks[text] for text in files.texts(work.path).values()] == [2, 2]


def test_a_few_texts_may_share_a_vector_and_many_may_not() -> None:
    texts = [f"{number} text" for number in range(40)]

    assert not sharing_a_vector(rows(*texts))
    assert [len(sharing_a_vector(rows(*texts, one_vector=each))) for each in (2, 4, 40)] == [2, 4, 40]
    assert [too_many(each, 40) for each in (2, 4, 5, 40)] == [False, False, True, True]


def test_texts_of_one_beginning_may_share_a_vector() -> None:
    texts = [f"{'long ' * 100} {number}" for number in range(20)]

    assert sharing_a_vector(rows(*texts, one_vector=20)) == ()


def test_few_texts_of_each_page_that_share_a_vector_are_many_in_the_end() -> None:
    shared = Shared()
    pages = [rows(*(f"{page} {number} text" for number in range(10)), one_vector=2) for page in range(5)]

    found = [len(shared.too_many(each)) for each in pages]

    assert found == [0, 0, 6, 8, 10]


def test_of_long_texts_so_many_are_kept_in_mind_as_memory_has_room_for() -> None:
    shared, alike = Shared(), SharingToTheBit()
    tracemalloc.start()
    for number in range(60):
        page = rows(f"{number} {'x' * 1_000_000}")
        shared.too_many(page)
        alike.observe(page)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert 8_000_000 < kept < 30_000_000


@pytest.mark.parametrize("places", [(0, 99), (3, 4, 5), (17, 40, 41, 90)])
def test_texts_that_share_a_vector_are_found_whatever_its_length_and_wherever_they_stand(
    places: tuple[int, ...],
) -> None:
    page = rows(*(f"{number} text" for number in range(100)))
    for length, place in enumerate(places, start=1):
        page[place] = page[place]._replace(vector=length * page[places[0]].vector)

    assert [each.document.text for each in sharing_a_vector(page)] == [f"{place} text" for place in places]


def test_texts_whose_vectors_differ_a_little_share_none() -> None:
    page = rows(*(f"{number} text" for number in range(40)), one_vector=40)
    nudged = [each._replace(vector=each.vector + np.eye(16)[n % 16] * 1e-3 * (n + 1)) for n, each in enumerate(page)]

    assert sharing_a_vector(nudged) == ()
