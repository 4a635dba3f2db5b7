"""Keeps the targets to which an unattended start may go, by space and width."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.errors import DataRefused
from ai_memory.stores.postgres.fingerprints import read_fingerprint
from ai_memory.stores.postgres.names import storable
from ai_memory.vectors.target import MAX_DIM, Fingerprint

if TYPE_CHECKING:
    from ai_memory.stores.postgres.base import Store, Transaction
    from ai_memory.stores.values import Run

IS_APPROVED = "SELECT count(*) FROM reembed_approval WHERE space = %(space)s AND dim = %(dim)s"
WIDTH = "SELECT dim FROM reembed_approval WHERE space = %(space)s ORDER BY approved_at DESC, dim DESC LIMIT 1"
APPROVED_AT = """
    SELECT max(approved_at) FROM reembed_approval
    WHERE %(space)s IN ('', space) AND %(dim)s IN (0, dim)
"""
APPROVE = """
    INSERT INTO reembed_approval (space, dim, approved_at, approved_by, how)
    VALUES (%(space)s, %(dim)s, %(now)s, %(by)s, %(how)s)
    ON CONFLICT (space, dim) DO UPDATE SET approved_at = excluded.approved_at, approved_by = excluded.approved_by,
        how = excluded.how
"""
FORGET_UNKNOWN_WIDTH = "DELETE FROM reembed_approval WHERE space = %(space)s AND dim = 0"
COMPLETED = """
    INSERT INTO reembed_approval (space, dim, approved_at, approved_by, how)
    VALUES (%(space)s, %(dim)s, %(now)s, '', 'completed') ON CONFLICT DO NOTHING
"""
WITHDRAW_OLDER = """
    DELETE FROM reembed_approval WHERE approved_at < %(before)s AND NOT (space = %(space)s AND dim = %(dim)s)
"""
WITHDRAW = "DELETE FROM reembed_approval WHERE space = %(space)s AND (dim = %(dim)s OR %(dim)s = 0)"
WITHDRAW_ALL = "DELETE FROM reembed_approval"
TARGET = "SELECT target FROM reembed_run WHERE run_id = %(run_id)s"


def is_approved(store: Store, space: str, dim: int) -> bool:
    """Return whether an unattended start may go to this target."""
    return bool(storable(space) and store.db.value(IS_APPROVED, {"space": space, "dim": dim}))


def approved_at(store: Store, space: str, dim: int) -> int | None:
    """Return when such a target was approved last, None where it is not; "" is any space, 0 any width."""
    found: int | None = store.db.value(APPROVED_AT, {"space": space, "dim": dim})
    return found


def approved_width(store: Store, space: str) -> int:
    """Return the width in which a space was approved last, 0 where it was not."""
    found = store.db.value(WIDTH, {"space": space})
    return found if isinstance(found, int) and 0 < found <= MAX_DIM else 0


def approve(transaction: Transaction, space: str, dim: int, *, by: str, how: str, now_ms: int) -> None:
    """Let unattended starts go to this target.

    A `dim` of 0 is the width that the endpoint will tell: it holds until one is approved in its place.
    """
    transaction.db.execute(FORGET_UNKNOWN_WIDTH, {"space": space})
    transaction.db.execute(APPROVE, {"space": space, "dim": dim, "now": now_ms, "by": by, "how": how})


def completed(transaction: Transaction, run: Run, target: Fingerprint, *, now_ms: int) -> None:
    """Approve the target of a run that is complete, and forget those approved before it began."""
    transaction.db.execute(COMPLETED, {"space": target.space, "dim": target.dim, "now": now_ms})
    transaction.db.execute(WITHDRAW_OLDER, {"before": run.started_at, "space": target.space, "dim": target.dim})


def withdraw(transaction: Transaction, run_id: int) -> None:
    """Take the approval of a run's target back, or every one where the file does not say which target that was."""
    try:
        target = read_fingerprint(transaction, transaction.db.value(TARGET, {"run_id": run_id}) or 0)
    except DataRefused:
        transaction.db.execute(WITHDRAW_ALL)
    else:
        transaction.db.execute(WITHDRAW, {"space": target.space, "dim": target.dim})
