"""A run, its rollback, its repetition and a prune die at every write, and every operation of theirs fails once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.crash.failing_once import fail_each_operation
from tests.crash.images import write_image
from tests.crash.promises import looking, require_sound
from tests.crash.sweeping import build_own
from tests.crash.test_io_errors import FAULTS
from tests.crash.undoing import (
    COUNTED,
    KEPT,
    ROWS,
    Scene,
    State,
    chain,
    images,
    migrate,
    number,
    prune,
    roll_back,
    scene,
    state,
)

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


def crashes(recorded: Path, work: Callable[..., object], cuts: int) -> Iterator[Path]:
    """Do the work on a file, and yield another one as each crash during it would have left that file."""
    crashed = recorded.with_name("crashed.db")
    for image in images(recorded, work, cuts=cuts, seed=SEED):
        write_image(image, crashed)
        yield crashed


def check_run(folder: Path, cuts: int) -> int:
    """Kill a run at every write; each time what was there comes back, and the run can be done again."""
    recorded = folder / "recorded.db"
    found, done = scene(folder / "scene.db"), 0
    build_own(recorded, ROWS)
    for crashed in crashes(recorded, migrate, cuts):
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
    recorded = folder / "recorded.db"
    found, done = scene(recorded), 0
    for crashed in crashes(recorded, roll_back, cuts):
        require_whole(crashed, found)
        assert roll_back(crashed) == 0
        require(crashed, found.old)
        done += 1
    require(recorded, found.old)
    return done


def check_redo(folder: Path, cuts: int) -> int:
    """Kill the run after a rollback at every write: no text is sent for a row, and it can be undone again."""
    recorded = folder / "recorded.db"
    found, done = scene(recorded), 0
    roll_back(recorded)
    texts = {row[1] for row in found.old}
    for crashed in crashes(recorded, migrate, cuts):
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
    """Kill a prune of two runs at every write: all of both is undone, or nothing, and then the rest is dropped."""
    recorded = folder / "recorded.db"
    found, done, undone = chain(recorded), 0, 0
    for crashed in crashes(recorded, prune, cuts):
        require(crashed, found.new)
        assert number(crashed, KEPT) == number(crashed, COUNTED), "what is kept is counted wrong"
        whole = number(crashed, KEPT) == ROWS // 2 + ROWS
        if roll_back(crashed) is None:
            require(crashed, found.new)
            prune(crashed)
            assert (number(crashed, KEPT), number(crashed, COUNTED)) == (0, 0)
            require(crashed, found.new)
        else:
            assert whole, "undone without all that was kept"
            require(crashed, found.old)
            undone += 1
        done += 1
    assert 0 < undone < done
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
    fast_folder: Path, work: Callable[..., int | None], wanted: str, fault: str
) -> None:
    path = fast_folder / "m.db"
    found = scene(path)
    expected = found.old if wanted == "old" else found.new

    fail_each_operation(
        path, fault, work, whole=lambda: require_whole(path, found), ended=lambda: require(path, expected)
    )
