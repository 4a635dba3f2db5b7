"""Reading for the migration: order, blocks, and rows that are odd in every way."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_memory.stores.sqlite import walk, which_rows
from ai_memory.stores.sqlite.among import among
from ai_memory.stores.sqlite.database import reading, writing
from ai_memory.stores.sqlite.store import Store
from tests.support import files, shapes
from tests.support.strategies import ODD

OTHERS = """
    WITH RECURSIVE n (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n LIMIT ?)
    INSERT INTO memories (id, tier, namespace, title, content, created_at, updated_at)
    SELECT 'other-' || value, tier, iif(value % 2, 'A', 'b'), value, content, created_at, updated_at
    FROM memories, n WHERE memories.id = '000'
"""


def all_ids(store: Store, namespace: str, *, limit: int) -> list[str]:
    found: list[str] = []
    while block := walk.ids_after(store, namespace, found[-1] if found else None, limit=limit):
        found += block
    return found


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_blocks_of_any_size_pass_every_id_once_in_sqlites_order(store: Store, path: Path, limit: int) -> None:
    expected = [row[0] for row in files.execute(path, "SELECT id FROM memories WHERE namespace = 'a' ORDER BY id")]

    assert all_ids(store, "a", limit=limit) == expected


@settings(max_examples=15, deadline=None)
@given(ids=st.sets(st.sampled_from(ODD), min_size=1), limit=st.integers(1, 4))
def test_ids_that_sort_oddly_are_passed_once(
    tmp_path_factory: pytest.TempPathFactory, ids: set[str], limit: int
) -> None:
    path = files.create(tmp_path_factory.mktemp("odd") / "m.db", 0)
    for each in ids:
        files.add(path, each.encode("utf-8", "surrogateescape").hex())
    files.execute(path, "UPDATE memories SET id = CAST(unhex(id) AS TEXT)")

    with reading(path) as store:
        found = all_ids(store, "a", limit=limit)

        assert len(found) == len(set(found))
        assert set(found) == ids
        assert [row.id for row in walk.rows_by_id(store, found, target=None)] == found


@pytest.mark.parametrize("limit", [1, 2, 7, 100])
@pytest.mark.parametrize(
    ("others", "large"), [(0, True), (5, True), (2_000, False)], ids=["the only one", "most of it", "a small part"]
)
def test_without_an_index_the_ids_of_a_namespace_are_found_whatever_part_of_the_file_it_is(
    tmp_path: Path, limit: int, others: int, large: bool
) -> None:
    path = shapes.build(tmp_path / "m.db", 57, rows=0, kinds=()).path
    files.execute(path, "DELETE FROM memories")
    for number in range(40):
        files.add(path, f"{number * 7 % 40:03}", "a")
    files.execute(path, OTHERS, others)

    with reading(path) as store:
        assert not store.schema.walk_index
        if limit == 7:
            assert bool(store.db.value(walk.LARGE, {"namespace": b"a", "limit": limit, "after": None})) is large
        assert all_ids(store, "a", limit=limit) == [f"{number:03}" for number in range(40)]
        assert len(all_ids(store, "b", limit=500)) == others // 2
        assert all_ids(store, "nobody's", limit=limit) == []


def test_a_row_that_is_gone_is_left_out(store: Store) -> None:
    store.db.execute("DELETE FROM memories WHERE id = 'id-002'")

    found = walk.rows_by_id(store, ["id-004", "id-002", "id-000"], target=None)

    assert [row.id for row in found] == ["id-004", "id-000"]


def test_ids_that_differ_only_in_case_are_two_rows(store: Store, path: Path) -> None:
    files.add(path, "ID-000", content="the other")

    found = walk.rows_by_id(store, ["id-000", "ID-000"], target=None)

    assert [row.content for row in found] == ["the content of id-000", "the other"]


def test_a_text_with_a_nul_comes_whole(store: Store, path: Path) -> None:
    files.add(path, "nul", title="a\0b", content="c\0d")

    (row,) = walk.rows_by_id(store, ["nul"], target=None)

    assert (row.title, row.content) == ("a\0b", "c\0d")


@pytest.mark.parametrize("version", shapes.VERSIONS)
def test_odd_rows_abort_no_page_and_say_what_they_are(tmp_path: Path, version: int) -> None:
    shape = shapes.build(tmp_path / "m.db", version)

    with reading(shape.path) as store:
        rows = {row.id: row for row in walk.all_rows(store, target=None, only=None)}
        missing = walk.unaddressable(store)

    assert set(rows) == {row.id for row in shape.rows if row.id}
    undecodable = {row.id for row in shape.of_kind(shapes.UNDECODABLE)}
    assert {each for each, row in rows.items() if row.title is None or row.content is None} == undecodable
    assert {each for each, row in rows.items() if row.encrypted} == {row.id for row in shape.of_kind(shapes.ENCRYPTED)}
    assert missing == [("global", 1)]


def test_the_width_of_a_blob_is_what_it_carries(tmp_path: Path) -> None:
    shape = shapes.build(tmp_path / "m.db", 101)

    with reading(shape.path) as store:
        rows = {row.title: row.width for row in walk.all_rows(store, target=None, only=["odd/rows"])}

    assert rows["legacy"] == rows["false dim"] == shapes.DIM
    assert (rows["odd length"], rows["nothing"]) == (-1, -1)


def test_a_stamp_that_is_no_text_and_a_width_that_is_no_number_abort_nothing(store: Store) -> None:
    store.db.execute(
        "UPDATE memories SET embedding = x'01', embedding_space = CAST(x'ff41' AS TEXT), embedding_dim = 'wide'"
    )

    (row, *_) = walk.rows_by_id(store, ["id-000"], target=None)

    assert (row.raw_space, row.dim) == (b"\xffA", None)
    assert walk.stored_spaces(store) == [("\udcffA", None, 10)]


@pytest.mark.parametrize("envelope", ["text", 7, 1.5, b"", b"\x02sealed"])
def test_an_envelope_of_any_type_is_one(store: Store, envelope: str | float | bytes) -> None:
    store.db.execute("UPDATE memories SET encrypted_envelope = ?, content = '' WHERE id = 'id-000'", (envelope,))

    (row,) = walk.rows_by_id(store, ["id-000"], target=None)

    assert row.encrypted
    assert row.raw.count(b"\x00") == 2


def test_only_the_namespaces_asked_for_are_read(store: Store) -> None:
    found = {row.namespace for row in walk.all_rows(store, target=None, only=["b", "nobody"])}

    assert found == {"b"}


def test_stored_spaces_are_counted_the_most_frequent_first(tmp_path: Path) -> None:
    shape = shapes.build(tmp_path / "m.db", 101, kinds={shapes.PLAIN, shapes.EXPIRED}, rows=6)
    files.execute(shape.path, "UPDATE memories SET embedding_space = 'other#none' WHERE title = 'Note 0'")

    with writing(shape.path, now_ms=0) as store:
        assert walk.stored_spaces(store) == [(shapes.SPACE, 384, 2), ("other#none", 384, 1)]


@pytest.mark.parametrize("version", [57, 101])
@pytest.mark.parametrize("view", [which_rows.RECORDED, which_rows.SERVED, which_rows.STAGED])
def test_a_page_of_a_foreign_file_is_read_by_its_primary_key(tmp_path: Path, version: int, view: str) -> None:
    shape = shapes.build(tmp_path / "m.db", version, rows=50, kinds={shapes.PLAIN})

    with reading(shape.path) as store:
        sql = walk.ROWS_BY_ID.format(rows=view)
        plan = " ".join(str(row) for row in among(store.db, f"EXPLAIN QUERY PLAN {sql}", [b"x"], {"target": None}))

    assert "SEARCH m USING INDEX sqlite_autoindex_memories_1 (id=?)" in plan
    # What reads an odd expires_at goes step by step over one value, no table.
    of_a_value = plan.replace("SCAN CONSTANT ROW", "").replace("SCAN (subquery", "")
    # The ids of the page; runs are few, and what is served is one row.
    of_a_value = of_a_value.replace("SCAN named VIRTUAL TABLE", "")
    of_a_value = of_a_value.replace("SCAN reembed_run", "").replace("SCAN embedding_active", "")
    assert "SCAN" not in of_a_value
    assert "TEMP B-TREE" not in plan
