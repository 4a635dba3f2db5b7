"""Vectors and their record: written together, on the very text that was embedded, or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ai_memory.errors import DataRefused
from ai_memory.memory.document import source_hash
from ai_memory.reembed.writes import write_of
from ai_memory.stores.sqlite.database import writing
from ai_memory.stores.sqlite.fingerprints import read_fingerprint, set_witness
from ai_memory.stores.sqlite.provenance import attest, disown, vectors_of, write_vectors
from ai_memory.stores.sqlite.store import Store
from ai_memory.stores.values import VectorWrite
from ai_memory.vectors.blob import encode, head
from ai_memory.vectors.target import Fingerprint
from tests.reembed.work import Work, committed, documents, known
from tests.support import files, shapes
from tests.support.fakes import HashEmbedder

EMBEDDER = HashEmbedder()
BLOB = encode(EMBEDDER.vector("title id-000 the content of id-000"))
SRC = source_hash("title id-000 the content of id-000")
WRITE = VectorWrite("id-000", "title id-000", "the content of id-000", BLOB, SRC, "reembed")
ROW = "SELECT embedding, embedding_dim, embedding_space FROM memories WHERE id = 'id-000'"
RECORD = "SELECT fingerprint_id, src, head, origin FROM embedding_provenance WHERE memory_id = 'id-000'"
ALL_RECORDS = """
    SELECT memory_id, fingerprint_id, src, head, origin, stretch FROM embedding_provenance ORDER BY memory_id
