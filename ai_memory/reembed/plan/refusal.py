"""What stands in the way of a start, before it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.errors import AiMemoryError
from ai_memory.reembed.heartbeat import require_no_pause
from ai_memory.reembed.holding import held
from ai_memory.reembed.plan.decide import Action
from ai_memory.reembed.plan.plan import action_of, approved_width
from ai_memory.reembed.plan.undo_room import require_room
from ai_memory.stores.holder import LockState

if TYPE_CHECKING:
    from ai_memory.reembed.options import Options
    from ai_memory.reembed.plan.census import Census
    from ai_memory.stores.port import Database, Reader
    from ai_memory.vectors.target import Target


def refusal(
    database: Database, store: Reader, target: Target, options: Options, census: Census, *, now_ms: int
) -> AiMemoryError | None:
    """Return what a start would end with before it begins, None where it would begin; nothing is written or sent."""
    if error := held_up(database, store, now_ms=now_ms):
        return error
    try:
        run = store.runs.unfinished()
        wanted = approved_width(store, target, options, run)
        action = action_of(store, wanted, options, run, census)
        require_room(database, store, options, run, census, dim=target.dim)
        if action in (Action.START, Action.SUPERSEDE):
            store.targets.staged.require_fit(wanted.dim, staged=options.staged)
    except AiMemoryError as error:
        return error
    return None


def held_up(database: Database, store: Reader, *, now_ms: int) -> AiMemoryError | None:
    """Return what any start would end with now, whatever it is to do: another is at work, or the file is paused."""
    if database.lock().state in (LockState.RUNNER, LockState.READER):
        return held(database, now_ms=now_ms)
    try:
        require_no_pause(store, now_ms=now_ms)
    except AiMemoryError as error:
        return error
    return None
