"""Every kind of event, drawn in any order: what an observer has to take without keeping anybody from working."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import strategies as st

from ai_memory.embed.usage import RequestClass, Usage
from ai_memory.errors import DataRefused
from ai_memory.memory.freshness import Unfit
from ai_memory.memory.reason import Reason
from ai_memory.reembed import events
from ai_memory.reembed.events import Event

ValueT = TypeVar("ValueT")
Drawn = st.SearchStrategy[Any]


def made(kind: Callable[..., ValueT], *given: Drawn, **named: Drawn) -> st.SearchStrategy[ValueT]:
    """Return what `st.builds` does without a look at the types of `kind`: some are imported for the checks alone."""
    return st.tuples(st.tuples(*given), st.fixed_dictionaries(named)).map(lambda drawn: kind(*drawn[0], **drawn[1]))


text = st.text(max_size=40)
numbers = st.integers(min_value=0, max_value=2**53)
DAMAGED = DataRefused("It is damaged.", tip="Restore it.")
paths = st.builds(Path, st.just("folder"), st.sampled_from(["m.db", "a b.db", "ü\x1b[2J.db"]))
rows = made(Unfit, text, text, st.just(b""), made(Reason, st.sampled_from(["empty", "refused"]), text))
sizes = st.dictionaries(st.sampled_from(["inputs", "in_flight"]), st.integers(min_value=1, max_value=2_000), min_size=1)
seconds = st.floats(min_value=0, max_value=1e6)
used = made(Usage, tokens=numbers, seconds=seconds, asking=seconds, paced=seconds)
spells = made(events.Spell, seconds, seconds, seconds, used)
KINDS: dict[type[Event], st.SearchStrategy[Event]] = {
    events.RunTakenOver: made(events.RunTakenOver, numbers),
    events.RunBegan: made(events.RunBegan, text, numbers | st.none()),
    events.RowsCounted: made(events.RowsCounted, text, numbers),
    events.PassBegan: made(events.PassBegan, numbers),
    events.PageCommitted: made(events.PageCommitted, numbers, st.none() | spells),
    events.RowsQuarantined: made(events.RowsQuarantined, st.lists(rows, max_size=5).map(tuple)),
    events.WitnessAgreed: st.just(events.WitnessAgreed()),
    events.RowsTakenBack: made(events.RowsTakenBack, numbers),
    events.RemedyFound: made(events.RemedyFound, sizes),
    events.BreakerOpened: made(events.BreakerOpened, text, numbers, text),
    events.Waiting: made(events.Waiting, text, st.floats(min_value=0, max_value=1e6), text),
    events.SignGiven: made(events.SignGiven, text),
    events.RequestsCounted: made(
        events.RequestsCounted, st.dictionaries(st.sampled_from(RequestClass), st.integers(1, 2**53))
    ),
    events.RowsLookedAt: st.just(events.RowsLookedAt()),
    events.RunEnded: st.just(events.RunEnded()),
    events.StartEnded: made(events.StartEnded, st.integers(0, 255), text),
    events.Copying: made(events.Copying, text, numbers, numbers),
    events.CopyEnded: made(events.CopyEnded, paths, numbers),
    events.BackupOpened: made(events.BackupOpened, paths),
    events.PauseKept: made(events.PauseKept, paths, st.booleans()),
    events.PauseNotKept: made(events.PauseNotKept, paths, st.just(DataRefused("It is damaged.", tip="Restore it."))),
}


ORDERS = st.lists(st.one_of(*KINDS.values()), max_size=20).map(lambda told: [*told, events.RunEnded()])
"""Events in any order, and the end."""
