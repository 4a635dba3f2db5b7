"""The rows that stand in quarantine now, each with its title: those of the recorded run."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.memory.freshness import Freshness, classify
from ai_memory.reembed.recorded import recorded_run
from ai_memory.reembed.scope import in_scope
from ai_memory.text.cleaning import one_line
from ai_memory.text.times import with_timestamps

if TYPE_CHECKING:
    from ai_memory.stores.port import Reader
    from ai_memory.stores.values import Quarantined

MOST_TITLE = 60


class QuarantinedRow(Frozen):
    """One row whose quarantine is in force; `title` is None where it is not valid text."""

    entry: Quarantined
    title: str | None

    def values(self) -> dict[str, object]:
        """Return the JSON object."""
        return {
            **with_timestamps(asdict(self.entry), "first_at", "last_at"),
            "src": self.entry.src.hex(),
            "title": self.title,
        }


def shortened(title: str) -> str:
    """Return a title in quotes, on one line and not too long."""
    return f'"{one_line(title, most=MOST_TITLE)}"'


def quarantined_rows(store: Reader) -> list[QuarantinedRow]:
    """Return the rows in quarantine of the run begun last, by namespace and id; none where no run ever began.

    Entries that an edit has lifted, and rows that are no longer live, are left out.
    """
    run = recorded_run(store)
    if run is None:
        return []
    target = store.targets.read(run.target)
    entries = [each for each in store.quarantine.entries(target.id) if in_scope(each.namespace, run.scope)]
    traits = store.memories.traits
    rows = {row.id: row for row in store.memories.rows_by_id([each.id for each in entries], target=target.id)}
    return [
        QuarantinedRow(each, row.title)
        for each in entries
        if (row := rows.get(each.id)) and row.live and classify(row, target, traits) is Freshness.QUARANTINED
    ]
