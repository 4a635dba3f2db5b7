"""Writes vectors together with the record of where they come from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from ai_memory.errors import UpdateRefused
from ai_memory.memory.text_codec import printable
from ai_memory.stores.sqlite import previous, staged
from ai_memory.stores.sqlite.among import VALUES, among, change_among
from ai_memory.stores.sqlite.origins import SWEPT
from ai_memory.stores.values import NOTHING_KEPT, Staged
from ai_memory.vectors.blob import head, is_sound

if TYPE_CHECKING:
    from ai_memory.stores.port_reading import Stored
    from ai_memory.stores.sqlite.base import Store, Transaction
    from ai_memory.stores.sqlite.connection import Binding, Bindings, Row
    from ai_memory.stores.values import Place, VectorWrite
    from ai_memory.vectors.target import Fingerprint

Record: TypeAlias = "tuple[int | None, bytes | None, str | None, int, bytes, bytes | None]"
"""What is bound to SET_PROVENANCE."""
_Values: TypeAlias = "tuple[int, str, bytes | None, bytes, bytes, str, str]"
"""Width, space, envelope, BLOB, id, title and content of a vector to write: 1 to 7 where they are bound by number."""
NO_VALUES, ID = (None,) * 7, 4
"""In the place of them, where nothing is run; the index of the id."""

NOT_KEPT = "did not keep the vector"
# What is bound by number here is a `_Values`: names take a fifth of the time that a row takes.
# The plus, like the casts, keeps SQLite from planning anew at every binding; see walk.ROW.
UPDATE_VECTOR = """
    UPDATE memories SET {columns}
    WHERE id = CAST(?5 AS TEXT) AND +title IS ?6 AND content IS ?7 {and_envelope}
"""
RETURNING_ID = "RETURNING CAST(id AS BLOB)"
TOTAL_CHANGES = "SELECT total_changes()"
KEPT = """
    SELECT {kept} FROM main.memories
    WHERE id = CAST(?5 AS TEXT) AND title IS ?6 AND content IS ?7 {and_envelope}
"""
VECTORS_OF_TEXT = """
    SELECT p.src, m.embedding, p.head FROM embedding_provenance AS p JOIN main.memories AS m ON m.id = p.memory_id
    WHERE p.src = CAST(? AS BLOB) AND p.fingerprint_id = CAST(? AS INTEGER) AND p.origin <> 'attested'
        AND typeof(m.embedding) = 'blob'
    LIMIT 3
"""
KNOWN_TEXTS = f"""
    SELECT value FROM {VALUES}
    WHERE EXISTS (SELECT 1 FROM embedding_provenance WHERE src = value AND fingerprint_id = :target)
"""
STORED_VECTOR = """
    SELECT embedding FROM {rows}
    WHERE id = CAST(:id AS TEXT) AND title IS :title AND content IS :content {and_envelope}
        AND typeof(embedding) = 'blob'
"""
UNPROVEN = f"""
    SELECT CAST(memory_id AS BLOB) FROM embedding_provenance
    WHERE fingerprint_id = ? AND stretch = ? AND origin IN ({SWEPT}) ORDER BY memory_id
"""
FORGET = f"""
    DELETE FROM embedding_provenance
    WHERE memory_id = CAST(? AS TEXT) AND fingerprint_id = CAST(? AS INTEGER) AND origin IN ({SWEPT})
    RETURNING CAST(memory_id AS BLOB)
"""
# By the hash, not the id: rows of one text are given each other's vectors.
DISOWN = """
    DELETE FROM embedding_provenance
    WHERE src = CAST(:src AS BLOB) AND fingerprint_id = CAST(:target AS INTEGER) AND EXISTS (
        SELECT 1 FROM main.memories AS m
        WHERE m.id = embedding_provenance.memory_id AND m.title IS :title AND m.content IS :content
            AND typeof(m.embedding) = 'blob' AND m.embedding IS CAST(:blob AS BLOB)
    )
    RETURNING CAST(memory_id AS BLOB)
"""
WRITTEN = f"""
    SELECT m.embedding, p.head FROM embedding_provenance AS p JOIN main.memories AS m ON m.id = p.memory_id
    WHERE p.memory_id = CAST(? AS TEXT) AND p.fingerprint_id = CAST(? AS INTEGER)
        AND p.origin IN (?, {SWEPT})
        AND typeof(m.embedding) = 'blob'
