"""Keeps the runs of the migration: their state, fence, counters, checkpoints, breaker and events.

Every change of state is one guarded UPDATE and an event. None of these functions opens a transaction:
the caller's `with store.db.transaction():` shows what belongs together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ai_memory.cleaning import MOST_WORDS, one_line
from ai_memory.errors import NotFinished
from ai_memory.store.connection import Binding
from ai_memory.store.lock import Holder
from ai_memory.store.opening import Store

RUN_COLUMNS = """
    run_id, target, target_model, scope_json, state, pass, fence, holder_json, in_flight_limit, skip_current,
    started_at, last_progress_at, finished_at, census_at, stop_requested,
    breaker_state, breaker_until, breaker_wait_ms, last_error, tool_version, limits_json
"""
UNFINISHED = f"SELECT {RUN_COLUMNS} FROM reembed_run WHERE state IN ('running', 'paused')"
LATEST = f"SELECT {RUN_COLUMNS} FROM reembed_run ORDER BY run_id DESC LIMIT 1"
ONE = f"SELECT {RUN_COLUMNS} FROM reembed_run WHERE run_id = ?"
BEGIN_RUN = """
    INSERT INTO reembed_run
        (target, target_model, scope_json, state, skip_current, started_at, last_progress_at, tool_version)
    VALUES (?, ?, ?, 'running', ?, ?, ?, ?) RETURNING run_id
"""
TAKE_OVER = """
    UPDATE reembed_run SET fence = fence + 1, holder_json = ?, in_flight_limit = ?, stop_requested = 0,
        texts_sent_twice = texts_sent_twice + ?, last_progress_at = ?
    WHERE run_id = ? AND fence = ? AND state = 'running'
"""
HOLD = """
    UPDATE reembed_run SET last_progress_at = ?, in_flight_limit = coalesce(?, in_flight_limit),
        limits_json = coalesce(?, limits_json)
    WHERE run_id = ? AND fence = ? AND state = 'running'
"""
TRANSITION = """
    UPDATE reembed_run SET
        state = :new, finished_at = :now, holder_json = NULL, census_at = coalesce(:census_at, census_at)
    WHERE run_id = :run_id AND state = :old AND (:fence IS NULL OR fence = :fence)
"""
LEAVE = """
    UPDATE reembed_run SET holder_json = NULL, last_error = ?, limits_json = ?, in_flight_limit = ?
    WHERE run_id = ? AND fence = ? AND state = 'running'
"""
BEGIN_NEXT = "UPDATE reembed_run SET pass = pass + 1 WHERE run_id = ? AND fence = ? AND state = 'running'"
COUNT = """
    UPDATE reembed_run SET reembedded = reembedded + :reembedded, already_current = already_current + :already_current,
        identical = identical + :identical, tokens = tokens + :tokens,
        attested = attested + :attested, raced = raced + :raced, quarantined = quarantined + :quarantined,
        texts_sent = texts_sent + :texts_sent, requests = requests + :requests, retries = retries + :retries
    WHERE run_id = :run_id
"""
COUNTERS = """
    SELECT reembedded, already_current, attested, raced, quarantined, identical,
           texts_sent, texts_sent_twice, requests, retries, tokens
    FROM reembed_run WHERE run_id = ?
"""
SET_TARGET = "UPDATE reembed_run SET target = ? WHERE run_id = ?"
SET_BREAKER = """
    UPDATE reembed_run SET breaker_state = ?, breaker_until = ?, breaker_wait_ms = ?, last_error = ? WHERE run_id = ?
"""
CHECKPOINTS = """
    SELECT CAST(namespace AS BLOB), CAST(cursor_id AS BLOB), eof, rows_done FROM reembed_checkpoint
    WHERE run_id = ? AND pass = ?
"""
ADVANCE = """
    INSERT INTO reembed_checkpoint (run_id, namespace, cursor_id, pass, eof, rows_done, updated_at)
    VALUES (:run_id, CAST(:namespace AS TEXT), CAST(:cursor_id AS TEXT), :pass, :eof, :rows_done, :now)
    ON CONFLICT (run_id, namespace) DO UPDATE SET
        cursor_id = coalesce(excluded.cursor_id, CASE WHEN pass = excluded.pass THEN cursor_id END),
        rows_done = excluded.rows_done + CASE WHEN pass = excluded.pass THEN rows_done ELSE 0 END,
        pass = excluded.pass, eof = excluded.eof, updated_at = excluded.updated_at
