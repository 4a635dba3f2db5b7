"""`reembed status`: the recorded run in about eight lines, and for probes in one with an exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.clock import SystemClock
from ai_memory.commands.reembed.run_words import name_space, paid
from ai_memory.commands.reembed.wanted import wanted_if_usable
from ai_memory.commands.reembed.watch import Shown, watch
from ai_memory.memory.text_codec import printable
from ai_memory.reembed.finish.switch_report import IN_COLUMNS
from ai_memory.reembed.finish.undoable import name_runs
from ai_memory.reembed.inspect.bound import bound_in_words
from ai_memory.reembed.inspect.condition import (
    ENDED,
    GIVEN_UP,
    HEALTHY,
    LONGEST_PAUSE_MS,
    WAITING,
    Condition,
)
from ai_memory.reembed.inspect.no_run import NoRun, read_no_run
from ai_memory.reembed.inspect.read_status import read_status
from ai_memory.reembed.inspect.why import BY_REASON, remedy, why
from ai_memory.reembed.scope import name_scope
from ai_memory.reembed.sweep.ending import OUTSIDE
from ai_memory.show.table import Table, Tone, facts
from ai_memory.stores.opening import database
from ai_memory.stores.values import ASKED_AT_END
from ai_memory.text.amounts import ago, counted, percent, size, span
from ai_memory.text.times import instant

if TYPE_CHECKING:
    from collections.abc import Callable

    from ai_memory.config.settings import Settings
    from ai_memory.reembed.inspect.status import Status
    from ai_memory.reembed.plan.outlook import Outlook
    from ai_memory.show.console import Console
    from ai_memory.stores.holder import Holder
    from ai_memory.stores.values import Pause

VERDICTS = {HEALTHY: "healthy", WAITING: "waiting"}
TONES = {HEALTHY: Tone.WELL, WAITING: Tone.WAITS}
NEXT = "next"
NEEDS = "needs somebody"
NO_RUN = "No run has been started here."
NO_ROOM = 1 << 16
"""With less bytes left on the disk no start can even say that it is full."""


def run_status(settings: Settings, console: Console, *, exact: bool, check: bool, every: int | None) -> int:
    """Show the recorded run; with `check` in one line, with an exit code: 0 healthy, 1 needs somebody, 75 waiting.

    It is shown again after `every` so many seconds until nobody works on the run; None: it is shown once.
    """

    def show() -> Shown:
        return _show(settings, console, exact=exact, check=check)

    shown = watch(show, console, every=every) if every else show()
    return shown.verdict if check else 0


def _show(settings: Settings, console: Console, *, exact: bool, check: bool) -> Shown:
    status = how_it_stands(settings, console.note, exact=exact)
    if isinstance(status, NoRun):
        return Shown(_without_run(status, console, check=check), over=True)
    told = [("", _checked(status), _tone(status))] if check else _told(status, str(settings.db.value))
    console.result(status.values(), *(text for _, text, _ in told), tables=[_table(told)])
    return Shown(status.verdict, over=not status.work.going_on)


def how_it_stands(settings: Settings, tell: Callable[[str], None], *, exact: bool = False) -> Status | NoRun:
    """Return how the recorded run stands, or the file where none was ever started; `exact`: the rows are counted."""
    file, asked = database(settings.db.value, tell=tell), wanted_if_usable(settings)
    with file.read() as store:
        now_ms = SystemClock().now_ms()
        status = read_status(file, store, now_ms=now_ms, wanted=asked, exact=exact)
        return read_no_run(store, asked, now_ms=now_ms) if status is None else status


def _checked(status: Status) -> str:
    """Return the one line of a probe."""
    verdict, facts = VERDICTS.get(status.verdict, NEEDS), f"{_state(status)}{_unmoved(status)}{_only(status)}"
    failure = f"; {_failure(status)}" if status.verdict != HEALTHY and _failure(status) else ""
    beside = f"; {_paused_beside(status)}" if _paused_beside(status) else ""
    ahead = f"{_unlike(status)}{_to_begin(status)}{_aside(status)}"
    return f"{verdict} (run {status.run.run_id}): {facts}{beside}{ahead}{failure}"


def _without_run(found: NoRun, console: Console, *, check: bool) -> int:
    asked, pause = found.wanted, found.pause
    told = [f"{NO_RUN} The file is {_paused(pause)}." if pause else NO_RUN]
    if check and not pause:
        why = _outlook(found.outlook) if asked.usable else f"the configuration gives no embedder: {asked.fault}"
        told = [f"{VERDICTS.get(found.verdict, NEEDS)}: no run has been started here; {why}"]
    elif found.next and not check:
        told.append(f"next: {'' if asked.usable or pause else 'correct the configuration, then: '}{found.next}")
    console.result(found.values(), *told)
    return found.verdict


def _paused(pause: Pause) -> str:
    until = "somebody lifts it" if pause.until is None else instant(pause.until)
    reason = f": {printable(pause.reason)}" if pause.reason else ""
    return f"paused by {printable(pause.by) or 'somebody'} at {instant(pause.at)} until {until}{reason}"


def _paused_beside(status: Status) -> str:
    if not status.pause or status.condition is Condition.PAUSED:
        return ""
    return f"the file is {_paused(status.pause)}"


def _to_begin(status: Status) -> str:
    """Return what the next start would meet after a run that was given up, or was another target's."""
    ended = status.condition in GIVEN_UP or (status.condition in ENDED and (status.retargeted or status.outlook.stale))
    return f"; {_outlook(status.outlook)}" if ended and status.wanted.usable else ""


