"""The words of a plan: what is told before vectors are replaced, and what `--dry-run` says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.memory.text_codec import printable
from ai_memory.stores.values import HOT
from ai_memory.text.amounts import counted, money, size, span
from ai_memory.text.hints import GO_ON, QUARANTINE
from ai_memory.vectors.target import FLOAT32

if TYPE_CHECKING:
    from ai_memory.errors import AiMemoryError
    from ai_memory.reembed.plan.dry_run import DryRun
    from ai_memory.reembed.plan.estimate import Estimate, Probed
    from ai_memory.reembed.plan.in_doubt import InDoubt
    from ai_memory.reembed.plan.taking import Preflight
    from ai_memory.reembed.plan.this_start import ThisStart
    from ai_memory.stores.served import ExchangeRoom

HOT_FIRST = "Rows that are read often and lately come first."
ASKED_FIRST = (
    "some are asked for again; if one gets another vector, all of them are embedded anew and their vectors REPLACED."
)
KEPT_OF = "the vector that was kept of it", "the vectors that were kept of them"
EMPTY = "row is empty and would get no vector", "rows are empty and would get no vector"
UNREADABLE = "row cannot be read and would get no vector", "rows cannot be read and would get no vector"
ASIDE = "row is in quarantine and would stay there", "rows are in quarantine and would stay there"
NOTHING_HOT = "Nothing notes in the file how often a row is read, so --order hot changes nothing."
UNSTAMPED = (
    "While the run works, rows without a stamp are found by their words, unless [embeddings.previous] in the config "
    "file says which embedder made their vectors."
)


def preflight_lines(told: Preflight, *, copied: bool = False, doubted: bool = True) -> list[str]:
    """Return the lines of the disclosure: what is stored, what it will be replaced by.

    Unless it is `doubted`, what nobody saw to be right is told elsewhere.
    """
    lines = ["Stored vectors:"]
    for space, dim, rows in told.stored:
        lines.append(f"  {counted(rows, 'row')}, {dim or 'unknown'} wide, {printable(space or 'no stamp')}")
    if not told.stored:
        lines.append("  none")
    if any(space is None for space, _, _ in told.stored):
        lines.append(UNSTAMPED)
    target, census = told.target, told.census
    computed = "" if target.precision == FLOAT32 else f", computed in {target.precision}"
    wide = target.dim or "unknown"
    lines.append(f"Target: {target.model} on {target.backend}, {wide} wide, {target.space}{computed}")
    lines.append(share_line(told, copied=copied))
    lines += [_opened(census.encrypted)] if census.encrypted else []
    lines += [f"{_cut_off(told.in_doubt)}: {ASKED_FIRST}"] if told.in_doubt and doubted else []
    return [*lines, HOT_FIRST if census.reads else NOTHING_HOT] if told.order == HOT else lines


def share_line(told: Preflight, *, copied: bool = False) -> str:
    """Return how many rows will be embedded, and what becomes of the vectors that they have."""
    share = f"{told.to_send:,} of {counted(told.census.live, 'row')} will be embedded{_taken(told)}"
    return f"{share}{_replaced(told, copied=copied)}"


def _opened(rows: int) -> str:
    theirs = "its text goes" if rows == 1 else "their texts go"
    return f"{counted(rows, 'of these rows is', 'of these rows are')} encrypted: {theirs} to the embedder in plain."


def _cut_off(rows: int) -> str:
    return f"{counted(rows, 'row was', 'rows were')} written in a start that was cut off or stopped early"


def _taken(told: Preflight) -> str:
    rows = told.at_hand.rows
    return f", {counted(rows, 'gets', 'get')} {KEPT_OF[rows != 1]}" if rows else ""


def _replaced(told: Preflight, *, copied: bool) -> str:
    census = told.census
    if not census.to_replace:
        return "." if told.in_doubt else "; no vector will be replaced."
    those = "its vector" if census.to_embed == 1 else "their vectors"
    whose = those if census.to_replace == census.to_embed else f"the vectors of {census.to_replace:,} of them"
    if told.staged_bytes:
        stays = "stays and is" if census.to_embed == 1 else "stay and are"
        room = f"the new ones take about {size(told.staged_bytes)} beside them"
        return f"; {whose} {stays} served until ai-memory reembed switch; {room}."
    if told.undo_bytes:
        way = f" What is replaced is kept (about {size(told.undo_bytes)}). To put it back: ai-memory reembed rollback"
    else:
        way = " Nothing of it is kept (--no-undo)."
    return f"; {whose} will be REPLACED.{way}{'' if copied or told.undo_bytes else ' To keep a copy: --backup FILE'}"


def dry_run_lines(found: DryRun, start: ThisStart | None = None) -> list[str]:
    """Return what a dry run says of the run that it planned, and of its `start`."""
    told = found.preflight
    paid = "" if found.estimated_cost is None else f" for {money(found.estimated_cost)}"
    tokens = f"about {counted(found.estimated_tokens, 'token')}{paid}"
    long = counted(found.oversize_rows, "row is too long", "rows are too long")
    rows = counted(told.census.live, "row")
    lines = [
        f"Would embed {told.to_send:,} of {rows}{_texts(found)}, {tokens}; {long}. Nothing was changed.",
        *_not_sent(found),
        taken_line(found),
        _in_doubt(found.in_doubt),
        f"It would take about {_time(found.estimate)}." if found.estimate else "",
        _limited(start) if start and start.ends_by else "",
        cut_line(found),
        _tried(found.probed),
        _width(found),
        *_exchange(found.exchange),
        refused_line(found.refusal),
    ]
    return [line for line in lines if line]


def _limited(start: ThisStart) -> str:
    """Return what a limit lets a start do."""
    paid = "" if start.cost is None else f" for {money(start.cost)}"
    timed = "" if start.seconds is None else f", in about {span(max(start.seconds, 1) * 1000)}"
    at_most = f"{start.rows:,} of them, about {counted(start.tokens, 'token')}{paid}{timed}"
    return f"--{start.ends_by} lets this start do {at_most}, at most: it would end with 75. Then: {GO_ON}"


def _texts(found: DryRun) -> str:
    """Return how many texts are sent, where there are fewer than rows."""
    if found.texts == found.preflight.to_send:
        return ""
    return f" ({counted(found.texts, 'text')}{'' if found.texts_exact else ' at most'}: identical ones are sent once)"


def _not_sent(found: DryRun) -> list[str]:
    """Return what is said of rows that get no vector."""
    lines = []
    if found.empty_rows:
        lines.append(f"{counted(found.empty_rows, *EMPTY)}.")
    if found.unreadable_rows:
        lines.append(f"{counted(found.unreadable_rows, *UNREADABLE)}.")
    if (aside := found.preflight.census.quarantined) and not found.retries:
        lines.append(f"{counted(aside, *ASIDE)}: {QUARANTINE}")
    return lines


def taken_line(found: DryRun) -> str:
    """Return what is said of rows whose vectors are at hand."""
    rows = found.preflight.at_hand.rows
    return f"{counted(rows, 'row')} would get {KEPT_OF[rows != 1]}: no text of theirs is sent." if rows else ""


def _in_doubt(found: InDoubt) -> str:
    """Return what such a start asks for again of what was written before."""
    if not found.rows:
        return ""
    asked = f"{found.asked:,} would be asked for again ({counted(found.texts, 'text')} at most)"
    return f"{_cut_off(found.rows)}: {asked}, and all of them embedded anew if one gets another vector."


def _time(found: Estimate) -> str:
    return f"{span(max(found.seconds, 1) * 1000)} {found.by}"


def _tried(probed: Probed | None) -> str:
    if probed is None:
        return "The target was not tried (--probe tries it)."
    return f"The target answered in {probed.seconds:.1f} s; its vectors are {probed.dim:,} wide."


def _width(found: DryRun) -> str:
    """Return what is to be said where nobody knows whether the target's vectors fit."""
    if found.preflight.target.dim or not found.fixed_width:
        return ""
    return f"The memories take vectors of {found.fixed_width:,} numbers alone; of another width needs --staged."