"""
ADD_EVENT = "INSERT INTO reembed_event (run_id, at, kind, detail_json) VALUES (?, ?, ?, ?)"
EVENTS = "SELECT at, kind, detail_json FROM reembed_event WHERE run_id = ? ORDER BY at, rowid"


@dataclass(frozen=True, slots=True)
class Run:
    """One run as recorded. Times are Unix milliseconds; `scope` None means all but substrate namespaces.

    `limits` is what was learned of the size of a request, by name.
    """

    run_id: int
    target: int
    target_model: str
    scope: tuple[str, ...] | None
    state: str
    pass_number: int
    fence: int
    holder: Holder | None
    in_flight_limit: int
    skip_current: bool
    started_at: int
    last_progress_at: int
    finished_at: int | None
    census_at: int | None
    stop_requested: bool
    breaker_state: str
    breaker_until: int
    breaker_wait_ms: int
    last_error: str | None
    tool_version: str
    limits: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Counters:
    """What happened, in rows and requests; a page's share or a whole run's sum."""

    reembedded: int = 0
    already_current: int = 0
    attested: int = 0
    raced: int = 0
    quarantined: int = 0
    identical: int = 0
    texts_sent: int = 0
    texts_sent_twice: int = 0
    requests: int = 0
    retries: int = 0
    tokens: int = 0

    def __add__(self, other: Counters) -> Counters:
        """Return the sum, field by field."""
        return Counters(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(Counters)))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far one pass has come in one namespace: the last id passed (None: none yet), and whether it saw the end."""

    namespace: str
    cursor_id: str | None
    eof: bool
    rows_done: int


@dataclass(frozen=True, slots=True)
class Breaker:
    """Whether requests are held back: until when, and the wait that led there, in milliseconds."""

    open: bool = False
    until_ms: int = 0
    wait_ms: int = 0


def unfinished_run(store: Store) -> Run | None:
    """Return the run in state running or paused; there is at most one."""
    return _one(store, UNFINISHED)


def latest_run(store: Store) -> Run | None:
    """Return the run begun last, None where none ever was."""
    return _one(store, LATEST)


def read_run(store: Store, run_id: int) -> Run:
    """Return a run by its number."""
    run = _one(store, ONE, run_id)
    if run is None:
        raise NotFinished(f"Run {run_id} is gone from the file.", tip="Look at it: ai-memory reembed status")
    return run


def begin_run(
    store: Store,
    *,
    target: int,
    target_model: str,
    scope: tuple[str, ...] | None,
    skip_current: bool,
    now_ms: int,
    tool_version: str,
) -> Run:
    """Enter a new run in state running and return it."""
    scope_json = json.dumps(None if scope is None else list(scope))
    bindings = (target, target_model, scope_json, int(skip_current), now_ms, now_ms, tool_version)
    run_id = int(store.db.value(BEGIN_RUN, bindings))
    add_event(store, run_id, "started", now_ms=now_ms)
    return read_run(store, run_id)


def take_over(store: Store, run: Run, holder: Holder, *, in_flight_limit: int, now_ms: int, lost: int = 0) -> Run:
    """Make `holder` the runner of `run` under a new fence and return the run as it now stands.

    `in_flight_limit` is the most texts to be in flight until the next commit; `lost` is how many more killed
    runners may have sent: they count until they are committed.

    Raises:
        NotFinished: the run was changed by somebody else meanwhile.
    """
    newly = lost if run.holder else 0
    bindings = (holder.to_json(), in_flight_limit + lost, newly, now_ms, run.run_id, run.fence)
    if not store.db.change(TAKE_OVER, bindings):
        raise _fence_lost(run)
    add_event(store, run.run_id, "taken over" if run.holder else "runner", now_ms=now_ms, detail={"pid": holder.pid})
    return read_run(store, run.run_id)


def hold(
    store: Store,
    run: Run,
    *,
    now_ms: int,
    in_flight_limit: int | None = None,
    limits: Mapping[str, int] | None = None,
) -> None:
    """Prove inside a transaction that `run` is still ours, and note the progress.

    `in_flight_limit` is the most texts to be in flight until the next commit, `limits` what was learned of the size
    of a request (None: as before).

    Raises:
        NotFinished: the run was cancelled, paused, superseded or taken over: nothing may be committed.
    """
    learned = None if limits is None else json.dumps(limits)
    if not store.db.change(HOLD, (now_ms, in_flight_limit, learned, run.run_id, run.fence)):
        raise _fence_lost(run)


def transition(store: Store, run: Run, new: str, *, now_ms: int, fenced: bool, census_at: int | None = None) -> None:
    """Bring `run` from the state it was read in to `new`; `fenced` demands that its fence is still ours.

    Raises:
        NotFinished: somebody else changed the run first.
    """
    bindings: dict[str, Binding] = {
        "new": new,
        "old": run.state,
        "now": None if new in ("running", "paused") else now_ms,
        "census_at": census_at,
        "run_id": run.run_id,
        "fence": run.fence if fenced else None,
    }
    if not store.db.change(TRANSITION, bindings):
        raise _fence_lost(run)
    add_event(store, run.run_id, new, now_ms=now_ms)