"""
FORGET_ROW = "DELETE FROM embedding_provenance WHERE memory_id = CAST(? AS TEXT)"
TAKE_AWAY = "UPDATE memories SET {columns} WHERE id = CAST(? AS TEXT)"
UNSTAMP = "UPDATE memories SET embedding_space = NULL WHERE id = CAST(? AS TEXT)"
STAMP = "UPDATE memories SET {columns} WHERE id = CAST(?3 AS TEXT)"
# One statement for all rows of a page, each of them hash, head and id in one BLOB: only the id has any length.
RECORD = f"""
    INSERT INTO embedding_provenance (fingerprint_id, origin, stretch, src, head, memory_id)
    SELECT :target, :origin, :stretch, substr(value, 1, :src_bytes), substr(value, 1 + :src_bytes, :head_bytes),
        CAST(substr(value, 1 + :src_bytes + :head_bytes) AS TEXT)
    FROM {VALUES} WHERE 1
    ON CONFLICT (memory_id) DO UPDATE SET
        fingerprint_id = excluded.fingerprint_id, origin = excluded.origin, stretch = excluded.stretch,
        head = excluded.head
"""
RECORD_UNLESS_EDITED = f"{RECORD} WHERE src = excluded.src"
RECORD_ANYHOW = f"{RECORD}, src = excluded.src"
# Of a text that is embedded again the hash stays, and with it the index by hashes: half of what a record costs.
SET_OF_SAME_TEXT = """
    UPDATE embedding_provenance SET fingerprint_id = ?, head = ?, origin = ?, stretch = ?
    WHERE memory_id = CAST(? AS TEXT) AND src = CAST(? AS BLOB)
"""
SET_PROVENANCE = """
    INSERT INTO embedding_provenance (fingerprint_id, head, origin, stretch, memory_id, src)
    VALUES (?, ?, ?, ?, CAST(? AS TEXT), ?)
    ON CONFLICT (memory_id) DO UPDATE SET
        fingerprint_id = excluded.fingerprint_id, src = excluded.src, head = excluded.head, origin = excluded.origin,
        stretch = excluded.stretch
