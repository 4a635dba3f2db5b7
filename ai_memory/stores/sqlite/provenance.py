"""Writes vectors together with the record of where they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

from ai_memory.errors import DataRefused, StatementRefused, UpdateRefused, WordIndexUnusable
from ai_memory.memory.text_codec import printable
from ai_memory.stores.sqlite import word_index
from ai_memory.stores.sqlite.own_row import OwnRow, selected
from ai_memory.vectors.blob import head
from ai_memory.vectors.checks import is_sound
from ai_memory.vectors.target import MAX_DIM, Fingerprint

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.base import Store, Transaction
    from ai_memory.stores.sqlite.connection import Binding, Row
    from ai_memory.stores.values import Identity, VectorWrite

NOT_KEPT = "did not keep the vector"

FIND_FINGERPRINT = (
    "SELECT id, CASE WHEN typeof(witness) = 'blob' THEN witness END FROM embedding_fingerprint WHERE digest = ?"
)
ADD_FINGERPRINT = """
    INSERT INTO embedding_fingerprint (digest, spec_json, space, dim, created_at) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (digest) DO UPDATE SET spec_json = excluded.spec_json, space = excluded.space, dim = excluded.dim
    RETURNING id
"""
WIDTHS = """
    SELECT digest, dim FROM embedding_fingerprint
    WHERE typeof(digest) = 'blob' AND typeof(dim) = 'integer' AND dim > 0
    ORDER BY
        EXISTS (
            SELECT 1 FROM reembed_run WHERE target = embedding_fingerprint.id AND state IN ('running', 'paused')
        ) DESC,
        EXISTS (
            SELECT 1 FROM reembed_approval AS a WHERE a.space = embedding_fingerprint.space
            AND a.dim = embedding_fingerprint.dim
        ) DESC,
        max(
            created_at,
            coalesce((SELECT max(started_at) FROM reembed_run WHERE target = embedding_fingerprint.id), created_at)
        ) DESC,
        id DESC
"""
OF_SPACE = """
    SELECT id FROM embedding_fingerprint
    WHERE space = ? AND typeof(dim) = 'integer' AND ? IN (0, dim) ORDER BY id DESC
"""
FINGERPRINT_TEXTS = ("spec_json", "space")
FINGERPRINT_COLUMNS = ("id", "digest", *FINGERPRINT_TEXTS, "dim", "witness")
READ_FINGERPRINT = f"""
    SELECT {selected(FINGERPRINT_COLUMNS, FINGERPRINT_TEXTS)} FROM embedding_fingerprint WHERE id = ?
"""
SET_WITNESS = "UPDATE embedding_fingerprint SET witness = ? WHERE id = ? AND witness IS NULL"
FORGET_WITNESS = """
    UPDATE embedding_fingerprint SET witness = NULL
    WHERE id = ? AND NOT EXISTS (
        SELECT 1 FROM embedding_provenance WHERE fingerprint_id = embedding_fingerprint.id AND origin <> 'attested'
    )
"""
# The plus, like the casts, keeps SQLite from planning anew at every binding; see walk.ROW.
UPDATE_VECTOR = """
    UPDATE memories SET {columns}
    WHERE id = CAST(:id AS TEXT) AND +title IS :title AND content IS :content {and_plain}
    RETURNING CAST(id AS BLOB)
"""
KEPT = """
    SELECT {kept} FROM main.memories
    WHERE id = CAST(:id AS TEXT) AND title IS :title AND content IS :content {and_plain}
"""
VECTOR_OF_TEXT = """
    SELECT m.embedding, p.head FROM embedding_provenance AS p JOIN main.memories AS m ON m.id = p.memory_id
    WHERE p.src = CAST(? AS BLOB) AND p.fingerprint_id = CAST(? AS INTEGER) AND p.origin <> 'attested'
        AND typeof(m.embedding) = 'blob'
    LIMIT 3
"""
STORED_VECTOR = """
    SELECT embedding FROM main.memories
    WHERE id = CAST(:id AS TEXT) AND title IS :title AND content IS :content AND typeof(embedding) = 'blob'
