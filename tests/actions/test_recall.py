"""recall: both ways of searching, and that no vector of another space is ever compared."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_memory.actions.compare import LeftOut, QueryVector
from ai_memory.actions.filling import Filling
from ai_memory.actions.ingest import put
from ai_memory.actions.recall import Found, Query, recall
from ai_memory.actions.renew import renew
from ai_memory.clock import SystemClock
from ai_memory.memory.records import Draft
from ai_memory.reembed.stop import Stop
from ai_memory.reembed.tools import SweepTools
from ai_memory.stores.sqlite.database import writing
from ai_memory.stores.sqlite.library import Library
from ai_memory.stores.sqlite.store import Store
from ai_memory.stores.sqlite.transactions import snapshot
from ai_memory.vectors.blob import encode
from tests.support import shapes
from tests.support.fakes import HashEmbedder, patient

SPACE = "fake/hash#none"
NOW = 1_700_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with writing(tmp_path / "m.db", now_ms=NOW, create=True) as opened:
        yield opened


def remember(store: Store, title: str, content: str, *, namespace: str = "global", by: HashEmbedder | None) -> str:
    draft = Draft({"title": title, "content": content, "namespace": namespace})
    with Library(store).transaction() as transaction:
        stored_id = put(transaction, draft, now_ms=NOW, source="test").id
    assert stored_id is not None
    if by:
        renew(Filling(store, patient(by), "store", SweepTools(SystemClock(), Stop(), lambda _: None)), stored_id)
    return stored_id


def search(store: Store, text: str, *, by: HashEmbedder | None, namespace: str | None = None, limit: int = 10) -> Found:
    vectors = (QueryVector(by.target.space, by.embed_query(text)),) if by else ()
    return recall(Library(store), Query(text, vectors, namespace, limit))


def titles(found: Found) -> list[str]:
    return [hit.title for hit in found.hits]


def begin_a_run(store: Store) -> None:
    store.db.execute(
        "INSERT INTO reembed_run (target, target_model, scope_json, state, started_at, last_progress_at, tool_version)"
        " SELECT id, 'm', 'null', 'done', 0, 0, '0' FROM embedding_fingerprint LIMIT 1"
    )


def test_words_alone_find_a_memory_without_a_vector(store: Store) -> None:
    remember(store, "Tea", "green leaves", by=None)
    remember(store, "Coffee", "black beans", by=None)
    found = search(store, "leaves", by=None)
    assert [(hit.title, hit.score, hit.cosine) for hit in found.hits] == [("Tea", 1.0, None)]


def test_meaning_finds_what_no_word_does(store: Store) -> None:
    embedder = HashEmbedder()
    remember(store, "Tea", "green leaves", by=embedder)
    remember(store, "Coffee", "black beans", by=embedder)
    with store.transaction() as transaction:
        transaction.db.execute("INSERT INTO memories_fts(memories_fts) VALUES ('delete-all')")
    assert titles(search(store, "green leaves", by=embedder)) == ["Tea", "Coffee"]


def test_a_memory_first_in_both_orders_scores_one(store: Store) -> None:
    embedder = HashEmbedder()
    remember(store, "Tea", "green leaves", by=embedder)
    remember(store, "Coffee", "black beans", by=embedder)
    assert search(store, "Tea green leaves", by=embedder).hits[0].score == pytest.approx(1.0)


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_a_score_is_the_same_however_few_memories_are_looked_at(
    store: Store, monkeypatch: pytest.MonkeyPatch, depth: int
) -> None:
    embedder = HashEmbedder()
    for number in range(12):
        remember(store, f"t{number}", "green tea " * (number % 3) + f"cup {number}", by=embedder)
    whole = {hit.title: hit for hit in search(store, "green cup", by=embedder, limit=100).hits}
    monkeypatch.setattr("ai_memory.actions.recall.MIN_DEPTH", depth)
    few = search(store, "green cup", by=embedder, limit=depth).hits
    assert len(few) == depth
    assert all(hit.score == pytest.approx(whole[hit.title].score) for hit in few)
    assert all(hit.cosine == pytest.approx(whole[hit.title].cosine) for hit in few)


def test_what_a_file_told_its_word_index_to_rank_by_is_not_obeyed(store: Store) -> None:
    remember(store, "Tea", "green leaves", by=None)
    store.db.execute("INSERT INTO memories_fts(memories_fts, rank) VALUES ('rank', 'highlight(0, ''<'', ''>'')')")
    assert titles(search(store, "leaves", by=None)) == ["Tea"]


def test_of_equal_memories_those_stored_earlier_are_found(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = HashEmbedder()
    for number in range(9):
        remember(store, f"t{number}", "x", by=embedder)
    store.db.execute("UPDATE memories SET embedding = ?", (encode(embedder.vector("t0 x")),))
    store.db.execute("DELETE FROM embedding_provenance")
    monkeypatch.setattr("ai_memory.stores.sqlite.vector_pages.PAGE_ROWS", 4)
    monkeypatch.setattr("ai_memory.actions.recall.MIN_DEPTH", 5)
    assert titles(search(store, "nothing", by=embedder, limit=5)) == ["t0", "t1", "t2", "t3", "t4"]


def test_a_pasted_text_is_searched_for_by_its_rarest_words(store: Store) -> None:
    common = " ".join(f"word{number}" for number in range(1_500))
    remember(store, "Common", common, by=None)
    remember(store, "Also common", common, by=None)
    remember(store, "Rare", "the quokka", by=None)
    assert titles(search(store, f"{common} quokka", by=None))[0] == "Rare"


def test_vectors_of_another_space_or_width_are_left_out_and_counted(store: Store) -> None:
    remember(store, "ours", "x", by=HashEmbedder())
    remember(store, "other model", "x", by=HashEmbedder(model="else"))
    remember(store, "other width", "x", by=HashEmbedder(dim=8))
    remember(store, "none", "x", by=None)
    found = search(store, "something", by=HashEmbedder())
    assert titles(found) == ["ours"]
    assert found.left_out == {LeftOut.OTHER_SPACE: 1, LeftOut.OTHER_WIDTH: 1, LeftOut.NO_VECTOR: 1}


def test_a_foreign_vector_written_over_ours_is_of_its_stamp_not_of_our_record(store: Store) -> None:
    memory_id = remember(store, "Tea", "x", by=HashEmbedder())
    blob = encode(HashEmbedder(model="else").vector("Tea x"))
    stamped = "UPDATE memories SET embedding = ?, embedding_space = 'fake/else#none' WHERE id = ?"
    store.db.execute(stamped, (blob, memory_id))
    assert search(store, "y", by=HashEmbedder()).left_out == {LeftOut.OTHER_SPACE: 1}


def test_a_vector_of_unknown_origin_counts_only_until_a_run_has_begun(store: Store) -> None:
    embedder = HashEmbedder()
    remember(store, "known", "x", by=embedder)
    unknown = remember(store, "unknown", "x", by=embedder)
    store.db.execute("UPDATE memories SET embedding_space = NULL WHERE id = ?", (unknown,))
    store.db.execute("DELETE FROM embedding_provenance WHERE memory_id = ?", (unknown,))
    before = search(store, "y", by=embedder)
    begin_a_run(store)
    after = search(store, "y", by=embedder)
    assert (sorted(titles(before)), before.unproven) == (["known", "unknown"], 1)
    assert (titles(after), after.unproven, after.left_out) == (["known"], 0, {LeftOut.UNKNOWN_ORIGIN: 1})


@pytest.mark.parametrize(
    "blob", [b"", b"\x01abc", b"\x02" + bytes(64), b"\x01" + bytes(64), b"\x01" + np.float32("nan").tobytes() * 16]
)
def test_a_vector_that_is_none_is_left_out(store: Store, blob: bytes) -> None:
    memory_id = remember(store, "Tea", "x", by=HashEmbedder())
    store.db.execute("UPDATE memories SET embedding = ? WHERE id = ?", (blob, memory_id))
    assert search(store, "y", by=HashEmbedder()).left_out == {LeftOut.MALFORMED: 1}


def test_expired_memories_are_never_found(store: Store) -> None:
    embedder = HashEmbedder()
    memory_id = remember(store, "Tea", "green", by=embedder)
    store.db.execute("UPDATE memories SET expires_at = ? WHERE id = ?", (shapes.LONG_AGO, memory_id))
    assert search(store, "green", by=embedder).hits == ()


def test_the_programs_own_namespaces_are_searched_only_when_named(store: Store) -> None:
    embedder = HashEmbedder()
    remember(store, "Tea", "green", namespace="_messages/bob", by=embedder)
    assert titles(search(store, "green", by=embedder)) == []
    assert titles(search(store, "green", by=embedder, namespace="_messages/bob")) == ["Tea"]


def test_a_namespace_is_exact(store: Store) -> None:
    for name in ("a", "a/b", "A"):
        remember(store, f"in {name}", "green", namespace=name, by=HashEmbedder())
    assert titles(search(store, "green", by=HashEmbedder(), namespace="a")) == ["in a"]


@pytest.mark.parametrize("by", [HashEmbedder(), None])
def test_a_star_stands_for_all_namespaces_below_and_nothing_else_does(store: Store, by: HashEmbedder | None) -> None:
    for name in ("a", "a/b", "a/b/c", "ab", "A/b", "a%/b", "a_/b", "a/*"):
        remember(store, f"in {name}", "green", namespace=name, by=by)
    assert sorted(titles(search(store, "green", by=by, namespace="a/*"))) == ["in a/*", "in a/b", "in a/b/c"]
    assert sorted(titles(search(store, "green", by=by, namespace="a%/*"))) == ["in a%/b"]
    assert titles(search(store, "green", by=by, namespace="*")) == []


def test_the_limit_holds(store: Store) -> None:
    for number in range(5):
        remember(store, f"t{number}", "green", by=HashEmbedder())
    assert len(search(store, "green", by=HashEmbedder(), limit=3).hits) == 3


def test_function_words_alone_are_still_searched_for(store: Store) -> None:
    remember(store, "Hamlet", "to be or not to be", by=None)
    assert titles(search(store, "to be or not", by=None)) == ["Hamlet"]


@pytest.mark.parametrize("version", shapes.VERSIONS)
def test_on_a_file_of_the_rust_program_what_may_be_compared_is_compared(tmp_path: Path, version: int) -> None:
    shape = shapes.build(tmp_path / "r.db", version)
    embedder = HashEmbedder(dim=shapes.DIM)
    with writing(shape.path, now_ms=NOW) as store:
        space = shapes.SPACE if shape.has_space_column else SPACE
        found = recall(Library(store), Query("note", (QueryVector(space, embedder.embed_query("note")),), None, 100))
    comparable = [row for row in shape.of_kind(*shapes.EMBEDDABLE - {shapes.MALFORMED}, shapes.ENCRYPTED) if row.blob]
    assert sum(hit.cosine is not None for hit in found.hits) == len(comparable)
    assert found.left_out[LeftOut.MALFORMED] == len(shape.of_kind(shapes.MALFORMED))
    assert found.unproven == (0 if shape.has_space_column else len(comparable))
    dead = {row.id for row in shape.of_kind(*shapes.NOT_LIVE)}
    assert not dead & {hit.id for hit in found.hits}


@given(st.text(max_size=60))
def test_no_query_is_taken_for_syntax(memory_file: Path, query: str) -> None:
    with writing(memory_file, now_ms=NOW) as store:
        search(store, query, by=None)


@pytest.fixture(scope="module")
def memory_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shapes.build(tmp_path_factory.mktemp("recall") / "m.db", 101).path


def test_the_view_of_memories_is_one_snapshot(store: Store, tmp_path: Path) -> None:
    remember(store, "Tea", "green", by=HashEmbedder())
    with sqlite3.connect(tmp_path / "m.db") as other, snapshot(store.db):
        store.db.value("SELECT count(*) FROM memories")
        other.execute("DELETE FROM memories")
        other.commit()
        assert store.db.value("SELECT count(*) FROM memories") == 1
