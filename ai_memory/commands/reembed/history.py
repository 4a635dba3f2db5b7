"""`reembed history`: every run of the file, the latest first, with what it did, cost and ended with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.commands.reembed.run_words import name_space, paid
from ai_memory.reembed.finish.undoable import name_runs
from ai_memory.reembed.inspect.run_values import run_values
from ai_memory.reembed.inspect.why import why
from ai_memory.reembed.options import cost
from ai_memory.reembed.scope import name_scope
from ai_memory.show.table import Cell, Table, Tone
from ai_memory.stores.opening import database
from ai_memory.text.amounts import counted, span
from ai_memory.text.times import instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ai_memory.config.settings import Settings
    from ai_memory.show.console import Console
    from ai_memory.stores.values import Run
    from ai_memory.vectors.target import Fingerprint

TONES = {"done": Tone.WELL, "running": Tone.WAITS, "paused": Tone.WAITS, "ready": Tone.NEEDS}


def run_history(settings: Settings, console: Console, *, most: int | None) -> int:
    """Show the runs, so many at most; what they cost is told at the price that is configured now."""
    price = settings.embedding.price_per_million_tokens.value
    with database(settings.db.value, tell=console.note).read() as store:
        found = [(run, store.targets.read(run.target)) for run in store.runs.recent(most)]
    values = [run_values(run, target, price) for run, target in found]
    lines = [_line(run, target, price) for run, target in found]
    tables = [_table(found, price)] if found else None
    console.result({"runs": values}, *(lines or ["No run has been started here."]), tables=tables)
    return 0


def _table(found: Sequence[tuple[Run, Fingerprint]], price: float | None) -> Table:
    """Return the runs for a terminal: numbers in columns, and what is said of each in the last one."""
    rows = [
        (
            Cell(str(run.run_id)),
            Cell(instant(run.started_at).replace("T", " ")),
            Cell(_took(run)),
            Cell(run.state, TONES.get(run.state, Tone.PLAIN)),
            Cell(f"{_rows(run):,}"),
            Cell(f"{_did(run, target, price)}{_undone(run)}{_ended(run)}", Tone.WAITS if _ended(run) else Tone.PLAIN),
        )
        for run, target in found
    ]
    return Table(("run", "begun", "took", "state", "rows", ""), tuple(rows), wide=5, right=frozenset({0, 2, 4}))


def _line(run: Run, target: Fingerprint, price: float | None) -> str:
    """Return one run in a line: when, what became of it, to what, how much, and how its last start ended."""
    took = _took(run)
    state = f"{run.state} after {took}" if run.finished_at else f"{run.state}, {took} old at its last sign of life"
    rows, did = counted(_rows(run), "row"), _did(run, target, price)
    done = f"{did}, in {rows}" if run.undoes else f"{rows} {did}"
    return f"run {run.run_id}, {instant(run.started_at)}: {state}{_undone(run)}; {done}{_ended(run)}"


def _took(run: Run) -> str:
    return span((run.finished_at or run.last_progress_at) - run.started_at)


def _undone(run: Run) -> str:
    return f", undone by run {run.undone_by}" if run.undone_by is not None else ""


def _ended(run: Run) -> str:
    end = run.last_end
    return f"; last start ended with {end.exit_code}: {why(end)}" if end and end.exit_code else ""


def _rows(run: Run) -> int:
    """Return in how many rows the run did what it is for."""
    counters = run.counters
    return counters.put_back if run.undoes else counters.reembedded + counters.attested


def _did(run: Run, target: Fingerprint, price: float | None) -> str:
    """Return what the run did in its rows."""
    if run.undoes:
        return f"put back what {name_runs(run.undoes)} replaced"
    counters = run.counters
    staged, only = (" staged" if run.staged else ""), f"in {name_scope(run.scope)} " if run.scope else ""
    rate = f", {run.rows_per_hour:,} an hour" if run.rows_per_hour else ""
    texts = f"{counted(counters.texts_sent, 'text')} sent{paid(counters, cost(counters.tokens, price))}"
    return f"{only}to {name_space(target.space, target.dim)}{staged}{rate}, {texts}"
