"""Keeps the runs of the migration: their state, fence, counters, breaker and events.

Every change of state is one guarded UPDATE and an event. What belongs together is written in one `Transaction`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from ai_memory.errors import DataRefused, NotFinished
from ai_memory.stores.course import TAKEN, TAKEN_OVER, newly_lost, start_of
from ai_memory.stores.postgres import course, hot_list, run_figures
from ai_memory.stores.postgres.connection import NOTHING
from ai_memory.stores.postgres.lost_run import run_lost
from ai_memory.stores.postgres.schema import require_unaltered
from ai_memory.stores.run_row import RUN_COLUMNS, run_of
from ai_memory.stores.run_states import ENDED, IS_UNFINISHED
from ai_memory.text.cleaning import MOST_WORDS, one_line

if TYPE_CHECKING:
    from ai_memory.stores.holder import Holder
    from ai_memory.stores.postgres.base import Store, Transaction
    from ai_memory.stores.values import Counters, Run, Terms

RUN = f"SELECT {', '.join(RUN_COLUMNS)} FROM reembed_run"
UNFINISHED = f"{RUN} WHERE {IS_UNFINISHED}"
# What is entered for attested vectors alone is no run. A limit of NULL is none.
RECENT = f"{RUN} WHERE stamps = 0 ORDER BY run_id DESC LIMIT %(most)s::bigint"
ONE = f"{RUN} WHERE run_id = %(run_id)s"
UNFINISHED_ID = f"SELECT max(run_id) FROM reembed_run WHERE {IS_UNFINISHED}"
# What was given up before it was moved into the memories is dropped: they have nothing of it, and its texts are sent
# again as those that were in flight.
LOST = """
    remaining = CASE WHEN {lost} AND staged = 1 AND moved = 0 THEN greatest(live - in_quarantine, 0) ELSE remaining END,
    reads_left = CASE WHEN {lost} AND staged = 1 AND moved = 0 THEN reads ELSE reads_left END,
    in_flight_limit = CASE WHEN {lost} AND staged = 1 AND moved = 0 THEN in_flight_limit + reembedded + asked_again
        ELSE {in_flight} END
"""
GIVEN_UP = "%(new)s IN ('cancelled', 'superseded')"
CANCEL = f"""
    UPDATE reembed_run SET state = 'cancelled', finished_at = %(now)s, holder_json = NULL,
        {LOST.format(lost="true", in_flight="in_flight_limit")}
    WHERE {IS_UNFINISHED} RETURNING run_id
"""
BEGIN_RUN = """
    INSERT INTO reembed_run
        (target, target_model, scope_json, state, skip_current, started_at, last_progress_at, tool_version, walk_order,
        keeps_previous, undoes_first, undoes_last, staged)
    VALUES (%(target)s, %(model)s, %(scope)s, 'running', %(skip_current)s, %(now)s, %(now)s, %(version)s, %(order)s,
        %(keeps)s, %(first)s, %(last)s, %(staged)s)
    RETURNING run_id
"""
TAKE_OVER = """
    UPDATE reembed_run SET fence = fence + 1, holder_json = %(holder)s, in_flight_limit = %(limit)s,
        last_error = CASE WHEN breaker_state = 'open' THEN last_error END,
        breaker_until = coalesce(%(until)s::bigint, breaker_until),
        texts_sent_twice = texts_sent_twice + %(lost)s, last_progress_at = %(now)s
    WHERE run_id = %(run_id)s AND fence = %(fence)s AND state IN ('running', 'ready', 'switched')
"""
HOLD = """
    UPDATE reembed_run SET commits = (commits + 1) - CASE WHEN commits = 999999999 THEN 1000000000 ELSE 0 END,
        last_progress_at = %(now)s, in_flight_limit = coalesce(%(limit)s::bigint, in_flight_limit),
        limits_json = coalesce(%(learned)s::text, limits_json)
    WHERE run_id = %(run_id)s AND fence = %(fence)s AND state IN ('running', 'switched') RETURNING commits
