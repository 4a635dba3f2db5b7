"""Keeps the cursors of a run: how far its present pass has come in each namespace, and in its list of hot rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.memory.text_codec import printable
from ai_memory.stores.own_row import OwnRow
from ai_memory.stores.postgres import hot_list
from ai_memory.stores.run_row import GIVE_UP
from ai_memory.stores.values import Checkpoint

if TYPE_CHECKING:
    from ai_memory.stores.postgres.base import Store, Transaction
    from ai_memory.stores.values import Run, Steps

CHECKPOINT_COLUMNS = ("namespace", "cursor_id", "eof", "rows_done")
CHECKPOINTS = f"""
    SELECT {", ".join(CHECKPOINT_COLUMNS)} FROM reembed_checkpoint
    WHERE run_id = %(run_id)s AND pass = %(pass)s
"""
ADVANCE = """
    INSERT INTO reembed_checkpoint AS c (run_id, namespace, cursor_id, pass, eof, rows_done, updated_at)
    VALUES (%(run_id)s, %(namespace)s, %(cursor_id)s, %(pass)s, %(eof)s, %(rows_done)s, %(now)s)
    ON CONFLICT (run_id, namespace) DO UPDATE SET
        cursor_id = coalesce(excluded.cursor_id, CASE WHEN c.pass = excluded.pass THEN c.cursor_id END),
        rows_done = excluded.rows_done + CASE WHEN c.pass = excluded.pass THEN c.rows_done ELSE 0 END,
        pass = excluded.pass, eof = excluded.eof, updated_at = excluded.updated_at
"""


def read(store: Store, run: Run) -> dict[str, Checkpoint]:
    """Return the checkpoints of the run's present pass, by namespace.

    Raises:
        DataRefused: a column of one is damaged.
    """
    found: dict[str, Checkpoint] = {}
    for values in store.db.execute(CHECKPOINTS, {"run_id": run.run_id, "pass": run.pass_number}):
        namespace, cursor = str(values[0]), values[1]
        what = f"the checkpoint of {printable(namespace)} in run {run.run_id}"
        row = OwnRow(store, what, GIVE_UP, dict(zip(CHECKPOINT_COLUMNS, values, strict=True)))
        found[namespace] = Checkpoint(
            namespace=namespace,
            cursor_id=cursor,
            eof=bool(row.whole("eof", most=1)),
            rows_done=row.whole("rows_done"),
        )
    return found


def advance(transaction: Transaction, run: Run, steps: Steps, *, now_ms: int) -> None:
    """Move the cursors of all namespaces in `steps`; their `rows_done` is added to what was done in this pass."""
    for namespace, step in steps.items():
        if namespace is None:
            hot_list.advance(transaction, run, step)
            continue
        bindings = {
            "run_id": run.run_id,
            "namespace": namespace,
            "cursor_id": step.cursor_id,
            "pass": run.pass_number,
            "eof": int(step.eof),
            "rows_done": step.rows_done,
            "now": now_ms,
        }
        transaction.db.execute(ADVANCE, bindings)