def _unmoved(status: Status) -> str:
    """Return for how long no row was written, where that is why a run no longer counts as one that goes on."""
    idle = status.now_ms - max(status.run.last_written_at or 0, status.run.started_at)
    waits = status.run.state == "running" and status.condition is not Condition.PAUSED
    return f"; no row was written for {span(idle)}" if waits and idle > LONGEST_PAUSE_MS else ""


def _outlook(found: Outlook) -> str:
    if found.complete:
        return "for the configured target no row was found stale, by what is stamped and recorded"
    if found.approved_at is None:
        return "nobody approved the configured target for this file, so no unattended start begins"
    return "the next start begins a run to the configured target"


def _aside(status: Status) -> str:
    rows = status.counted.in_quarantine if status.counted else 0
    return f"; {counted(rows, 'row')} in quarantine" if rows else ""


def _told(status: Status, path: str) -> list[tuple[str, str, Tone]]:
    """Return what is told of a run: what each line is about, the line, and how it is meant."""
    run = status.run
    begun = f"run {run.run_id}, begun {ago(run.started_at, status.now_ms)}"
    quarantined = Tone.NEEDS if status.counted and status.counted.in_quarantine else Tone.PLAIN
    found = [
        ("file", f"{printable(path)}   {_change(status)}   {begun}", Tone.PLAIN),
        ("state", f"{_state(status)}{_unlike(status)}", _tone(status)),
        ("pause", _paused_beside(status), Tone.WAITS),
        ("failure", _failure(status), Tone.WAITS if status.verdict in VERDICTS else Tone.NEEDS),
        ("rows", _rows(status), Tone.PLAIN),
        ("computed", run.computing.line() if run.computing else "", Tone.PLAIN),
        ("spent", f"{_spent(status)}{_asked_again(status)}", quarantined),
        ("staged", _staged(status), Tone.PLAIN),
        ("scope", _only(status).removeprefix("; "), Tone.PLAIN),
        ("way back", _way_back(status), Tone.PLAIN),
        (NEXT, _next(status), Tone.STRONG),
    ]
    return [each for each in found if each[1]]


def _tone(status: Status) -> Tone:
    return TONES.get(status.verdict, Tone.NEEDS)


def _table(told: list[tuple[str, str, Tone]]) -> Table:
    """Return the same for a terminal, which has what a line is about in a column of its own."""
    return facts(*((name, text.removeprefix(f"{name}: ").replace("   ", "; "), tone) for name, text, tone in told))