def leave(store: Store, run: Run, *, last_error: str | None, limits: Mapping[str, int], unsettled: int) -> bool:
    """Note that the runner stopped in good order, if the run is still its own (else: False); keep the learned `limits`.

    `unsettled` is how many texts that killed runners had sent are not committed yet, at most.
    """
    told = last_error and one_line(last_error, most=MOST_WORDS)
    return bool(store.db.change(LEAVE, (told, json.dumps(limits), unsettled, run.run_id, run.fence)))


def next_pass(store: Store, run: Run, *, now_ms: int) -> Run:
    """Begin the next pass of `run`; cursors of the last one no longer count."""
    if not store.db.change(BEGIN_NEXT, (run.run_id, run.fence)):
        raise _fence_lost(run)
    add_event(store, run.run_id, "pass", now_ms=now_ms, detail={"pass": run.pass_number + 1})
    return read_run(store, run.run_id)


def count(store: Store, run: Run, counters: Counters) -> None:
    """Add a page's share to the counters of the run."""
    bindings = {each.name: getattr(counters, each.name) for each in fields(Counters)}
    store.db.execute(COUNT, {**bindings, "run_id": run.run_id})


def read_counters(store: Store, run: Run) -> Counters:
    """Return the counters of the whole run."""
    return Counters(*store.db.execute(COUNTERS, (run.run_id,))[0])


def checkpoints(store: Store, run: Run) -> dict[str, Checkpoint]:
    """Return the checkpoints of the run's present pass, by namespace."""
    found = [
        Checkpoint(
            namespace=store.codec.name(namespace),
            cursor_id=None if cursor is None else store.codec.name(cursor),
            eof=bool(eof),
            rows_done=done,
        )
        for namespace, cursor, eof, done in store.db.execute(CHECKPOINTS, (run.run_id, run.pass_number))
    ]
    return {each.namespace: each for each in found}


def advance(store: Store, run: Run, steps: Mapping[str, Checkpoint], *, now_ms: int) -> None:
    """Move the cursors of all namespaces in `steps`; their `rows_done` is added to what was done in this pass."""
    for step in steps.values():
        bindings: dict[str, Binding] = {
            "run_id": run.run_id,
            "namespace": store.codec.bound(step.namespace),
            "cursor_id": None if step.cursor_id is None else store.codec.bound(step.cursor_id),
            "pass": run.pass_number,
            "eof": int(step.eof),
            "rows_done": step.rows_done,
            "now": now_ms,
        }
        store.db.execute(ADVANCE, bindings)


def set_target(store: Store, run: Run, fingerprint_id: int) -> None:
    """Give a run the target whose width was not known when it began; inside a transaction that holds the run."""
    store.db.execute(SET_TARGET, (fingerprint_id, run.run_id))


def set_breaker(store: Store, run: Run, breaker: Breaker, *, now_ms: int, reason: str | None = None) -> None:
    """Open (for a `reason`) or close the breaker of the run, with an event when its state changes."""
    state = "open" if breaker.open else "closed"
    told = reason and one_line(reason, most=MOST_WORDS)
    store.db.execute(SET_BREAKER, (state, breaker.until_ms, breaker.wait_ms, told, run.run_id))
    if breaker.open or run.breaker_state != state:
        add_event(store, run.run_id, f"breaker {state}", now_ms=now_ms, detail={"until": breaker.until_ms})


def add_event(store: Store, run_id: int, kind: str, *, now_ms: int, detail: Mapping[str, Any] | None = None) -> None:
    """Enter one event of a run."""
    store.db.execute(ADD_EVENT, (run_id, now_ms, kind, json.dumps(detail or {})))


def events(store: Store, run_id: int) -> list[tuple[int, str, dict[str, Any]]]:
    """Return the events of a run in order: time, kind, detail."""
    return [(at, kind, json.loads(detail)) for at, kind, detail in store.db.execute(EVENTS, (run_id,))]


def _one(store: Store, sql: str, *bindings: int) -> Run | None:
    rows = store.db.execute(sql, bindings)
    if not rows:
        return None
    values = list(rows[0])
    scope = json.loads(values[3])
    values[3] = None if scope is None else tuple(scope)
    values[7] = None if values[7] is None else Holder(**json.loads(values[7]))
    values[9] = bool(values[9])
    values[14] = bool(values[14])
    values[20] = json.loads(values[20])
    return Run(*values)


def _fence_lost(run: Run) -> NotFinished:
    return NotFinished(
        f"Run {run.run_id} was taken over, paused, cancelled or superseded meanwhile; nothing more is written.",
        tip="Look at it: ai-memory reembed status",
    )
