"""The census: every live row counted once, over one snapshot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ai_memory.memory.freshness import Document, Unfit
from ai_memory.reembed.plan.census import Census, Listener, count_rows, take_census
from ai_memory.reembed.scope import in_scope, namespaces_in_scope
from ai_memory.stores.sqlite.database import reading
from ai_memory.stores.sqlite.store import Store
from tests.reembed.work import NOW_MS, Work, known
from tests.support import files, shapes


def census_of(work: Work, scope: tuple[str, ...] | None = None) -> Census:
    with work.store() as store:
        return take_census(store, known(store, work.embedder), scope, now_ms=NOW_MS)


def test_a_finished_run_leaves_nothing_stale(work: Work) -> None:
    work.run()

    found = census_of(work)

    assert (found.live, found.fresh, found.stale, found.exit_code) == (10, 10, 0, 0)
    assert (found.with_vector, found.live_by_namespace) == (10, {"a": 5, "b": 5})


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE memories SET content = 'edited' WHERE id = 'id-003'",
        "UPDATE memories SET title = 'edited' WHERE id = 'id-003'",
        "UPDATE memories SET embedding = zeroblob(65) WHERE id = 'id-003'",
        "UPDATE memories SET embedding = NULL WHERE id = 'id-003'",
        "UPDATE memories SET embedding_dim = 8 WHERE id = 'id-003'",
        "UPDATE memories SET embedding_space = 'other#none' WHERE id = 'id-003'",
        "DELETE FROM embedding_provenance WHERE memory_id = 'id-003'",
    ],
)
def test_what_another_program_does_to_a_row_is_found(work: Work, change: str) -> None:
    work.run()
    files.execute(work.path, change)

    found = census_of(work)

    assert (found.fresh, found.stale, found.exit_code) == (9, 1, 75)
    assert found.stale_by_namespace == {"b": 1}


def test_a_vector_that_is_broken_behind_its_head_is_stale(work: Work) -> None:
    work.run()
    nan = np.float32("nan").tobytes()
    with work.store() as store:
        [(blob,)] = store.db.execute("SELECT embedding FROM memories WHERE id = 'id-003'")
        store.db.execute("UPDATE memories SET embedding = ? WHERE id = 'id-003'", (blob[: -len(nan)] + nan,))

    found = census_of(work)

    assert (found.fresh, found.stale, found.first_stale) == (9, 1, ["id-003"])


def test_a_move_between_namespaces_keeps_a_row_fresh(work: Work) -> None:
    work.run()
    files.execute(work.path, "UPDATE memories SET namespace = 'c' WHERE id = 'id-003'")

    assert census_of(work).stale == 0


@pytest.mark.parametrize("version", shapes.VERSIONS)
def test_every_row_of_a_foreign_file_is_counted_once(tmp_path: Path, version: int) -> None:
    shape = shapes.build(tmp_path / "m.db", version)

    with reading(shape.path) as store:
        found = take_census(store, None, None, now_ms=NOW_MS)

    assert found.substrate == len(shape.of_kind(shapes.SUBSTRATE))
    assert found.dead == len(shape.of_kind(shapes.EXPIRED, shapes.TOMBSTONED))
    assert found.unaddressable == len(shape.of_kind(shapes.NULL_ID))
    assert found.live + found.substrate + found.dead + found.unaddressable == len(shape.rows)
    assert (found.stale, found.exit_code) == (found.live, 75)


def test_rows_without_an_id_are_never_complete(work: Work) -> None:
    shape = shapes.build(work.path.with_name("foreign.db"), 101, kinds={shapes.PLAIN, shapes.NULL_ID})
    foreign = Work(shape.path)

    ended = foreign.run()

    assert (ended.exit_code, ended.unaddressable, ended.reembedded, ended.remaining) == (10, 1, 12, 0)


def test_the_visitor_hears_of_every_stale_row_and_no_other(work: Work) -> None:
    work.run()
    files.edit(work.path, "id-001", "edited")
    files.edit(work.path, "id-002", " ")
    files.execute(work.path, "UPDATE memories SET title = '' WHERE id = 'id-002'")
    heard: list[Document | Unfit] = []

    with work.store() as store:
        target, traits = known(store, work.embedder), store.memories.traits
        listener = Listener(heard.append)
        store.consistently(lambda found: count_rows(found, traits, target, None, now_ms=NOW_MS, listener=listener))

    assert {each.id: type(each) for each in heard} == {"id-001": Document, "id-002": Unfit}


def test_a_scope_counts_its_namespaces_exactly(work: Work) -> None:
    files.add(work.path, "below", "a/below")

    assert (census_of(work, ("a",)).live, census_of(work, ("a", "a/below")).live) == (5, 6)


def test_own_namespaces_of_ai_memory_are_in_scope_only_when_named(store: Store, work: Work) -> None:
    files.add(work.path, "agent", "_agents")

    assert list(namespaces_in_scope(store, None)) == ["a", "b"]
    assert list(namespaces_in_scope(store, ("_agents",))) == ["_agents"]
    assert not in_scope("_inbox/x", None)


@pytest.mark.parametrize(
    ("counts", "code"),
    [
        ({"fresh": 3}, 0),
        ({}, 0),
        ({"fresh": 3, "quarantined": 1}, 10),
        ({"fresh": 3, "unaddressable": 1}, 10),
        ({"stale": 1, "quarantined": 1}, 75),
    ],
)
def test_the_exit_code_is_zero_only_where_every_row_is_fresh(counts: dict[str, int], code: int) -> None:
    assert Census(0, **counts).exit_code == code  # type: ignore[arg-type]
