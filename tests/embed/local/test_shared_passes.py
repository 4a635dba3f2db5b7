"""Texts of several calls share forward passes: which ones, who computes them, and whose fault it is if one fails."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest

from ai_memory.embed.local.passes import MOST_PADDING, Call, next_pass
from ai_memory.embed.local.shared_passes import SharedPasses
from ai_memory.errors import RowsRefused
from ai_memory.vectors.target import Vectors

MOST = 200


def texts_of(call: Call[str], *others: Call[str], most: int = MOST) -> list[str]:
    return [each.texts[place] for each, place in next_pass([call, *others], most)]


def test_a_pass_begins_with_the_longest_text_of_the_oldest_call_and_takes_those_of_its_length_from_all() -> None:
    old, young = Call(["a" * 20, "a" * 50, "a" * 10]), Call(["b" * 80, "b" * 49, "b" * 50, "b" * 11])

    assert texts_of(old, young) == ["a" * 50, "b" * 50, "b" * 49]


def test_a_pass_has_no_more_tokens_than_it_may_unless_it_is_one_text() -> None:
    assert texts_of(Call(["a" * 50] * 9)) == ["a" * 50] * 4
    assert texts_of(Call(["a" * 500] * 9)) == ["a" * 500]


def test_little_of_a_pass_is_padding() -> None:
    call = Call(["a" * length for length in range(1, 100)])
    while not call.whole:
        chosen = next_pass([call], MOST)
        lengths = [len(call.texts[place]) for _, place in chosen]
        assert sum(lengths) >= (1 - MOST_PADDING) * len(lengths) * max(lengths)
        for _, place in chosen:
            call.computed(place, np.zeros(1, dtype=np.float32))


def test_a_text_that_is_asked_for_by_itself_is_computed_by_itself_and_at_once() -> None:
    many, one = Call(["a" * 20, "a" * 21]), Call(["b" * 20])

    assert texts_of(many, one) == ["b" * 20]
    assert texts_of(many) == ["a" * 21, "a" * 20]


class Model:
    """Gives a text its length; the first pass waits until `go`. Texts with an x cannot be computed."""

    def __init__(self) -> None:
        self.passes: list[list[str]] = []
        self.began, self.go = Event(), Event()

    def run(self, texts: Sequence[str]) -> Vectors:
        self.passes.append(list(texts))
        self.began.set()
        assert self.go.wait(30)
        if any("x" in each for each in texts):
            raise RowsRefused("a text with an x")
        return np.array([[len(each)] for each in texts], dtype=np.float32)


def beside_each_other(model: Model, *calls: Sequence[str]) -> list[Future[Vectors]]:
    """Ask for the first of `calls`, for the others once it is being computed, and let it go on then."""
    shared = SharedPasses(model.run, lambda: MOST)
    with ThreadPoolExecutor(len(calls)) as threads:
        futures = [threads.submit(shared.compute, calls[0])]
        assert model.began.wait(30)
        for each in calls[1:]:
            before = waiting(shared)
            futures.append(threads.submit(shared.compute, each))
            while waiting(shared) == before:
                pass
        model.go.set()
    return futures


def waiting(shared: SharedPasses[str]) -> int:
    return len(shared._calls)


def lengths(found: Future[Vectors]) -> list[int]:
    return [int(each) for each in found.result()[:, 0]]


def test_calls_side_by_side_are_computed_together_and_each_gets_its_own_in_order() -> None:
    model = Model()
    first, second, third = beside_each_other(
        model, ["a" * 90, "a" * 20], ["b" * 5, "b" * 20, "b" * 90], ["c" * 20, "c" * 90]
    )

    assert lengths(first) == [90, 20]
    assert lengths(second) == [5, 20, 90]
    assert lengths(third) == [20, 90]
    assert [sorted(each) for each in model.passes] == [
        ["a" * 90],
        ["a" * 20, "b" * 20, "c" * 20],
        ["b" * 90, "c" * 90],
        ["b" * 5],
    ]


def test_a_text_that_cannot_be_computed_harms_no_other_call() -> None:
    model = Model()
    first, second, third = beside_each_other(model, ["a" * 90, "a" * 20], ["x" * 20, "b" * 30], ["c" * 20, "c" * 90])

    assert lengths(first) == [90, 20]
    assert lengths(third) == [20, 90]
    with pytest.raises(RowsRefused, match="a text with an x"):
        second.result()


def test_who_breaks_off_while_it_computes_lets_the_others_go_on() -> None:
    model = Model()
    broken = iter([KeyboardInterrupt()])

    def run(texts: Sequence[str]) -> Vectors:
        for error in broken:
            raise error
        return model.run(texts)

    model.go.set()
    shared = SharedPasses(run, lambda: MOST)
    with pytest.raises(KeyboardInterrupt):
        shared.compute(["a", "b"])

    assert waiting(shared) == 0
    assert shared.compute(["a", "bb"])[:, 0].tolist() == [1, 2]
