"""Writes vectors together with the record of where they come from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from ai_memory.stores.postgres import pending, previous, staged
from ai_memory.stores.postgres.pending import SAME_TEXT
from ai_memory.stores.postgres.references import fires_triggers, naming, not_kept
from ai_memory.stores.postgres.stored import stored_blob
from ai_memory.stores.postgres.widths import OWN, SERVED, Columns, columns_for
from ai_memory.stores.values import NOTHING_KEPT, Staged
from ai_memory.vectors.blob import is_sound

if TYPE_CHECKING:
    from ai_memory.stores.postgres.base import Store, Transaction
    from ai_memory.stores.values import Place, VectorWrite
    from ai_memory.vectors.target import Fingerprint

UPDATE_VECTORS = """
    UPDATE memories AS m SET {columns} FROM pending_vector AS p WHERE {same_text} {and_envelope} RETURNING p.place
"""
# What was written and does not stand there, or was left out in silence though the memory has that text.
NOT_STANDING = """
    SELECT p.id FROM pending_vector AS p LEFT JOIN memories AS m ON {same_text} {and_envelope}
    WHERE CASE WHEN m.id IS NULL THEN p.place = ANY(%(done)s::bigint[]) ELSE ({differs}) END ORDER BY p.place LIMIT 1
"""
SET_PROVENANCE = """
    INSERT INTO {records} (memory_id, fingerprint_id, src, head, origin, stretch)
    SELECT id, %(target)s, src, head, origin, stretch FROM pending_vector WHERE place = ANY(%(done)s::bigint[])
    ON CONFLICT (memory_id) DO UPDATE SET
        fingerprint_id = excluded.fingerprint_id, src = excluded.src, head = excluded.head, origin = excluded.origin,
        stretch = excluded.stretch
"""
MOVED = "reembed"
"""The origin of what is moved: it is staged already."""
STAMP = "UPDATE memories SET {columns} WHERE id = %(id)s"
HOLD_ROW = "SELECT 1 FROM memories WHERE id = %(id)s FOR UPDATE"


def write_vectors(
    transaction: Transaction, writes: Sequence[VectorWrite], fingerprint: Fingerprint, *, keep_for: int | None = None
) -> list[bool]:
    """Write each vector, its stamp and its provenance if its memory still has that very text.

    Returns one answer per vector: False, with nothing written, where the text changed or the memory is gone. What is
    replaced is kept for the run `keep_for`, unless that is None.

    Raises:
        StatementRefused: the database refuses one of them; the transaction is gone.
        UpdateRefused: a trigger took one of them back at once.
        SchemaRefused: its memories take vectors of another width.
    """
    place = columns_for(transaction, fingerprint)
    if not writes:
        return []
    if place is SERVED:
        return staged.write(transaction, writes, fingerprint)
    db, schema = transaction.db, transaction.schema
    pending.lay(transaction, writes, fingerprint)
    if keep_for is not None and place.own:
        previous.keep(transaction, keep_for)
    stamp = {"dim": fingerprint.dim, "space": fingerprint.space, "target": fingerprint.id}
    columns = [f"{place.prefix}embedding = {place.vector}", *_stamp_columns(transaction, place)]
    sql = UPDATE_VECTORS.format(columns=", ".join(columns), same_text=SAME_TEXT, and_envelope=schema.and_envelope)
    done = {int(row[0]) for row in db.execute(sql, stamp)}
    if fires_triggers(transaction):
        _require_kept(transaction, columns, done, stamp)
    db.execute(SET_PROVENANCE.format(records=place.records), {"target": fingerprint.id, "done": list(done)})
    if place.own:
        staged.drop_of(transaction, [each.id for number, each in enumerate(writes) if number in done], fingerprint)
    else:
        # What is written beside is served as it is staged, until the columns change places.
        staged.write(transaction, [each for each in writes if each.origin != MOVED], fingerprint)
    return [number in done for number in range(len(writes))]


def attest(transaction: Transaction, write: VectorWrite, fingerprint: Fingerprint, place: Place = NOTHING_KEPT) -> bool:
    """Take the vector a memory has for one of the target's, attested by the operator.

    `write.blob` is not used: the stored vector stays. Returns False, with nothing written, where
    the text changed or there is no sound vector of the target's width.
    """
    transaction.db.execute(HOLD_ROW, {"id": write.id})
    blob = stored_blob(transaction, write)
    if blob is None or not is_sound(blob, fingerprint.dim):
        return False
    stands = write._replace(blob=blob)
    if isinstance(place, Staged):
        return staged.write(transaction, [stands], fingerprint)[0]
    _attest(transaction, stands, fingerprint, place.keep_for)
    return True


def _attest(transaction: Transaction, stands: VectorWrite, fingerprint: Fingerprint, keep_for: int | None) -> None:
    pending.lay(transaction, [stands], fingerprint)
    if keep_for is not None:
        previous.keep(transaction, keep_for)
    stamps = ", ".join(_stamp_columns(transaction, OWN))
    if stamps:
        values = {"id": stands.id, "dim": fingerprint.dim, "space": fingerprint.space}
        transaction.db.execute(STAMP.format(columns=stamps), values)
    transaction.db.execute(SET_PROVENANCE.format(records=OWN.records), {"target": fingerprint.id, "done": [0]})
    staged.drop_of(transaction, [stands.id], fingerprint)


def _require_kept(store: Store, columns: Sequence[str], done: Collection[int], stamp: Mapping[str, object]) -> None:
    """Check that every row that was written stands as written, and that no trigger left one out in silence."""
    pairs = [each.split(" = ", 1) for each in columns]
    differs = " OR ".join(f"m.{name} IS DISTINCT FROM {value}" for name, value in pairs)
    sql = NOT_STANDING.format(same_text=SAME_TEXT, and_envelope=store.schema.and_envelope, differs=differs)
    if (memory_id := store.db.value(sql, {**stamp, "done": list(done)})) is not None:
        raise not_kept(store, memory_id)


def _stamp_columns(store: Store, place: Columns) -> list[str]:
    stamps = {"embedding_dim": "%(dim)s::integer", "embedding_space": "%(space)s::text"}
    return [f"{place.prefix}{name} = {value}" for name, value in stamps.items() if name in store.schema.columns]


def write_one_by_one(
    transaction: Transaction, writes: Sequence[VectorWrite], fingerprint: Fingerprint, *, keep_for: int | None = None
) -> list[bool]:
    """Write vectors as `write_vectors` does, so that a refusal names its row.

    Raises:
        UpdateRefused: the database refuses one of them; the transaction is gone.
    """
    written: list[bool] = []
    for each in writes:
        with naming(transaction.db, each.id):
            written += write_vectors(transaction, [each], fingerprint, keep_for=keep_for)
    return written