def _exchange(room: ExchangeRoom | None) -> list[str]:
    """Return what is said of moving vectors of another width to their memories, once they are switched to."""
    if room is None:
        return []
    index = f", {size(room.index)} of index" if room.index else ""
    moved = (
        f"Moving them to the memories takes about {size(room.columns)} more{index} and {size(room.log)} of log at most"
    )
    lines = [f"{moved}; how much there is on the server's disk is not known here."]
    if not room.fits:
        limit = f"maintenance_work_mem is {size(room.memory_limit)}"
        shared = ", and the server's /dev/shm as large where workers share it" if room.workers else ""
        lines.append(
            f"The index is built in {size(room.memory)} of memory; {limit}: beyond that it takes many times as long. "
            f"Make it larger for this user (ALTER ROLE … SET maintenance_work_mem){shared}."
        )
    return lines


def refused_line(refusal: AiMemoryError | None) -> str:
    """Return what stands in the way of the start that was planned, empty where nothing does."""
    return f"Now such a start would do nothing and end with {refusal.exit_code}: {refusal.line()}" if refusal else ""


def cut_line(found: DryRun) -> str:
    """Return what is to be said of texts that are longer than the model reads."""
    if found.truncated_rows is None:
        return "Whether texts are longer than the model reads cannot be told here."
    if not found.truncated_rows:
        return ""
    rows = counted(found.truncated_rows, "row is", "rows are")
    return f"{rows} longer than the model reads and will be cut: {found.lost_percent} % of all tokens are lost."
