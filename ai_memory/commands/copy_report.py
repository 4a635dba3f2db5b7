"""What is shown of a copy: the plan of one, what became of one, and its exit code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ai_memory.actions import copy_plan
from ai_memory.memory.text_codec import printable
from ai_memory.text.amounts import counted, size

if TYPE_CHECKING:
    from ai_memory.actions.copy_memories import Copied
    from ai_memory.actions.copy_plan import StaysBehind, Stock
    from ai_memory.show.console import Console

NAMED = 20
IN_JSON = 1_000
DIFFERS, LACKS = 75, 10


def plan(stock: Stock, stays: StaysBehind, source: Path, target: Path, console: Console, *, goes_on: bool) -> None:
    """Show what would be copied."""
    lines = copy_plan.told(stock, stays, str(source), str(target))
    lines.append(f"Texts: {size(stock.text_bytes)}. Vectors: {size(stock.vector_bytes)}.")
    if stock.widths:
        widths = ", ".join(f"{rows:,} of {width} numbers" for width, rows in sorted(stock.widths.items()))
        lines.append(f"Widths: {widths}.")
    if goes_on:
        lines.append(f"{target} is the unfinished copy of {source}: what is there already is compared, and left.")
    values = {**stock.values(), **_behind(stays), "goes_on": goes_on}
    console.result({"source": str(source), "target": str(target), "dry_run": True, **values}, *lines)


def result(done: Copied, stock: Stock, stays: StaysBehind, source: Path, target: Path, console: Console) -> int:
    """Show what became of a copy, and return the exit code."""
    census = done.census
    code = DIFFERS if not census.agrees else LACKS if done.left or done.links or stock.without_id else 0
    _tell_left(done, stock, console)
    _tell_columns("have a value in a column that the target does not have", census.lost, console)
    _tell_columns("have a value that the target writes in another way", census.rewritten, console)
    _tell_differing(done, console)
    values = {
        "memories": census.memories,
        "written": done.written,
        "already_there": done.there,
        "removed": done.removed,
        "fresh": census.fresh,
        "links": stock.links - stays.links - len(done.links),
        "quarantined": done.quarantined,
        "without_id": stock.without_id,
        "left": [{"id": row_id, "reason": why} for row_id, why in list(done.left.items())[:IN_JSON]],
        "links_left": [{"link": list(name), "reason": why} for name, why in list(done.links.items())[:IN_JSON]],
        "differing": len(census.differing),
        "differing_links": census.links,
        "differing_rows": [{"id": each, "differs": what} for each, what in list(census.differing.items())[:IN_JSON]],
        "values_left": dict(census.lost),
        "rewritten": dict(census.rewritten),
        **_behind(stays),
    }
    found = "some differ" if not census.agrees else "nothing else differs" if code else "nothing differs"
    told = (
        f"{counted(census.memories, 'memory')} of {source} compared with {target}: {found};"
        f" {done.written:,} written, {done.there:,} were there."
    )
    console.result({"source": str(source), "target": str(target), "dry_run": False, **values}, told)
    _tell_next(code, target, console)
    return code


def _behind(stays: StaysBehind) -> dict[str, object]:
    return {
        "left_behind": {**asdict(stays.left), "runs": stays.runs, "kept_vectors": stays.kept, "links": stays.links},
        "columns_left": list(stays.columns),
        "columns_with_defaults": list(stays.defaults),
    }


def _tell_left(done: Copied, stock: Stock, console: Console) -> None:
    told = [f"{printable(row_id)}: {why}" for row_id, why in done.left.items()]
    told += [f"link {' '.join(printable(str(each)) for each in name)}: {why}" for name, why in done.links.items()]
    for line in told[:NAMED]:
        console.warn(f"{line}.")
    if len(told) > NAMED:
        console.warn(f"so are {len(told) - NAMED:,} more; --json names them.")
    if stock.without_id:
        console.warn(f"{counted(stock.without_id, 'memory has', 'memories have')} no id, and cannot be copied.")


def _tell_columns(what: str, columns: Mapping[str, int], console: Console) -> None:
    if columns:
        told = ", ".join(f"{printable(name)} ({rows:,})" for name, rows in sorted(columns.items()))
        console.note(f"Memories that {what}: {told}.")


def _tell_differing(done: Copied, console: Console) -> None:
    found = done.census.differing
    for row_id, what in list(found.items())[:NAMED]:
        console.warn(f"{printable(row_id)} differs: {', '.join(map(printable, what))}.")
    if len(found) > NAMED:
        console.warn(f"{len(found) - NAMED:,} more differ; --json names them.")
    if done.census.links:
        console.warn(f"{counted(done.census.links, 'link differs', 'links differ')}.")


def _tell_next(code: int, target: Path, console: Console) -> None:
    if code == DIFFERS:
        console.warn(
            "the source was edited meanwhile, or somebody wrote into the target, or a trigger of it did."
            " Run the same command again; until nothing differs the target stays paused. To take it as it is:"
            f" {copy_plan.lift(str(target))}"
        )
    if code == LACKS:
        console.warn(
            "to try again, mend the source and run the same command again; to take the copy as it is:"
            f" {copy_plan.lift(str(target))}"
        )
