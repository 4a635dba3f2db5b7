"""The merge of several vector spaces: standard scores within each, on the scale that cosines have in the file."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_memory.actions.merge import Figures, OfSpace, merged

COSINES = st.lists(st.floats(-1, 1, width=32), max_size=40).map(lambda each: np.array(each, dtype=np.float32))


def space(cosines: list[float], *, first: int, unrelated: float | None = None) -> OfSpace:
    numbered = dict(enumerate(cosines, start=first))
    return OfSpace(numbered, Figures.of(np.array(cosines, dtype=np.float64)), unrelated)


def spread(mean: float, deviation: float, rows: int) -> list[float]:
    """Return cosines of that very mean and deviation."""
    drawn = np.random.default_rng(1).normal(size=rows)
    return [mean + deviation * float(each) for each in (drawn - drawn.mean()) / drawn.std()]


def order(scores: dict[int, float]) -> list[int]:
    return sorted(scores, key=lambda number: -scores[number])


@given(COSINES, COSINES)
def test_figures_of_two_blocks_are_those_of_all_their_cosines(
    one: np.ndarray[tuple[int], np.dtype[np.float32]], other: np.ndarray[tuple[int], np.dtype[np.float32]]
) -> None:
    joined = Figures.of(one) + Figures.of(other)
    whole = np.concatenate([one, other]).astype(np.float64)
    assert joined.count == len(whole)
    if len(whole):
        assert joined.mean == pytest.approx(whole.mean(), abs=1e-9)
        assert joined.deviation == pytest.approx(whole.std(), abs=1e-7)


def test_the_cosines_of_one_space_stay_as_they_are() -> None:
    only = space([0.3, 0.1, -0.2], first=1)
    absent = OfSpace({}, Figures())
    assert merged([only, absent]) == only.cosines
    assert merged([absent]) == merged([]) == {}


def test_a_model_with_high_cosines_does_not_swamp_the_other() -> None:
    low, high = spread(0.1, 0.1, 50), spread(0.85, 0.01, 50)
    near = [0.7, *low]
    scores = merged([space(near, first=0), space(high, first=1_000)])
    assert order(scores)[0] == 0
    assert np.mean([scores[number] for number in range(1_000, 1_050)]) == pytest.approx(
        np.mean([scores[number] for number in range(51)])
    )


def test_what_stands_out_alike_in_two_spaces_scores_alike() -> None:
    cosines = spread(0.1, 0.1, 60)
    raised = [0.8 + cosine / 10 for cosine in cosines]
    scores = merged([space(cosines, first=0), space(raised, first=1_000)])
    assert [scores[number] for number in range(60)] == pytest.approx([scores[1_000 + number] for number in range(60)])


def test_the_scores_have_the_mean_and_the_deviation_of_the_cosines_within_the_spaces() -> None:
    scores = merged([space(spread(0.1, 0.2, 40), first=0), space(spread(0.8, 0.1, 120), first=1_000)])
    of_all = list(scores.values())
    assert np.mean(of_all) == pytest.approx((40 * 0.1 + 120 * 0.8) / 160)
    assert np.std(of_all) == pytest.approx(((40 * 0.2**2 + 120 * 0.1**2) / 160) ** 0.5)


@pytest.mark.parametrize("rows", [1, 5, 29])
def test_few_rows_of_a_model_with_high_cosines_do_not_come_first_for_that(rows: int) -> None:
    many, few = spread(0.1, 0.1, 500), spread(0.85, 0.01, rows) if rows > 1 else [0.85]
    witnessed = merged([space(many, first=0, unrelated=0.05), space(few, first=1_000, unrelated=0.8)])
    without = merged([space(many, first=0), space(few, first=1_000)])
    for scores in (witnessed, without):
        # About a tenth of them may be in the first tenth.
        assert len({1_000 + number for number in range(rows)} & set(order(scores)[:50])) <= rows // 5


def test_the_only_row_of_a_space_is_found_where_it_is_much_nearer_than_the_witness() -> None:
    many = spread(0.1, 0.1, 500)
    scores = merged([space(many, first=0, unrelated=0.05), space([0.7], first=1_000, unrelated=0.0)])
    assert order(scores)[0] == 1_000


def test_rows_that_are_all_alike_break_nothing() -> None:
    scores = merged([space([0.5] * 40, first=0), space([0.2] * 40, first=1_000)])
    assert list(scores.values()) == pytest.approx([0.35] * 80)
