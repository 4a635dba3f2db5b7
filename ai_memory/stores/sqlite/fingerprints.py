"""The record of each target that the file has seen: what its vectors are, and the witness of their weights."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from ai_memory.errors import DataRefused
from ai_memory.stores.own_row import OwnRow
from ai_memory.stores.sqlite.own_row import selected
from ai_memory.stores.values import KeptTarget
from ai_memory.vectors.target import MAX_DIM, Fingerprint

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.base import Store, Transaction
    from ai_memory.stores.sqlite.connection import Row
    from ai_memory.stores.values import Identity

FIND_FINGERPRINT = """
    SELECT id, CASE WHEN typeof(witness) = 'blob' THEN witness END, iif(typeof(stretch) = 'integer', stretch, 0)
    FROM embedding_fingerprint WHERE digest = ?
"""
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
            SELECT 1 FROM reembed_run
            WHERE target = embedding_fingerprint.id AND state IN ('running', 'paused', 'ready', 'switched')
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
KEEP_SETTINGS = """
    INSERT INTO embedding_settings (target, settings_json, kept_at) VALUES (?, ?, ?)
    ON CONFLICT (target) DO UPDATE SET settings_json = excluded.settings_json, kept_at = excluded.kept_at
    WHERE settings_json IS NOT excluded.settings_json
"""
# A run over the whole file that is switched to serves its own vectors alone; whoever goes back, what was kept.
# Of each target without a vector all records are looked at: a file may have seen any number of them.
KEPT = """
    SELECT CAST(f.space AS BLOB), f.dim, CAST(s.settings_json AS BLOB), f.witness
    FROM (SELECT * FROM embedding_fingerprint ORDER BY id DESC LIMIT 16) AS f
    LEFT JOIN embedding_settings AS s ON s.target = f.id
    WHERE typeof(f.dim) = 'integer' AND f.dim > 0
        AND CASE
            WHEN f.id = (SELECT target FROM embedding_active) THEN 1
            WHEN EXISTS (
                SELECT 1 FROM embedding_active AS a JOIN reembed_run AS r ON r.run_id = a.run_id
                WHERE a.target IS NOT NULL AND r.scope_json = 'null'
            ) THEN 0
            ELSE EXISTS (SELECT 1 FROM embedding_provenance WHERE fingerprint_id = f.id) OR EXISTS (
                SELECT 1 FROM embedding_active AS a JOIN embedding_previous AS k ON k.fingerprint_id = f.id
                WHERE a.target IS NULL AND k.run_id = a.run_id
            )
        END
    ORDER BY f.id DESC
"""
KEPT_AS = """
    SELECT CAST(f.space AS BLOB), f.dim, CAST(s.settings_json AS BLOB), f.witness
    FROM embedding_fingerprint AS f LEFT JOIN embedding_settings AS s ON s.target = f.id
    WHERE f.space = ? AND typeof(f.dim) = 'integer' AND f.dim > 0 AND ? IN (0, f.dim)
    ORDER BY s.target IS NULL, f.id DESC LIMIT 1
"""
FINGERPRINT_TEXTS = ("spec_json", "space")
FINGERPRINT_COLUMNS = ("id", "digest", *FINGERPRINT_TEXTS, "dim", "witness", "stretch")
READ_FINGERPRINT = f"""
    SELECT {selected(FINGERPRINT_COLUMNS, FINGERPRINT_TEXTS)} FROM embedding_fingerprint WHERE id = ?
"""
SET_WITNESS = "UPDATE embedding_fingerprint SET witness = ? WHERE id = ? AND witness IS NULL"
FORGET_WITNESS = """
    UPDATE embedding_fingerprint SET witness = NULL
    WHERE id = ? AND NOT EXISTS (
        SELECT 1 FROM embedding_provenance WHERE fingerprint_id = embedding_fingerprint.id AND origin <> 'attested'
    ) AND NOT EXISTS (
        SELECT 1 FROM embedding_staged WHERE target = embedding_fingerprint.id AND origin <> 'attested'
    )
"""
BEGIN_STRETCH = "UPDATE embedding_fingerprint SET stretch = stretch + 1 WHERE id = ?"

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
    number, witness, stretch = rows[0]
    return Fingerprint(number, identity.digest, identity.spec_json, identity.space, identity.dim, witness, stretch)


def ensure_fingerprint(transaction: Transaction, identity: Identity, *, now_ms: int) -> Fingerprint:
    """Return the record of a target, entering it where the file has not seen it."""
    bindings = (identity.digest, identity.spec_json, identity.space, identity.dim, now_ms)
    entered = int(transaction.db.value(ADD_FINGERPRINT, bindings))
    if identity.settings:
        transaction.db.execute(KEEP_SETTINGS, (entered, identity.settings, now_ms))
    return read_fingerprint(transaction, entered)


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
    stretch = row.whole("stretch")
    return Fingerprint(fingerprint_id, digest, text, str(spec["space"]), int(spec["dim"]), witness, stretch)


def known_widths(store: Store) -> list[tuple[bytes, int]]:
    """Return digest and width of every target the file has seen; what is damaged is left out.

    That of an unfinished run is the first, then those that are approved: one stored memory of another width changes
    nothing. Of several those to which a run went last, or which were entered last.
    """
    return [(bytes(digest), int(dim)) for digest, dim in store.db.execute(WIDTHS)]


def of_space(store: Store, space: str, dim: int) -> list[int]:
    """Return the numbers of the targets of a space that the file has seen, in any width if `dim` is 0."""
    return [int(row[0]) for row in store.db.execute(OF_SPACE, (space, dim))]


def kept_targets(store: Store) -> list[KeptTarget]:
    """Return the targets to which vectors in the file are recorded, the latest first; damaged ones left out."""
    return [_kept_target(store, row) for row in store.db.execute(KEPT)]


def kept_as(store: Store, space: str, dim: int) -> KeptTarget | None:
    """Return the latest target of a space, in any width if `dim` is 0, one with settings before all others."""
    return next((_kept_target(store, row) for row in store.db.execute(KEPT_AS, (space, dim))), None)


def _kept_target(store: Store, row: Row) -> KeptTarget:
    (space, dim, settings, witness), name = row, store.codec.name
    return KeptTarget(name(space), dim, name(settings or b""), witness if isinstance(witness, bytes) else None)


def begin_stretch(transaction: Transaction, fingerprint_id: int) -> None:
    """Begin the target's next stretch: the vectors written until now are believed."""
    transaction.db.execute(BEGIN_STRETCH, (fingerprint_id,))


def set_witness(transaction: Transaction, fingerprint_id: int, witness: bytes) -> None:
    """Keep the target's witness vectors unless it has some."""
    transaction.db.execute(SET_WITNESS, (witness, fingerprint_id))


def forget_witness(transaction: Transaction, fingerprint_id: int) -> bool:
    """Take the target's witness away if no vector in the file is recorded as its own.

    Returns whether it was taken away.
    """
    return bool(transaction.db.change(FORGET_WITNESS, (fingerprint_id,)))
