"""Recall by pgvector's index: it finds what the walk over all vectors finds, and is asked only where it may answer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import psycopg
import pytest

from ai_memory.actions.compare import QueryVector
from ai_memory.actions.recall import Found, Query, find
from ai_memory.stores.memory_values import VectorPage
from ai_memory.stores.opening import reading
from ai_memory.stores.postgres.search import Search
from ai_memory.text.database_address import path_of
from ai_memory.vectors.target import Vectors
from tests.support import postgres_shapes
from tests.support.postgres_server import Server

ROWS, DIM, SPACE, DEPTH = 9_000, 8, "model#none", 100
FILL = f"""
    SELECT setseed(0.5);
    INSERT INTO memories (id, tier, namespace, title, content, created_at, updated_at, expires_at,
        embedding, embedding_dim, embedding_space)
    SELECT 'id-' || n, 'mid', CASE WHEN n % 50 = 0 THEN 'rare' ELSE 'team/' || n % 3 END, 'title ' || n,
        'the content of ' || n, now(), now(), CASE WHEN n % 10 = 0 AND n % 50 > 0 THEN now() - interval '1 day' END,
        ARRAY(SELECT (random() - 0.5)::real FROM generate_series(1, {DIM}) WHERE n > 0)::vector({DIM}),
        {DIM}, '{SPACE}'
    FROM generate_series(1, {ROWS}) AS n;
    ANALYZE memories;
"""


def run(url: str, sql: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.encode())


@pytest.fixture
def url(postgres: Server) -> str:
    """A database of theirs with an index, of whose memories some are expired."""
    return postgres.fresh(*postgres_shapes.statements(width=DIM), FILL)


class Walking(Search):
    """Compares all vectors, whatever indexes there are."""

    def nearest(self, *_: object, **__: object) -> VectorPage | None:
        return None


class ByIndex(Search):
    """Compares what an index finds, and nothing else."""

    def vectors(self, namespace: str | None, *, substrate: bool = True) -> Iterator[VectorPage]:
        raise AssertionError(f"all of {namespace} was read, {substrate}")


def queries() -> list[Vectors]:
    return list(np.random.default_rng(7).normal(size=(12, DIM)).astype(np.float32))


def found(
    url: str, kind: type[Search], vector: Vectors, namespace: str | None = None, space: str = SPACE, text: str = ""
) -> Found:
    asked = Query(text, (QueryVector(space, vector),), namespace, limit=DEPTH)
    with reading(path_of(url)) as library:
        return library.store.consistently(lambda _: find(kind(library.store), asked))  # type: ignore[arg-type]


@pytest.mark.parametrize("namespace", [None, "team/1", "team/*"])
def test_the_index_finds_what_the_walk_over_all_finds(url: str, namespace: str | None) -> None:
    recalled = []
    for vector in queries():
        walked, indexed = (found(url, kind, vector, namespace) for kind in (Walking, ByIndex))
        exact = {each.id: each.score for each in walked.hits}
        assert len(indexed.hits) == len(walked.hits)
        assert all(each.score == exact[each.id] for each in indexed.hits if each.id in exact)
        assert indexed.left_out == walked.left_out
        recalled.append(len({each.id for each in indexed.hits} & exact.keys()) / len(exact))

    assert np.mean(recalled) > 0.9, recalled


def test_memories_without_a_vector_are_counted_as_they_were(url: str) -> None:
    run(url, "UPDATE memories SET embedding = NULL, embedding_dim = NULL, embedding_space = NULL WHERE id = 'id-7'")
    vector = queries()[0]

    assert found(url, ByIndex, vector).left_out == found(url, Walking, vector).left_out != {}
    # One of them is found by its words.
    walked, indexed = (found(url, kind, vector, text="title 7") for kind in (Walking, ByIndex))
    by_words = [each for each in indexed.hits if each.cosine is None]
    assert by_words == [each for each in walked.hits if each.cosine is None] != []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE memories SET embedding_space = 'another#none' WHERE id = 'id-7'",
        "UPDATE memories SET embedding_space = NULL WHERE id = 'id-7'",
        "UPDATE memories SET embedding_dim = 7 WHERE id = 'id-7'",
        "DROP INDEX memories_embedding_hnsw",
        "DELETE FROM memories WHERE namespace <> 'rare'",
    ],
)
def test_all_are_compared_where_an_index_would_compare_what_must_not_be_or_is_not_there(url: str, change: str) -> None:
    run(url, change)

    with pytest.raises(AssertionError, match="was read"):
        found(url, ByIndex, queries()[0])
    assert found(url, Search, queries()[0]) == found(url, Walking, queries()[0])


def test_a_query_of_another_space_finds_nothing_by_the_index_either(url: str) -> None:
    with pytest.raises(AssertionError, match="was read"):
        found(url, ByIndex, queries()[0], space="another#none")


def test_a_namespace_with_few_memories_is_compared_as_a_whole(url: str) -> None:
    with pytest.raises(AssertionError, match="was read"):
        found(url, ByIndex, queries()[0], "rare")
