"""Takes the run of one invocation, once nothing stands in the way of writing vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ai_memory.errors import UsageError
from ai_memory.reembed.events import RunTakenOver
from ai_memory.reembed.plan.decide import Action
from ai_memory.reembed.plan.refusing_rows import find_refusing, set_aside
from ai_memory.reembed.plan.taking import preflight, take
from ai_memory.reembed.plan.targets import known_fingerprint
from ai_memory.reembed.plan.trial import require_updates
from ai_memory.reembed.sweep.budget import BESIDE_ROWS, Budget, Take
from ai_memory.reembed.sweep.needed import Start, first_sent, tokens_needed, unknown
from ai_memory.vectors.witness import CANARY, WITNESS_TEXTS

if TYPE_CHECKING:
    from ai_memory.embed.port import Spending, TokenLimit
    from ai_memory.memory.freshness import Unfit
    from ai_memory.reembed.options import Options
    from ai_memory.reembed.plan.plan import Plan
    from ai_memory.reembed.plan.taking import Disclose, TakenRun
    from ai_memory.reembed.tools import Tools
    from ai_memory.stores.holder import Holder
    from ai_memory.stores.port import Reader, Store
    from ai_memory.stores.values import Space


def take_run(
    store: Store, planned: Plan, options: Options, tools: Tools, disclose: Disclose, holder: Holder
) -> TakenRun:
    """Take the run, and return it; what is going to be replaced is told first, where that is not known already.

    Raises:
        UsageError: a limit of tokens lets no row through.
        DataRefused: the file takes no vector.
        AiMemoryError: what `disclose` refuses with.
    """
    refusing: list[Unfit] = []
    stored: Sequence[Space] = ()
    if planned.action is not Action.FINISH and not planned.beside:
        _require_budget(store, planned, options, tools)
        require_updates(store)
        retry, now_ms = options.retry_quarantined, tools.clock.now_ms()
        refusing = find_refusing(store, planned.target, planned.census, retry=retry, now_ms=now_ms)
        told = preflight(store, planned)
        stored = told.stored
        disclose(told)
    # The first page is by itself; each of its rows is asked again once at most.
    in_flight = 2 * options.batch
    taken = take(store, planned, options, holder, in_flight=in_flight, stored=stored)
    set_aside(store, taken.run, refusing, now_ms=tools.clock.now_ms())
    if taken.texts_sent_twice and not planned.beside:
        tools.observe(RunTakenOver(taken.texts_sent_twice))
    tools.embedder.restore(taken.run.limits)
    tools.ledger.require(taken.run.limits)
    return taken


def _require_budget(store: Reader, planned: Plan, options: Options, tools: Tools) -> None:
    """Refuse a limit that can let no row through, however short: by what the sweep itself asks of it."""
    spending, census = tools.spending, planned.census
    if not spending or not spending.limit or not census.to_embed:
        return
    start, budget = _start(store, planned, options, tools), Budget(spending)
    budget.asked_again = start.most_again
    if budget.take(census.shortest) is Take.TAKEN:
        return
    first, begun = first_sent(store, start), _asked_before(tools, spending) + spending.most(BESIDE_ROWS)
    if first.free or not first.text:
        if not spending.allows(spending.most(WITNESS_TEXTS)):
            raise _too_few(
                spending.limit, begun, options, f"to ask what the endpoint serves, which may take {begun:,}."
            )
        return
    # What has the fewest characters may have more tokens than the first one.
    if budget.take(first.text) is Take.TAKEN:
        return
    shortest = min(map(budget.needs, (census.shortest, first.text)))
    # The first row is not the shortest, and with less than it needs it would be paid for in vain.
    needed = tokens_needed(store, start, spending, begun=begun)
    what = (
        "for one row: the shortest, with what shows that the endpoint can be believed, "
        f"may take {shortest:,}, the first one {needed:,}."
    )
    raise _too_few(spending.limit, needed, options, what)


def _asked_before(tools: Tools, spending: Spending) -> int:
    """Return what asking for the width takes, where no width is configured: as much was spent, or was not allowed."""
    return spending.spent or (0 if tools.embedder.target.dim else spending.most([CANARY]))


def _too_few(limit: TokenLimit, needed: int, options: Options, what: str) -> UsageError:
    return UsageError(
        f"--{limit.flag} allows {limit.most:,} tokens, too few {what}",
        tip=f"Give --{limit.flag} {options.limit_allowing(needed, limit.flag)} or more.",
    )


def _start(store: Reader, planned: Plan, options: Options, tools: Tools) -> Start:
    goes_on = planned.run is not None and planned.action is Action.TAKE_OVER
    skips = planned.run.skip_current if planned.run and goes_on else options.skip_current
    return Start(
        target=known_fingerprint(store, planned.target) or unknown(planned.target),
        scope=planned.scope,
        batch=options.batch,
        stale=planned.census.stale + (planned.census.quarantined if options.retry_quarantined else 0),
        size=tools.ledger.inputs,
        run=planned.run if goes_on else None,
        lifts=options.retry_quarantined,
        skips=skips,
    )