def _staged(status: Status) -> str:
    """Return what is served while a run is staged or switched to."""
    run = status.run
    if run.state == "switched" and status.exchanging:
        moved = counted(run.counters.moved, "of them stands", "of them stand")
        return f"its vectors are served; {moved} {IN_COLUMNS}"
    if run.state == "switched":
        return f"its vectors are served; {run.counters.moved:,} of them stand in their memories by now"
    if run.beside:
        return "staged: its vectors go beside the memories; search serves what it served before until the switch"
    return ""


def _failure(status: Status) -> str:
    run = status.run
    if not run.last_error or (run.state != "running" and status.condition is not Condition.UNSERVED):
        return ""
    return f"{'failing, and tried again' if status.work.going_on else 'last failure'}: {run.last_error}"


def _change(status: Status) -> str:
    """Return what the run replaces by what."""
    target = name_space(status.target.space, status.target.dim)
    if status.run.undoes:
        return f"back from {target}, of {name_runs(status.run.undoes)}"
    others = [name_space(space, dim) for space, dim, _ in status.replaced if name_space(space, dim) != target]
    more = f" and {len(others) - 1} more" if len(others) > 1 else ""
    return f"{others[0]}{more} -> {target}" if others else target


def _state(status: Status) -> str:
    run, now_ms = status.run, status.now_ms
    sign = f"last sign of life {ago(run.last_progress_at, now_ms)}"
    who = _who(status.work.held_by or run.holder)
    if status.condition is Condition.AWAITING:
        return f"waiting for the endpoint, which is asked again in {span(status.breaker_until - now_ms)}: {who}"
    if status.condition is Condition.HELD_UP and status.work.held_by:
        return f"held up by ai-memory {status.work.held_by.task}: {who}"
    if status.condition is Condition.STUCK:
        return f"stuck: {who}, {sign}"
    if status.condition is Condition.WORKING:
        return f"running: {who}, {sign}"
    if status.condition is Condition.SHUT_OUT:
        return "shut out: a process that only reads the lock holds it; --resume says how to find it"
    if status.condition is Condition.KILLED:
        full = "; the disk is full" if status.free_bytes is not None and status.free_bytes < NO_ROOM else ""
        return f"interrupted: {who} was killed, or its machine went down; {sign}{full}"
    if status.condition is Condition.PAUSED and status.pause:
        return _paused(status.pause)
    return _at_rest(status)


def _who(holder: Holder | None) -> str:
    return f"process {holder.pid} on {printable(holder.host)}" if holder else "an unknown process"


def _at_rest(status: Status) -> str:
    run, end, now_ms = status.run, status.run.last_end, status.now_ms
    if status.condition is Condition.UNSERVED and end:
        return f"{status.condition.value} {ago(end.at, now_ms)}: {why(end)}"
    if status.condition is not Condition.STOPPED:
        since = f" {ago(run.finished_at, now_ms)}" if run.finished_at else ""
        took = f", after {span(run.finished_at - run.started_at)}" if run.finished_at and run.state == "done" else ""
        return f"{status.condition.value}{since}{took}"
    if end is None:
        return f"stopped {ago(run.last_progress_at, now_ms)}"
    alike = f"; {counted(end.alike, 'start')} in a row" if end.alike > 1 else ""
    early = status.breaker_until - now_ms if run.breaker_state == "open" else 0
    wait = f"; it is asked again in {span(early)}" if early > 0 else ""
    return f"stopped {ago(end.at, now_ms)}: {why(end)}{alike}{wait}"


def _unlike(status: Status) -> str:
    """Return what is to be said of a configuration with which the run cannot go on."""
    asked = status.wanted
    if not asked.usable:
        return f"; the configuration gives no embedder: {asked.fault}"
    if not status.retargeted:
        return ""
    return f"; the configuration asks for {name_space(asked.space, asked.dim)} ({asked.source})"


