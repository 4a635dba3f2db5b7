"""How an invocation ended, and the words for the ends that need some."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from ai_memory.errors import AiMemoryError, EmbedError, NotFinished, Stopped
from ai_memory.frozen import Frozen
from ai_memory.memory.text_codec import printable
from ai_memory.reembed.scope import name_scope
from ai_memory.text.amounts import counted

if TYPE_CHECKING:
    from ai_memory.embed.outcomes import Unanswered
    from ai_memory.reembed.plan.census import Census
    from ai_memory.reembed.stop import Stop
    from ai_memory.stores.values import Counters, Run
    from ai_memory.vectors.target import Fingerprint


class Ending(Frozen):
    """How an invocation ended.

    `run` is the run as it stands (None: there was nothing to do), `reason` says why in a word, `census`
    proved it (None: none did), `error` ended it (None: none did). `outside` is how many rows are stale in namespaces
    that are not the run's (None: nobody looked). `tokens_needed` is what a limit must allow for the next row, where
    the present one lets it through no more (else 0).
    """

    run: Run | None
    exit_code: int
    reason: str
    census: Census | None = None
    error: AiMemoryError | None = None
    outside: int | None = None
    tokens_needed: int = 0

    @property
    def complete(self) -> bool:
        """Whether every row of the run is fresh or in quarantine."""
        return self.census is not None and not self.census.stale

    @property
    def over(self) -> bool:
        """Whether the run was brought to its end, or to where it may be switched to."""
        return self.complete or self.reason == EDITED_SINCE


class Done(Frozen):
    """What one invocation did: in rows and requests, rows in quarantine that it met or put there, passes, the target.

    `taken_from_others` rows were written by earlier ones, and are not counted as fresh, or as written, any more.
    """

    counters: Counters
    rows_in_quarantine: int
    passes: int
    target: Fingerprint
    taken_from_others: int = 0


def rows_left(run: Run, left: Mapping[str, Unanswered], census: Census) -> Ending:
    """Return the end at which only rows remain over which the endpoint breaks down: `left`, by id."""
    row_id, first = next(iter(left.items()))
    error = NotFinished(
        f"The endpoint fails on {counted(len(left), 'row')} only; the first is {printable(row_id)}: {first.message}",
        tip="Look at the text and at the endpoint; the other rows are done. Then: ai-memory reembed --resume",
    )
    return Ending(run, error.exit_code, "rows left", census, error)


def churn(run: Run, passes: int, census: Census, tip: str) -> Ending:
    """Return the end at which rows become stale as fast as they are done; `tip` is what to do before going on."""
    error = NotFinished(
        f"churn: after {counted(passes, 'pass', 'passes')} {counted(census.stale, 'row is', 'rows are')} stale again, "
        f"{census.overwritten:,} of them with a vector that is not the one they were given.",
        tip=f"{tip}: ai-memory reembed --resume",
    )
    return Ending(run, error.exit_code, "churn", census, error)


OUTSIDE = "rows outside"
EDITED_SINCE = "edited since"
"""Rows became stale while the last of the work was done: all that there was before is."""


def rows_outside(ending: Ending, scope: tuple[str, ...], file: Census) -> Ending:
    """Return the end of a run of some namespaces while `file` has stale rows: the next start begins with them."""
    stale = counted(file.stale, "row of the file is", "rows of the file are")
    error = NotFinished(
        f"The run is done in {name_scope(scope)}; {stale} stale.", tip="To begin with them, run the same command again."
    )
    return replace(ending, exit_code=max(ending.exit_code, file.exit_code), reason=OUTSIDE, error=error)


def budget_spent(run: Run, flag: str) -> Ending:
    """Return the end at which a budget by `flag` is used up."""
    return Ending(run, NotFinished.exit_code, flag)


TOO_SMALL = "budget too small"


def too_small(run: Run, flag: str, tokens: int, needed: int, *, most: int) -> Ending:
    """Return the end at which `most` tokens, a budget by `flag`, let no row through though `tokens` were spent.

    The next start needs `needed`, which may be less: what was asked now of earlier rows is not asked again.
    """
    raised = f"Raise --{flag}, then" if needed > most else "So many are allowed, so go on"
    error = NotFinished(
        f"--{flag} lets no row through: about {tokens:,} tokens went to texts that show what the endpoint serves, "
        f"and the next row needs {needed:,} with them.",
        tip=f"{raised}: ai-memory reembed --resume",
    )
    return Ending(run, error.exit_code, TOO_SMALL, error=error, tokens_needed=needed)


def stopped(run: Run | None, stop: Stop) -> Ending:
    """Return the end by a stop that somebody asked for."""
    return Ending(run, stop.exit_code, stop.reason, error=stop.error)


def stopped_by(error: AiMemoryError, stop: Stop) -> bool:
    """Return whether a request or a statement only failed because the sweep was asked to stop."""
    return stop.requested() and isinstance(error, EmbedError | Stopped)
