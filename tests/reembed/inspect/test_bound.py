"""What rows asked again prove of all."""

from __future__ import annotations

import pytest

from ai_memory.reembed.inspect.bound import bound, bound_in_words, differ_at_most, percent


@pytest.mark.parametrize(
    ("agreed", "of", "share"),
    # Clopper and Pearson's one-sided limit, as R's binom.test(k, n, alternative = "less") has it.
    [
        (20, 20, 0.1391),
        (300, 300, 0.00994),
        (10, 10, 0.2589),
        (19, 20, 0.2161),
        (9, 10, 0.3942),
        (0, 0, 1.0),
        (0, 5, 1.0),
    ],
)
def test_the_bound_is_the_exact_one(agreed: int, of: int, share: float) -> None:
    assert bound(agreed, of) == pytest.approx(share, abs=5e-5)


def test_where_all_rows_were_asked_again_none_can_differ() -> None:
    assert (differ_at_most(4, 4), differ_at_most(3, 4)) == (0.0, 0.6316)


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.1391, "14 %"),
        (0.14, "14 %"),
        (0.00994, "1 %"),
        (0.0031, "0.4 %"),
        (0.0003, "0.03 %"),
        (1.0, "100 %"),
    ],
)
def test_a_share_is_never_told_smaller_than_it_is(share: float, words: str) -> None:
    assert percent(share) == words


def test_people_read_what_was_asked_and_what_it_proves() -> None:
    proven = "Of 2,500 rows 20 were asked again one by one and agree: at most 14 % of the rows can differ (95 %)."

    assert bound_in_words(20, 2500, over=True) == proven
    assert bound_in_words(7, 7, over=True) == "All 7 rows were asked again one by one and agree."
    assert bound_in_words(0, 7, over=True) == "None of 7 rows was asked again: nothing tells how many of them differ."


def test_before_the_end_nothing_is_said_of_all_rows() -> None:
    assert bound_in_words(20, 2_500, over=False) == "Of 2,500 rows 20 were asked again one by one and agree, so far."