"""


def write_vectors(
    transaction: Transaction, writes: Sequence[VectorWrite], fingerprint: Fingerprint, *, keep_for: int | None = None
) -> list[bool]:
    """Write each vector, its stamp and its provenance if its memory still has that very text.

    Returns one answer a vector: False, with nothing written, where the text changed or the memory is gone. What is
    replaced is kept for the run `keep_for`, unless that is None.

    Raises:
        StatementRefused: the database refuses one of them; the transaction may be gone, and must not be committed.
        UpdateRefused: a trigger took one of them back at once.
    """
    if keep_for is not None:
        previous.keep(transaction, keep_for, writes)
    dim, space, bound = fingerprint.dim, fingerprint.space, transaction.codec.bound
    bindings: list[_Values] = [
        (dim, space, each.envelope, each.blob, bound(each.id), each.title, each.content) for each in writes
    ]
    triggered = fires_triggers(transaction)
    written = _written(transaction, bindings, by_number=not triggered)
    if triggered:
        _require_kept(transaction, bindings, written, [each.id for each in writes])
    done = [each for each, was in zip(writes, written, strict=True) if was]
    record_provenance(transaction, done, fingerprint)
    staged.drop_of(transaction, [each.id for each in done], fingerprint)
    return written


def _written(transaction: Transaction, bindings: Sequence[_Values], *, by_number: bool) -> list[bool]:
    """Write vectors and return of each whether its memory still has that very text; `by_number`: no trigger counts.

    To have SQLite name the rows takes a third of the time of an UPDATE, and as a rule all are written. Where they are
    not, the same is written again, and the rows named: nobody else can have changed one meanwhile.
    """
    db, sql = transaction.db, _update_sql(transaction)
    if by_number:
        before = db.value(TOTAL_CHANGES)
        db.execute_many(sql, bindings)
        # An id is one row's: no two of them can make up for one that was not written.
        if db.value(TOTAL_CHANGES) - before == len(bindings):
            return [True] * len(bindings)
    changed = {row[0] for row in db.execute_many(f"{sql} {RETURNING_ID}", bindings)}
    return [values[ID] in changed for values in bindings]


def record_provenance(transaction: Transaction, writes: Sequence[VectorWrite], fingerprint: Fingerprint) -> None:
    """Enter where the vectors of memories come from, in the transaction that wrote the vectors."""
    stretch, bound = fingerprint.stretch, transaction.codec.bound
    alike: defaultdict[tuple[str, int, int, int], list[bytes]] = defaultdict(list)
    for each in writes:
        its_head = head(each.blob)
        lengths = len(each.src), len(its_head)
        alike[each.origin, stretch - each.proven, *lengths].append(each.src + its_head + bound(each.id))
    for (origin, number, src_bytes, head_bytes), values in alike.items():
        bindings: dict[str, Binding] = {
            "target": fingerprint.id,
            "origin": origin,
            "stretch": number,
            "src_bytes": src_bytes,
            "head_bytes": head_bytes,
        }
        if change_among(transaction, RECORD_UNLESS_EDITED, values, bindings) != len(values):
            change_among(transaction, RECORD_ANYHOW, values, bindings)


def set_records(transaction: Transaction, records: Sequence[Record]) -> None:
    """Enter records: the target, the head, the origin, the stretch, the id of the memory, and the hash of the text."""
    if records and transaction.db.change(SET_OF_SAME_TEXT, *records) != len(records):
        transaction.db.execute_many(SET_PROVENANCE, records)


def forget(transaction: Transaction, ids: Sequence[str], fingerprint: Fingerprint, *, unstamp: bool) -> int:
    """Take back that the vectors of `ids` are the target's.

    Returns how many rows that made stale. The vectors stay as they are, without provenance and, with `unstamp`,
    without a stamp of their space.
    """
    bindings = [(transaction.codec.bound(each), fingerprint.id) for each in ids]
    return _delete_records(transaction, FORGET, bindings, unstamp=unstamp)


def disown(transaction: Transaction, writes: Sequence[VectorWrite], fingerprint: Fingerprint, *, unstamp: bool) -> int:
    """Take back that these very vectors are the target's of these very texts; return of how many rows.

    The vectors stay as they are, without provenance and, with `unstamp`, without a stamp of their space.
    """
    bindings: list[dict[str, Binding]] = [
        {"src": each.src, "target": fingerprint.id, "title": each.title, "content": each.content, "blob": each.blob}
        for each in writes
    ]
    previous.doubt_texts(transaction, writes, fingerprint)
    return _delete_records(transaction, DISOWN, bindings, unstamp=unstamp)


def forget_row(transaction: Transaction, memory_id: str) -> None:
    """Delete the record of a memory's vector, whichever target it is of."""
    transaction.db.execute(FORGET_ROW, (transaction.codec.bound(memory_id),))


def take_away(
    transaction: Transaction, ids: Sequence[str], fingerprint: Fingerprint, *, origin: str, vectors: bool
) -> int:
    """Take the target's vectors away from those of `ids` that `origin` or a sweep gave them; return from how many.

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


def vectors_of(store: Store, srcs: Collection[bytes], fingerprint: Fingerprint) -> dict[bytes, bytes]:
    """Return the BLOBs that the target gave memories of the texts with these hashes, those to trust, by their hash.

    Those that stand in the memories come before those that stand beside them.
    """
    found: dict[bytes, bytes] = {}
    if not srcs:
        return found
    target: dict[str, Binding] = {"target": fingerprint.id}
    known = [(src, fingerprint.id) for (src,) in among(store.db, KNOWN_TEXTS, list(srcs), target)]
    kept = store.db.execute_many(VECTORS_OF_TEXT, known)
    if staged.is_any(store):
        kept += store.db.execute_many(staged.VECTORS_OF_TEXT, [(src, fingerprint.id) for src in srcs])
    for src, blob, recorded in kept:
        if src not in found and head(blob) == recorded and is_sound(blob, fingerprint.dim):
            found[src] = bytes(blob)
    return found


def unproven(store: Store, fingerprint: Fingerprint) -> list[str]:
    """Return the ids of the rows whose vectors sweeps wrote in the target's present stretch."""
    found = (store.codec.text(row[0]) for row in store.db.execute(UNPROVEN, (fingerprint.id, fingerprint.stretch)))
    return [each for each in found if each is not None]


