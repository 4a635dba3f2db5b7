"""What became of a run, moment by moment, as it is kept beside the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.text.times import LAST_MS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ai_memory.stores.values import Run, Space

TAKEN, TAKEN_OVER = "runner", "taken over"
"""A start took the run: one that its last runner left in good order, and one of a runner that was killed."""
WRITTEN = "written"
ENDED = "ended"
OPENED, CLOSED = "breaker open", "breaker closed"
MOST_ROWS = 2**62
"""No count of rows comes near."""
MOST_STARTS = 3_000
"""Events of starts that a run keeps: those of a month of starts every half hour in which the endpoint fails."""
KINDS = (TAKEN, TAKEN_OVER, WRITTEN, ENDED, OPENED, CLOSED)
EVERY_MS, PARTS = 1_000, 200
"""How often rows are noted: once in so many milliseconds at most, and of a long run once in such a part of its age."""
MOST_SPACES = 5
"""Kinds of vectors that a run notes as it begins; the most frequent come first."""
ROWS = "reembedded + attested + put_back"
"""SQL for how many rows a run has given a vector, or their old one."""
OF_A_RUN, OF_STARTS = (
    ", ".join(f"'{kind}'" for kind in kinds) for kinds in (KINDS, [each for each in KINDS if each != WRITTEN])
)
"""SQL that lists the kinds, and those of them that tell of starts."""


class Moment(Frozen):
    """What happened (one of KINDS), when (Unix milliseconds), and how many rows the run had written by then.

    `rows` is None where that was not noted. Of an end `exit_code` and
    `reason` say how the start ended.
    """

    at: int
    kind: str
    rows: int | None = None
    exit_code: int | None = None
    reason: str = ""


def rows_written(run: Run) -> int:
    """Return how many rows a run has given a vector, or their old one: see ROWS."""
    return run.counters.reembedded + run.counters.attested + run.counters.put_back


def start_of(run: Run, pid: int, *, lost: int) -> dict[str, int]:
    """Return what is kept of a start that takes a run of which so many texts may have been `lost` in flight."""
    return {"pid": pid, "rows": rows_written(run), "lost": lost, "sent": run.counters.texts_sent}


def newly_lost(run: Run, before: Mapping[str, object], *, lost: int) -> int:
    """Return how many of the texts that a run may have in flight no start counted yet, at most; `lost` counts now.

    `before` is what is kept of the start that took it last. What that one counted stays in flight until it is sent and
    committed again, so that after a kill it is among what the killed runner had in flight itself.
    """
    told, sent, rows = (each if isinstance(each, int) else 0 for each in map(before.get, ("lost", "sent", "rows")))
    settled = max(run.counters.texts_sent - sent, rows_written(run) - rows, 0)
    own = max(run.in_flight_limit, lost) - max(told - settled, 0)
    return min(max(own, 0), lost)


def spaces_of(told: Mapping[str, object]) -> tuple[Space, ...]:
    """Return the vectors that the first event of a run tells, as far as it can be read."""
    spaces = told.get("stored")
    return tuple((each[0], each[1], each[2]) for each in spaces if _is_space(each)) if isinstance(spaces, list) else ()


def moment_of(at: object, kind: str, told: Mapping[str, object]) -> Moment | None:
    """Return what an event of a run tells, None where its time cannot be read."""
    if not isinstance(at, int) or not 0 <= at <= LAST_MS:
        return None
    rows, code, reason = told.get("rows"), told.get("code"), told.get("reason")
    return Moment(
        at,
        kind,
        rows if isinstance(rows, int) and 0 <= rows <= MOST_ROWS else None,
        code if isinstance(code, int) else None,
        reason if isinstance(reason, str) else "",
    )


def _is_space(found: object) -> bool:
    if not isinstance(found, list) or len(found) != 3:
        return False
    space, dim, rows = found
    return isinstance(space, str | None) and isinstance(dim, int | None) and isinstance(rows, int)
