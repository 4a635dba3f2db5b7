"""A restore that is killed, loses its power or meets a failing disk leaves the old or the new content, whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random

import apsw
import pytest

from ai_memory.actions.restore import Restore
from ai_memory.clock import SystemClock
from ai_memory.errors import AiMemoryError
from ai_memory.reembed.stop import Stop
from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.opening import place
from tests.crash.images import Disk, Image, read_image, write_image
from tests.crash.promises import looking
from tests.crash.sweeping import build_own, record
from tests.crash.test_io_errors import CLEAN, FAULTS, Failing
from tests.crash.vfs import Change, Recorder, watched
from tests.mutants.mutants import Change as Edit
from tests.support import files

SEED = 20261125
POWER_CUTS = 2
POWER_CUTS_LONG = 20
PAGES_BESIDE = 120
"""Pages of another table in the live file, more than its cache and other than the backup's: it grows and shrinks."""
CONTENT = (
    "SELECT * FROM memories ORDER BY id",
    "SELECT count(*), sum(length(x)) FROM log",
    "SELECT * FROM reembed_run",
)
PAUSE = "INSERT INTO reembed_pause (only_row, paused_at, paused_by, reason) VALUES (1, 1, 'ann', 'upgrade')"
PAUSED = "SELECT reason FROM reembed_pause"

State = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """A live file as it lies on the disk, and a backup of another content; `paused`: the live file is."""

    live: Image
    backup: Path
    old: State | None
    new: State
    paused: bool = False


def build(
    folder: Path, mode: str, *, live_pages: int, backup_pages: int, page_bytes: int = 4096, paused: bool = False
) -> Scene:
    """Make both files; with `wal` the live one has a log that nobody has played into it."""
    backup, live = folder / "backup.db", folder / "live.db"
    for path, rows, pages in ((backup, 12, backup_pages), (live, 9, live_pages)):
        build_own(path, rows)
        files.execute(path, "CREATE TABLE log (x)")
        files.execute(path, f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {pages})"
                      " INSERT INTO log SELECT randomblob(3500) FROM n")  # fmt: skip
        files.execute(path, "PRAGMA journal_mode = DELETE")
    with closing(apsw.Connection(str(backup))) as connection:
        connection.execute(f"PRAGMA page_size = {page_bytes}; VACUUM")
    files.execute(live, f"PRAGMA journal_mode = {mode}")
    with looking(live) as connection:
        connection.execute("UPDATE memories SET content = 'changed since'")
        if paused:
            connection.execute(PAUSE)
        image = read_image(live)
        old = state(connection)
    with looking(backup) as connection:
        return Scene(image, backup, old, state(connection), paused)


def state(connection: apsw.Connection) -> State:
    return tuple(tuple(connection.execute(sql)) for sql in CONTENT)


def restore(live: Path, backup: Path, options: OpenOptions = OpenOptions()) -> None:
    Restore(place, live, backup, None, lambda _loss: None, Stop(), lambda _event: None, SystemClock(), options).run()


@dataclass(frozen=True, slots=True)
class Done:
    """The restore returned."""


@dataclass(slots=True)
class Tally:
    """The images that were good, by what they held."""

    found: Counter[str] = field(default_factory=Counter)


@pytest.fixture(scope="module")
def tally(figures: list[str]) -> Iterator[Tally]:
    found = Tally()
    yield found
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in sorted(found.found.items()))
    figures.append(f"restore: {found.found.total():,} images and failed operations good: {kinds}")


def replay(folder: Path, scene: Scene, cuts: int, tally: Tally) -> None:
    """Record one restore, and look at what every crash in it would leave."""
    live, crashed, recorder = folder / "live.db", folder / "crashed.db", Recorder()
    write_image(scene.live, live)
    with watched(f"restored-{id(recorder)}", str(live), recorder) as vfs, another_reader(live, scene):
        restore(live, scene.backup, OpenOptions(vfs=vfs))
    recorder.mark(Done())
    disk, random, done = Disk(scene.live), Random(SEED), False
    for number, entry in enumerate(recorder.log):
        done = done or isinstance(entry, Done)
        if isinstance(entry, Change):
            disk.apply(entry)
        require_whole(crashed, disk.killed(), scene, f"killed after entry {number}", done=done, tally=tally)
        for cut in range(cuts):
            lost = f"power lost after entry {number}, cut {cut}"
            require_whole(crashed, disk.power_lost(random), scene, lost, done=done, tally=tally)
    assert done


