"""`reembed history`: every run of the file, the latest first, with what it did, cost and ended with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.commands.reembed.run_words import name_space, paid
from ai_memory.reembed.finish.undoable import name_runs
from ai_memory.reembed.inspect.run_values import run_values
from ai_memory.reembed.inspect.why import why
from ai_memory.reembed.options import cost
from ai_memory.reembed.scope import name_scope
from ai_memory.stores.opening import database
from ai_memory.text.amounts import counted, span
from ai_memory.text.times import instant

if TYPE_CHECKING:
    from ai_memory.config.settings import Settings
    from ai_memory.show.console import Console
    from ai_memory.stores.values import Run
    from ai_memory.vectors.target import Fingerprint


def run_history(settings: Settings, console: Console, *, most: int | None) -> int:
    """Show the runs, so many at most; what they cost is told at the price that is configured now."""
    price = settings.embedding.price_per_million_tokens.value
    with database(settings.db.value, tell=console.note).read() as store:
        found = [(run, store.targets.read(run.target)) for run in store.runs.recent(most)]
    values = [run_values(run, target, price) for run, target in found]
    lines = [_line(run, target, price) for run, target in found]
    console.result({"runs": values}, *(lines or ["No run has been started here."]))
    return 0


def _line(run: Run, target: Fingerprint, price: float | None) -> str:
    """Return one run in a line: when, what became of it, to what, how much, and how its last start ended."""
    took = span((run.finished_at or run.last_progress_at) - run.started_at)
    state = f"{run.state} after {took}" if run.finished_at else f"{run.state}, {took} old at its last sign of life"
    undone = f", undone by run {run.undone_by}" if run.undone_by is not None else ""
    done = _put_back(run) if run.undoes else _embedded(run, target, price)
    end = run.last_end
    ended = f"; last start ended with {end.exit_code}: {why(end)}" if end and end.exit_code else ""
    return f"run {run.run_id}, {instant(run.started_at)}: {state}{undone}; {done}{ended}"


def _put_back(run: Run) -> str:
    undoes = name_runs(run.undoes) if run.undoes else ""
    return f"put back what {undoes} replaced, in {counted(run.counters.put_back, 'row')}"


def _embedded(run: Run, target: Fingerprint, price: float | None) -> str:
    counters = run.counters
    staged, only = (" staged" if run.staged else ""), f" in {name_scope(run.scope)}" if run.scope else ""
    rows = counted(counters.reembedded + counters.attested, "row")
    rate = f", {run.rows_per_hour:,} an hour" if run.rows_per_hour else ""
    texts = f"{counted(counters.texts_sent, 'text')} sent{paid(counters, cost(counters.tokens, price))}"
    return f"{rows}{only} to {name_space(target.space, target.dim)}{staged}{rate}, {texts}"
