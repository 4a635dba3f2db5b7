"""Single rows in files of every age: odd text, odd ids, references between memories."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_memory.memory.records import Value
from ai_memory.memory.text_codec import printable, readable
from ai_memory.stores.sqlite.database import reading, writing
from ai_memory.stores.sqlite.library import Library
from ai_memory.stores.sqlite.store import Store
from tests.conftest import ROOT
from tests.support import shapes

NOW = 1_700_000_000_000


@pytest.fixture(params=shapes.VERSIONS)
def shape(request: pytest.FixtureRequest, tmp_path: Path) -> shapes.Shape:
    return shapes.build(tmp_path / "m.db", request.param)


@pytest.fixture
def store(shape: shapes.Shape) -> Iterator[Store]:
    with writing(shape.path, now_ms=NOW) as opened:
        yield opened


def test_every_row_is_read_whatever_its_bytes(store: Store, shape: shapes.Shape) -> None:
    found = list(Library(store).listing.all(None))
    assert [(each.id, store.codec.bound(each.title), store.codec.bound(each.content)) for each in found] == [
        (row.id, as_bytes(row.title), as_bytes(row.content)) for row in shape.rows
    ]


def test_no_generated_column_and_no_vector_is_read(store: Store) -> None:
    names = set(Library(store).memories.columns)
    assert not {name for name in names if name.endswith("_idx") or name.startswith("embedding")}


def test_a_row_with_invalid_text_can_be_found_by_its_title(store: Store, shape: shapes.Shape) -> None:
    row = next(each for each in shape.of_kind(shapes.UNDECODABLE) if isinstance(each.title, bytes))
    title = store.codec.name(as_bytes(row.title))
    found = Library(store).memories.titled(title, row.namespace)
    assert found is not None
    assert found.id == row.id


def test_what_an_insert_is_given_an_export_gives_back(store: Store) -> None:
    values: dict[str, Value] = {
        "id": "new",
        "title": "nul \0 and \udcff",
        "content": "c",
        "tier": "mid",
        "priority": 3,
        "namespace": "é",
    }
    with Library(store).transaction() as transaction:
        transaction.memories.insert({**values, "created_at": "x", "updated_at": "x"})
    found = Library(store).memories.get("new")
    assert found is not None
    assert {name: found.values[name] for name in values} == values


def test_summaries_say_what_is_live_and_what_has_a_vector(store: Store, shape: shapes.Shape) -> None:
    found = {each.id: (each.live, each.has_vector) for each in Library(store).listing.summaries(None)}
    dead = {shapes.EXPIRED, shapes.TOMBSTONED}
    assert found == {row.id: (row.kind not in dead, row.blob is not None) for row in shape.rows}


def test_deleting_takes_links_along_and_nothing_else(store: Store, shape: shapes.Shape) -> None:
    first, second, *_ = shape.of_kind(shapes.PLAIN)
    link = "INSERT INTO memory_links (source_id, target_id, created_at) VALUES (?, ?, 'x')"
    store.db.execute(link, (first.id, second.id))
    with Library(store).transaction() as transaction:
        assert transaction.memories.delete(str(first.id))
    assert store.db.value("SELECT count(*) FROM memory_links") == 0
    assert store.db.value("SELECT count(*) FROM memories") == len(shape.rows) - 1


def test_a_memory_with_atoms_is_known_by_them(store: Store, shape: shapes.Shape) -> None:
    parent, atom, *_ = shape.of_kind(shapes.PLAIN)
    store.db.execute("UPDATE memories SET atom_of = ? WHERE id = ?", (parent.id, atom.id))
    memories = Library(store).memories
    assert (memories.atoms(str(parent.id)), memories.atoms(str(atom.id)), memories.orphans()) == (1, 0, [])


def test_a_utf_16_file_is_read_and_written(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "m.db") as made:
        made.execute("PRAGMA encoding = 'UTF-16le'")
        made.executescript((ROOT / "migrations" / "0001_memories.sql").read_text("utf-8"))
    values: dict[str, Value] = {"id": "a", "title": "naïve 🐍", "content": "日本", "namespace": "é"}
    with writing(tmp_path / "m.db", now_ms=NOW) as store, Library(store).transaction() as transaction:
        transaction.memories.insert({**values, "tier": "mid", "created_at": "x", "updated_at": "x"})
    with reading(tmp_path / "m.db") as store:
        found = Library(store).memories.titled("naïve 🐍", "é")
        assert found is not None
        assert {name: found.values[name] for name in values} == values
        assert [each.row_number for each in Library(store).search.matches("naïve", None)] == [1]


@given(st.text(max_size=30))
def test_what_people_see_is_printable(text: str) -> None:
    assert printable(text).isprintable()
    assert not any(category(each) in ("Cc", "Cs") and each not in "\n\t" for each in readable(text))


def as_bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()
