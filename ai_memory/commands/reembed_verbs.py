"""`reembed status`, `quarantine` and `cancel`: what shows and changes the recorded run."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from ai_memory.clock import SystemClock
from ai_memory.console import Console
from ai_memory.errors import DataRefused, OperatorNeeded, StorageFailed
from ai_memory.reembed.census import name_scope
from ai_memory.reembed.status import Status, read_status
from ai_memory.settings import Settings
from ai_memory.store import approvals, runs
from ai_memory.store.lock import LockState
from ai_memory.store.open_options import OpenOptions
from ai_memory.store.opening import reading, writing
from ai_memory.store.text import printable
from ai_memory.store.values import Run

SHOWN_NAMESPACES = 20
SHOWN_ROWS = 20


def run(verb: str, settings: Settings, console: Console) -> int:
    """Do what the verb says and return the exit code."""
    return {"status": _status, "quarantine": _quarantine, "cancel": _cancel}[verb](settings, console)


def _status(settings: Settings, console: Console) -> int:
    path = settings.db.value
    with reading(path, options=OpenOptions(tell=console.note)) as store:
        status = read_status(store, path, now_ms=SystemClock().now_ms())
    if status is None:
        console.result({"run_id": None, "state": "none", "next": "ai-memory reembed"}, "No run has been started here.")
    else:
        console.result(status.values(), *_status_lines(status))
    return 0


def _status_lines(status: Status) -> list[str]:
    run, census = status.run, status.census
    lines = [
        f"Run {run.run_id}: {_state_text(status)}, pass {run.pass_number}, begun {_time(run.started_at)}",
        f"  target     {run.target_model}, {status.target.dim} wide, {status.target.space}",
        f"  rows       {census.fresh:,} of {census.live:,} done, {census.stale:,} remain",
        *([f"  scope      {name_scope(run.scope)}; {status.outside:,} rows in others are stale"] if run.scope else []),
        f"  quarantine {census.quarantined:,} rows",
        f"  spent      {status.counters.texts_sent:,} texts in {status.counters.requests:,} requests",
        f"  checkpoint {_time(run.last_progress_at)}{_in_flight_text(run)}",
    ]
    if status.lock is LockState.READER:
        lines.append("  lock       held by a process that only reads it; --resume says how to find it")
    if run.breaker_state == "open":
        lines.append(f"  breaker    open until {_time(status.breaker_until)}")
    if run.last_error:
        lines.append(f"  last error {run.last_error}")
    return [*lines, *_namespace_lines(status), *_quarantine_lines(status), *_next_lines(status)]


def _in_flight_text(run: Run) -> str:
    return f"; at most {run.in_flight_limit:,} texts in flight" if run.state == "running" else ""


def _state_text(status: Status) -> str:
    if status.interrupted:
        return "interrupted"
    return f"{status.run.state} by process {status.held_by.pid}" if status.held_by else status.run.state


def _quarantine(settings: Settings, console: Console) -> int:
    path = settings.db.value
    with reading(path) as store:
        status = read_status(store, path, now_ms=SystemClock().now_ms())
    rows = status.quarantined if status else ()
    lines = [
        f"{printable(each.id)} in {printable(each.namespace)}: {each.kind}, {each.message} ({each.attempts} attempts)"
        for each in rows
    ]
    again = "Try them again: ai-memory reembed --retry-quarantined" if rows else "No row is in quarantine."
    values = {"quarantined": len(rows), "rows": [{**asdict(each), "src": each.src.hex()} for each in rows]}
    console.result(values, *lines, again)
    return 0


def _namespace_lines(status: Status) -> list[str]:
    census = status.census
    open_ones = [(name, census.stale_by_namespace[name], rows) for name, rows in census.live_by_namespace.items()]
    open_ones = sorted((each for each in open_ones if each[1]), key=lambda each: -each[1])
    done = len(census.live_by_namespace) - len(open_ones)
    lines = [f"  namespaces {done:,} done, {len(open_ones):,} not"]
    shown = open_ones[:SHOWN_NAMESPACES]
    lines += [f"    {rows - stale:,} of {rows:,} in {printable(name)}" for name, stale, rows in shown]
    if len(open_ones) > SHOWN_NAMESPACES:
        lines.append(f"    … and {len(open_ones) - SHOWN_NAMESPACES:,} more; --json has all")
    return lines


def _quarantine_lines(status: Status) -> list[str]:
    if not status.quarantined:
        return []
    shown = status.quarantined[:SHOWN_ROWS]
    lines = ["  in quarantine"]
    lines += [f"    {printable(each.id)} in {printable(each.namespace)}: {each.kind}, {each.message}" for each in shown]
    if len(status.quarantined) > SHOWN_ROWS:
        lines.append(f"    … and {len(status.quarantined) - SHOWN_ROWS:,} more; --json has all")
    return lines


def _next_lines(status: Status) -> list[str]:
    return [f"  next       {status.next_command}"] if status.next_command else []


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _cancel(settings: Settings, console: Console) -> int:
    now_ms = SystemClock().now_ms()
    path: Path = settings.db.value
    with reading(path) as store:
        if runs.unfinished_id(store) is None:
            raise _nothing_to_cancel()
    # By its number alone: the row may hold what cannot be read, and this is the way out of it.
    with writing(path, now_ms=now_ms, options=OpenOptions(tell=console.note)) as store:
        with store.db.transaction():
            run_id = runs.cancel(store, now_ms=now_ms)
            if run_id is not None:
                # The next unattended start would else begin it anew.
                approvals.withdraw(store, run_id)
        if run_id is None:
            raise _nothing_to_cancel()
        # It is given up. That its event cannot be entered takes nothing of that back.
        with suppress(DataRefused, StorageFailed), store.db.transaction():
            runs.add_event(store, run_id, "cancelled", now_ms=now_ms)
    console.result(
        {"run_id": run_id, "state": "cancelled"},
        f"Run {run_id} is cancelled; the vectors it wrote stay, and a process that still runs it commits nothing more.",
    )
    return 0


def _nothing_to_cancel() -> OperatorNeeded:
    return OperatorNeeded("There is no unfinished run to cancel.", tip="See ai-memory reembed status")
