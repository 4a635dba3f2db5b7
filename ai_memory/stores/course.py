"""What became of a run, moment by moment, as it is kept beside the run."""

from __future__ import annotations

from dataclasses import dataclass

TAKEN, TAKEN_OVER = "runner", "taken over"
"""A start took the run: one that its last runner left in good order, and one of a runner that was killed."""
WRITTEN = "written"
ENDED = "ended"
OPENED, CLOSED = "breaker open", "breaker closed"
KINDS = (TAKEN, TAKEN_OVER, WRITTEN, ENDED, OPENED, CLOSED)


@dataclass(frozen=True, slots=True)
class Moment:
    """What happened (one of KINDS), when (Unix milliseconds), and how many rows the run had written by then.

    `rows` is None where that was not noted. Of an end `exit_code` and
    `reason` say how the start ended.
    """

    at: int
    kind: str
    rows: int | None = None
    exit_code: int | None = None
    reason: str = ""
