"""recall in a file of two spaces: each vector is compared in its own, and what stands out most comes first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from ai_memory.actions.compare import LeftOut, QueryVector
from ai_memory.actions.recall import Found, Query, recall
from ai_memory.stores.sqlite.database import writing
from ai_memory.stores.sqlite.library import Library
from ai_memory.stores.sqlite.store import Store
from ai_memory.vectors.blob import encode
from tests.support import files

ROWS = 60
OLD, NEW, OTHER = "old#none", "new#none", "other#none"
Vector = npt.NDArray[np.float32]
RNG = np.random.default_rng(12)
U = RNG.normal(size=8)


def drawn(dim: int) -> Vector:
    return unit(RNG.normal(size=dim))


def high(vector: Vector) -> Vector:
    """Return what a model with high cosines gives."""
    return unit(vector + 2 * U / np.linalg.norm(U))


def unit(vector: npt.NDArray[np.floating]) -> Vector:
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


QUERY = {OLD: drawn(16), NEW: high(drawn(8))}
VECTORS = {
    **{f"old-{number:02}": (OLD, drawn(16)) for number in range(ROWS)},
    **{f"new-{number:02}": (NEW, high(drawn(8))) for number in range(ROWS)},
    # As wide as the old ones, and of a space in which the query has no vector.
    **{f"other-{number:02}": (OTHER, QUERY[OLD]) for number in range(3)},
}


def filled(path: Path) -> Path:
    """Write a file with all of VECTORS, those of every second row in namespace b."""
    with writing(path, now_ms=0, create=True):
        pass
    for number, (title, (space, vector)) in enumerate(VECTORS.items()):
        blob = encode(vector)
        files.add(
            path,
            title,
            "ab"[number % 2],
            title=title,
            content="x",
            embedding=blob,
            embedding_dim=len(vector),
            embedding_space=space,
        )
    return path


def search(store: Store, *, spaces: tuple[str, ...] = (NEW, OLD), namespace: str | None = None) -> Found:
    vectors = tuple(QueryVector(each, QUERY[each]) for each in spaces)
    return recall(Library(store), Query("", vectors, namespace, 200))


def cosine(title: str) -> float:
    space, vector = VECTORS[title]
    return float(vector.astype(np.float64) @ QUERY[space].astype(np.float64))


def standing(title: str) -> float:
    """Return by how many deviations a row stands above the mean of its space in the file."""
    of_space = [cosine(each) for each in VECTORS if VECTORS[each][0] == VECTORS[title][0]]
    return float((cosine(title) - np.mean(of_space)) / np.std(of_space))


def check_spaces(folder: Path) -> None:
    """Fail where two spaces are not merged as they should be."""
    with writing(filled(folder / "spaces.db"), now_ms=0) as store:
        for namespace in (None, "a"):
            found = search(store, namespace=namespace)
            titles = [each.title for each in found.hits]
            wanted = [each for number, each in enumerate(VECTORS) if namespace is None or number % 2 == 0]
            expected = [each for each in wanted if VECTORS[each][0] != OTHER]
            assert titles == sorted(expected, key=lambda each: -standing(each))
            assert found.left_out == {LeftOut.OTHER_SPACE: len(wanted) - len(expected)}
            assert all(each.cosine == pytest.approx(cosine(each.title), abs=1e-5) for each in found.hits)


def test_what_stands_out_most_in_its_own_space_comes_first(tmp_path: Path) -> None:
    check_spaces(tmp_path)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with writing(filled(tmp_path_factory.mktemp("spaces") / "m.db"), now_ms=0) as opened:
        yield opened


@pytest.mark.parametrize("space", [OLD, NEW])
def test_by_one_space_alone_cosines_are_the_scores(store: Store, space: str) -> None:
    found = search(store, spaces=(space,))
    assert [each.score for each in found.hits] == [each.cosine for each in found.hits]
    assert len(found.hits) == ROWS


def test_a_space_that_is_not_there_changes_nothing(store: Store) -> None:
    only = recall(Library(store), Query("", (QueryVector(OLD, QUERY[OLD]),), None, 10))
    both = Query("", (QueryVector(OLD, QUERY[OLD]), QueryVector("absent#none", QUERY[NEW])), None, 10)
    assert recall(Library(store), both).hits == only.hits


def test_what_was_left_out_is_told_by_its_space(store: Store) -> None:
    assert search(store).other_spaces == {OTHER: 3}
    assert search(store, spaces=(NEW,)).other_spaces == {OLD: ROWS, OTHER: 3}
