"""The measures of search, against figures computed by hand."""

from __future__ import annotations

import math

import pytest

from ai_memory.actions.measure import ndcg, overlap, reciprocal_rank


@pytest.mark.parametrize(
    ("gains", "judged", "expected"),
    [
        ([3, 2, 1], [1, 2, 3], 1.0),
        ([1], [1], 1.0),
        ([0, 1], [1], 0.63093),  # 1 / log2(3)
        ([1, 0, 3], [3, 1, 2], 0.47909),  # (1 + 7 / 2) / (7 + 3 / log2(3) + 1 / 2)
        ([0, 0], [2], 0.0),
        ([], [2, 1], 0.0),
        ([0] * 10 + [1], [1], 0.0),
        ([1] * 10, [1] * 30, 1.0),
        ([2, 0, 0, 1], [2, 1], 0.94485),  # (3 + 1 / log2(5)) / (3 + 1 / log2(3))
    ],
)
def test_ndcg_is_the_discounted_gain_of_the_first_ten_as_a_share_of_the_best(
    gains: list[int], judged: list[int], expected: float
) -> None:
    assert ndcg(gains, judged) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("judged", [[], [0], [0, 0]])
def test_where_nothing_is_relevant_there_is_no_ndcg(judged: list[int]) -> None:
    with pytest.raises(ValueError, match="gain"):
        ndcg([], judged)


@pytest.mark.parametrize(
    ("gains", "expected"),
    [([1], 1), ([0, 3], 1 / 2), ([0, 0, 0, 1, 3], 1 / 4), ([0] * 9 + [1], 1 / 10), ([0] * 10 + [1], 0), ([], 0)],
)
def test_a_reciprocal_rank_is_that_of_the_first_relevant_answer(gains: list[int], expected: float) -> None:
    assert math.isclose(reciprocal_rank(gains), expected)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("abc", "cba", 1),
        ("abcd", "abxy", 1 / 2),
        ("abcd", "a", 1 / 4),
        ("a", "abcd", 1 / 4),
        ("", "", 1),
        ("a", "", 0),
        ("abcdefghijk", "kxxxxxxxxxx", 0),
        ("abcdefghijz", "abcdefghijy", 1),
    ],
)
def test_the_overlap_is_what_the_first_ten_of_both_have_in_common(one: str, other: str, expected: float) -> None:
    assert math.isclose(overlap(list(one), list(other)), expected)