"""
FORGET = """
    DELETE FROM embedding_provenance
    WHERE memory_id = CAST(? AS TEXT) AND fingerprint_id = CAST(? AS INTEGER) AND origin = 'reembed'
    RETURNING CAST(memory_id AS BLOB)
"""
WRITTEN = """
    SELECT m.embedding, p.head FROM embedding_provenance AS p JOIN main.memories AS m ON m.id = p.memory_id
    WHERE p.memory_id = CAST(? AS TEXT) AND p.fingerprint_id = CAST(? AS INTEGER) AND p.origin = ?
        AND typeof(m.embedding) = 'blob'
"""
FORGET_ROW = "DELETE FROM embedding_provenance WHERE memory_id = CAST(? AS TEXT)"
TAKE_AWAY = "UPDATE memories SET {columns} WHERE id = CAST(? AS TEXT)"
UNSTAMP = "UPDATE memories SET embedding_space = NULL WHERE id = CAST(? AS TEXT)"
STAMP = "UPDATE memories SET {columns} WHERE id = CAST(:id AS TEXT)"
SET_PROVENANCE = """
    INSERT INTO embedding_provenance (memory_id, fingerprint_id, src, head, origin)
    VALUES (CAST(? AS TEXT), ?, ?, ?, ?)
    ON CONFLICT (memory_id) DO UPDATE SET
        fingerprint_id = excluded.fingerprint_id, src = excluded.src, head = excluded.head, origin = excluded.origin
"""

ANOTHER_TARGET = (
    "Give up the run that leads to it: ai-memory reembed cancel; and begin another: ai-memory reembed; "
    "or restore a backup of the file."
)


def known_fingerprint(store: Store, identity: Identity) -> Fingerprint | None:
    """Return the record of a target, None where the file has never seen it.

    The digest stands for the other values; what the file says of them is not asked.
    """
    rows = store.db.execute(FIND_FINGERPRINT, (identity.digest,))
    if not rows:
        return None
    number, witness = rows[0]
    return Fingerprint(number, identity.digest, identity.spec_json, identity.space, identity.dim, witness)


def ensure_fingerprint(transaction: Transaction, identity: Identity, *, now_ms: int) -> Fingerprint:
    """Return the record of a target, entering it where the file has not seen it."""
    bindings = (identity.digest, identity.spec_json, identity.space, identity.dim, now_ms)
    entered = transaction.db.value(ADD_FINGERPRINT, bindings)
    return read_fingerprint(transaction, int(entered))


def read_fingerprint(store: Store, fingerprint_id: int) -> Fingerprint:
    """Return the record of a target by its id.

    Raises:
        DataRefused: it is not in the file, or a column of it is damaged.
    """
    what = f"target {fingerprint_id}"
    rows = store.db.execute(READ_FINGERPRINT, (fingerprint_id,))
    if not rows:
        raise DataRefused(
            f"{store.db.path} is damaged: {what}, to which a run leads, is not in it.", tip=ANOTHER_TARGET
        )
    row = OwnRow(store, what, ANOTHER_TARGET, dict(zip(FINGERPRINT_COLUMNS, rows[0], strict=True)))
    spec, text = row.json("spec_json"), row.text("spec_json")
    digest = row.blob("digest")
    if not isinstance(spec, dict) or sha256(text.encode("utf-8", "surrogatepass")).digest() != digest:
        raise row.damaged("spec_json", "is not what its digest says")
    for name, value in (("space", row.text("space")), ("dim", row.whole("dim", most=MAX_DIM))):
        if spec.get(name) != value:
            raise row.damaged(name, "is not that of spec_json")
    witness = None if row.values["witness"] is None else row.blob("witness")
    return Fingerprint(fingerprint_id, digest, text, str(spec["space"]), int(spec["dim"]), witness)


def known_widths(store: Store) -> list[tuple[bytes, int]]:
    """Return digest and width of every target the file has seen; what is damaged is left out.

    That of an unfinished run is the first, then those that are approved: one stored memory of another width changes
    nothing. Of several those to which a run went last, or which were entered last.
    """
    return [(bytes(digest), int(dim)) for digest, dim in store.db.execute(WIDTHS)]


def of_space(store: Store, space: str, dim: int) -> list[int]:
    """Return the numbers of the targets of a space that the file has seen, in any width if `dim` is 0."""
    return [int(row[0]) for row in store.db.execute(OF_SPACE, (space, dim))]


def set_witness(transaction: Transaction, fingerprint_id: int, witness: bytes) -> None:
    """Keep the target's witness vectors unless it has some."""
    transaction.db.execute(SET_WITNESS, (witness, fingerprint_id))


