"""Which memories are odd: without text, without a vector, or with a time that programs read differently."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ai_memory.actions.diagnosis import NAMED_ROWS
from ai_memory.memory.freshness import Unfit, examine
from ai_memory.memory.text_codec import printable
from ai_memory.reembed.scope import in_scope
from ai_memory.text.amounts import counted
from ai_memory.text.cleaning import one_line

if TYPE_CHECKING:
    from ai_memory.actions.diagnosis import Diagnosis
    from ai_memory.stores.memory_port_reading import Counts
    from ai_memory.stores.port import Snapshot


def examine_rows(counts: Counts, snapshot: Snapshot, diagnosis: Diagnosis) -> None:
    """Add how many memories there are, and how many of them have no text or no vector."""
    totals = counts.totals()
    unfit: Counter[str] = Counter()
    lacking = Counter({False: 0, True: 0})
    something_else, quarantined = counts.not_vectors(), counts.in_quarantine()
    for row in snapshot.rows(target=None, only=None):
        if not row.live:
            continue
        if isinstance(examined := examine(row), Unfit):
            unfit[examined.reason.kind] += 1
        elif row.embedding is None and row.raw_id not in quarantined and in_scope(row.namespace, None):
            lacking[row.raw_id in something_else] += 1
    diagnosis.count("memories", totals.memories)
    diagnosis.count("not_live", totals.memories - totals.live)
    diagnosis.count("encrypted", totals.encrypted)
    diagnosis.count("without_id", totals.without_id)
    diagnosis.count("undecodable", unfit["undecodable"])
    diagnosis.count("empty", unfit["empty"])
    diagnosis.count("oversize", unfit["oversize"])
    # Not those that no backfill would ever embed: a finding that its own remedy leaves is none.
    diagnosis.count("missing", lacking[False])
    diagnosis.count("not_vectors", lacking[True])


def examine_expiries(counts: Counts, diagnosis: Diagnosis) -> None:
    """Add which memories expire at a time on which programs differ."""
    odd = [(row_id or "(no id)", written) for row_id, written in counts.odd_expiries()]
    diagnosis.count("odd_expiries", len(odd))
    diagnosis.values["odd_expiry_rows"] = [{"id": row_id, "expires_at": written} for row_id, written in odd]
    for row_id, written in odd[:NAMED_ROWS]:
        what = f"expires at {one_line(repr(written))}, which is not RFC 3339 in UTC: programs differ on it"
        diagnosis.find(f"{printable(row_id)} {what}")
    if len(odd) > NAMED_ROWS:
        more = counted(len(odd) - NAMED_ROWS, "more memory expires", "more memories expire")
        diagnosis.find(f"{more} at such a time; --json names all")
