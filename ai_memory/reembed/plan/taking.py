"""Tells what is going to be replaced, and takes the run: the last steps before the first request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ai_memory import __version__
from ai_memory.frozen import Frozen, field
from ai_memory.reembed.breaker import believed_until
from ai_memory.reembed.doubt import most_asked
from ai_memory.reembed.plan.approval import approve_by_hand
from ai_memory.reembed.plan.at_hand import AtHand
from ai_memory.reembed.plan.decide import Action
from ai_memory.reembed.plan.targets import enter_target, known_fingerprint
from ai_memory.stores.values import NAMESPACE, Terms

if TYPE_CHECKING:
    from ai_memory.reembed.options import Options
    from ai_memory.reembed.plan.census import Census
    from ai_memory.reembed.plan.plan import Plan
    from ai_memory.stores.holder import Holder
    from ai_memory.stores.port import Reader, Store, Transaction
    from ai_memory.stores.values import Run, Space
    from ai_memory.vectors.target import Fingerprint, Target


class Preflight(Frozen):
    """What is told before vectors are replaced: `stored` vectors, the rows found, and the target.

    `begins` says that a run is begun, not gone on with, `order` how it walks. Keeping what is replaced takes about
    `undo_bytes` (0: it is not kept), vectors beside the memories `staged_bytes` (0: they replace what is there).
    `in_doubt` rows have a vector of the target that no end has shown to be right. The vectors of some stale rows are
    `at_hand`.
    """

    stored: tuple[Space, ...]
    census: Census
    target: Target
    begins: bool = True
    order: str = NAMESPACE
    undo_bytes: int = 0
    in_doubt: int = 0
    staged_bytes: int = 0
    at_hand: AtHand = field(default_factory=AtHand)

    @property
    def to_send(self) -> int:
        """How many rows have a text that somebody is asked for."""
        return self.census.to_embed - self.at_hand.rows


Disclose = Callable[[Preflight], None]
"""Is told the pre-flight; refuses by raising."""


class TakenRun(Frozen):
    """The run this process now holds, and its target.

    `unsettled` is how many texts that killed predecessors, and runs that were given up, had sent are not committed yet,
    at most; `texts_sent_twice` is the same where nobody was told of them yet, else 0; with what is asked again of the
    rows that were written and not seen to be right (but for those at hand, where the census is taken beside).
    `untold`: nobody was told. `lifted` rows were let out of quarantine to be tried again.
    """

    run: Run
    fingerprint: Fingerprint
    resumed: bool
    unsettled: int
    texts_sent_twice: int = 0
    lifted: int = 0
    untold: bool = False


def take(
    store: Store,
    planned: Plan,
    options: Options,
    holder: Holder,
    *,
    in_flight: int,
    stored: Sequence[Space] = (),
) -> TakenRun:
    """Enter or take over the run as planned, in one transaction, and return it; `stored` is what the file has."""
    now_ms = holder.started_at
    with store.transaction() as transaction:
        fingerprint = enter_target(transaction, planned.target, now_ms=now_ms)
        approve_by_hand(transaction, planned.target, options, now_ms=now_ms)
        run = planned.run
        if run and planned.action is Action.SUPERSEDE:
            transaction.runs.transition(run, "superseded", now_ms=now_ms, fenced=False)
        if planned.action in (Action.SUPERSEDE, Action.START) or run is None:
            run = _begin(transaction, planned, fingerprint, options, now_ms=now_ms)
            transaction.progress.note_stored(run, stored)
        if run.state == "ready":
            transaction.runs.transition(run, "running", now_ms=now_ms, fenced=False)
            run = transaction.reader.runs.read(run.run_id)
        if options.retry_quarantined:
            if planned.scope is None:
                # Also entries of which nothing can be read any more.
                transaction.quarantine.lift_all(fingerprint.id)
            # Those of other namespaces stay: this run will not try them.
            transaction.quarantine.lift(fingerprint.id, sorted(planned.census.quarantined_ids))
        # What the row says of it is what killed runners left, and runs that were given up; only a text of a row whose
        # vector is not at hand is sent again, asked again at most once.
        # Where the census is taken beside, the look ahead has found as many.
        lost = run.in_flight_limit if planned.beside else min(run.in_flight_limit, 2 * planned.to_send)
        resumed = run.run_id == (planned.run.run_id if planned.run else None)
        # A run that was given up may have had nothing in flight; one of a killed runner is not known to.
        untold, until = run.untold and bool(run.holder or lost), believed_until(run, now_ms=now_ms)
        run = transaction.runs.take_over(
            run, holder, in_flight_limit=in_flight, lost=lost, breaker_until=until, now_ms=now_ms
        )
        lifted = planned.census.quarantined if options.retry_quarantined else 0
        again = most_asked(len(transaction.reader.targets.unproven(fingerprint)))
        if not planned.beside:
            transaction.progress.note_census(run, planned.census.counted(lifted=lifted))
            again += most_asked(planned.at_hand.unproven)
    return TakenRun(run, fingerprint, resumed, lost, lost + again if untold else 0, lifted, untold)


def preflight(store: Reader, planned: Plan) -> Preflight:
    """Return what is to be told before vectors are replaced."""
    begins = planned.action in (Action.START, Action.SUPERSEDE)
    known = known_fingerprint(store, planned.target) if begins else None
    in_doubt = len(store.targets.unproven(known)) + planned.at_hand.unproven if known else 0
    # Only where a run begins is it told, and noted.
    stored = tuple(store.memories.stored_spaces()) if begins else ()
    return Preflight(
        stored,
        planned.census,
        planned.target,
        begins,
        planned.order,
        undo_bytes=planned.undo_bytes,
        in_doubt=in_doubt,
        staged_bytes=planned.staged_bytes,
        at_hand=planned.at_hand,
    )


def _begin(transaction: Transaction, planned: Plan, fingerprint: Fingerprint, options: Options, *, now_ms: int) -> Run:
    return transaction.runs.begin(
        target=fingerprint,
        target_model=planned.target.model,
        terms=Terms(planned.scope, options.skip_current, planned.order, options.keeps_previous, staged=options.staged),
        now_ms=now_ms,
        tool_version=__version__,
    )
