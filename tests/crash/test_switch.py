"""A staged run, a switch, the moving after it and the way back die at every write, and every operation fails once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.opening import database
from tests.crash.failing_once import fail_each_operation
from tests.crash.images import write_image
from tests.crash.promises import looking, require_sound
from tests.crash.switching import Scene, back, begin, scene, served, stage, switch
from tests.crash.test_io_errors import FAULTS
from tests.crash.undoing import images, number, state
from tests.stores.sqlite.test_ddl import RUN, before
from tests.support import files

SEED = 20261126
STAGED = "SELECT count(*) FROM embedding_staged"
ACTIVE = "SELECT count(*) FROM embedding_active"
SWITCHED = "SELECT count(*) FROM reembed_run WHERE state = 'switched'"
SERVED = "SELECT count(*) FROM embedding_active WHERE target IS NOT NULL"
STATE = "SELECT state FROM reembed_run ORDER BY run_id DESC LIMIT 1"
POWER_CUTS, POWER_CUTS_LONG = 1, 10


@pytest.fixture
def cuts(long_form: bool) -> int:
    return POWER_CUTS_LONG if long_form else POWER_CUTS


def require_sound_file(path: Path) -> None:
    with looking(path) as connection:
        require_sound(connection)


def require_whole(path: Path, found: Scene) -> None:
    """Check a file at the instant of a crash: all that is served is of one space, and each memory has one vector."""
    require_sound_file(path)
    assert found.mixed(state(path)), "a memory has something of both"
    assert served(path) in (found.old_served, found.new_served), "what is served is of two spaces"
    assert number(path, SWITCHED) == number(path, SERVED), "a run is switched to whose vectors are not served"


def check_staging(folder: Path, cuts: int) -> int:
    """Kill a staged run at every write; the memories are as they were, and it is gone on with to its end."""
    recorded, crashed = folder / "recorded.db", folder / "crashed.db"
    found, done = scene(folder / "scene.db"), 0
    old = begin(recorded)
    for image in images(recorded, stage, cuts=cuts, seed=SEED):
        write_image(image, crashed)
        require_sound_file(crashed)
        assert (state(crashed), served(crashed)) == (old, found.old_served)
        if read(crashed, STATE) == "running":
            assert stage(crashed, resume=True) == 0
        elif read(crashed, STATE) == "done":
            assert stage(crashed) == 0
        assert state(crashed) == old
        assert switch(crashed) == 0
        assert (state(crashed), served(crashed)) == (found.new, found.new_served)
        done += 1
    return done


def check_switch(folder: Path, cuts: int) -> int:
    """Kill a switch and the moving at every write; whoever goes on with it ends as if nothing had happened."""
    recorded, crashed = folder / "recorded.db", folder / "crashed.db"
    found, done = scene(recorded), 0
    for image in images(recorded, switch, cuts=cuts, seed=SEED):
        write_image(image, crashed)
        require_whole(crashed, found)
        # None where only what is left beside the memories was still to be dropped.
        assert switch(crashed) in (0, None)
        assert (state(crashed), served(crashed), number(crashed, ACTIVE)) == (found.new, found.new_served, 0)
        assert back(crashed) == 0
        assert (state(crashed), served(crashed)) == (found.old, found.old_served)
        done += 1
    return done


def check_back(folder: Path, cuts: int) -> int:
    """Kill the way back at every write: after its first commit what was served before is served, wherever it stands."""
    recorded, crashed = folder / "recorded.db", folder / "crashed.db"
    found, done, went = scene(recorded), 0, False
    assert switch(recorded) == 0
    for image in images(recorded, back, cuts=cuts, seed=SEED):
        write_image(image, crashed)
        require_whole(crashed, found)
        went = went or served(crashed) == found.old_served
        assert back(crashed) in (0, None)
        assert (state(crashed), served(crashed), number(crashed, ACTIVE)) == (found.old, found.old_served, 0)
        done += 1
    assert went
    return done


def read(path: Path, sql: str) -> object:
    with looking(path) as connection:
        return connection.execute(sql).get


CHECKS = {"staged run": check_staging, "switch": check_switch, "switch back": check_back}


@pytest.mark.parametrize("work", CHECKS)
def test_after_a_crash_at_any_write_one_space_is_served_and_it_can_be_gone_on_with(
    fast_folder: Path, work: str, cuts: int, figures: list[str]
) -> None:
    done = CHECKS[work](fast_folder, cuts)

    assert done > 10
    figures.append(f"switch: {done} images of a {work} good")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("work", [switch, back])
def test_whatever_operation_fails_the_end_is_clean_and_it_can_be_gone_on_with(
    fast_folder: Path, work: Callable[..., int | None], fault: str
) -> None:
    path = fast_folder / "m.db"
    found = scene(path)
    if work is back:
        assert switch(path) == 0
    wanted = found.old if work is back else found.new

    def ended() -> None:
        assert state(path) == wanted

    fail_each_operation(path, fault, work, whole=lambda: require_whole(path, found), ended=ended)


def widen(path: Path, options: OpenOptions = OpenOptions()) -> None:
    """Bring a file of the version before up to date."""
    with database(path, options).write(now_ms=0):
        pass


def test_a_kill_while_the_states_of_runs_are_widened_loses_no_run(fast_folder: Path, cuts: int) -> None:
    recorded, crashed, done = fast_folder / "recorded.db", fast_folder / "crashed.db", 0
    before(7, recorded)
    for state_of_run in ("done", "paused"):
        files.execute(recorded, RUN, state_of_run)
    files.execute(recorded, "INSERT INTO reembed_checkpoint VALUES (2, 'ns', 'id', 1, 0, 3, 4)")
    for image in images(recorded, widen, cuts=cuts, seed=SEED):
        write_image(image, crashed)
        widen(crashed)
        assert files.execute(crashed, "SELECT run_id, state, staged FROM reembed_run") == [
            (1, "done", 0),
            (2, "paused", 0),
        ]
        assert files.execute(crashed, "SELECT count(*) FROM reembed_checkpoint") == [(1,)]
        assert files.execute(crashed, "PRAGMA foreign_key_check") == []
        done += 1
    assert done > 10
