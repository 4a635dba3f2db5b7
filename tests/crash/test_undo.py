"""A run, its rollback, its repetition and a prune die at every write, and every operation of theirs fails once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from ai_memory.errors import AiMemoryError
from ai_memory.stores.open_options import OpenOptions
from tests.crash.images import read_image, write_image
from tests.crash.promises import looking, require_sound
from tests.crash.sweeping import build_own
from tests.crash.test_io_errors import CLEAN, FAULTS, Failing
from tests.crash.undoing import (
    COUNTED,
    KEPT,
    ROWS,
    Scene,
    State,
    images,
    migrate,
    number,
    prune,
    roll_back,
    scene,
    state,
)
from tests.crash.vfs import watched

SEED = 20261126
HAS_UNDO = "SELECT count(*) FROM sqlite_master WHERE name = 'embedding_previous'"
WRITTEN = "SELECT total(reembedded) FROM reembed_run"
POWER_CUTS, POWER_CUTS_LONG = 1, 10


@pytest.fixture
def cuts(long_form: bool) -> int:
    return POWER_CUTS_LONG if long_form else POWER_CUTS


def require_whole(path: Path, found: Scene) -> None:
    """Check a file at the instant of a crash: each row is as it was, or as it is to be, with its record."""
    with looking(path) as connection:
        require_sound(connection)
    assert found.mixed(state(path)), "a row has something of both"
    assert number(path, KEPT) == number(path, COUNTED), "what is kept is counted wrong"


def require(path: Path, wanted: State) -> None:
    assert state(path) == wanted


def check_run(folder: Path, cuts: int) -> int:
    """Kill a run at every write; each time what was there comes back, and the run can be done again."""
    recorded, crashed = folder / "recorded.db", folder / "crashed.db"
    found, done = scene(folder / "scene.db"), 0
    build_own(recorded, ROWS)
    for image in images(recorded, migrate, cuts=cuts, seed=SEED):
        write_image(image, crashed)
        if number(crashed, HAS_UNDO):
            assert number(crashed, KEPT) == number(crashed, COUNTED) == number(crashed, WRITTEN), (
                "kept, but not written"
            )
        roll_back(crashed)
        require(crashed, found.old)
        assert migrate(crashed) in (0, 12)
        roll_back(crashed)
        require(crashed, found.old)
        done += 1
    return done


def check_rollback(folder: Path, cuts: int) -> int:
    """Kill a rollback at every write; whoever goes on with it ends as if nothing had happened."""
    recorded, crashed = folder / "recorded.db", folder / "crashed.db"
    found, done = scene(recorded), 0
    for image in images(recorded, roll_back, cuts=cuts, seed=SEED):
        write_image(image, crashed)
        require_whole(crashed, found)
        assert roll_back(crashed) == 0
        require(crashed, found.old)
        done += 1
    require(recorded, found.old)
    return done


def check_redo(folder: Path, cuts: int) -> int:
    """Kill the run after a rollback at every write: no text is sent for a row, and it can be undone again."""
    recorded, crashed = folder / "recorded.db", folder / "crashed.db"
    found, done = scene(recorded), 0
    roll_back(recorded)
    texts = {row[1] for row in found.old}
    for image in images(recorded, migrate, cuts=cuts, seed=SEED):
        write_image(image, crashed)
        require_whole(crashed, found)
        sent: list[str] = []
        assert migrate(crashed, sent=sent) == 0
        assert not texts.intersection(sent), "a text was sent whose vector was at hand"
        require(crashed, found.new)
        roll_back(crashed)
        require(crashed, found.old)
        done += 1
    return done


def check_prune(folder: Path, cuts: int) -> int:
    """Kill a prune at every write: memories are as they were, and what is left is dropped by the next one."""
    recorded, crashed = folder / "recorded.db", folder / "crashed.db"
    found, done = scene(recorded), 0
    for image in images(recorded, prune, cuts=cuts, seed=SEED):
        write_image(image, crashed)
        require_whole(crashed, found)
        require(crashed, found.new)
        prune(crashed)
        assert (number(crashed, KEPT), number(crashed, COUNTED)) == (0, 0)
        require(crashed, found.new)
        done += 1
    return done


CHECKS = {"run": check_run, "rollback": check_rollback, "redo": check_redo, "prune": check_prune}


@pytest.mark.parametrize("work", CHECKS)
def test_after_a_crash_at_any_write_nothing_is_lost_and_it_can_be_gone_on_with(
    fast_folder: Path, work: str, cuts: int, figures: list[str]
) -> None:
    done = CHECKS[work](fast_folder, cuts)

    assert done > 10
    figures.append(f"undo: {done} images of a {work} good")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("work", "wanted"), [(roll_back, "old"), (prune, "new")])
def test_whatever_operation_fails_the_end_is_clean_and_it_can_be_gone_on_with(
    fast_folder: Path, work: Callable[..., object], wanted: str, fault: str
) -> None:
    path, ends = fast_folder / "m.db", Counter[int]()
    found = scene(path)
    start, expected = read_image(path), found.old if wanted == "old" else found.new
    for at in count(1):
        write_image(start, path)
        failing = Failing(FAULTS[fault], at, lasting=False)
        code = attempt(path, failing, work)
        assert code in CLEAN
        require_whole(path, found)
        work(path)
        require(path, expected)
        if not failing.fired:
            break
        ends[code] += 1
    assert ends.total() > 0


def attempt(path: Path, failing: Failing, work: Callable[..., object]) -> int:
    """Do the work while operations fail, and return how it ended."""
    with watched(f"failing-{id(failing)}", str(path), failing) as vfs, looking(path) as reader:
        reader.execute("SELECT count(*) FROM memories")
        try:
            code = work(path, OpenOptions(vfs=vfs, busy_timeout_ms=20))
        except AiMemoryError as error:
            return error.exit_code
        return int(code or 0) if work is roll_back else 0  # type: ignore[call-overload]
