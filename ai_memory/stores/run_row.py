"""Reads a run from its row: every column by its name, and damage where somebody else wrote there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

from ai_memory.stores.holder import Holder
from ai_memory.stores.own_row import MOST, OwnRow
from ai_memory.stores.run_states import ENDED
from ai_memory.stores.values import HOT, NAMESPACE, Counted, Counters, LastEnd, Room, Run, Span

if TYPE_CHECKING:
    from ai_memory.stores.own_row import Origin

COUNTERS = tuple(each.name for each in fields(Counters))
RUN_TEXTS = (
    "target_model", "scope_json", "state", "holder_json", "breaker_state", "last_error", "limits_json", "ended_reason",
    "walk_order",
)  # fmt: skip
RUN_COLUMNS = (
    "run_id", "target", "pass", "fence", "in_flight_limit", "skip_current", "started_at", "last_progress_at",
    "finished_at", "census_at", "breaker_until", "breaker_wait_ms", "live", "remaining", "in_quarantine", "counted_at",
    "last_written_at", "rows_per_hour", "ended_at", "ended_code", "ended_alike", "reads", "reads_left",
    "keeps_previous", "undoes_first", "undoes_last", "undone_by", "kept_rows", "kept_bytes", "staged", *COUNTERS,
    *RUN_TEXTS,
)  # fmt: skip
STATES = ("running", "paused", "ready", "switched", *ENDED)
GIVE_UP = "Give the run up: ai-memory reembed cancel; or restore a backup of the file."
BEGIN_ANOTHER = "Begin another run: ai-memory reembed; or restore a backup of the file."
ANY = {"least": -(2**63), "most": 2**63 - 1}
"""Of the breaker's time every number is taken: how much of it is believed is not decided here."""


def run_of(store: Origin, values: Sequence[object]) -> Run:
    """Return the run of a row of RUN_COLUMNS.

    Raises:
        DataRefused: a column is damaged.
    """
    named = dict(zip(RUN_COLUMNS, values, strict=True))
    what = f"run {named['run_id']}"
    ended = OwnRow(store, what, "", named).is_one_of("state", ENDED)
    row = OwnRow(store, what, BEGIN_ANOTHER if ended else GIVE_UP, named)
    return Run(
        run_id=row.whole("run_id"),
        target=row.whole("target"),
        target_model=row.text("target_model"),
        scope=_scope(row),
        state=row.one_of("state", STATES),
        pass_number=row.whole("pass", least=1),
        fence=row.whole("fence"),
        holder=_holder(row),
        in_flight_limit=row.whole("in_flight_limit"),
        skip_current=bool(row.whole("skip_current", most=1)),
        started_at=row.time("started_at"),
        last_progress_at=row.time("last_progress_at"),
        finished_at=row.time_or_none("finished_at"),
        census_at=row.time_or_none("census_at"),
        breaker_state=row.one_of("breaker_state", ("closed", "open")),
        breaker_until=row.whole("breaker_until", **ANY),
        breaker_wait_ms=row.whole("breaker_wait_ms", **ANY),
        last_error=row.text_or_none("last_error"),
        limits=_limits(row),
        counters=Counters(**{name: row.whole(name) for name in COUNTERS}),
        last_written_at=row.time_or_none("last_written_at"),
        rows_per_hour=row.whole("rows_per_hour"),
        counted=_counted(row),
        last_end=_last_end(row),
        order=row.one_of("walk_order", (NAMESPACE, HOT)),
        keeps_previous=bool(row.whole("keeps_previous", most=2)),
        undoes=_undoes(row),
        undone_by=None if named["undone_by"] is None else row.whole("undone_by"),
        kept=Room(row.whole("kept_rows"), row.whole("kept_bytes")),
        staged=bool(row.whole("staged", most=1)),
    )


def _counted(row: OwnRow) -> Counted | None:
    at = row.time_or_none("counted_at")
    if at is None:
        return None
    live, remaining, in_quarantine = row.whole("live"), row.whole("remaining"), row.whole("in_quarantine")
    return Counted(live, remaining, in_quarantine, at, row.whole("reads"), row.whole("reads_left"))


def _last_end(row: OwnRow) -> LastEnd | None:
    at, reason = row.time_or_none("ended_at"), row.text_or_none("ended_reason")
    if at is None or reason is None:
        return None
    return LastEnd(at, row.whole("ended_code"), reason, row.whole("ended_alike"))


def _undoes(row: OwnRow) -> Span | None:
    if row.values["undoes_first"] is None:
        return None
    return Span(row.whole("undoes_first"), row.whole("undoes_last"))


def _scope(row: OwnRow) -> tuple[str, ...] | None:
    found = row.json("scope_json")
    if found is None:
        return None
    if not isinstance(found, list) or not found or not all(_is_name(row.store, each) for each in found):
        raise row.damaged("scope_json", "is not a list of namespaces")
    return tuple(found)


def _is_name(store: Origin, found: object) -> bool:
    try:
        return isinstance(found, str) and store.codec.bound(found) is not None
    except UnicodeError:
        return False


def _holder(row: OwnRow) -> Holder | None:
    text = row.text_or_none("holder_json")
    try:
        return None if text is None else Holder.from_json(text)
    except ValueError as error:
        raise row.damaged("holder_json", "does not name a process") from error


def _limits(row: OwnRow) -> Mapping[str, int]:
    found = row.json("limits_json")
    if not isinstance(found, dict) or not all(type(each) is int and 0 < each < MOST for each in found.values()):
        raise row.damaged("limits_json", "is not a list of sizes by name")
    return found
