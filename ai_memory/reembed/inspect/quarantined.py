"""The rows that stand in quarantine now, each with its title: those of the recorded run."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from ai_memory.memory.freshness import Freshness, classify
from ai_memory.reembed.scope import in_scope
from ai_memory.stores.sqlite import quarantine, runs, walk
from ai_memory.stores.sqlite.provenance import read_fingerprint
from ai_memory.stores.sqlite.store import Store
from ai_memory.stores.values import Quarantined
from ai_memory.text.cleaning import one_line
from ai_memory.text.times import with_timestamps

MOST_TITLE = 60


@dataclass(frozen=True, slots=True)
class QuarantinedRow:
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


def quarantined_rows(store: Store) -> list[QuarantinedRow]:
    """Return the rows in quarantine of the run begun last, by namespace and id; none where no run ever began.

    Entries that an edit has lifted, and rows that are no longer live, are left out.
    """
    run = runs.unfinished_run(store) or runs.latest_run(store)
    if run is None:
        return []
    target = read_fingerprint(store, run.target)
    entries = [each for each in quarantine.entries(store, target.id) if in_scope(each.namespace, run.scope)]
    rows = {row.id: row for row in walk.rows_by_id(store, [each.id for each in entries], target=target.id)}
    return [
        QuarantinedRow(each, row.title)
        for each in entries
        if (row := rows.get(each.id)) and row.live and classify(row, target, store.schema) is Freshness.QUARANTINED
    ]
