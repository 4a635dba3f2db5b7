"""Keeps the rows that cannot be brought to a target, each with its reason.

An entry belongs to a target and outlives a run; it is in force only while `src` is the hash of the
row's present text, so an edit lifts it by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ai_memory.cleaning import MOST_WORDS, one_line
from ai_memory.store.connection import Binding
from ai_memory.store.opening import Store

PUT = """
    INSERT INTO reembed_quarantine (target, memory_id, src, kind, http_status, message, first_at, last_at)
    VALUES (:target, CAST(:id AS TEXT), :src, :kind, :http_status, :message, :now, :now)
    ON CONFLICT (target, memory_id) DO UPDATE SET
        attempts = CASE WHEN src = excluded.src THEN attempts + 1 ELSE 1 END,
        first_at = CASE WHEN src = excluded.src THEN first_at ELSE excluded.first_at END,
        src = excluded.src, kind = excluded.kind, http_status = excluded.http_status,
        message = excluded.message, last_at = excluded.last_at
"""
REASON = "SELECT kind, message, http_status FROM reembed_quarantine WHERE target = ? AND src = ? LIMIT 1"
ANY = "SELECT count(*) FROM (SELECT 1 FROM reembed_quarantine WHERE target = ? LIMIT 1)"
LIFT = "DELETE FROM reembed_quarantine WHERE target = ? AND memory_id = CAST(? AS TEXT)"
LIFT_ALL = "DELETE FROM reembed_quarantine WHERE target = ?"
REFUSED_SINCE = """
    SELECT count(*) FROM reembed_quarantine WHERE target = ? AND kind = 'refused' AND last_at >= ?
"""
ENTRIES = """
    SELECT CAST(q.memory_id AS BLOB), CAST(m.namespace AS BLOB),
           q.src, q.kind, q.http_status, q.message, q.attempts, q.first_at, q.last_at
    FROM reembed_quarantine AS q JOIN main.memories AS m ON m.id = q.memory_id
    WHERE q.target = ? ORDER BY m.namespace, m.id
"""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a row cannot be brought to a target; `kind` is one of reembed_quarantine's."""

    kind: str
    message: str
    http_status: int | None = None


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One row in quarantine. Times are Unix milliseconds."""

    id: str
    namespace: str
    src: bytes
    kind: str
    http_status: int | None
    message: str
    attempts: int
    first_at: int
    last_at: int


def refused_since(store: Store, target: int, since_ms: int) -> int:
    """Return how many rows that the endpoint refused stand in quarantine since then (Unix milliseconds)."""
    return int(store.db.value(REFUSED_SINCE, (target, since_ms)))


def put(store: Store, target: int, row_id: str, src: bytes, reason: Reason, *, now_ms: int) -> None:
    """Enter a row, or one more attempt at it; inside a transaction."""
    bindings: dict[str, Binding] = {
        "target": target,
        "id": store.codec.bound(row_id),
        "src": src,
        "kind": reason.kind,
        "http_status": reason.http_status,
        "message": one_line(reason.message, most=MOST_WORDS),
        "now": now_ms,
    }
    store.db.execute(PUT, bindings)


def reason_of(store: Store, target: int, src: bytes) -> Reason | None:
    """Return why a text stands in the quarantine of a target, None where it does not."""
    found = store.db.execute(REASON, (target, src))
    return Reason(*found[0]) if found else None


def lift(store: Store, target: int, row_ids: Sequence[str]) -> None:
    """Remove rows from the quarantine of a target; inside a transaction."""
    if row_ids and store.db.value(ANY, (target,)):
        store.db.execute_many(LIFT, [(target, store.codec.bound(row_id)) for row_id in row_ids])


def lift_all(store: Store, target: int) -> None:
    """Empty the quarantine of a target, so that its rows are tried again; inside a transaction."""
    store.db.execute(LIFT_ALL, (target,))


def entries(store: Store, target: int) -> list[Quarantined]:
    """Return the quarantine of a target by namespace and id, entries out of force included, memories gone left out."""
    return [
        Quarantined(store.codec.name(row[0]), store.codec.name(row[1]), *row[2:])
        for row in store.db.execute(ENTRIES, (target,))
    ]
