"""Named moments in the life of a runner, told from outside: its files, its rows, its requests."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import files
from tests.support.fake_endpoint import FakeEndpoint

UNIT_S = 0.02
HAS_RUNS = "SELECT count(*) FROM sqlite_master WHERE name = 'reembed_run'"
RUN = "SELECT pass, holder_json FROM reembed_run WHERE state = 'running'"


@dataclass(slots=True)
class Watch:
    """One runner under observation, from its first instant on."""

    database: Path
    process: subprocess.Popen[str]
    endpoint: FakeEndpoint
    began: float = field(default_factory=time.monotonic)
    _asked: int = 0
    _pass: int = 0
    _log: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Note how things stood before the runner did anything."""
        self._asked = self.endpoint.seen.requests
        self._pass = self._run()[0]
        self.log_changes()

    def seconds(self) -> float:
        return time.monotonic() - self.began

    def requests(self) -> int:
        return self.endpoint.seen.requests - self._asked

    def answers(self) -> int:
        return self.requests() - self.endpoint.seen.in_flight

    def holds_lock(self) -> bool:
        lock = self.database.with_name(f"{self.database.name}.reembed.lock")
        return lock.exists() and self._names_it(lock.read_text())

    def holds_run(self) -> bool:
        return self._names_it(self._run()[1])

    def passes(self) -> int:
        return self._run()[0] - self._pass

    def log_changes(self) -> int:
        """Return how often the write-ahead log was found changed."""
        log = self.database.with_name(f"{self.database.name}-wal")
        found = (log.stat().st_size, log.stat().st_mtime_ns) if log.exists() else (0, 0)
        if found not in self._log[-1:]:
            self._log.append(found)
        return len(self._log) - 1

    def _names_it(self, holder: str) -> bool:
        return f'"pid": {self.process.pid},' in holder

    def _run(self) -> tuple[int, str]:
        there = files.execute(self.database, HAS_RUNS)[0][0]
        found = files.execute(self.database, RUN) if there else []
        return (int(found[0][0]), str(found[0][1])) if found else (0, "")


POINTS: Mapping[str, Callable[[Watch, int], bool]] = {
    "moment": lambda watch, number: watch.seconds() >= number * UNIT_S,
    "lock taken": lambda watch, _: watch.holds_lock(),
    "run taken": lambda watch, _: watch.holds_run(),
    "request received": lambda watch, number: watch.requests() >= number,
    "request answered": lambda watch, number: watch.answers() >= number,
    "log written": lambda watch, number: watch.log_changes() >= 2 * number,
    "census over": lambda watch, _: watch.passes() > 0,
}
"""Whether a moment has come; the number says the how many-th request or write, or how long, in 20 ms."""


def reached(watch: Watch, point: str, number: int) -> bool:
    """Wait for a moment and return True; False when the runner ended before."""
    while watch.process.poll() is None:
        if POINTS[point](watch, number):
            return True
        time.sleep(0.001)
    return False