"""
COMMITS = "SELECT commits FROM reembed_run WHERE run_id = %(run_id)s AND fence = %(fence)s"
# Of a run that is ready a census found every text that was sent.
IN_FLIGHT = "CASE WHEN %(new)s = 'ready' THEN 0 ELSE in_flight_limit END"
TRANSITION = f"""
    UPDATE reembed_run SET
        state = %(new)s, finished_at = %(now)s, holder_json = NULL,
        census_at = coalesce(%(census_at)s::bigint, census_at),
        {LOST.format(lost=GIVEN_UP, in_flight=IN_FLIGHT)}
    WHERE run_id = %(run_id)s AND state = %(old)s AND (%(fence)s::bigint IS NULL OR fence = %(fence)s::bigint)
"""
LEAVE = """
    UPDATE reembed_run SET holder_json = CASE WHEN %(unsettled)s::bigint IS NULL THEN holder_json END,
        last_error = %(error)s, limits_json = %(limits)s,
        in_flight_limit = coalesce(%(unsettled)s::bigint, in_flight_limit)
    WHERE run_id = %(run_id)s AND fence = %(fence)s AND state IN ('running', 'switched')
"""
BEGIN_NEXT = """
    UPDATE reembed_run SET pass = pass + 1
    WHERE run_id = %(run_id)s AND fence = %(fence)s AND state IN ('running', 'ready')
"""
COUNT = """
    UPDATE reembed_run SET
        reembedded = greatest(reembedded + %(reembedded)s, 0), already_current = already_current + %(already_current)s,
        identical = identical + %(identical)s, tokens = tokens + %(tokens)s,
        attested = attested + %(attested)s, raced = raced + %(raced)s, quarantined = quarantined + %(quarantined)s,
        texts_sent = texts_sent + %(texts_sent)s, requests = requests + %(requests)s, retries = retries + %(retries)s,
        asked_again = asked_again + %(asked_again)s, disagreed = disagreed + %(disagreed)s,
        taken_again = taken_again + %(taken_again)s,
        put_back = put_back + %(put_back)s, left_alone = left_alone + %(left_alone)s, moved = moved + %(moved)s,
        remaining = greatest(remaining - %(reembedded)s - %(attested)s - %(quarantined)s - %(put_back)s
            - %(left_alone)s - %(moved)s, 0),
        in_quarantine = in_quarantine + %(quarantined)s, reads_left = greatest(reads_left - %(reads)s, 0),
        last_written_at = coalesce(%(written_at)s::bigint, last_written_at),
        rows_per_hour = coalesce(%(rate)s::bigint, rows_per_hour)
    WHERE run_id = %(run_id)s
"""
SET_TARGET = "UPDATE reembed_run SET target = %(target)s WHERE run_id = %(run_id)s"
ADD_EVENT = """
    INSERT INTO reembed_event (run_id, at, kind, detail_json) VALUES (%(run_id)s, %(at)s, %(kind)s, %(detail)s)
