"""Record once, replay every prefix: a sweep is killed, or loses its power, after every single write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from ai_memory.stores.values import HOT
from tests.crash.editor import read_rows
from tests.crash.images import Disk, Image, write_image
from tests.crash.promises import Past, looking, require_done, require_promises
from tests.crash.sweeping import Record, build_foreign, build_held, build_own, build_read, build_unlogged, record, sweep
from tests.crash.vfs import Change
from tests.support.fakes import HashEmbedder
from tests.support.sometimes import LOST_RACE, SECOND_PASS, TAKE_OVER, Sometimes

ROWS = 12
SEED = 20261123
POWER_CUTS = 1
POWER_CUTS_LONG = 10
BUILDS = {
    "own": build_own,
    HOT: build_read,
    "held": build_held,
    "schema 52": build_foreign(52),
    "without WAL": build_unlogged,
}
BUILDS_LONG = {**BUILDS, "schema 57": build_foreign(57), "schema 101": build_foreign(101)}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    metafunc.parametrize("build", BUILDS_LONG if metafunc.config.getoption("--long") else BUILDS)


@dataclass(slots=True)
class Tally:
    """The images of which every promise held, at the crash and after the resume."""

    killed: int = 0
    power_lost: int = 0
    edits: int = 0
    resumed: int = 0
    most_sent_twice: int = 0

    def line(self) -> str:
        return (
            f"crash replay: {self.killed + self.power_lost:,} images good ({self.killed:,} killed, {self.power_lost:,} "
            f"power lost), {self.edits} commits of another writer, {self.resumed:,} take-overs, at most "
            f"{self.most_sent_twice} texts sent twice"
        )


@pytest.fixture(scope="module")
def tally(figures: list[str]) -> Iterator[Tally]:
    """The counts of all replays; their line is reported at the end."""
    found = Tally()
    yield found
    figures.append(found.line())


@dataclass(slots=True)
class Replay:
    """Puts images on the disk one after the other, checks and resumes each."""

    database: Path
    past: Past
    tally: Tally
    random: Random = field(default_factory=lambda: Random(SEED))

    def all(self, recorded: Record, cuts: int) -> None:
        disk = Disk(recorded.start)
        for number, entry in enumerate(recorded.log):
            self.past.happened(entry)
            if isinstance(entry, Change):
                disk.apply(entry)
                self._killed(disk, number)
                for cut in range(cuts):
                    self._power_lost(disk, number, cut)

    def _killed(self, disk: Disk, number: int) -> None:
        self._crash(disk.killed(), f"killed after entry {number}", power_lost=False)
        self.tally.killed += 1

    def _power_lost(self, disk: Disk, number: int, cut: int) -> None:
        self._crash(disk.power_lost(self.random), f"power lost after entry {number}, cut {cut}", power_lost=True)
        self.tally.power_lost += 1

    def _crash(self, image: Image, name: str, *, power_lost: bool) -> None:
        write_image(image, self.database)
        try:
            with looking(self.database) as connection:
                require_promises(connection, self.past, power_lost=power_lost)
                rows = read_rows(connection)
            self._resume()
            with looking(self.database) as connection:
                require_done(connection, rows)
        except AssertionError as broken:
            broken.add_note(f"{name} of the record, seed {SEED}")
            raise

    def _resume(self) -> None:
        sent: list[str] = []
        report = sweep(self.database, HashEmbedder(before=sent.extend))
        twice = self.past.sent_twice(sent)
        assert (report.exit_code, report.remaining) == (10 if report.quarantined else 0, 0)
        assert twice <= report.texts_sent_twice, "more texts were sent twice than announced"
        self.tally.most_sent_twice = max(self.tally.most_sent_twice, twice)
        self.tally.resumed += report.resumed


def test_after_a_crash_at_any_write_the_promises_hold_and_the_job_resumes(
    fast_folder: Path, build: str, long_form: bool, tally: Tally, sometimes: Sometimes
) -> None:
    recorded = record(fast_folder / "recorded.db", BUILDS_LONG[build], rows=ROWS, order=HOT if build == HOT else None)
    sometimes.happened(LOST_RACE, recorded.report.raced)
    sometimes.happened(SECOND_PASS, recorded.report.passes > 1)
    replay = Replay(fast_folder / "crashed.db", Past(recorded.rows, recorded.log), tally)
    resumed = tally.resumed
    replay.all(recorded, POWER_CUTS_LONG if long_form else POWER_CUTS)
    tally.edits += replay.past.edits
    sometimes.happened(TAKE_OVER, tally.resumed - resumed)
    assert recorded.report.exit_code == (10 if build == "held" else 0)
    assert replay.past.edits > 0