"""
ONE_TEXT = "UPDATE memories SET title = 'one title', content = 'one content' WHERE id IN ('id-000', 'id-001', 'id-002')"
ANOTHER_VECTOR = "UPDATE memories SET embedding = CAST(embedding || x'00000000' AS BLOB) WHERE id = 'id-002'"
LEFT = "SELECT memory_id FROM embedding_provenance WHERE memory_id IN ('id-000', 'id-001', 'id-002')"


@pytest.fixture
def target(store: Store) -> Fingerprint:
    return known(store, EMBEDDER)


def test_vector_width_space_and_record_go_together(store: Store, target: Fingerprint) -> None:
    assert committed(store, write_vectors, [WRITE], target) == [True]

    assert store.db.execute(ROW) == [(BLOB, 16, "fake/hash#none")]
    assert store.db.execute(RECORD) == [(target.id, SRC, head(BLOB), "reembed")]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE memories SET content = 'edited' WHERE id = 'id-000'",
        "UPDATE memories SET title = 'Title id-000' WHERE id = 'id-000'",
        "UPDATE memories SET content = content || ' ' WHERE id = 'id-000'",
        "UPDATE memories SET content = CAST(content AS BLOB) WHERE id = 'id-000'",
        "UPDATE memories SET encrypted_envelope = x'02', content = '' WHERE id = 'id-000'",
        "DELETE FROM memories WHERE id = 'id-000'",
    ],
)
def test_a_row_that_changed_meanwhile_gets_nothing(store: Store, target: Fingerprint, change: str) -> None:
    store.db.execute(change)
    before = store.db.execute(ROW)

    assert committed(store, write_vectors, [WRITE], target) == [False]

    assert (store.db.execute(ROW), store.db.execute(RECORD)) == (before, [])


def test_each_row_of_a_page_has_its_own_record_whatever_was_recorded_of_it(store: Store, target: Fingerprint) -> None:
    rows = documents(store, *(f"id-00{each}" for each in range(4)))
    blobs = [encode(EMBEDDER.vector(each.text)) for each in rows]
    writes = [write_of(each, blob) for each, blob in zip(rows, blobs, strict=True)]
    edited, other = writes[0]._replace(src=b"an earlier text!"), writes[1]._replace(origin="store")
    committed(store, write_vectors, [edited, other], target)

    page = [*writes[:2], writes[2]._replace(blob=blobs[2][1:], proven=True), writes[3]._replace(src=b"short")]
    assert committed(store, write_vectors, page, target) == [True] * 4

    stretch = target.stretch
    assert store.db.execute(ALL_RECORDS) == [
        ("id-000", target.id, rows[0].src, head(blobs[0]), "reembed", stretch),
        ("id-001", target.id, rows[1].src, head(blobs[1]), "reembed", stretch),
        ("id-002", target.id, rows[2].src, head(blobs[2][1:]), "reembed", stretch - 1),
        ("id-003", target.id, b"short", head(blobs[3]), "reembed", stretch),
    ]


def test_of_a_page_only_the_rows_that_changed_meanwhile_get_nothing(store: Store, target: Fingerprint) -> None:
    rows = documents(store, *(f"id-00{each}" for each in range(4)))
    writes = [write_of(each, encode(EMBEDDER.vector(each.text))) for each in rows]
    store.db.execute("UPDATE memories SET content = 'edited' WHERE id = 'id-001'")
    store.db.execute("DELETE FROM memories WHERE id = 'id-003'")

    assert committed(store, write_vectors, writes, target) == [True, False, True, False]

    assert [row[:3] for row in store.db.execute(ALL_RECORDS)] == [
        ("id-000", target.id, rows[0].src),
        ("id-002", target.id, rows[2].src),
    ]


def test_a_row_moved_to_another_namespace_gets_its_vector(store: Store, target: Fingerprint) -> None:
    store.db.execute("UPDATE memories SET namespace = 'elsewhere' WHERE id = 'id-000'")

    assert committed(store, write_vectors, [WRITE], target) == [True]


def test_a_text_with_a_nul_is_compared_whole(store: Store, target: Fingerprint, path: Path) -> None:
    files.add(path, "nul", title="t", content="a\0b")

    assert committed(store, write_vectors, [WRITE._replace(id="nul", title="t", content="a\0c")], target) == [False]
    assert committed(store, write_vectors, [WRITE._replace(id="nul", title="t", content="a\0b")], target) == [True]


@pytest.mark.parametrize("rows", range(1, 9))
def test_each_vector_has_its_record_though_it_rewrites_the_word_index(tmp_path: Path, rows: int) -> None:
    # In a file from before version 53. FTS5 writes some rows of its own when the next statement begins.
    shape = shapes.build(tmp_path / "old.db", 52, rows=rows, kinds={shapes.PLAIN})
    writes = [WRITE._replace(id=str(each.id), title=str(each.title), content=str(each.content)) for each in shape.rows]
    with writing(shape.path, now_ms=0) as store:
        assert committed(store, write_vectors, writes, known(store, EMBEDDER)) == [True] * rows

        assert store.db.value("SELECT count(*) FROM embedding_provenance") == rows


@pytest.mark.parametrize("version", [57, 84])
def test_only_columns_that_the_file_has_are_written(tmp_path: Path, version: int) -> None:
    shape = shapes.build(tmp_path / "old.db", version, rows=1, kinds={shapes.PLAIN})
    row = shape.rows[0]
    before = files.everything_else(shape.path)
    with writing(shape.path, now_ms=0) as store:
        write = WRITE._replace(id=str(row.id), title=str(row.title), content=str(row.content))

        assert committed(store, write_vectors, [write], known(store, EMBEDDER)) == [True]

    assert files.execute(shape.path, "SELECT embedding, embedding_dim FROM memories") == [(BLOB, 16)]
    assert files.everything_else(shape.path) == before


def test_a_word_is_taken_for_a_vector_of_the_right_width_only(store: Store, target: Fingerprint) -> None:
    assert not committed(store, attest, WRITE, target)
    store.db.execute(
        "UPDATE memories SET embedding = ? WHERE id = 'id-000'", (encode(HashEmbedder(dim=8).vector("x")),)
    )
    assert not committed(store, attest, WRITE, target)
    store.db.execute("UPDATE memories SET embedding = ? WHERE id = 'id-000'", (BLOB,))

    assert committed(store, attest, WRITE._replace(origin="attested"), target)

    assert store.db.execute(ROW) == [(BLOB, 16, "fake/hash#none")]
    assert store.db.execute(RECORD) == [(target.id, SRC, head(BLOB), "attested")]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0])
def test_nobodys_word_makes_a_vector_of_what_cannot_be_compared(
    store: Store, target: Fingerprint, value: float
) -> None:
    blob = BLOB[:17] + encode(np.full(12, value, dtype=np.float32))[1:] if value else b"\x01" + bytes(64)
    store.db.execute("UPDATE memories SET embedding = ? WHERE id = 'id-000'", (blob,))

    assert not committed(store, attest, WRITE, target)
    assert store.db.execute(RECORD) == []


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_only_a_sound_vector_is_given_to_another_row_of_the_same_text(
    store: Store, target: Fingerprint, value: float
) -> None:
    assert committed(store, write_vectors, [WRITE], target) == [True]
    assert vectors_of(store, [SRC], target) == {SRC: BLOB}

    broken = BLOB[:17] + encode(np.full(12, value, dtype=np.float32))[1:]
    store.db.execute("UPDATE memories SET embedding = ? WHERE id = 'id-000'", (broken,))

    assert vectors_of(store, [SRC], target) == {}


@pytest.mark.parametrize("column", ["spec_json = '{}'", "space = 'other#none'", "dim = 17", "digest = x'00'"])
def test_a_record_of_a_target_that_does_not_agree_with_its_digest_is_damage(
    store: Store, target: Fingerprint, column: str
) -> None:
    store.db.execute(f"UPDATE embedding_fingerprint SET {column}")

    with pytest.raises(DataRefused, match=f"is damaged: column .* of target {target.id} is not"):
        read_fingerprint(store, target.id)


def test_entering_a_target_again_mends_its_record(store: Store, target: Fingerprint) -> None:
    store.db.execute("UPDATE embedding_fingerprint SET spec_json = '[', space = '', dim = 0")

    assert known(store, EMBEDDER) == target


def test_a_target_is_entered_once(store: Store, target: Fingerprint) -> None:
    assert known(store, EMBEDDER) == target
    assert known(store, HashEmbedder(dim=8)).id != target.id


def test_the_first_witness_stays(store: Store, target: Fingerprint) -> None:
    committed(store, set_witness, target.id, b"first")
    committed(store, set_witness, target.id, b"second")

    assert read_fingerprint(store, target.id).witness == b"first"


def test_the_rows_of_one_text_that_have_one_vector_are_stale_together(tmp_path: Path) -> None:
    work = Work(files.create(tmp_path / "m.db", namespaces=("a", "b", "c")))
    files.execute(work.path, ONE_TEXT)
    work.run()
    files.execute(work.path, ANOTHER_VECTOR)
    with work.store() as store:
        target, [document] = known(store, work.embedder), documents(store, "id-000")
        blob = store.db.value("SELECT embedding FROM memories WHERE id = 'id-000'")

        assert committed(store, disown, [write_of(document, blob)], target, unstamp=True) == 2

    assert files.execute(work.path, LEFT) == [("id-002",)]
