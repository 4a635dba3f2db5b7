"""The sample of a rehearsal: which rows are drawn, and how they are looked for by their titles."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ai_memory.actions.rehearse import TITLES, Quality, Titled, compare_by_titles, untitled
from ai_memory.actions.sample import draw, judged_first
from ai_memory.memory.freshness import Document
from ai_memory.stores.sqlite.database import reading
from ai_memory.stores.sqlite.library import Library
from tests.support import files

ROWS = 40


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return files.create(tmp_path / "m.db", ROWS)


def drawn(db: Path, size: int, *first: str) -> list[str]:
    with reading(db) as store:
        return [each.id for each in draw(Library(store), size, first).documents]


def test_two_draws_are_the_same_and_a_larger_one_holds_the_smaller(db: Path) -> None:
    small, large = drawn(db, 5), drawn(db, 20)
    assert small == drawn(db, 5) == large[:5]
    assert len(set(large)) == 20
    assert large != sorted(large)


def test_a_row_that_is_added_leaves_the_others_where_they_are(db: Path) -> None:
    before = drawn(db, 10)
    files.add(db, "added")
    assert len(set(before) & set(drawn(db, 10))) >= 9


def test_named_rows_come_first_and_those_that_are_not_there_are_left_out(db: Path) -> None:
    assert drawn(db, 3, "id-007", "nowhere", "id-001", "id-007")[:2] == ["id-007", "id-001"]
    assert len(drawn(db, 3, "id-007")) == 3


def test_only_live_rows_with_a_text_outside_of_the_substrate_are_drawn(db: Path) -> None:
    files.execute(db, "UPDATE memories SET expires_at = '2020-01-01T00:00:00Z' WHERE id < 'id-030'")
    files.execute(db, "UPDATE memories SET namespace = '_messages' WHERE id >= 'id-038'")
    files.execute(db, "UPDATE memories SET title = ' ', content = ' ' WHERE id = 'id-030'")

    wanted = {f"id-{number:03}" for number in range(31, 38)}
    assert set(drawn(db, ROWS)) == wanted
    # Also where most of those that are drawn first are not such.
    files.execute(db, "UPDATE memories SET encrypted_envelope = 'x', content = '' WHERE id < 'id-037'")
    assert drawn(db, 1, "id-000", "id-038") == ["id-037"]


def test_rows_without_an_id_are_not_drawn(db: Path) -> None:
    files.execute(db, "UPDATE memories SET id = x'00ff' WHERE id = 'id-000'")
    assert len(drawn(db, ROWS)) == ROWS - 1


def test_what_was_judged_for_a_query_stays_together() -> None:
    judged = {query: {f"{query}-{number}": 1 for number in range(3)} for query in "abcd"}
    first = judged_first(list("abcd"), judged)
    assert [name[0] for name in first] == [
        query for query in dict.fromkeys(name[0] for name in first) for _ in range(3)
    ]


def document(name: str, title: str, content: str) -> Document:
    return Document(name, "a", title, content, f"{title} {content}", b"", 0)


def test_a_row_is_looked_for_without_its_title() -> None:
    rows = [document("one", "Tea", "Tea is green. Tea!"), document("two", " ", "x"), document("three", "Tea", "Tea")]
    assert [(each.id, each.text) for each in untitled(rows)] == [("one", "  is green.  !")]


def test_not_all_rows_of_a_large_sample_are_looked_for() -> None:
    rows = [document(str(number), "t", "content") for number in range(6 * TITLES)]
    assert (len(untitled(rows[: TITLES + 1])), len(untitled(rows))) == (TITLES, 2 * TITLES)


def vectors(*names: str) -> Iterator[tuple[str, np.ndarray[tuple[int], np.dtype[np.float32]]]]:
    """Yield a vector of its own for each name: names of one letter are alike."""
    for name in names:
        vector = np.full(30, 0.001 * int(name[1:] or 0), dtype=np.float32)
        vector[ord(name[0]) - ord("a")] = 1
        yield name, vector


def test_the_mean_is_taken_over_the_rows_that_both_can_find() -> None:
    right = Titled(dict(vectors("a", "b", "c")), dict(vectors("a", "b")), dict(vectors("a", "b")))
    swapped = dict(zip("ab", (vector for _, vector in vectors("b", "a")), strict=True))
    wrong = Titled(dict(vectors("a", "b")), dict(vectors("a")), swapped)

    assert compare_by_titles(None, right) == (None, Quality(None, 1.0))
    # Among a and b only, and of a alone: its title is nearer to b.
    assert compare_by_titles(wrong, right) == (Quality(None, 0.5), Quality(None, 1.0))


def test_where_none_can_be_found_there_is_no_mean() -> None:
    nothing = Titled({}, {}, {})
    some = Titled(dict(vectors("a")), dict(vectors("a")), dict(vectors("a")))
    assert compare_by_titles(None, nothing) == (None, None)
    assert compare_by_titles(nothing, some) == (None, Quality(None, 1.0))


def test_a_row_beyond_the_first_ten_counts_nothing() -> None:
    names = [f"a{number}" for number in range(12)]
    rows = dict(vectors(*names))
    far = Titled(rows, {"a11": rows["a11"]}, {"a11": rows["a0"]})
    assert compare_by_titles(None, far) == (None, Quality(None, 0.0))
