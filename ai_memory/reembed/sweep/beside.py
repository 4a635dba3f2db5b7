"""Begins a start beside its census: one that goes on with a run, where a look ahead shows what it has to do.

To count a million rows takes as long as to embed thousands. What the first pages depend on, the next rows of the walk
show: that there is work, that the database takes a vector, that at least as many texts are left as killed runners had
in flight (of very many the run's own count tells most). So the pages begin, while the rows are counted as they were
before the run was taken: on a connection and in a thread of their own, in one state of the database. What refuses,
ends, bounds or reports anything by numbers waits for them, and finds what it would have found had they been counted
first.

Where the look shows less, or the start is of another kind, the rows are counted first: those are the starts in which a
number decides what is done, or in which few rows are left.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from math import ceil
from typing import TYPE_CHECKING

from ai_memory.errors import AiMemoryError
from ai_memory.reembed.plan.decide import Action
from ai_memory.reembed.plan.plan import Found, Plan, count
from ai_memory.reembed.plan.targets import enter_target, known_fingerprint, recorded_target
from ai_memory.reembed.plan.undo_room import has_plenty
from ai_memory.reembed.scope import namespaces_in_scope
from ai_memory.reembed.sweep.census_beside import ROWS_BESIDE
from ai_memory.reembed.sweep.scan import Scan, ScanOrder
from ai_memory.reembed.sweep.schedule import LEAST
from ai_memory.reembed.writes import rehearse_documents
from ai_memory.stores.values import NAMESPACE

if TYPE_CHECKING:
    from ai_memory.memory.freshness import Document
    from ai_memory.reembed.options import Options
    from ai_memory.reembed.tools import Tools
    from ai_memory.stores.port import Database, Store
    from ai_memory.stores.values import Run
    from ai_memory.vectors.target import Fingerprint, Target

LOOKED_AT = 10_000
"""Rows ahead of the cursors that are looked at before all are counted first: a look at 1,000 takes 0.1 s."""
SEEN = 2_000
"""Texts of those that were in flight which are to be seen; a run of large pages can have tens of thousands there."""


def plan_beside(
    reading: ExitStack, database: Database, store: Store, options: Options, tools: Tools, *, now_ms: int
) -> Plan | None:
    """Begin the census of a start that may begin beside it, and return what it does; None: rows are counted first.

    The census is over with `reading` at the latest.
    """
    run = _run_to_go_on_with(store, options, tools)
    if run is None:
        return None
    target = recorded_target(store, tools.embedder.target)
    known = known_fingerprint(store, target)
    # A model that has to be loaded to tell what its target is may tell another one.
    is_known = target.dim and (target.max_tokens or not target.is_local)
    if known is None or known.id != run.target or not is_known:
        return None
    if not has_plenty(database, store, options, run, run.counted.remaining if run.counted else 0, dim=target.dim):
        return None
    found = _ahead(store, run, known, options, tools)
    if found is None or not _takes_vector(store, target, found, now_ms=now_ms):
        return None
    state = reading.enter_context(ExitStack())
    try:
        reader = state.enter_context(database.read(one_state=True))
    except AiMemoryError:
        # What is wrong with it is told where the rows are counted first.
        return None

    def counted() -> Found:
        # As soon as it is over, whatever the run waits for: until then the log cannot be begun anew.
        with state:
            return count(reader, known, run.scope, now_ms=now_ms)

    counting = reading.enter_context(tools.pool(1)).submit(counted)
    return Plan(Action.TAKE_OVER, target, run.scope, run, counting, beside=True)


def _run_to_go_on_with(store: Store, options: Options, tools: Tools) -> Run | None:
    """Return the unfinished run if a start goes on with it plainly: no number of rows changes how."""
    alters = options.retarget or options.staged or options.skip_current or options.retry_quarantined
    plainly = options.resume and not alters and not options.last_pass and options.backup is None
    limited = tools.spending is not None and tools.spending.limit is not None
    if not plainly or limited or options.scope is not None or options.order not in (None, NAMESPACE):
        return None
    run = store.runs.unfinished()
    if run is None or run.state != "running" or run.undoes or run.staged or run.skip_current or run.hot_first:
        return None
    # What is told of it meanwhile is what it noted: that must not tell that nothing is left.
    left = run.counted.remaining if run.counted else 0
    return run if left >= max(ROWS_BESIDE + 2 * options.batch, run.in_flight_limit) else None


def _ahead(store: Store, run: Run, target: Fingerprint, options: Options, tools: Tools) -> Document | None:
    """Return the first text that the walk will send; None: it may send too few that they need not be counted."""
    # Each text that was in flight is sent again, and asked again once, at most. Of fewer than so many pages more rows
    # are asked again.
    needed = max(min(ceil(run.in_flight_limit / 2), SEEN), LEAST * options.batch)
    names = namespaces_in_scope(store, run.scope)
    order = ScanOrder(target, names, store.runs.checkpoints(run), batch=options.batch)
    first, texts, passed = None, 0, 0
    for page in Scan(store, order, stopped=tools.stop.requested).pages():
        first = first or next(iter(page.documents), None)
        texts += len(page.documents)
        passed += sum(step.rows_done for step in page.steps.values())
        if texts >= needed:
            return first
        if passed >= LOOKED_AT:
            break
    return None


def _takes_vector(store: Store, target: Target, found: Document, *, now_ms: int) -> bool:
    if store.memories.refused_updates():
        return False
    return not rehearse_documents(store, [found], partial(enter_target, target=target, now_ms=now_ms))
