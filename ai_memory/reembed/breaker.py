"""The breaker of a run: holds requests back after a failure that no retry could mend.

It stands in the run row, so that every start of a night sees it: 60 s after the first failure, doubling to
15 minutes with each vain probe.
"""

from __future__ import annotations

from ai_memory.errors import LONGEST_ASKED, BreakerOpen
from ai_memory.stores.values import Breaker, Run
from ai_memory.text.amounts import SECOND, span

FIRST_WAIT_MS = 60_000
LONGEST_WAIT_MS = 15 * 60_000
"""The wait after the first failed start, doubled with each further one up to the longest, a quarter of an hour.

Choices of 2026-11-23, not measured."""
LONGEST_ASKED_MS = round(LONGEST_ASKED * 1000)
CLOSED = Breaker()
BEGIN_ANEW = "; if that is too long, give the run up and begin another: ai-memory reembed cancel"


def opened(run: Run, *, now_ms: int, asked_seconds: float = 0.0) -> Breaker:
    """Return the breaker after one more failure; the endpoint asked for a pause of `asked_seconds`."""
    wait = min(max(run.breaker_wait_ms * 2, FIRST_WAIT_MS), LONGEST_WAIT_MS)
    pause = max(wait, round(min(asked_seconds * 1000, LONGEST_ASKED_MS)))
    return Breaker(open=True, until_ms=now_ms + pause, wait_ms=wait)


def believed_until(run: Run, *, now_ms: int) -> int:
    """Return until when the breaker holds requests back; what a clock that was wrong wrote is not believed.

    It was opened at the last progress or before, and for a day at most. A last progress that lies ahead of the clock
    was written by such a clock: then nothing is waited for.
    """
    longest = now_ms if run.last_progress_at > now_ms else run.last_progress_at + LONGEST_ASKED_MS
    return max(min(run.breaker_until, longest), 0)


def asked_again(ms: float) -> str:
    """Return the sentence on when the endpoint is asked again, in so many milliseconds."""
    return f"The endpoint {_again(ms)}"


def _again(ms: float) -> str:
    return f"is asked again in {span(max(ms, SECOND))}."


def require_due(run: Run, *, now_ms: int) -> bool:
    """Return whether the breaker is open and its time over: the probe is then its canary; False where it is closed.

    Raises:
        BreakerOpen: the breaker is open; no request may be sent.
    """
    if run.breaker_state != "open":
        return False
    if now_ms < (until := believed_until(run, now_ms=now_ms)):
        seconds = (until - now_ms) / 1000
        reason = (run.last_error or "no answer").rstrip(".")
        raise BreakerOpen(
            f"The endpoint failed last time ({reason}); it {_again(until - now_ms)}",
            tip=f"Run the same command again then{BEGIN_ANEW if seconds * 1000 > LONGEST_WAIT_MS else '.'}",
            seconds=seconds,
        )
    return True