@contextmanager
def another_reader(live: Path, scene: Scene) -> Iterator[None]:
    """Have another connection open: the last one to close asks for a lock that SQLite does not mind to be refused.

    But apsw reports whatever a VFS of Python refuses.
    """
    with closing(apsw.Connection(str(live))) as reader:
        if scene.old is not None:
            reader.execute("SELECT count(*) FROM memories").get  # noqa: B018 - it is the reading that counts
        yield


def require_whole(path: Path, image: Image, scene: Scene, name: str, *, done: bool, tally: Tally) -> None:
    write_image(image, path)
    try:
        kind = held(path, scene)
        assert not done or kind == "new", "a restore that returned is lost"
    except AssertionError as broken:
        broken.add_note(f"{name}, seed {SEED}")
        raise
    if scene.paused and (done or kind == "old"):
        assert files.execute(path, PAUSED) == [("upgrade",)], name
    tally.found[f"{name.split(maxsplit=1)[0]} {kind}"] += 1


def held(path: Path, scene: Scene) -> str:
    """Return which content a file has, "old" or "new"; fails where it has neither, or is damaged in a new way."""
    if scene.old is None and damaged_as_before(path, scene):
        return "old"
    with looking(path) as connection:
        assert connection.execute("PRAGMA integrity_check").get == "ok", "a crash damaged the file"
        found = state(connection)
    assert found in (scene.old, scene.new), "neither the old content nor the new one"
    return "new" if found == scene.new else "old"


def damaged_as_before(path: Path, scene: Scene) -> bool:
    """Say whether the file is what it was once whoever opens it has rolled back what was under way."""
    try:
        with looking(path) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master")
    except apsw.Error:
        return path.read_bytes() == scene.live[""]
    return False


MODES = ["wal", "delete"]
SIZES = [(PAGES_BESIDE, 3), (3, PAGES_BESIDE)]


@pytest.mark.parametrize("sizes", SIZES, ids=["shrinks", "grows"])
@pytest.mark.parametrize("mode", MODES)
def test_after_a_crash_at_any_write_the_content_is_the_old_or_the_new_one(
    fast_folder: Path, mode: str, sizes: tuple[int, int], long_form: bool, tally: Tally
) -> None:
    scene = build(fast_folder, mode, live_pages=sizes[0], backup_pages=sizes[1])
    replay(fast_folder, scene, POWER_CUTS_LONG if long_form else POWER_CUTS, tally)
    assert tally.found["killed old"]
    assert tally.found["killed new"]


@pytest.mark.parametrize("mode", MODES)
def test_a_restore_that_returned_left_the_pause_of_the_file_where_it_was(
    fast_folder: Path, mode: str, long_form: bool, tally: Tally
) -> None:
    scene = build(fast_folder, mode, live_pages=3, backup_pages=3, paused=True)
    replay(fast_folder, scene, POWER_CUTS_LONG if long_form else POWER_CUTS, tally)


@pytest.mark.parametrize("page_bytes", [1024, 16384])
@pytest.mark.parametrize("sizes", SIZES, ids=["shrinks", "grows"])
def test_pages_of_another_size_change_nothing_of_that(
    fast_folder: Path, sizes: tuple[int, int], page_bytes: int, long_form: bool, tally: Tally
) -> None:
    scene = build(fast_folder, "delete", live_pages=sizes[0], backup_pages=sizes[1], page_bytes=page_bytes)
    replay(fast_folder, scene, POWER_CUTS_LONG if long_form else POWER_CUTS, tally)


@pytest.mark.parametrize("sizes", SIZES, ids=["shrinks", "grows"])
def test_a_damaged_file_stays_as_it_was_or_becomes_the_backup(
    fast_folder: Path, sizes: tuple[int, int], long_form: bool, tally: Tally
) -> None:
    scene = build(fast_folder, "delete", live_pages=sizes[0], backup_pages=sizes[1])
    headless = bytes(4096) + scene.live[""][4096:]
    damaged = Scene({"": headless}, scene.backup, None, scene.new)
    replay(fast_folder, damaged, POWER_CUTS_LONG if long_form else POWER_CUTS, tally)


