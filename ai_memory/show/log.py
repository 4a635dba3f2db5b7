"""Writes what happens in a start as lines of a log: one event a line, with stable names, for programs to read.

No line has a text of a memory, not even a title. The words of an endpoint may quote what it was sent, so that an event
is told with its kind; `reembed status` has the words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ai_memory.reembed.events import (
    BackupOpened,
    BreakerOpened,
    CopyEnded,
    Event,
    PageCommitted,
    PassBegan,
    PauseKept,
    PauseNotKept,
    RemedyFound,
    RowsCounted,
    RowsQuarantined,
    RowsTakenBack,
    RunBegan,
    RunEnded,
    RunTakenOver,
    SignGiven,
    StartEnded,
    Waiting,
    WitnessAgreed,
)
from ai_memory.show.console import to_json
from ai_memory.text.times import timestamp

if TYPE_CHECKING:
    from ai_memory.clock import Clock
    from ai_memory.memory.freshness import Unfit

Values = Mapping[str, object]
PLAIN = re.compile(r"[\w.:/+-]+", re.ASCII)
WORD = re.compile(r"(?<!^)(?=[A-Z])")


def name_of(kind: type[Event]) -> str:
    """Return the name of a kind of event in a log: `page_committed` of PageCommitted."""
    return WORD.sub("_", kind.__name__).lower()


def as_text(values: Values) -> str:
    """Return a line of text: time, event, and the other values as name=value; a value that is not a word is JSON."""
    time, event, *more = values.items()
    return " ".join([str(time[1]), str(event[1]), *(f"{name}={_word(value)}" for name, value in more)])


def _word(value: object) -> str:
    return value if isinstance(value, str) and PLAIN.fullmatch(value) else to_json(value)


FORMATS: Mapping[str, Callable[[Values], str]] = {"text": as_text, "json": to_json}
"""What makes a line of an event's values, by the name of the format."""


def _row(row: Unfit) -> Values:
    return {"id": row.id, "kind": row.reason.kind, "http_status": row.reason.http_status}


TOLD: Mapping[type[Event], Callable[[Any], Values]] = {
    RunTakenOver: lambda event: {"texts_sent_twice": event.texts_sent_twice},
    RunBegan: lambda event: {"model": event.model, "rows": event.rows},
    RowsCounted: lambda event: {"model": event.model, "rows": event.rows},
    PassBegan: lambda event: {"number": event.number},
    PageCommitted: lambda event: {"rows": event.rows},
    RowsQuarantined: lambda event: {"quarantined": list(map(_row, event.rows))},
    WitnessAgreed: lambda _: {},
    RowsTakenBack: lambda event: {"rows": event.rows},
    RemedyFound: lambda event: {"sizes": dict(event.sizes)},
    BreakerOpened: lambda event: {"kind": event.kind, "until": timestamp(event.until_ms)},
    Waiting: lambda event: {"kind": event.kind, "seconds": round(event.seconds, 3)},
    SignGiven: lambda event: {"failing": bool(event.failure)},
    RunEnded: lambda _: {},
    StartEnded: lambda event: {"exit_code": event.exit_code, "reason": event.reason},
    CopyEnded: lambda event: {"file": str(event.target), "size": event.size},
    BackupOpened: lambda event: {"file": str(event.backup)},
    PauseKept: lambda event: {"file": str(event.path), "paused": event.paused},
    PauseNotKept: lambda event: {"file": str(event.path), "exit_code": event.error.exit_code},
}
"""What a log says of each kind of event, by stable names; how far a copy or a count has come it does not say."""


class EventLog:
    """An observer that writes a line for each event of `TOLD`; of signs of life only for one that brings news."""

    def __init__(
        self, write: Callable[[str], None], line: Callable[[Values], str], common: Values, clock: Clock
    ) -> None:
        """Give `write` what `line` makes of each event's values, which begin with its time and those in `common`."""
        self._write, self._line, self._common, self._clock = write, line, common, clock
        self._failing = False

    def __call__(self, event: Event) -> None:
        """Write what happened."""
        if type(event) not in TOLD:
            return
        if isinstance(event, SignGiven):
            if self._failing == bool(event.failure):
                return
            self._failing = bool(event.failure)
        head = {"time": timestamp(self._clock.now_ms()), "event": name_of(type(event))}
        self._write(self._line({**head, **self._common, **TOLD[type(event)](event)}))


class LogFile:
    """Appends lines to a file, which is opened for each, so that it may be moved away; a failure is told once."""

    def __init__(self, path: Path, tell: Callable[[str], None]) -> None:
        """Append to `path`."""
        self._path, self._tell = path, tell
        self._failed = self._torn = False

    def __call__(self, line: str) -> None:
        """Append a line."""
        try:
            with self._path.open("a", encoding="utf-8", errors="backslashreplace") as log:
                # What a full disk took of the last line stands alone.
                log.write(f"\n{line}\n" if self._torn else f"{line}\n")
            self._torn = False
        except OSError as error:
            self._torn = True
            if not self._failed:
                self._tell(f"--log-file: {self._path} cannot be written: {error.strerror}; the run goes on.")
            self._failed = True
