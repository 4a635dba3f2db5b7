"""What a run and a plan say at their end: the values of the JSON line and the words for people."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.reembed.inspect.bound import bound_in_words, differ_at_most
from ai_memory.reembed.options import cost
from ai_memory.reembed.scope import Scope, name_scope
from ai_memory.stores.values import ASKED_AT_END, Counters
from ai_memory.text.amounts import counted, money
from ai_memory.text.hints import SWITCH, SWITCH_WITHOUT
from ai_memory.text.times import with_timestamps

if TYPE_CHECKING:
    from ai_memory.embed.usage import Usage
    from ai_memory.reembed.plan.census import Census
    from ai_memory.reembed.plan.plan import Plan
    from ai_memory.reembed.plan.taking import TakenRun
    from ai_memory.reembed.sweep.ending import Done, Ending
    from ai_memory.stores.computing import Computing

RACED = (
    "row was edited while it was embedded, and was embedded again.",
    "rows were edited while they were embedded, and were embedded again.",
)
ATTESTED = "row was accepted because of its stamp.", "rows were accepted because of their stamp."
TAKEN_AGAIN = "row got the vector that was kept of it.", "rows got the vectors that were kept of them."
UNADDRESSABLE = "row has no id and was not touched.", "rows have no id and were not touched."
OUTSIDE = (
    "row in another namespace is stale: ai-memory reembed",
    "rows in other namespaces are stale: ai-memory reembed",
)
DISAGREED = "row got another vector when it was asked again.", "rows got another vector when they were asked again."
ASKED_FOR = "Rows from all over what was written before were asked for again, and agree."
"""Told where that is all that a start did."""

NOT_COUNTED = "the others were not counted by then"

SINCE = (
    "row was added or edited since; the switch embeds it first.",
    "rows were added or edited since; the switch embeds them first.",
)
TO_SERVE = f"To serve the new vectors: {SWITCH}"


class Expense(Frozen):
    """What an invocation cost, at the `price` of a million tokens; `failure` is what the last request came to.

    `computing` is how a model on this machine computed (None: none did).
    """

    usage: Usage
    price: float | None
    duration_ms: int
    failure: str
    computing: Computing | None = None


class RunReport(Frozen):
    """The result of one invocation; the fields are the keys of its JSON line (there an instant is RFC 3339).

    Counts are of this invocation. `identical` of the re-embedded rows got the vector of an identical text,
    `taken_again` one of the target's that was kept when it was replaced: they are not in `differ_at_most`; `tokens` are
    those that the endpoint reported, `cost` is their price (None: not configured). `quarantined` rows are in quarantine
    now, `skipped` are those of them that this invocation met or put there; `remaining` rows are stale still. These,
    `total`, `already_current`, `quarantined` and `unaddressable` are None where a stop came before the rows were
    counted. `census_at` is when the census that proves the result began (Unix milliseconds, None: there was none).
    `scope` is the run's namespaces (None: all), `outside` how many rows of others are stale (None: nobody looked).
    `texts_sent_twice` is an upper bound after a kill. `asked_again` rows were asked again one by one, of which
    `disagreed` got another vector and were embedded anew; the share `differ_at_most` of the re-embedded rows can differ
    (95 %, None: none were re-embedded, or the run is not over). `error` is the line of what ended the invocation, empty
    when nothing did. `last_failure` is what the last request came to, empty where it was answered; `next` is the
    command to type next, empty where there is none. `tokens_needed` is what the next row needs where the limit of
    tokens or money lets it through no more, else 0. `computing` is how a model on this machine computed (None: none
    did).
    """

    run_id: int | None
    state: str
    exit_code: int
    reason: str
    total: int | None
    reembedded: int
    skipped: int
    already_current: int | None
    attested: int
    raced: int
    identical: int
    quarantined: int | None
    unaddressable: int | None
    remaining: int | None
    census_at: int | None
    passes: int
    resumed: bool
    texts_sent: int
    texts_sent_twice: int
    requests: int
    retries: int
    tokens: int
    cost: float | None
    model: str
    dim: int
    space: str
    duration_ms: int
    asked_again: int = 0
    disagreed: int = 0
    differ_at_most: float | None = None
    error: str = ""
    scope: Scope = None
    outside: int | None = None
    last_failure: str = ""
    next: str = ""
    tokens_needed: int = 0
    taken_again: int = 0
    computing: Computing | None = None

    def values(self) -> dict[str, object]:
        """Return the JSON object."""
        told = {**asdict(self), "computing": self.computing.values() if self.computing else None}
        return with_timestamps(told, "census_at")

    def lines(self) -> list[str]:
        """Return the words for people: two or three lines."""
        state = "unfinished" if self.state == "running" else self.state
        name = "Nothing to do" if self.run_id is None else f"Run {self.run_id} is {state} ({self.reason})"
        name += "" if self.scope is None else f" in {name_scope(self.scope)}"
        paid = "" if self.cost is None else f", {counted(self.tokens, 'token')} for {money(self.cost)}"
        sent = f"{counted(self.texts_sent, 'text')} in {counted(self.requests, 'request')}"
        spent = f"{sent}{paid}, {self.duration_ms / 1000:.1f} s"
        lines = [
            f"{name}: {counted(self.reembedded, 'row')} re-embedded, {self._others()}.",
            f"Target: {self.model}, {self.dim or 'unknown'} wide, space {self.space}. {spent}.",
        ]
        if self.computing:
            lines.append(f"Computed by {self.computing.line()}.")
        if self.state == "ready":
            way = (
                f"What is in quarantine would be found by words only. {SWITCH_WITHOUT}"
                if self.quarantined
                else TO_SERVE
            )
            lines.append(f"Search serves what it served before. {way}")
            lines += [counted(self.remaining, *SINCE)] if self.remaining else []
        if sent_for := self.reembedded - self.taken_again:
            lines.append(bound_in_words(self.asked_again - self.disagreed, sent_for, over=self.state in ASKED_AT_END))
        extra = [
            (self.raced, RACED),
            (self.attested, ATTESTED),
            (self.taken_again, TAKEN_AGAIN),
            (self.unaddressable, UNADDRESSABLE),
            (0 if self.error else self.outside, OUTSIDE),
            (self.disagreed, DISAGREED),
        ]
        only_asked = self.asked_again and not self.reembedded and not self.disagreed
        lines += [ASKED_FOR] if only_asked else []
        return [*lines, *(counted(number, *words) for number, words in extra if number)]

    def _others(self) -> str:
        """Return the words on the rows that were not written."""
        if self.already_current is None or self.remaining is None:
            return NOT_COUNTED
        fresh, remaining = counted(self.already_current, "was", "were"), counted(self.remaining, "remains", "remain")
        return f"{fresh} fresh, {remaining}, {self.quarantined:,} in quarantine"


class _Rows(Frozen):
    """The rows of a report; None: nobody has counted them."""

    total: int | None = None
    already_current: int | None = None
    quarantined: int | None = None
    unaddressable: int | None = None
    remaining: int | None = None


def _rows(before: Census | None, after: Census | None, counters: Counters, *, others: int, lifted: int) -> _Rows:
    """Return the rows by the censuses `before` and `after` the work that `counters` tell.

    Of those that were fresh before, `others` were taken back; `lifted` were let out of quarantine.
    """
    if before is None:
        return _Rows()
    # Not what the sweep met: another pass meets rows that this very invocation wrote.
    fresh = max(before.fresh - others, 0)
    if after:
        return _Rows(after.live, fresh, after.quarantined, after.unaddressable, after.stale)
    done = counters.reembedded + counters.attested + counters.quarantined
    quarantined, remaining = before.quarantined - lifted + counters.quarantined, before.stale + lifted - done
    return _Rows(before.live, fresh, quarantined, before.unaddressable, max(remaining, 0))


def report(
    planned: Plan,
    taken: TakenRun | None,
    swept: Done | None,
    ending: Ending,
    expense: Expense,
) -> RunReport:
    """Return the report of one invocation."""
    usage = expense.usage
    counters = swept.counters if swept else Counters()
    met = swept.rows_in_quarantine if swept else planned.census.quarantined
    lifted = taken.lifted if taken else 0
    others = swept.taken_from_others if swept else 0
    rows = _rows(planned.counted, ending.census, counters, others=others, lifted=lifted)
    return RunReport(
        run_id=ending.run.run_id if ending.run else None,
        state=ending.run.state if ending.run else "none",
        exit_code=ending.exit_code,
        reason=ending.reason,
        total=rows.total,
        reembedded=counters.reembedded + others,
        skipped=met,
        already_current=rows.already_current,
        attested=counters.attested,
        raced=counters.raced,
        identical=counters.identical,
        taken_again=counters.taken_again,
        quarantined=rows.quarantined,
        unaddressable=rows.unaddressable,
        remaining=rows.remaining,
        census_at=ending.census.began_at if ending.census else None,
        passes=swept.passes if swept else 0,
        resumed=bool(taken and taken.resumed),
        texts_sent=usage.texts_sent,
        texts_sent_twice=taken.texts_sent_twice if taken else 0,
        requests=usage.requests,
        retries=usage.retries,
        tokens=usage.tokens,
        cost=cost(usage.tokens, expense.price),
        model=planned.target.model,
        dim=swept.target.dim if swept else planned.target.dim,
        space=planned.target.space,
        duration_ms=expense.duration_ms,
        asked_again=counters.asked_again,
        disagreed=counters.disagreed,
        differ_at_most=differ_at_most(counters.asked_again - counters.disagreed, counters.sent_for)
        if counters.sent_for and ending.run and ending.run.state in ASKED_AT_END
        else None,
        error=ending.error.line() if ending.error else "",
        scope=planned.scope,
        outside=ending.outside,
        last_failure=expense.failure,
        next=ending.error.tip if ending.error else "",
        tokens_needed=ending.tokens_needed,
        computing=expense.computing,
    )
