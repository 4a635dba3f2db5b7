"""What is told of a run as JSON, wherever it is told: from its own row."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ai_memory.reembed.options import cost
from ai_memory.text.times import with_timestamps

if TYPE_CHECKING:
    from ai_memory.stores.values import Run
    from ai_memory.vectors.target import Fingerprint

INSTANTS = ("started_at", "last_progress_at", "last_written_at", "finished_at")


def run_values(run: Run, target: Fingerprint, price: float | None) -> dict[str, object]:
    """Return the JSON object of a run; what it cost is told at `price` for a million tokens, where there is one."""
    found: dict[str, object] = {
        **asdict(run.counters),
        "run_id": run.run_id,
        "state": run.state,
        "model": run.target_model,
        "space": target.space,
        "dim": target.dim,
        "scope": run.scope,
        "order": run.order,
        "rows_per_hour": run.rows_per_hour,
        "cost": cost(run.counters.tokens, price),
        "started_at": run.started_at,
        "last_progress_at": run.last_progress_at,
        "last_written_at": run.last_written_at,
        "finished_at": run.finished_at,
        "last_end": with_timestamps(asdict(run.last_end), "at") if run.last_end else None,
        "staged": run.staged,
        "undoes": asdict(run.undoes) if run.undoes else None,
        "undone_by": run.undone_by,
    }
    return with_timestamps(found, *INSTANTS)
