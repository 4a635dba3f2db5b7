"""Reads what tells of a migration while it goes on, every few seconds, and compares each figure with the file itself.

What is right is found out without a line of the program: a memory is done where it has the vector that the endpoint
gives for its text. Status, metrics and log are read as an operator, a scraper and a collector of logs would.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from tests.show.test_metrics import samples
from tests.support import files
from tests.support.command import Command
from tests.support.fake_endpoint import FakeEndpoint

OLDEST_S = 35.0
"""How old a figure may be while somebody works."""
SLACK_S = 1.5
"""Between two clocks of one machine, one of which is noted in a commit and the other at a look."""
STATE = """
    SELECT id, title || ' ' || content, embedding, (SELECT count(*) FROM reembed_quarantine) FROM memories
"""


@dataclass(frozen=True, slots=True)
class Truth:
    """What is in the file at a time: the texts of its memories, which are done, how many stand in quarantine."""

    at: float
    texts: Mapping[str, str]
    done: frozenset[str]
    aside: int

    @property
    def live(self) -> int:
        """How many memories there are."""
        return len(self.texts)


@dataclass(slots=True)
class Bystander:
    """Looks every `every` seconds; `wrong` are the figures that were not so, `looks` how often it looked."""

    command: Command
    endpoint: FakeEndpoint
    every: float
    metrics: Path
    log: Path
    looks: int = 0
    wrong: list[str] = field(default_factory=list)
    _truths: list[Truth] = field(default_factory=list)
    _edited: dict[str, float] = field(default_factory=dict)
    _right: dict[str, bytes] = field(default_factory=dict)

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Look inside the block, beside what is done there."""
        over = threading.Event()
        thread = threading.Thread(target=self._look_until, args=(over,))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _look_until(self, over: threading.Event) -> None:
        while not over.wait(self.every):
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is one finding more
                self.wrong.append(f"not to be read: {error!r}")

    def _look(self) -> None:
        before = self._truth()
        shown = self.command.run("--json", "reembed", "status")
        after = self._truth()
        self.looks += 1
        if shown.code:
            # Nobody can read a configuration that is broken meanwhile, or not yet there.
            self.wrong.append(f"status ended with {shown.code}: {shown.err}")
            return
        status = shown.json
        if status["run_id"] is not None:
            self._compare(status, before, after)
        if self.metrics.exists():
            self._compare_metrics(after)
        if self.log.exists():
            self._read_log(after)

    def _truth(self) -> Truth:
        """Look into the file, and note when memories were seen to be edited."""
        rows, now = files.execute(self.command.db, STATE), time.time()
        texts = {row_id: text for row_id, text, _, _ in rows}
        done = frozenset(row_id for row_id, text, blob, _ in rows if blob == self._vector(text))
        last = self._truths[-1] if self._truths else Truth(now, texts, done, 0)
        for row_id, text in texts.items():
            if last.texts[row_id] != text:
                self._edited[row_id] = now
        self._truths.append(Truth(now, texts, done, rows[0][3]))
        return self._truths[-1]

    def _vector(self, text: str) -> bytes:
        if text not in self._right:
            self._right[text] = b"\x01" + self.endpoint.vector(text).tobytes()
        return self._right[text]

    def _compare(self, status: Mapping[str, object], before: Truth, after: Truth) -> None:
        counted, written = _seconds(status["counted_at"]), _seconds(status["last_written_at"])
        # What was edited since the rows were counted is not known to the run yet.
        edited = {row_id for row_id, seen in self._edited.items() if seen >= counted - SLACK_S}
        unknown = len(edited - (before.done & after.done))
        least = min(len(before.done), len(after.done))
        most = max(len(before.done), len(after.done)) + unknown
        self._expect("done", status["done"], lambda value: least <= value <= most, f"{least} to {most}")
        self._expect("total", status["total"], lambda value: value == after.live, str(after.live))
        aside = max(before.aside, after.aside)
        self._expect("quarantined", status["quarantined"], lambda value: value <= aside, f"at most {aside}")
        parts = [int(str(status[each])) for each in ("done", "remaining", "quarantined")]
        self._expect("the sum of its parts", sum(parts), lambda value: value == after.live, str(after.live))
        self._expect("last_written_at", written, lambda at: at <= after.at + SLACK_S, "not to come")
        # What was written between two looks may be of a run before the one that is shown.
        if (gained_since := self._gained_since(before)) > _seconds(status["started_at"]):
            self._expect("last_written_at", written, lambda at: at >= gained_since - SLACK_S, f"after {gained_since}")
        held = status["held_by"]
        if isinstance(held, dict) and _seconds(held["started_at"]) < before.at and not _is_there(held["pid"]):
            ended = _seconds(status["last_progress_at"]) >= before.at - SLACK_S
            self._expect("held_by", held["pid"], lambda _: ended, "a process that is there")

    def _gained_since(self, before: Truth) -> float:
        """Return the time of the look before if rows were done between that and this one, else 0."""
        earlier = [each for each in self._truths if each.at < before.at]
        return earlier[-1].at if earlier and before.done - earlier[-1].done else 0.0

    def _compare_metrics(self, after: Truth) -> None:
        found, written = samples(self.metrics), self.metrics.stat().st_mtime
        if ("coverage_ratio", "") not in found:
            return
        done = round(found["coverage_ratio", ""] * found["live_rows", ""])
        of_late = [each for each in self._truths if each.at >= written - OLDEST_S]
        least = min(len(each.done) for each in of_late)
        still = len({(each.done, tuple(each.texts.values())) for each in of_late}) == 1
        most = least if still and of_late[0].at < written - SLACK_S else after.live
        self._expect("metrics: done", done, lambda value: least <= value <= most, f"{least} to {most}")
        self._expect("metrics: live rows", found["live_rows", ""], lambda value: value == after.live, str(after.live))

    def _read_log(self, after: Truth) -> None:
        told = self.log.read_text("utf-8")
        for line in told.splitlines()[:-1]:
            event = json.loads(line)
            self._expect("log: time", _seconds(event["time"]), lambda at: at <= after.at + SLACK_S, "not to come")

    def _expect(self, name: str, value: object, holds: Callable[..., bool], wanted: str) -> None:
        if not holds(value):
            self.wrong.append(f"look {self.looks}: {name} is {value}, not {wanted}")


def _seconds(instant: object) -> float:
    return datetime.fromisoformat(str(instant)).timestamp() if instant else 0.0


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
