"""How far the nearest rows are the same by two vectors of each."""

from __future__ import annotations

import numpy as np
import pytest

from ai_memory.reembed.inspect.neighbours import DEPTH, compare_neighbours
from ai_memory.vectors.target import Vectors

ROWS = 200


def drawn(seed: int, dim: int = 32) -> Vectors:
    return np.random.default_rng(seed).standard_normal((ROWS, dim)).astype(np.float32)


def test_all_neighbours_stay_where_vectors_are_only_turned_and_scaled() -> None:
    vectors = drawn(1)
    turned = np.linalg.qr(drawn(2)[:32].astype(np.float64))[0].astype(np.float32)

    found = compare_neighbours(vectors, 7 * vectors @ turned)

    assert (found.rows, found.shared) == (ROWS, (*([0] * DEPTH), ROWS))
    assert found.overlap == 1.0


def test_vectors_that_have_nothing_to_do_with_each_other_share_neighbours_by_chance_only() -> None:
    found = compare_neighbours(drawn(1), drawn(2, dim=8))

    assert found.by_chance == pytest.approx(DEPTH / (ROWS - 1))
    # The standard deviation of the mean over 200 rows is about 0.005.
    assert found.overlap == pytest.approx(found.by_chance, abs=0.025)


def test_a_row_is_not_its_own_neighbour() -> None:
    # Else every row would share one with itself.
    assert compare_neighbours(drawn(1), drawn(2)).shared[0] > 0