def forget_witness(transaction: Transaction, fingerprint_id: int) -> bool:
    """Take the target's witness away if no vector in the file is recorded as its own.

    Returns whether it was taken away.
    """
    return bool(transaction.db.change(FORGET_WITNESS, (fingerprint_id,)))


def write_vectors(transaction: Transaction, writes: Sequence[VectorWrite], fingerprint: Fingerprint) -> list[bool]:
    """Write each vector, its stamp and its provenance if its memory still has that very text.

    Returns one answer a vector: False, with nothing written, where the text changed or the memory is gone.

    Raises:
        StatementRefused: the database refuses one of them; the transaction may be gone, and must not be committed.
        UpdateRefused: a trigger took one of them back at once.
    """
    stamp: dict[str, Binding] = {"dim": fingerprint.dim, "space": fingerprint.space}
    bindings = [
        {
            **stamp,
            "id": transaction.codec.bound(each.id),
            "title": each.title,
            "content": each.content,
            "blob": each.blob,
        }
        for each in writes
    ]
    changed = {
        transaction.codec.name(row[0]) for row in transaction.db.execute_many(_update_sql(transaction), bindings)
    }
    written = [each.id in changed for each in writes]
    if fires_triggers(transaction):
        _require_kept(transaction, bindings, written, [each.id for each in writes])
    record_provenance(transaction, [each for each, done in zip(writes, written, strict=True) if done], fingerprint)
    return written


def record_provenance(transaction: Transaction, writes: Sequence[VectorWrite], fingerprint: Fingerprint) -> None:
    """Enter where the vectors of memories come from, in the transaction that wrote the vectors."""
    bindings = [
        (transaction.codec.bound(each.id), fingerprint.id, each.src, head(each.blob), each.origin) for each in writes
    ]
    transaction.db.execute_many(SET_PROVENANCE, bindings)


def forget(transaction: Transaction, ids: Sequence[str], fingerprint: Fingerprint, *, unstamp: bool) -> int:
    """Take back that the vectors of `ids` are the target's.

    Returns how many rows that made stale. The vectors stay as they are, without provenance and, with `unstamp`,
    without a stamp of their space.
    """
    bindings = [(transaction.codec.bound(each), fingerprint.id) for each in ids]
    forgotten = transaction.db.execute_many(FORGET, bindings)
    if unstamp and transaction.schema.has_space:
        transaction.db.execute_many(UNSTAMP, forgotten)
    return len(forgotten)


def forget_row(transaction: Transaction, memory_id: str) -> None:
    """Delete the record of a memory's vector, whichever target it is of."""
    transaction.db.execute(FORGET_ROW, (transaction.codec.bound(memory_id),))


def take_away(
    transaction: Transaction, ids: Sequence[str], fingerprint: Fingerprint, *, origin: str, vectors: bool
) -> int:
    """Take the target's vectors away from those of `ids` that `origin` gave them; return from how many.

    A vector that somebody else wrote since stays. Without `vectors` they lose their provenance only.
    """
    taken = 0
    columns = ", ".join(f"{name} = NULL" for name in transaction.schema.of_vector)
    for each in map(transaction.codec.bound, ids):
        if any(head(blob) == was for blob, was in transaction.db.execute(WRITTEN, (each, fingerprint.id, origin))):
            transaction.db.execute(FORGET_ROW, (each,))
            if vectors:
                transaction.db.execute(TAKE_AWAY.format(columns=columns), (each,))
            taken += 1
    return taken