"""


def unfinished_run(store: Store) -> Run | None:
    """Return the run that is not over; there is at most one.

    Raises:
        DataRefused: a column of it is damaged.
    """
    return next(iter(_runs(store, UNFINISHED)), None)


def unfinished_id(store: Store) -> int | None:
    """Return the number of the unfinished run, whatever else its row holds."""
    found: int | None = store.db.value(UNFINISHED_ID)
    return found


def recent_runs(store: Store, most: int | None) -> list[Run]:
    """Return the runs begun last, the latest first: all, or so many at most.

    Raises:
        DataRefused: a column of one of them is damaged.
    """
    return _runs(store, RECENT, {"most": most})


def cancel(transaction: Transaction, *, now_ms: int) -> int | None:
    """Give up the unfinished run, whatever its row holds, and return its number; None where there is none.

    Raises:
        DataRefused: a trigger of somebody's leaves the run as it is.
    """
    ids = [int(row[0]) for row in transaction.db.execute(CANCEL, {"now": now_ms})]
    if (kept := unfinished_id(transaction)) is not None:
        raise DataRefused(
            f"Run {kept} cannot be cancelled: something in {transaction.name} leaves its row as it is.",
            tip="Drop the triggers on the table reembed_run, then: ai-memory reembed cancel",
        )
    return max(ids, default=None)


def read_run(store: Store, run_id: int) -> Run:
    """Return a run by its number.

    Raises:
        NotFinished: it is not in the file.
        DataRefused: a column of it is damaged.
    """
    found = _runs(store, ONE, {"run_id": run_id})
    if not found:
        raise NotFinished(f"Run {run_id} is gone from the database.", tip="Look at it: ai-memory reembed status")
    return found[0]


def begin_run(
    transaction: Transaction, *, target: int, target_model: str, terms: Terms, now_ms: int, tool_version: str
) -> Run:
    """Enter a new run in state running and return it; lists of hot rows of others are deleted."""
    hot_list.drop(transaction)
    scope_json = json.dumps(None if terms.scope is None else list(terms.scope))
    bindings = {
        "target": target,
        "model": target_model,
        "scope": scope_json,
        "skip_current": int(terms.skip_current),
        "now": now_ms,
        "version": tool_version,
        "order": terms.order,
        "keeps": int(terms.keeps_previous),
        "first": terms.undoes.first if terms.undoes else None,
        "last": terms.undoes.last if terms.undoes else None,
        "staged": int(terms.staged),
    }
    run_id = int(transaction.db.value(BEGIN_RUN, bindings))
    add_event(transaction, run_id, "started", now_ms=now_ms)
    return read_run(transaction, run_id)


def take_over(
    transaction: Transaction,
    run: Run,
    holder: Holder,
    *,
    in_flight_limit: int,
    now_ms: int,
    lost: int = 0,
    breaker_until: int | None = None,
) -> Run:
    """Make `holder` the runner of `run` under a new fence and return the run as it now stands.

    `in_flight_limit` is the most texts to be in flight until the next commit; `lost` is how many more killed
    runners, and runs that were given up, may have sent: they count until they are committed. `breaker_until` is what
    is believed of the breaker's time (None: what is stored).

    Raises:
        OperatorNeeded, NotFinished: the run was changed by somebody else meanwhile.
    """
    newly = newly_lost(run, course.last_start(transaction, run), lost=lost) if run.untold else 0
    bindings = {
        "holder": holder.to_json(),
        "limit": in_flight_limit + lost,
        "until": breaker_until,
        "lost": newly,
        "now": now_ms,
        "run_id": run.run_id,
        "fence": run.fence,
    }
    if not transaction.db.change(TAKE_OVER, bindings):
        raise run_lost(transaction, run)
    kind = TAKEN_OVER if run.holder else TAKEN
    add_event(transaction, run.run_id, kind, now_ms=now_ms, detail=start_of(run, holder.pid, lost=lost))
    course.forget_starts(transaction, run)
    return read_run(transaction, run.run_id)


def hold(
    transaction: Transaction,
    run: Run,
    *,
    now_ms: int,
    in_flight_limit: int | None = None,
    limits: Mapping[str, int] | None = None,
) -> int:
    """Prove that `run` is still ours, note the progress, and return the number of this commit.

    `in_flight_limit` is the most texts to be in flight until the next commit, `limits` what was learned of the size
    of a request (None: as before).

    Raises:
        OperatorNeeded: the run was cancelled, paused or superseded: nothing may be committed.
        NotFinished: it was taken over, or the database has another schema than when it was opened.
    """
    require_unaltered(transaction.db, transaction.schema)
    learned = None if limits is None else json.dumps(limits)
    told = {"now": now_ms, "limit": in_flight_limit, "learned": learned, "run_id": run.run_id, "fence": run.fence}
    number: int | None = transaction.db.value(HOLD, told)
    if number is None:
        raise run_lost(transaction, run)
    return number


def commits(store: Store, run: Run) -> object:
    """Return what is another number after every commit that held `run`; None where the run is no longer ours."""
    return store.db.value(COMMITS, {"run_id": run.run_id, "fence": run.fence})


def transition(
    transaction: Transaction, run: Run, new: str, *, now_ms: int, fenced: bool, census_at: int | None = None
) -> None:
    """Bring `run` from the state it was read in to `new`; `fenced` demands that its fence is still ours.

    Raises:
        OperatorNeeded, NotFinished: somebody else changed the run first; or, where its fence is ours, the schema.
    """
    if fenced:
        require_unaltered(transaction.db, transaction.schema)
    bindings = {
        "new": new,
        "old": run.state,
        "now": now_ms if new in ENDED else None,
        "census_at": census_at,
        "run_id": run.run_id,
        "fence": run.fence if fenced else None,
    }
    if not transaction.db.change(TRANSITION, bindings):
        raise run_lost(transaction, run)
    add_event(transaction, run.run_id, new, now_ms=now_ms)


def leave(
    transaction: Transaction, run: Run, *, last_error: str | None, limits: Mapping[str, int], unsettled: int | None
) -> bool:
    """Note that the runner stopped in good order, if the run is still its own (else: False); keep the learned `limits`.

    `unsettled` is how many texts that killed runners had sent are not committed yet, at most; None: the runner gave up
    what it had in flight, and the row goes on to say of that what it says after a kill.
    """
    bindings = {
        "error": last_error and one_line(last_error, most=MOST_WORDS),
        "limits": json.dumps(limits),
        "unsettled": unsettled,
        "run_id": run.run_id,
        "fence": run.fence,
    }
    return bool(transaction.db.change(LEAVE, bindings))


def next_pass(transaction: Transaction, run: Run, *, now_ms: int) -> Run:
    """Begin the next pass of `run`; cursors of the last one no longer count."""
    if not transaction.db.change(BEGIN_NEXT, {"run_id": run.run_id, "fence": run.fence}):
        raise run_lost(transaction, run)
    add_event(transaction, run.run_id, "pass", now_ms=now_ms, detail={"pass": run.pass_number + 1})
    return read_run(transaction, run.run_id)


def count(
    transaction: Transaction,
    run: Run,
    counters: Counters,
    *,
    reads: int = 0,
    written_at: int | None = None,
    rows_per_hour: int | None = None,
) -> None:
    """Add a page's share to the counters of the run, and take its rows from those that remain.

    `reads` is how often those that are the target's now were read, `written_at` when a vector of it was written,
    `rows_per_hour` the rate with it (None: as before).
    """
    beside = {"reads": reads, "written_at": written_at, "rate": rows_per_hour, "run_id": run.run_id}
    transaction.db.execute(COUNT, {**asdict(counters), **beside})
    if written_at is not None:
        course.note_rows(transaction, run, now_ms=written_at)


def set_target(transaction: Transaction, run: Run, fingerprint_id: int) -> None:
    """Give a run the target whose width was not known when it began; for a transaction that holds the run."""
    transaction.db.execute(SET_TARGET, {"target": fingerprint_id, "run_id": run.run_id})


def add_event(
    transaction: Transaction, run_id: int, kind: str, *, now_ms: int, detail: Mapping[str, Any] | None = None
) -> None:
    """Enter one event of a run."""
    bindings = {"run_id": run_id, "at": now_ms, "kind": kind, "detail": json.dumps(detail or {})}
    transaction.db.execute(ADD_EVENT, bindings)


def _runs(store: Store, sql: str, bindings: Mapping[str, object] = NOTHING) -> list[Run]:
    found = [run_of(store, values) for values in store.db.execute(sql, bindings)]
    return [replace(run, computing=run_figures.computing(store, run.run_id)) for run in found]
