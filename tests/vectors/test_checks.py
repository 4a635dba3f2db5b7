"""One check of a stored vector and one cosine: NaN, infinity and zeros are found wherever they stand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_memory.embed.http.wire import as_vectors
from ai_memory.errors import AnswerViolation, DataRefused, VectorsBroken
from ai_memory.vectors.blob import decode, encode, is_sound, which_sound
from ai_memory.vectors.checks import check, cosines
from ai_memory.vectors.target import Vectors

DIM = 8
UNIT = np.full(DIM, 0.5, dtype=np.float32)
SIGNALLING = b"\x01\x00\xa0\x7f"
BROKEN = {
    "NaN": float("nan"),
    "infinity": float("inf"),
    "minus infinity": float("-inf"),
    "more than can be squared": 3e38,
}


def broken(value: float, place: int = DIM - 1) -> Vectors:
    vector = UNIT.copy()
    vector[place] = value
    return vector


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("place", [0, 3, 4, DIM - 1])
def test_a_broken_component_anywhere_makes_a_vector_unsound(kind: str, place: int) -> None:
    assert not is_sound(encode(broken(BROKEN[kind], place)), DIM)


@pytest.mark.parametrize("dim", [2, 7, 64, 384])
def test_equal_vectors_have_equal_cosines_wherever_they_stand(dim: int) -> None:
    random = np.random.default_rng(1)
    some, query = random.standard_normal((7, dim)).astype(np.float32), random.standard_normal(dim).astype(np.float32)
    many = np.tile(some, (30, 1))

    alone = [cosines(each[np.newaxis], query)[0] for each in some]
    for start in range(7):
        assert np.array_equal(cosines(many[start:], query), np.tile(alone, 30)[start:])
    assert np.array_equal(cosines(many, np.tile(query, (210, 1))), np.tile(alone, 30))


@pytest.mark.parametrize("blob", [b"", b"\x01", b"\x01\x02\x03", b"\x02" + bytes(4 * DIM), b"\x01" + bytes(4 * DIM)])
def test_what_is_malformed_or_all_zero_is_unsound(blob: bytes) -> None:
    assert not is_sound(blob, DIM)


def test_a_nan_that_signals_is_unsound_and_says_nothing_on_stderr() -> None:
    blob = b"\x01" + SIGNALLING * DIM

    assert not is_sound(blob, DIM)
    assert np.isnan(cosines(decode(blob)[np.newaxis], UNIT)).all()


def test_a_sound_vector_is_sound_with_and_without_its_header_and_of_its_own_width_alone() -> None:
    blob = encode(UNIT)

    assert is_sound(blob, DIM)
    assert is_sound(blob[1:], DIM)
    assert not is_sound(blob, DIM - 1)


@given(st.lists(st.floats(width=32), min_size=1, max_size=40))
def test_what_passes_the_check_of_an_answer_is_sound_as_it_is_stored(numbers: list[float]) -> None:
    vector = np.array([numbers], dtype=np.float32)
    try:
        check(vector, count=1, dim=len(numbers))
    except AnswerViolation:
        return

    assert is_sound(encode(vector[0]), len(numbers))


BLOBS = st.one_of(
    st.none(),
    st.binary(max_size=4 * DIM + 1),
    st.lists(st.floats(width=32), min_size=DIM, max_size=DIM).map(lambda each: encode(np.array(each))),
    st.lists(st.floats(-1, 1, width=32), min_size=DIM, max_size=DIM).map(lambda each: encode(np.array(each))[1:]),
)


@given(st.lists(BLOBS, max_size=9))
def test_many_vectors_at_once_are_sound_where_each_is_by_itself(blobs: list[bytes | None]) -> None:
    assert which_sound(blobs, DIM) == [each is not None and is_sound(each, DIM) for each in blobs]


def test_of_many_vectors_at_once_the_unsound_ones_are_told() -> None:
    unsound = [UNIT * 1e16, UNIT * 1e-16, UNIT * 0, *map(broken, BROKEN.values())]

    found = which_sound([encode(each) for vector in unsound for each in (vector, UNIT)], DIM)

    assert found == [False, True] * len(unsound)


@pytest.mark.parametrize("kind", [*BROKEN][:3])
def test_the_cosine_of_a_broken_vector_is_neither_near_nor_far(kind: str) -> None:
    matrix = np.stack([UNIT, broken(BROKEN[kind]), np.zeros(DIM, dtype=np.float32)])

    by_one, by_row = cosines(matrix, UNIT), cosines(matrix, np.stack([UNIT] * 3))

    for found in (by_one, by_row):
        assert found[0] == pytest.approx(1)
        assert not (found[1:] >= -1).any()
        assert not (found[1:] < 1).any()


@pytest.mark.parametrize("blob", [b"", b"\x01", b"\x01\x02", b"\x02" + bytes(16), bytes(7)])
def test_a_blob_of_no_vectors_length_is_refused(blob: bytes) -> None:
    with pytest.raises(DataRefused, match="malformed"):
        decode(blob)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 0.0, 3e38, 1e-44])
def test_some_vectors_that_are_none_are_told_by_their_places(number: float) -> None:
    found = np.ones((4, 3), dtype=np.float32)
    found[[1, 3]] = number

    with pytest.raises(VectorsBroken) as caught:
        check(found, count=4, dim=3)

    assert list(caught.value.broken) == [1, 3]
    assert np.array_equal(caught.value.vectors[0], [1, 1, 1])


def test_vectors_of_which_all_are_none_are_an_answer_that_cannot_be_believed() -> None:
    with pytest.raises(AnswerViolation) as caught:
        check(np.zeros((2, 3), dtype=np.float32), count=2, dim=3)

    assert type(caught.value) is AnswerViolation


@pytest.mark.parametrize(
    "nothing", [None, [], {}, "words", [1.0, True, 2.0], [1.0, 2.0], [1.0, None, 2.0], [[1, 2, 3]]]
)
def test_a_row_that_is_no_vector_is_nan_and_the_others_stay(nothing: object) -> None:
    found = as_vectors([[1.0, 2.0, 3.0], nothing, ["4", 5, 6.0]])

    assert np.array_equal(found[[0, 2]], [[1, 2, 3], [4, 5, 6]])
    assert np.isnan(found[1]).any()
