"""Vectors that are kept from one search to the next never outlive the state of the file that they are of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ai_memory.actions.compare import QueryVector
from ai_memory.actions.kept_vectors import KeptVectors
from ai_memory.actions.recall import Found, Query, recall
from ai_memory.stores.opening import reading
from ai_memory.stores.sqlite.database import writing
from ai_memory.stores.sqlite.store import Store
from tests.actions.test_recall import NOW, remember
from tests.support import files
from tests.support.fakes import HashEmbedder

TEXTS = ("ibis", "lory", "rook")


@dataclass(slots=True)
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass(slots=True)
class Searches:
    """A file with a writer, and searches of it that keep vectors."""

    path: Path
    store: Store
    by: HashEmbedder
    clock: Clock = field(default_factory=Clock)
    kept: KeptVectors = field(init=False)

    def __post_init__(self) -> None:
        self.kept = KeptVectors(self.clock)

    def both(self, text: str, *, namespace: str | None = None) -> Found:
        """Return what is found by kept vectors; fails where it is not what is found without them."""
        vectors = (QueryVector(self.by.target.space, self.by.embed_query(text)),)
        query = Query(text, vectors, namespace, 10)
        with reading(self.path) as library:
            # The second one finds what the first one kept.
            first, found = recall(library, query, self.kept), recall(library, query, self.kept)
            assert first == found == recall(library, query)
            return found


@pytest.fixture
def searches(tmp_path: Path) -> Iterator[Searches]:
    path, by = tmp_path / "m.db", HashEmbedder()
    with writing(path, now_ms=NOW, create=True) as store:
        for text in TEXTS:
            remember(store, text, f"{text} bird", by=by)
        yield Searches(path, store, by)


def test_what_is_kept_finds_what_is_found_without_it(searches: Searches) -> None:
    assert searches.both("ibis").hits[0].title == "ibis"
    assert 0 < searches.kept.bytes < 10_000
    assert searches.both("lory", namespace="global").hits[0].title == "lory"


def test_what_somebody_writes_or_deletes_meanwhile_is_seen(searches: Searches) -> None:
    with reading(searches.path) as library:
        vectors = (QueryVector(searches.by.target.space, searches.by.embed_query("swift swift bird")),)
        # By its meaning alone: its words would be found whatever is kept.
        query = Query("unheard", vectors, None, 10)
        assert "swift" not in {hit.title for hit in recall(library, query, searches.kept).hits}
        remember(searches.store, "swift", "swift bird", by=searches.by)
        assert recall(library, query, searches.kept).hits[0].title == "swift"
        files.execute(searches.path, "DELETE FROM memories WHERE title = 'swift'")
        assert "swift" not in {hit.title for hit in recall(library, query, searches.kept).hits}


def test_what_is_kept_ends_when_a_memory_expires_though_nobody_writes(searches: Searches) -> None:
    files.execute(searches.path, "UPDATE memories SET expires_at = '2999-01-01T00:00:00Z' WHERE title = 'rook'")
    query = Query("rook", (QueryVector(searches.by.target.space, searches.by.embed_query("rook")),), None, 10)
    with reading(searches.path) as library:
        recall(library, query, searches.kept)
        kept = searches.kept.parts
        searches.clock.now = 1.0
        recall(library, query, searches.kept)
        assert searches.kept.parts is kept
        searches.clock.now = 10.0**12
        recall(library, query, searches.kept)
        assert searches.kept.parts is not kept


def test_what_one_connection_kept_is_not_taken_for_what_another_one_sees(searches: Searches) -> None:
    searches.both("ibis")
    kept = searches.kept.parts

    searches.both("ibis")

    assert searches.kept.parts is not kept


def test_no_more_than_so_many_bytes_are_kept(searches: Searches) -> None:
    searches.kept.most_bytes = 10

    searches.both("lory")

    assert searches.kept.bytes == 0
