"""Every kind of event, drawn in any order: what an observer has to take without keeping anybody from working."""

from __future__ import annotations

from pathlib import Path

from hypothesis import strategies as st

from ai_memory.embed.usage import RequestClass, Usage
from ai_memory.errors import DataRefused
from ai_memory.memory.freshness import Unfit
from ai_memory.memory.reason import Reason
from ai_memory.reembed import events
from ai_memory.reembed.events import Event

text = st.text(max_size=40)
numbers = st.integers(min_value=0, max_value=2**53)
DAMAGED = DataRefused("It is damaged.", tip="Restore it.")
paths = st.builds(Path, st.just("folder"), st.sampled_from(["m.db", "a b.db", "ü\x1b[2J.db"]))
rows = st.builds(Unfit, text, text, st.just(b""), st.builds(Reason, st.sampled_from(["empty", "refused"]), text))
sizes = st.dictionaries(st.sampled_from(["inputs", "in_flight"]), st.integers(min_value=1, max_value=2_000), min_size=1)
seconds = st.floats(min_value=0, max_value=1e6)
used = st.builds(Usage, tokens=numbers, seconds=seconds, asking=seconds, paced=seconds)
spells = st.builds(events.Spell, seconds, seconds, seconds, used)
KINDS: dict[type[Event], st.SearchStrategy[Event]] = {
    events.RunTakenOver: st.builds(events.RunTakenOver, numbers),
    events.RunBegan: st.builds(events.RunBegan, text, numbers | st.none()),
    events.RowsCounted: st.builds(events.RowsCounted, text, numbers),
    events.PassBegan: st.builds(events.PassBegan, numbers),
    events.PageCommitted: st.builds(events.PageCommitted, numbers, st.none() | spells),
    events.RowsQuarantined: st.builds(events.RowsQuarantined, st.lists(rows, max_size=5).map(tuple)),
    events.WitnessAgreed: st.just(events.WitnessAgreed()),
    events.RowsTakenBack: st.builds(events.RowsTakenBack, numbers),
    events.RemedyFound: st.builds(events.RemedyFound, sizes),
    events.BreakerOpened: st.builds(events.BreakerOpened, text, numbers, text),
    events.Waiting: st.builds(events.Waiting, text, st.floats(min_value=0, max_value=1e6), text),
    events.SignGiven: st.builds(events.SignGiven, text),
    events.RequestsCounted: st.builds(
        events.RequestsCounted, st.dictionaries(st.sampled_from(RequestClass), st.integers(1, 2**53))
    ),
    events.RowsLookedAt: st.just(events.RowsLookedAt()),
    events.RunEnded: st.just(events.RunEnded()),
    events.StartEnded: st.builds(events.StartEnded, st.integers(0, 255), text),
    events.Copying: st.builds(events.Copying, text, numbers, numbers),
    events.CopyEnded: st.builds(events.CopyEnded, paths, numbers),
    events.BackupOpened: st.builds(events.BackupOpened, paths),
    events.PauseKept: st.builds(events.PauseKept, paths, st.booleans()),
    events.PauseNotKept: st.builds(
        events.PauseNotKept, paths, st.just(DataRefused("It is damaged.", tip="Restore it."))
    ),
}


ORDERS = st.lists(st.one_of(*KINDS.values()), max_size=20).map(lambda told: [*told, events.RunEnded()])
"""Events in any order, and the end."""