def vector_of_text(store: Store, src: bytes, fingerprint: Fingerprint) -> bytes | None:
    """Return the BLOB that the target gave another memory of the same text, None where there is none to trust."""
    for blob, recorded in store.db.execute(VECTOR_OF_TEXT, (src, fingerprint.id)):
        if head(blob) == recorded and is_sound(blob, fingerprint.dim):
            return bytes(blob)
    return None


def stored_blob(store: Store, memory_id: str, title: str, content: str) -> bytes | None:
    """Return the vector BLOB of a memory if it still has that very text, None where it has not or there is none."""
    bindings: dict[str, Binding] = {"id": store.codec.bound(memory_id), "title": title, "content": content}
    blob = store.db.value(STORED_VECTOR, bindings)
    return None if blob is None else bytes(blob)


def attest(transaction: Transaction, write: VectorWrite, fingerprint: Fingerprint) -> bool:
    """Take the vector a memory has for one of the target's, on the operator's word.

    `write.blob` is not used: the stored vector stays. Returns False, with nothing written, where
    the text changed or there is no sound vector of the target's width.
    """
    blob = stored_blob(transaction, write.id, write.title, write.content)
    if blob is None or not is_sound(blob, fingerprint.dim):
        return False
    stamps = ", ".join(_stamp_columns(transaction))
    if stamps:
        values: dict[str, Binding] = {
            "id": transaction.codec.bound(write.id),
            "dim": fingerprint.dim,
            "space": fingerprint.space,
        }
        transaction.db.execute(STAMP.format(columns=stamps), values)
    record_provenance(transaction, [replace(write, blob=blob)], fingerprint)
    return True


def program_of_update(store: Store) -> list[Row]:
    """Return the program that SQLite makes of writing a vector, with those of the triggers that it fires.

    Raises:
        StatementRefused: a trigger or a constraint needs what is not there: a function, module, table, collation.
    """
    names = ("id", "title", "content", "blob", "dim", "space")
    return store.db.explain(_update_sql(store), dict.fromkeys(names))


def fires_triggers(store: Store) -> bool:
    """Say whether writing a vector runs somebody's trigger, which may do anything to the row."""
    return any(opcode == "Program" for _, opcode, *_ in program_of_update(store))


def require_word_index(store: Store) -> None:
    """Check that the word index is sound where writing a vector rewrites it, as before schema 53 of the Rust program.

    Not by trying: what is written to a damaged index is only found out when it is committed.

    Raises:
        WordIndexUnusable: it is not, so that no vector can be committed.
    """
    try:
        program = program_of_update(store)
    except StatementRefused:
        return  # nothing is written at all
    if any(opcode == "VUpdate" for _, opcode, *_ in program) and (wrong := word_index.complaints(store)):
        raise WordIndexUnusable(store.db.path, wrong[0])


def _require_kept(
    store: Store, bindings: Sequence[Mapping[str, Binding]], written: Sequence[bool], ids: Sequence[str]
) -> None:
    """Check that every row that was written stands as written, and that no trigger left one out in silence."""
    kept = " AND ".join(each.replace(" = ", " IS ") for each in _vector_columns(store))
    sql = KEPT.format(kept=kept, and_plain=_and_plain(store))
    for row_id, values, done in zip(ids, bindings, written, strict=True):
        found = store.db.value(sql, values)
        # Where there is no such text any more: another writer was first, or a trigger of the update changed it.
        if done if found is None else not found:
            what = f"{store.db.path} {NOT_KEPT} of {printable(row_id)}."
            raise UpdateRefused(what, words=f"the database {NOT_KEPT}", memory_id=row_id)


def _update_sql(store: Store) -> str:
    return UPDATE_VECTOR.format(columns=", ".join(_vector_columns(store)), and_plain=_and_plain(store))


def _vector_columns(store: Store) -> list[str]:
    return ["embedding = :blob", *_stamp_columns(store)]


def _and_plain(store: Store) -> str:
    return "AND (encrypted_envelope IS NULL OR content <> '')" if store.schema.has_envelope else ""


def _stamp_columns(store: Store) -> list[str]:
    stamps = {"embedding_dim": ":dim", "embedding_space": ":space"}
    return [f"{name} = {value}" for name, value in stamps.items() if name in store.schema.columns]
