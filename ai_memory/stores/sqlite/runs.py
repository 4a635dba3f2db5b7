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
from ai_memory.stores.run_row import RUN_COLUMNS, RUN_TEXTS, run_of
from ai_memory.stores.run_states import ENDED, IS_UNFINISHED
from ai_memory.stores.sqlite import course, hot_list, run_figures
from ai_memory.stores.sqlite.lost_run import run_lost
from ai_memory.stores.sqlite.own_row import selected
from ai_memory.stores.sqlite.schema import require_unaltered
from ai_memory.text.cleaning import MOST_WORDS, one_line

if TYPE_CHECKING:
    from ai_memory.stores.holder import Holder
    from ai_memory.stores.sqlite.base import Store, Transaction
    from ai_memory.stores.sqlite.connection import Binding
    from ai_memory.stores.values import Breaker, Counters, Run, Terms

RUN = f"SELECT {selected(RUN_COLUMNS, RUN_TEXTS)} FROM reembed_run"
UNFINISHED = f"{RUN} WHERE {IS_UNFINISHED}"
# What is entered for attested vectors alone is no run. A limit below 0 is none.
RECENT = f"{RUN} WHERE stamps = 0 ORDER BY run_id DESC LIMIT ?"
ONE = f"{RUN} WHERE run_id = ?"
UNFINISHED_ID = f"SELECT max(run_id) FROM reembed_run WHERE {IS_UNFINISHED}"
# What was given up before it was moved into the memories is dropped: they have nothing of it, and its texts are sent
# again as those that were in flight.
LOST = """
    remaining = iif({lost} AND staged = 1 AND moved = 0, max(live - in_quarantine, 0), remaining),
    reads_left = iif({lost} AND staged = 1 AND moved = 0, reads, reads_left),
    in_flight_limit = iif({lost} AND staged = 1 AND moved = 0, in_flight_limit + reembedded + asked_again, {in_flight})
"""
GIVEN_UP = ":new IN ('cancelled', 'superseded')"
CANCEL = f"""
    UPDATE reembed_run SET state = 'cancelled', finished_at = ?, holder_json = NULL,
        {LOST.format(lost=1, in_flight="in_flight_limit")}
    WHERE {IS_UNFINISHED} RETURNING run_id
"""
BEGIN_RUN = """
    INSERT INTO reembed_run
        (target, target_model, scope_json, state, skip_current, started_at, last_progress_at, tool_version, walk_order,
        keeps_previous, undoes_first, undoes_last, staged)
    VALUES (?, ?, ?, 'running', ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING run_id
"""
TAKE_OVER = """
    UPDATE reembed_run SET fence = fence + 1, holder_json = ?, in_flight_limit = ?,
        last_error = iif(breaker_state = 'open', last_error, NULL), breaker_until = coalesce(?, breaker_until),
        texts_sent_twice = texts_sent_twice + ?, last_progress_at = ?
    WHERE run_id = ? AND fence = ? AND state IN ('running', 'ready', 'switched')
"""
HOLD = """
    UPDATE reembed_run SET commits = (commits + 1) % 1000000000, last_progress_at = ?,
        in_flight_limit = coalesce(?, in_flight_limit), limits_json = coalesce(?, limits_json)
    WHERE run_id = ? AND fence = ? AND state IN ('running', 'switched') RETURNING commits
"""
COMMITS = "SELECT commits FROM reembed_run WHERE run_id = ? AND fence = ?"
# Of a run that is ready a census found every text that was sent.
IN_FLIGHT = "iif(:new = 'ready', 0, in_flight_limit)"
TRANSITION = f"""
    UPDATE reembed_run SET
        state = :new, finished_at = :now, holder_json = NULL, census_at = coalesce(:census_at, census_at),
        {LOST.format(lost=GIVEN_UP, in_flight=IN_FLIGHT)}
    WHERE run_id = :run_id AND state = :old AND (:fence IS NULL OR fence = :fence)
"""
LEAVE = """
    UPDATE reembed_run SET holder_json = iif(:unsettled IS NULL, holder_json, NULL), last_error = :error,
        limits_json = :limits, in_flight_limit = coalesce(:unsettled, in_flight_limit)
    WHERE run_id = :run_id AND fence = :fence AND state IN ('running', 'switched')
"""
BEGIN_NEXT = """
    UPDATE reembed_run SET pass = pass + 1 WHERE run_id = ? AND fence = ? AND state IN ('running', 'ready')
"""
COUNT = """
    UPDATE reembed_run SET
        reembedded = max(reembedded + :reembedded, 0), already_current = already_current + :already_current,
        identical = identical + :identical, tokens = tokens + :tokens,
        attested = attested + :attested, raced = raced + :raced, quarantined = quarantined + :quarantined,
        texts_sent = texts_sent + :texts_sent, requests = requests + :requests, retries = retries + :retries,
        asked_again = asked_again + :asked_again, disagreed = disagreed + :disagreed,
        taken_again = taken_again + :taken_again,
        put_back = put_back + :put_back, left_alone = left_alone + :left_alone, moved = moved + :moved,
        remaining = max(remaining - :reembedded - :attested - :quarantined - :put_back - :left_alone - :moved, 0),
        in_quarantine = in_quarantine + :quarantined, reads_left = max(reads_left - :reads, 0),
        last_written_at = coalesce(:written_at, last_written_at), rows_per_hour = coalesce(:rate, rows_per_hour)
    WHERE run_id = :run_id
"""
SET_TARGET = "UPDATE reembed_run SET target = ? WHERE run_id = ?"
SET_BREAKER = """
    UPDATE reembed_run SET breaker_state = ?, breaker_until = ?, breaker_wait_ms = ?, last_error = ? WHERE run_id = ?
"""
ADD_EVENT = "INSERT INTO reembed_event (run_id, at, kind, detail_json) VALUES (?, ?, ?, ?)"


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
    return _runs(store, RECENT, -1 if most is None else most)


