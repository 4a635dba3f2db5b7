"""Makes the page of an account: what a run did, for whoever pays for it or answers for it; the graphs are `plots`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ai_memory import __version__
from ai_memory.reembed.inspect.condition import Condition
from ai_memory.reembed.inspect.why import why
from ai_memory.reembed.scope import name_scope
from ai_memory.show import report_parts as parts
from ai_memory.show.page import cell, page, paragraph, section, tiles
from ai_memory.text.amounts import counted, money, percent, span
from ai_memory.text.times import instant

if TYPE_CHECKING:
    from ai_memory.reembed.inspect.account import Account
    from ai_memory.reembed.inspect.status import Status


def make_report(account: Account) -> str:
    """Return the page."""
    status = account.status
    name = account.path.rsplit("/", 1)[-1]
    return page(
        f"{name}: run {status.run.run_id}",
        f"<header><h1>{cell(name)}: {_change(status)}</h1>",
        paragraph(_state(account), "lead"),
        paragraph(f"Run {status.run.run_id} of {account.path}, as it stood at {instant(status.now_ms)}.", "faint"),
        "</header>",
        tiles(_figures(account)),
        section("Before and after", *parts.change_parts(status)),
        section("Rows over time", *parts.time_parts(account)),
        section("Rows by namespace", *parts.namespace_parts(account)),
        section("Texts", *parts.length_parts(account.lengths)),
        section("Rows without a new vector", *parts.quarantine_parts(account)),
        section("What search finds", *parts.neighbour_parts(account)),
        section("Requests and cost", *parts.cost_parts(status)),
        paragraph(f"Written by ai-memory {__version__} from what the database has recorded. Times are UTC.", "faint"),
    )


def _change(status: Status) -> str:
    """Return from what to what, as HTML."""
    target = parts.space_words(status.target.space, status.target.dim)
    if status.run.undoes:
        return f"back from {cell(target)}"
    before = next(
        (parts.space_words(*each[:2]) for each in status.replaced if parts.space_words(*each[:2]) != target), ""
    )
    return f"{cell(before)} → {cell(target)}" if before else cell(target)


def _state(account: Account) -> str:
    status, run = account.status, account.status.run
    rows = status.counted.live if status.counted else 0
    share = (
        ""
        if run.undoes
        else f"{status.done:,} of {counted(rows, 'row')} ({percent(status.done, rows)} %) have the new vectors. "
    )
    end = run.last_end
    words = {
        Condition.DONE: f"Done{_at(run.finished_at)}.",
        Condition.WORKING: "At work.",
        Condition.STOPPED: f"Stopped{_at(end.at if end else None)}: {why(end) if end else 'nobody works on it'}.",
        Condition.KILLED: f"Interrupted: killed, or its machine went down, after {instant(run.last_progress_at)}.",
        Condition.READY: "Ready: the new vectors stand beside the old ones, which search finds until the switch.",
    }
    told = words.get(status.condition) or f"{status.condition.value.capitalize()}{_at(run.finished_at)}."
    only = f" Only in {name_scope(run.scope)}." if run.scope else ""
    return f"{share}{told}{only}"


def _at(at_ms: int | None) -> str:
    return f" at {instant(at_ms)}" if at_ms else ""


def _figures(account: Account) -> Iterator[tuple[str, str, str]]:
    status, counters = account.status, account.status.run.counters
    if status.run.undoes:
        yield "Rows put back", f"{counters.put_back:,}", f"{counters.left_alone:,} left as they are"
    else:
        live = status.counted.live if status.counted else 0
        yield "Rows done", f"{percent(status.done, live)} %", f"{status.done:,} of {live:,}"
    began, ended = status.run.started_at, status.run.finished_at or status.now_ms
    worked = account.pace.worked_ms
    yield "Time", span(ended - began), f"of it at work {span(worked)}" if account.pace.starts else "from its beginning"
    if (rows := account.pace.rows) and worked:
        yield "Rate", f"{rows / worked * 1000:,.1f} rows/s", "while it worked, on average"
    if not status.run.undoes:
        yield "Without a new vector", f"{len(account.quarantined):,}", "rows in quarantine"
        yield "Texts sent", f"{counters.texts_sent:,}", counted(counters.requests, "request")
        cost = None if parts.is_unpriced(status) else status.cost
        yield "Cost", "-" if cost is None else money(cost), _tokens(status)


def _tokens(status: Status) -> str:
    if parts.has_untold_tokens(status):
        return "no tokens were reported"
    return counted(status.run.counters.tokens, "token") if status.cost is not None else parts.NO_PRICE
