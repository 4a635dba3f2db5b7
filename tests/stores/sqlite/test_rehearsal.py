"""What a database's own schema forbids of a vector: found out without leaving anything behind."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from ai_memory.errors import StatementRefused, UpdateRefused
from ai_memory.stores.sqlite.database import reading
from ai_memory.stores.sqlite.provenance import write_vectors
from ai_memory.stores.sqlite.rehearsal import refused_updates, write_one_by_one
from ai_memory.stores.sqlite.store import Store
from ai_memory.stores.values import VectorWrite
from ai_memory.vectors.blob import some_vector
from ai_memory.vectors.target import Fingerprint
from tests.reembed.work import documents, known
from tests.support import files
from tests.support.fakes import HashEmbedder

ONE = "WHEN old.id = 'id-001'"
REFUSING = {
    "abort": f"BEFORE UPDATE ON memories {ONE} BEGIN SELECT RAISE(ABORT, 'legal hold'); END",
    "fail": f"BEFORE UPDATE ON memories {ONE} BEGIN SELECT RAISE(FAIL, 'legal hold'); END",
    "rollback": f"AFTER UPDATE ON memories {ONE} BEGIN SELECT RAISE(ROLLBACK, 'legal hold'); END",
    "ignore": f"BEFORE UPDATE ON memories {ONE} BEGIN SELECT RAISE(IGNORE); END",
    "vector gone": f"""AFTER UPDATE OF embedding ON memories {ONE} AND new.embedding IS NOT NULL
        BEGIN UPDATE memories SET embedding = NULL WHERE id = new.id; END""",
    "stamp gone": f"""AFTER UPDATE OF embedding ON memories {ONE}
        BEGIN UPDATE memories SET embedding_space = 'mine' WHERE id = new.id; END""",
    "text changed": f"""AFTER UPDATE OF embedding ON memories {ONE}
        BEGIN UPDATE memories SET content = content || '.' WHERE id = new.id; END""",
    "row gone": f"AFTER UPDATE OF embedding ON memories {ONE} BEGIN DELETE FROM memories WHERE id = new.id; END",
    "constraint": f"AFTER UPDATE ON memories {ONE} BEGIN INSERT INTO memories (id) VALUES (NULL); END",
    "reference": f"AFTER UPDATE ON memories {ONE} BEGIN INSERT INTO child VALUES ('nobody'); END",
    "late reference": f"AFTER UPDATE ON memories {ONE} BEGIN INSERT INTO late VALUES ('nobody'); END",
}
WORDS = {
    **dict.fromkeys(REFUSING, "the database did not keep the vector"),
    **dict.fromkeys(("abort", "fail", "rollback"), "legal hold"),
    "constraint": "NOT NULL constraint failed: memories.id",
    "reference": "FOREIGN KEY constraint failed",
    "late reference": "FOREIGN KEY constraint failed",
}
MISSING = {
    "function": ("SELECT my_app_audit(new.id)", "its trigger audit: no such function: my_app_audit"),
    "table": ("INSERT INTO elsewhere VALUES (1)", "its trigger audit: no such table: main.elsewhere"),
    "collation": ("SELECT 1 WHERE new.id = '' COLLATE theirs", "its trigger audit: no such collation sequence: theirs"),
    "module": ("DELETE FROM vec WHERE id = new.id", "its trigger audit: no such module: vec0"),
    "arguments": ("SELECT lower(1, 2)", "its trigger audit: wrong number of arguments to function lower()"),
    "columns": ("INSERT INTO log (y) VALUES (1)", "its trigger audit: table log has no column named y"),
    "values": (
        "INSERT INTO log VALUES (1, 2)",
        "its trigger audit: table log has 1 columns but 2 values were supplied",
    ),
    "unsafe": ("SELECT load_extension(new.id)", "its trigger audit: unsafe use of load_extension()"),
    "below another trigger": ("INSERT INTO log VALUES (1)", "its trigger deep: no such function: deep_one"),
}


def forbid(path: Path, name: str) -> None:
    """Lay a trigger over the row id-001."""
    files.execute(path, "CREATE TABLE IF NOT EXISTS child (id REFERENCES memories (id))")
    late = "CREATE TABLE IF NOT EXISTS late (id REFERENCES memories (id) DEFERRABLE INITIALLY DEFERRED)"
    files.execute(path, late)
    files.execute(path, f"CREATE TRIGGER hold {REFUSING[name]}")


def writes(store: Store, *ids: str) -> list[VectorWrite]:
    blob = some_vector(16)
    return [VectorWrite(each.id, each.title, each.content, blob, each.src, "store") for each in documents(store, *ids)]


@pytest.fixture
def target(store: Store) -> Fingerprint:
    return known(store, HashEmbedder())


def tried(store: Store, rows: Sequence[VectorWrite], target: Fingerprint) -> dict[str, str]:
    return store.structure.rehearse(
        {each.id: partial(write_one_by_one, writes=[each], fingerprint=target) for each in rows}
    )


@pytest.mark.parametrize("name", REFUSING)
def test_a_rehearsal_tells_the_refused_row_with_the_databases_words_and_leaves_no_byte(
    store: Store, target: Fingerprint, name: str
) -> None:
    forbid(store.db.path, name)
    rows = writes(store, "id-000", "id-001", "id-002")
    before = [store.db.path.with_name(store.db.path.name + suffix).read_bytes() for suffix in ("", "-wal")]

    assert tried(store, rows, target) == {"id-001": WORDS[name]}

    assert [store.db.path.with_name(store.db.path.name + suffix).read_bytes() for suffix in ("", "-wal")] == before


@pytest.mark.parametrize("name", REFUSING)
def test_a_refusal_names_its_row(store: Store, target: Fingerprint, name: str) -> None:
    forbid(store.db.path, name)

    with pytest.raises(UpdateRefused) as refusal, store.transaction() as transaction:
        write_one_by_one(transaction, writes(store, "id-000", "id-001"), target)

    assert (refusal.value.memory_id, refusal.value.words) == ("id-001", WORDS[name])
    assert set(files.vectors(store.db.path).values()) == {None}


@pytest.mark.parametrize("name", REFUSING)
def test_no_vector_of_a_page_is_committed_beside_a_refused_one(store: Store, target: Fingerprint, name: str) -> None:
    forbid(store.db.path, name)

    with pytest.raises(StatementRefused), store.transaction() as transaction:
        write_vectors(transaction, writes(store, "id-000", "id-001"), target)

    assert set(files.vectors(store.db.path).values()) == {None}


def test_a_row_that_another_writer_changed_is_no_refusal(store: Store, target: Fingerprint) -> None:
    forbid(store.db.path, "abort")
    rows = writes(store, "id-000", "id-002")
    files.edit(store.db.path, "id-000", "another text")

    with store.transaction() as transaction:
        assert write_vectors(transaction, rows, target) == [False, True]


def test_a_trigger_of_other_columns_costs_no_reading_back(store: Store) -> None:
    assert refused_updates(store) is None
    files.execute(store.db.path, "CREATE TRIGGER theirs AFTER UPDATE OF title ON memories BEGIN SELECT nobodys(1); END")

    assert refused_updates(store) is None


@pytest.mark.parametrize("name", MISSING)
def test_what_only_the_application_has_is_told_without_writing(store: Store, name: str) -> None:
    body, words = MISSING[name]
    for sql in (
        "CREATE TABLE log (x)",
        "CREATE TRIGGER deep AFTER INSERT ON log BEGIN SELECT deep_one(new.x); END",
        "CREATE VIRTUAL TABLE vec USING fts5(id)",
        f"CREATE TRIGGER audit AFTER UPDATE OF embedding ON memories BEGIN {body}; END",
    ):
        files.execute(store.db.path, sql)
    files.change_schema(store.db.path, "vec", "USING fts5", "USING vec0")

    with reading(store.db.path) as found:
        assert refused_updates(found) == words


def test_a_constraint_that_needs_a_function_is_told_in_sqlites_words(store: Store) -> None:
    files.execute(store.db.path, "CREATE INDEX theirs ON memories (lower(embedding))")
    files.change_schema(store.db.path, "theirs", "lower(", "their_own(")

    with reading(store.db.path) as found:
        assert refused_updates(found) == "unknown function: their_own()"