def cancel(transaction: Transaction, *, now_ms: int) -> int | None:
    """Give up the unfinished run, whatever its row holds, and return its number; None where there is none.

    Raises:
        DataRefused: a trigger of somebody's leaves the run as it is.
    """
    ids = [int(row[0]) for row in transaction.db.execute(CANCEL, (now_ms,))]
    if (kept := unfinished_id(transaction)) is not None:
        raise DataRefused(
            f"Run {kept} cannot be cancelled: something in {transaction.db.path} leaves its row as it is.",
            tip="Drop the triggers on the table reembed_run, then: ai-memory reembed cancel",
        )
    return max(ids, default=None)


def read_run(store: Store, run_id: int) -> Run:
    """Return a run by its number.

    Raises:
        NotFinished: it is not in the file.
        DataRefused: a column of it is damaged.
    """
    found = _runs(store, ONE, run_id)
    if not found:
        raise NotFinished(f"Run {run_id} is gone from the file.", tip="Look at it: ai-memory reembed status")
    return found[0]


def begin_run(
    transaction: Transaction, *, target: int, target_model: str, terms: Terms, now_ms: int, tool_version: str
) -> Run:
    """Enter a new run in state running and return it; lists of hot rows of others are deleted."""
    hot_list.drop(transaction)
    scope_json = json.dumps(None if terms.scope is None else list(terms.scope))
    span = (terms.undoes.first, terms.undoes.last) if terms.undoes else (None, None)
    begun = (target, target_model, scope_json, int(terms.skip_current), now_ms, now_ms, tool_version)
    bindings = (*begun, terms.order, int(terms.keeps_previous), *span, int(terms.staged))
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
    bindings = (holder.to_json(), in_flight_limit + lost, breaker_until, newly, now_ms, run.run_id, run.fence)
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
        NotFinished: it was taken over, or the file has another schema than when it was opened.
    """
    require_unaltered(transaction.db, transaction.schema)
    learned = None if limits is None else json.dumps(limits)
    number: int | None = transaction.db.value(HOLD, (now_ms, in_flight_limit, learned, run.run_id, run.fence))
    if number is None:
        raise run_lost(transaction, run)
    return number


def commits(store: Store, run: Run) -> object:
    """Return what is another number after every commit that held `run`; None where the run is no longer ours."""
    return store.db.value(COMMITS, (run.run_id, run.fence))


def transition(
    transaction: Transaction, run: Run, new: str, *, now_ms: int, fenced: bool, census_at: int | None = None
) -> None:
    """Bring `run` from the state it was read in to `new`; `fenced` demands that its fence is still ours.

    Raises:
        OperatorNeeded, NotFinished: somebody else changed the run first; or, where its fence is ours, the schema.
    """
    if fenced:
        require_unaltered(transaction.db, transaction.schema)
    bindings: dict[str, Binding] = {
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
    bindings: dict[str, Binding] = {
        "error": last_error and one_line(last_error, most=MOST_WORDS),
        "limits": json.dumps(limits),
        "unsettled": unsettled,
        "run_id": run.run_id,
        "fence": run.fence,
    }
    return bool(transaction.db.change(LEAVE, bindings))


def next_pass(transaction: Transaction, run: Run, *, now_ms: int) -> Run:
    """Begin the next pass of `run`; cursors of the last one no longer count."""
    if not transaction.db.change(BEGIN_NEXT, (run.run_id, run.fence)):
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
    transaction.db.execute(SET_TARGET, (fingerprint_id, run.run_id))


def set_breaker(
    transaction: Transaction, run: Run, breaker: Breaker, *, now_ms: int, reason: str | None = None
) -> None:
    """Open (for a `reason`) or close the breaker of the run, with an event when its state changes."""
    state = "open" if breaker.open else "closed"
    told = reason and one_line(reason, most=MOST_WORDS)
    transaction.db.execute(SET_BREAKER, (state, breaker.until_ms, breaker.wait_ms, told, run.run_id))
    if breaker.open or run.breaker_state != state:
        add_event(transaction, run.run_id, f"breaker {state}", now_ms=now_ms, detail={"until": breaker.until_ms})


def add_event(
    transaction: Transaction, run_id: int, kind: str, *, now_ms: int, detail: Mapping[str, Any] | None = None
) -> None:
    """Enter one event of a run."""
    transaction.db.execute(ADD_EVENT, (run_id, now_ms, kind, json.dumps(detail or {})))


def _runs(store: Store, sql: str, *bindings: int) -> list[Run]:
    found = [run_of(store, values) for values in store.db.execute(sql, bindings)]
    return [replace(run, computing=run_figures.computing(store, run.run_id)) for run in found]