def test_after_a_kill_of_a_migration_at_any_write_the_backup_can_be_restored(
    fast_folder: Path, long_form: bool, tally: Tally
) -> None:
    recorded = record(fast_folder / "recorded.db", build_own, rows=12)
    backup, live = fast_folder / "backup.db", fast_folder / "live.db"
    write_image(recorded.start, backup)
    files.execute(backup, "PRAGMA journal_mode = DELETE")
    before, disk = files.everything_else(backup), Disk(recorded.start)
    for number, entry in enumerate(entry for entry in recorded.log if isinstance(entry, Change)):
        disk.apply(entry)
        if long_form or number % 5 == 0:
            write_image(disk.killed(), live)
            restore(live, backup)
            assert files.everything_else(live) == before
            assert files.integrity(live) == "ok"
            tally.found["restored after a kill"] += 1


def fail_operations(
    folder: Path, scene: Scene, codes: Mapping[str, int], tally: Tally, *, lasting: bool, which: range
) -> None:
    """Let operation 1, 2, … of a restore fail, or those of `which`, and look at what is left each time."""
    live = folder / "live.db"
    for at in count(which.start, which.step):
        failing = Failing(codes, at, lasting)
        write_image(scene.live, live)
        code = attempt(live, scene, failing)
        assert code in CLEAN
        kind = held(live, scene)
        assert code or kind == "new", "a restore was reported that did not happen"
        restore(live, scene.backup)
        assert held(live, scene) == "new"
        if not failing.fired:
            return
        tally.found[f"failed operations, exit {code}, {kind}"] += 1


def attempt(live: Path, scene: Scene, failing: Failing) -> int:
    with watched(f"failing-{id(failing)}", str(live), failing) as vfs, another_reader(live, scene):
        try:
            restore(live, scene.backup, OpenOptions(vfs=vfs, busy_timeout_ms=20))
        except AiMemoryError as error:
            return error.exit_code
        return 0


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("mode", MODES)
def test_whatever_operation_fails_the_content_is_the_old_or_the_new_one(
    fast_folder: Path, mode: str, fault: str, lasting: bool, long_form: bool, tally: Tally
) -> None:
    scene = build(fast_folder, mode, live_pages=20, backup_pages=3)
    # The short form has every third, another third for each kind of failure.
    which = range(1, 1_000) if long_form else range(1 + [*FAULTS].index(fault) % 3, 1_000, 3)
    fail_operations(fast_folder, scene, FAULTS[fault], tally, lasting=lasting, which=which)


@dataclass(frozen=True, slots=True)
class Tooth:
    """A mistake, the journal mode in which it hurts, and what the harness says then."""

    edit: Edit
    mode: str
    says: str


REPLACE = "ai_memory.stores.sqlite.backup:replace_by"
TEETH: Mapping[str, Tooth] = {
    "no journal on the disk": Tooth(
        Edit(REPLACE, "        with db.handle", "        db.execute(ROLL_BACK_IN_MEMORY)\n        with db.handle"),
        "delete",
        "a crash damaged the file|neither the old|malformed",
    ),
    "nothing synced": Tooth(
        Edit(REPLACE, "damaged=damaged) as", "damaged=damaged, synced=False) as"),
        "wal",
        "is lost|damaged|neither|malformed",
    ),
    "nothing synced without a log": Tooth(
        Edit(REPLACE, "damaged=damaged) as", "damaged=damaged, synced=False) as"),
        "delete",
        "is lost|damaged|neither|malformed",
    ),
    "the journal's removal not synced": Tooth(
        Edit("ai_memory.stores.sqlite.handle:Handle.receiving", "'EXTRA'", "'FULL'"),
        "delete",
        "is lost|damaged|neither",
    ),
    "end before the last page": Tooth(
        Edit(REPLACE, "while not pages.copy(STEP_PAGES):", "if not pages.copy(1):"), "wal", "is lost"
    ),
    "the file is copied over": Tooth(
        Edit(
            REPLACE,
            "    db = _open_to_receive(path, options=options)\n",
            "    path.write_bytes(source.path.read_bytes())\n    return\n",
        ),
        "wal",
        "is lost|damaged|neither|assert",
    ),
}


@pytest.mark.parametrize("mutant", TEETH)
def test_the_harness_catches_a_restore_that_is_not_whole(
    mutant: str, fast_folder: Path, figures: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tooth = TEETH[mutant]
    scene = build(fast_folder, tooth.mode, live_pages=PAGES_BESIDE, backup_pages=3)
    tooth.edit.apply(monkeypatch)

    with pytest.raises((AssertionError, apsw.Error), match=tooth.says):
        replay(fast_folder, scene, POWER_CUTS_LONG, Tally())

    figures.append(f"mutant {mutant!r}: caught by the crash images of a restore")
