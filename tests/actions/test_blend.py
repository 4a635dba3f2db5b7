"""The blend of words and meaning: what fits better in one and no worse in the other is never behind."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ai_memory.actions.blend import WORDS_WEIGHT, shares, with_guesses
from ai_memory.actions.blend import blend as blended

Found = dict[int, float]
items = st.integers(0, 12)
cosine = st.floats(-1, 1, allow_subnormal=False)
share = st.floats(0, 1, allow_subnormal=False)
founds = st.dictionaries(items, share, max_size=12)
compared = st.dictionaries(items, cosine, max_size=12)
EPSILON = 1e-9


def blend(words: Found, cosines: Found) -> Found:
    return blended(words, with_guesses(cosines, words), WORDS_WEIGHT)


def not_behind(scores: Found, item: int, other: int) -> bool:
    return scores[item] >= scores[other] - EPSILON


@given(founds, compared)
@example({0: 1.0, 1: 1.0, 2: 0.0, 3: 1.0, 4: 1.0}, {0: -1.0, 1: -1.0, 3: 1.0})
def test_all_that_was_found_has_a_score_and_nothing_else(words: Found, cosines: Found) -> None:
    scores = blend(words, cosines)
    assert scores.keys() == words.keys() | cosines.keys()
    assert all(-1 - EPSILON <= score <= 1 + EPSILON for score in scores.values())


@given(founds, compared)
def test_of_two_compared_the_nearer_with_no_fewer_words_is_never_behind(words: Found, cosines: Found) -> None:
    scores = blend(words, cosines)
    for one in cosines:
        for other in cosines:
            if cosines[one] >= cosines[other] and words.get(one, 0) >= words.get(other, 0):
                assert not_behind(scores, one, other)


@given(founds, compared)
def test_of_two_not_compared_the_one_with_more_words_is_never_behind(words: Found, cosines: Found) -> None:
    scores = blend(words, cosines)
    unknown = words.keys() - cosines.keys()
    assert all(not_behind(scores, a, b) for a in unknown for b in unknown if words[a] >= words[b])


@given(founds, compared.filter(bool), st.data())
def test_a_cosine_that_rises_takes_nobody_past_its_memory(words: Found, cosines: Found, data: st.DataObject) -> None:
    risen = data.draw(st.sampled_from(sorted(cosines)))
    nearer = {**cosines, risen: data.draw(st.floats(cosines[risen], 1, allow_subnormal=False))}
    before, after = blend(words, cosines), blend(words, nearer)
    assert all(not_behind(after, risen, other) for other in before if not_behind(before, risen, other))


@given(founds.filter(bool), compared.filter(bool))
def test_what_was_not_compared_passes_nothing_that_is_as_near_as_any_and_has_all_the_words(
    words: Found, cosines: Found
) -> None:
    nearest = max(cosines, key=lambda item: cosines[item])
    scores = blend({**words, nearest: 1.0}, cosines)
    assert all(not_behind(scores, nearest, other) for other in scores)


def test_a_good_match_by_words_without_a_vector_is_neither_buried_nor_first() -> None:
    near = {number: 0.6 - number / 50 for number in range(20)}
    words = {**dict.fromkeys(range(0, 20, 2), 0.5), 0: 0.9, 99: 1.0}
    scores = blend(words, near)
    order = sorted(scores, key=lambda item: -scores[item])
    assert order[0] == 0
    assert order.index(99) < len(order) // 2


@given(founds)
def test_one_way_of_searching_alone_keeps_its_own_order(found: Found) -> None:
    assert blend(found, {}) == found
    assert blend({}, found) == found


@pytest.mark.parametrize(
    ("bm25", "expected"),
    [
        ({1: 4.0, 2: 1.0}, {1: 1.0, 2: 0.25}),
        ({1: 4.0, 2: -1.0}, {1: 1.0, 2: 0.0}),
        ({1: 0.0, 2: 0.0}, {1: 1.0, 2: 1.0}),
        ({}, {}),
    ],
)
def test_a_share_is_that_of_the_best(bm25: Found, expected: Found) -> None:
    assert shares(bm25) == expected
