"""What `reembed` tells before it replaces vectors, `--dry-run`, and `--stamp-only`."""

from __future__ import annotations

from ai_memory.clock import SystemClock
from ai_memory.console import Console
from ai_memory.embed import chain
from ai_memory.embed.factory import token_counter
from ai_memory.reembed.census import Scope
from ai_memory.reembed.holding import holding
from ai_memory.reembed.request import Request
from ai_memory.reembed.stamp import stamp, would_stamp
from ai_memory.reembed.start import Preflight, recorded_target
from ai_memory.reembed.survey import Survey, survey
from ai_memory.settings import Settings
from ai_memory.store.open_options import OpenOptions
from ai_memory.store.opening import reading, writing
from ai_memory.store.text import printable


def preflight_lines(told: Preflight, *, copied: bool = False) -> list[str]:
    """Return the lines of the disclosure: what is stored, what it will be replaced by."""
    lines = ["Stored vectors:"]
    for space, dim, rows in told.stored:
        lines.append(f"  {rows:,} rows, {dim or 'unknown'} wide, {printable(space or 'no stamp')}")
    if not told.stored:
        lines.append("  none")
    target, census = told.target, told.census
    lines.append(f"Target: {target.model} on {target.backend}, {target.dim or 'unknown'} wide, {target.space}")
    replaced = "; their vectors will be REPLACED." if told.stored else "."
    copy = " A copy first: --backup FILE" if told.stored and not copied else ""
    lines.append(f"{census.to_embed:,} of {census.live:,} rows will be embedded{replaced}{copy}")
    return lines


def run_plan(settings: Settings, console: Console, *, request: Request) -> int:
    """Show what a run would do, with the database opened read-only and nothing sent."""
    target, count = chain.target(settings.embedding), token_counter(settings.embedding)
    with reading(settings.db.value, options=OpenOptions(tell=console.note)) as store:
        found = survey(store, target, request, now_ms=SystemClock().now_ms(), count_tokens=count)
    for line in preflight_lines(found.preflight):
        console.err.line(line)
    console.result(found.values(), _text(found))
    return 0


def _text(found: Survey) -> str:
    census = found.preflight.census
    paid = "" if found.estimated_cost is None else f" for {found.estimated_cost:.2f}"
    return (
        f"Would embed {census.to_embed:,} of {census.live:,} rows, about {found.estimated_tokens:,} tokens{paid}; "
        f"{found.oversize_rows:,} rows are too long. Nothing was changed."
    )


def run_stamp_plan(settings: Settings, console: Console, *, scope: Scope) -> int:
    """Show what would be stamped, or refuse as the stamp would; the database is opened read-only."""
    target = chain.target(settings.embedding)
    with reading(settings.db.value, options=OpenOptions(tell=console.note)) as store:
        found = would_stamp(store, recorded_target(store, target), scope)
    text = f"Would stamp {found.stamped:,} vectors as {found.active_space}; {found.already_current:,} already are."
    console.result({**found.values(), "dry_run": True}, f"{text} Nothing was changed.")
    return 0


def run_stamp(settings: Settings, console: Console, *, scope: Scope) -> int:
    """Stamp the stored vectors as the target's, on the operator's word."""
    target, now_ms = chain.target(settings.embedding), SystemClock().now_ms()
    path = settings.db.value
    options = OpenOptions(tell=console.note)
    with holding(path, now_ms=now_ms, options=options), writing(path, now_ms=now_ms, options=options) as store:
        result = stamp(store, recorded_target(store, target), scope, now_ms=now_ms)
    console.result(result.values(), result.text())
    return 0
