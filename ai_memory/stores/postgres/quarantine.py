"""Keeps the rows that cannot be brought to a target, each with its reason.

An entry belongs to a target and outlives a run; it is in force only while `src` is the hash of the
row's present text, so an edit lifts it by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast, get_args

from ai_memory.memory.reason import Kind, Reason
from ai_memory.memory.text_codec import printable
from ai_memory.stores.own_row import OwnRow
from ai_memory.stores.postgres.names import those_storable
from ai_memory.stores.values import Quarantined
from ai_memory.text.cleaning import MOST_WORDS, one_line

if TYPE_CHECKING:
    from ai_memory.stores.postgres.base import Store, Transaction

PUT = """
    INSERT INTO reembed_quarantine AS q (target, memory_id, src, kind, http_status, message, first_at, last_at)
    VALUES (%(target)s, %(id)s, %(src)s, %(kind)s, %(http_status)s, %(message)s, %(now)s, %(now)s)
    ON CONFLICT (target, memory_id) DO UPDATE SET
        attempts = CASE WHEN q.src = excluded.src THEN least(q.attempts, 1000000) + 1 ELSE 1 END,
        first_at = CASE WHEN q.src = excluded.src THEN q.first_at ELSE excluded.first_at END,
        src = excluded.src, kind = excluded.kind, http_status = excluded.http_status,
        message = excluded.message, last_at = excluded.last_at
"""
ENTRY_TEXTS = ("kind", "message")
REASON_COLUMNS = ("memory_id", *ENTRY_TEXTS, "http_status")
# What the database refuses of one row says nothing of another row of the same text.
REASON = f"""
    SELECT {", ".join(REASON_COLUMNS)} FROM reembed_quarantine
    WHERE target = %(target)s AND src = %(src)s AND kind <> 'unwritable' LIMIT 1
"""
LIFT_ALL = "DELETE FROM reembed_quarantine WHERE target = %(target)s"
LIFT = "DELETE FROM reembed_quarantine WHERE target = %(target)s AND memory_id = ANY(%(ids)s::text[])"
REFUSED_SINCE = """
    SELECT count(*) FROM reembed_quarantine WHERE target = %(target)s AND kind = 'refused' AND last_at >= %(since)s
"""
ENTRY_COLUMNS = ("src", *REASON_COLUMNS, "attempts", "first_at", "last_at")
ENTRIES = f"""
    SELECT m.namespace, {", ".join(f"q.{each}" for each in ENTRY_COLUMNS)}
    FROM reembed_quarantine AS q JOIN memories AS m ON m.id = q.memory_id
    WHERE q.target = %(target)s ORDER BY m.namespace, m.id
"""
BY_KIND = """
    SELECT q.kind, count(*) FROM reembed_quarantine AS q
    JOIN memories AS m ON m.id = q.memory_id
    WHERE q.target = %(target)s GROUP BY q.kind
"""
TRY_AGAIN = "Empty it, so that its rows are tried again: ai-memory reembed --retry-quarantined"


def refused_since(store: Store, target: int, since_ms: int) -> int:
    """Return how many rows that the endpoint refused stand in quarantine since then (Unix milliseconds)."""
    return int(store.db.value(REFUSED_SINCE, {"target": target, "since": since_ms}))


def put(transaction: Transaction, target: int, row_id: str, src: bytes, reason: Reason, *, now_ms: int) -> None:
    """Enter a row, or one more attempt at it."""
    bindings = {
        "target": target,
        "id": row_id,
        "src": src,
        "kind": reason.kind,
        "http_status": reason.http_status,
        "message": one_line(reason.message, most=MOST_WORDS),
        "now": now_ms,
    }
    transaction.db.execute(PUT, bindings)


def reason_of(store: Store, target: int, src: bytes) -> Reason | None:
    """Return why a text, in whatever row, stands in the quarantine of a target, None where it does not.

    Raises:
        DataRefused: a column of the entry is damaged.
    """
    found = store.db.execute(REASON, {"target": target, "src": src})
    return _reason(_entry(store, REASON_COLUMNS, found[0])) if found else None


def lift(transaction: Transaction, target: int, row_ids: Sequence[str]) -> None:
    """Remove rows from the quarantine of a target."""
    if row_ids:
        transaction.db.execute(LIFT, {"target": target, "ids": those_storable(row_ids)})


def lift_all(transaction: Transaction, target: int) -> None:
    """Empty the quarantine of a target, so that its rows are tried again."""
    transaction.db.execute(LIFT_ALL, {"target": target})


def entries(store: Store, target: int) -> list[Quarantined]:
    """Return the quarantine of a target by namespace and id, entries out of force included, memories gone left out.

    Raises:
        DataRefused: a column of an entry is damaged.
    """
    return [
        _quarantined(str(namespace), _entry(store, ENTRY_COLUMNS, values))
        for namespace, *values in store.db.execute(ENTRIES, {"target": target})
    ]


def by_kind(store: Store, target: int) -> dict[Kind, int]:
    """Return how many entries of a target there are of each kind, as far as their memories exist.

    Entries out of force are included. A kind that is damaged is left out: whoever reads its entry is told.
    """
    return {kind: count for kind, count in store.db.execute(BY_KIND, {"target": target}) if kind in get_args(Kind)}


def _entry(store: Store, columns: Sequence[str], values: Sequence[object]) -> OwnRow:
    named = dict(zip(columns, values, strict=True))
    return OwnRow(store, f"the quarantine entry of {printable(str(named['memory_id']))}", TRY_AGAIN, named)


def _reason(row: OwnRow) -> Reason:
    status = None if row.values["http_status"] is None else row.whole("http_status")
    return Reason(cast(Kind, row.one_of("kind", get_args(Kind))), row.text("message"), status)


def _quarantined(namespace: str, row: OwnRow) -> Quarantined:
    reason = _reason(row)
    return Quarantined(
        id=str(row.values["memory_id"]),
        namespace=namespace,
        src=row.blob("src"),
        kind=reason.kind,
        http_status=reason.http_status,
        message=reason.message,
        attempts=row.whole("attempts"),
        first_at=row.time("first_at"),
        last_at=row.time("last_at"),
    )