def stored_blob(store: Store, of: Stored, *, rows: str = "main.memories") -> bytes | None:
    """Return the vector BLOB of a memory if it still has that very text, None where it has not or there is none.

    `rows` is the view in which it is looked for.
    """
    bindings: dict[str, Binding] = {
        "id": store.codec.bound(of.id),
        "title": of.title,
        "content": of.content,
        "envelope": of.envelope,
    }
    sql = STORED_VECTOR.format(rows=rows, and_envelope=store.schema.and_envelope(":envelope"))
    blob = store.db.value(sql, bindings)
    return None if blob is None else bytes(blob)


def attest(transaction: Transaction, write: VectorWrite, fingerprint: Fingerprint, place: Place = NOTHING_KEPT) -> bool:
    """Take the vector a memory has for one of the target's, attested by the operator.

    `write.blob` is not used: the stored vector stays. Returns False, with nothing written, where
    the text changed or there is no sound vector of the target's width.
    """
    blob = stored_blob(transaction, write)
    if blob is None or not is_sound(blob, fingerprint.dim):
        return False
    stands = write._replace(blob=blob)
    if isinstance(place, Staged):
        return staged.write(transaction, [stands], fingerprint)[0]
    _attest(transaction, stands, fingerprint, place.keep_for)
    return True


def _attest(transaction: Transaction, stands: VectorWrite, fingerprint: Fingerprint, keep_for: int | None) -> None:
    if keep_for is not None:
        previous.keep(transaction, keep_for, [stands])
    stamps = ", ".join(_stamp_columns(transaction))
    if stamps:
        values = fingerprint.dim, fingerprint.space, transaction.codec.bound(stands.id)
        transaction.db.execute(STAMP.format(columns=stamps), values)
    record_provenance(transaction, [stands], fingerprint)
    staged.drop_of(transaction, [stands.id], fingerprint)


def program_of_update(store: Store) -> list[Row]:
    """Return the program that SQLite makes of writing a vector, with those of the triggers that it fires.

    Raises:
        StatementRefused: a trigger or a constraint needs what is not there: a function, module, table, collation.
    """
    return store.db.explain(_update_sql(store), NO_VALUES)


def fires_triggers(store: Store) -> bool:
    """Return whether writing a vector runs somebody's trigger, which may do anything to the row."""
    return any(opcode == "Program" for _, opcode, *_ in program_of_update(store))


def _delete_records(transaction: Transaction, sql: str, bindings: Iterable[Bindings], *, unstamp: bool) -> int:
    """Delete records, with `unstamp` also the stamps of their rows, and return how many; `sql` returns the ids."""
    deleted = transaction.db.execute_many(sql, bindings)
    if unstamp and transaction.schema.has_space:
        transaction.db.execute_many(UNSTAMP, deleted)
    return len(deleted)


def _require_kept(store: Store, bindings: Sequence[_Values], written: Sequence[bool], ids: Sequence[str]) -> None:
    """Check that every row that was written stands as written, and that no trigger left one out in silence."""
    kept = " AND ".join(each.replace(" = ", " IS ") for each in _vector_columns(store))
    sql = KEPT.format(kept=kept, and_envelope=store.schema.and_envelope("?3"))
    for row_id, values, done in zip(ids, bindings, written, strict=True):
        found = store.db.value(sql, values)
        # Where there is no such text any more: another writer was first, or a trigger of the update changed it.
        if done if found is None else not found:
            raise not_kept(store, row_id)


def not_kept(store: Store, memory_id: str) -> UpdateRefused:
    """Return the error of a vector that a trigger took back, or changed, as it was written."""
    what = f"{store.db.path} {NOT_KEPT} of {printable(memory_id)}."
    return UpdateRefused(what, words=f"the database {NOT_KEPT}", memory_id=memory_id)


def _update_sql(store: Store) -> str:
    return UPDATE_VECTOR.format(columns=", ".join(_vector_columns(store)), and_envelope=store.schema.and_envelope("?3"))


def _vector_columns(store: Store) -> list[str]:
    return ["embedding = ?4", *_stamp_columns(store)]


def _stamp_columns(store: Store) -> list[str]:
    stamps = {"embedding_dim": "?1", "embedding_space": "?2"}
    return [f"{name} = {value}" for name, value in stamps.items() if name in store.schema.columns]
