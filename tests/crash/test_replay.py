"""Record once, replay every prefix: a sweep is killed, or loses its power, after every single write."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from tests.crash.editor import read_rows
from tests.crash.images import Disk, Image, write_image
from tests.crash.promises import Past, looking, require_done, require_promises
from tests.crash.sweeping import Record, build_foreign, build_own, record, sweep
from tests.crash.vfs import Change
from tests.fakes import HashEmbedder

ROWS = 12
SEED = 20261123
POWER_CUTS = 1
POWER_CUTS_LONG = 20
BUILDS = {"own": build_own, "schema 52": build_foreign(52)}
BUILDS_LONG = {**BUILDS, "schema 57": build_foreign(57), "schema 101": build_foreign(101)}


@dataclass(slots=True)
class Tally:
    """What the replay of one record met."""

    killed: int = 0
    power_lost: int = 0
    resumed: int = 0
    most_sent_twice: int = 0

    def line(self, name: str, edits: int) -> str:
        return (
            f"crash images ({name}): {self.killed:,} killed, {self.power_lost:,} power lost, {edits} edits by another "
            f"writer, {self.resumed:,} take-overs, at most {self.most_sent_twice} texts sent twice, all promises kept"
        )


@dataclass(slots=True)
class Replay:
    """Puts images on the disk one after the other, checks and resumes each."""

    database: Path
    past: Past
    tally: Tally = field(default_factory=Tally)

    def crash(self, image: Image, *, power_lost: bool) -> None:
        write_image(image, self.database)
        with looking(self.database) as connection:
            require_promises(connection, self.past, power_lost=power_lost)
            rows = read_rows(connection)
        sent: list[str] = []
        report = sweep(self.database, HashEmbedder(before=sent.extend))
        twice = self.past.sent_twice(sent)
        assert (report.exit_code, report.remaining) == (0, 0)
        assert twice <= report.texts_sent_twice
        self.tally.most_sent_twice = max(self.tally.most_sent_twice, twice)
        self.tally.resumed += report.resumed
        with looking(self.database) as connection:
            require_done(connection, rows)


@pytest.mark.parametrize("name", BUILDS_LONG)
def test_after_a_crash_at_any_write_the_promises_hold_and_the_job_resumes(
    fast_folder: Path, name: str, long_form: bool, figures: list[str]
) -> None:
    if name not in BUILDS and not long_form:
        pytest.skip("only in the long form")
    recorded = record(fast_folder / "recorded.db", BUILDS_LONG[name], rows=ROWS)
    replay = Replay(fast_folder / "crashed.db", Past(recorded.rows, recorded.log))
    cuts = POWER_CUTS_LONG if long_form else POWER_CUTS
    try:
        replay_all(replay, recorded, cuts, Random(SEED))
    finally:
        figures.append(replay.tally.line(name, replay.past.edits))


def replay_all(replay: Replay, recorded: Record, cuts: int, random: Random) -> None:
    disk = Disk(recorded.start)
    for entry in recorded.log:
        replay.past.happened(entry)
        if isinstance(entry, Change):
            disk.apply(entry)
            replay.crash(disk.killed(), power_lost=False)
            replay.tally.killed += 1
            for _ in range(cuts):
                replay.crash(disk.power_lost(random), power_lost=True)
                replay.tally.power_lost += 1