def _rows(status: Status) -> str:
    run, rows, census, now_ms = status.run, status.counted, status.census, status.now_ms
    if rows is None:
        return ""
    found = [f"{status.done:,} of {counted(rows.live, 'row')} ({percent(status.done, rows.live)} %)"]
    if census and census.edited:
        found[0] += f", {census.edited:,} edited since they were embedded"
    if rows.reads:
        answers = "will answer" if run.beside else "answers"
        found.append(f"the new space {answers} {percent(rows.reads_answered, rows.reads)} % of reads")
    found.append(f"counted {ago(rows.at, now_ms)}")
    if run.last_written_at:
        found.append(f"last row written {ago(run.last_written_at, now_ms)}")
    if run.state == "running" and run.rows_per_hour:
        found.append(_speed(run.rows_per_hour))
    if status.seconds_left is not None:
        found.append(f"about {span(max(status.seconds_left, 1) * 1000)} left")
    return "; ".join(found)


def _speed(rows_per_hour: int) -> str:
    return f"{rows_per_hour / 3600:,.1f} rows/s" if rows_per_hour >= 3600 else f"{counted(rows_per_hour, 'row')}/h"


def _way_back(status: Status) -> str:
    """Return what is kept of replaced vectors, and how it is put back or dropped."""
    if not status.kept_rows:
        return ""
    room = f"{counted(status.kept_rows, 'row')}, about {size(status.kept_bytes)}"
    if not status.way_back:
        return f"kept of replaced vectors: {room} (dropped by: ai-memory reembed prune)"
    part = "" if status.rows_back == status.kept_rows else f"{counted(status.rows_back, 'row')}; in all "
    return f"way back: what {name_runs(status.way_back)} replaced ({part}{room} are kept): ai-memory reembed rollback"


def _spent(status: Status) -> str:
    counters = status.run.counters
    if status.run.undoes:
        back = counted(counters.put_back, "row has", "rows have")
        left = status.counted.remaining if status.counted and status.run.state == "done" else 0
        refused = f", {left:,} refused by the database (ai-memory reembed rollback)" if left else ""
        alone = f"{counters.left_alone:,} left as they are{refused}"
        return f"{back} what was there, {alone}{_free(status)}"
    rows = status.counted.in_quarantine if status.counted else 0
    aside = f"{rows:,} in quarantine{' (ai-memory reembed quarantine)' if rows else ''}"
    texts = f"{counted(counters.texts_sent, 'text')} in {counted(counters.requests, 'request')}"
    return f"{aside}; {texts}{paid(counters, status.cost)}{_free(status)}"


def _free(status: Status) -> str:
    return "" if status.free_bytes is None else f"; {size(status.free_bytes)} free"


def _asked_again(status: Status) -> str:
    counters = status.run.counters
    if counters.asked_again <= counters.disagreed or not counters.sent_for:
        return ""
    over = status.run.state in ASKED_AT_END
    return f". {bound_in_words(counters.asked_again - counters.disagreed, counters.sent_for, over=over)}"


def _only(status: Status) -> str:
    """Return the namespaces of a run that has not all of them, and what is stale after a run that is done."""
    scope, census = status.run.scope, status.census
    only = "; hot rows first" if status.run.hot_first and not status.run.finished_at else ""
    only += f"; only in {name_scope(scope)}" if scope else ""
    if census and status.outside is not None and scope:
        only += f"; {counted(status.outside, 'row of another namespace is', 'rows of other namespaces are')} stale"
    elif status.outlook.stale and not census:
        only += f"; {BY_REASON[OUTSIDE]}"
    if status.outlook.stale and census and census.stale:
        only += f"; {counted(census.stale, 'row is', 'rows are')} stale"
    return only


def _next(status: Status) -> str:
    if not status.next_words:
        return ""
    before = ""
    alone = status.condition is Condition.UNSERVED and not status.retargeted and not status.pause
    if (status.condition is Condition.STOPPED or alone) and status.run.last_end:
        before = remedy(status.run.last_end, status.wanted)
    if status.interrupted and not status.wanted.usable:
        before = "correct the configuration"
    elif status.interrupted and status.retargeted:
        before = "put the configuration back, or add --retarget"
    command = f"ai-memory {status.next_words}"
    if status.condition is Condition.DONE and status.retargeted and not status.pause:
        # Typed as it is printed it replaces what the run has made; a shell may only lack cron's configuration.
        return f"next: put the configuration back; if its change is meant: {command}"
    return f"next: {before}, then: {command}" if before else f"next: {command}"
