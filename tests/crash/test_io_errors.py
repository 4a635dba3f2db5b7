"""Every single operation on the files fails once, or fails from then on: the end is clean, and nothing is harmed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import apsw
import pytest

from ai_memory.errors import AiMemoryError, TransientFailure
from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.values import HOT
from ai_memory.vectors.witness import WITNESS_TEXTS
from tests.crash.editor import Rows, read_rows
from tests.crash.images import Image, read_image, write_image
from tests.crash.promises import Past, looking, number, require_done, require_promises, vectors
from tests.crash.sweeping import BATCH, REEMBEDDED, Build, build_foreign, build_own, build_read, build_unlogged, sweep
from tests.crash.vfs import Change, watched
from tests.support import files
from tests.support.fakes import HashEmbedder

ROWS = 8
CLEAN = {0, 65, 74, 75}

IO_ERROR = {
    "xOpen": apsw.SQLITE_CANTOPEN,
    "xRead": apsw.SQLITE_IOERR_READ,
    "xWrite": apsw.SQLITE_IOERR_WRITE,
    "xSync": apsw.SQLITE_IOERR_FSYNC,
    "xTruncate": apsw.SQLITE_IOERR_TRUNCATE,
    "xFileSize": apsw.SQLITE_IOERR_FSTAT,
    "xLock": apsw.SQLITE_IOERR_LOCK,
    "xDelete": apsw.SQLITE_IOERR_DELETE,
}
DISK_FULL = {"xWrite": apsw.SQLITE_FULL, "xSync": apsw.SQLITE_FULL}
READ_ONLY = dict.fromkeys(("xOpen", "xWrite", "xTruncate", "xDelete"), apsw.SQLITE_READONLY)
LOCKED = {"xLock": apsw.SQLITE_BUSY}
BUILDS: dict[str, Build] = {"own": build_own, HOT: build_read}
BUILDS_LONG = {
    **BUILDS,
    "without WAL": build_unlogged,
    "schema 52": build_foreign(52),
    "schema 101": build_foreign(101),
}
FAULTS = {"I/O error": IO_ERROR, "disk full": DISK_FULL, "read-only remount": READ_ONLY, "locked": LOCKED}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "build" in metafunc.fixturenames:
        metafunc.parametrize("build", BUILDS_LONG if metafunc.config.getoption("--long") else BUILDS)


@dataclass(slots=True)
class Failing:
    """Makes the operation number `at` fail, or with `lasting` all from there on; counts those that could."""

    codes: Mapping[str, int]
    at: int
    lasting: bool
    seen: int = 0

    @property
    def fired(self) -> bool:
        return self.seen >= self.at

    def before(self, call: str, file: str) -> None:
        del file
        if call not in self.codes:
            return
        self.seen += 1
        if self.seen == self.at or (self.lasting and self.fired):
            raise apsw.exception_for(self.codes[call])

    def changed(self, change: Change) -> None:
        """Keep nothing."""


@dataclass(slots=True)
class FailingCheckpoint:
    """Makes one write into the database file itself fail: a checkpoint, that is, right after a commit."""

    armed: bool = False
    failed: int = 0

    def before(self, call: str, file: str) -> None:
        if self.armed and (call, file) == ("xWrite", ""):
            self.armed, self.failed = False, self.failed + 1
            raise apsw.exception_for(apsw.SQLITE_IOERR_WRITE)

    def changed(self, change: Change) -> None:
        """Keep nothing."""


def attempt(database: Path, failing: Failing, order: str | None) -> tuple[int, int | None]:
    """Run the job while operations fail; return its exit code and, where it reported, the rows re-embedded."""
    # Another reader is there: the last one to close a file asks for a lock that SQLite does not mind to be refused,
    # but apsw reports whatever a VFS of Python refuses.
    with watched(f"failing-{id(failing)}", str(database), failing) as vfs, looking(database) as reader:
        read_rows(reader)
        try:
            options = OpenOptions(vfs=vfs, busy_timeout_ms=20)
            report = sweep(database, HashEmbedder(), options=options, order=order)
        except AiMemoryError as error:
            return error.exit_code, None
        return report.exit_code, report.reembedded


@dataclass(slots=True)
class Loop:
    """Lets operation 1, 2, … of a job fail, on the same database each time, and counts how the job ended."""

    database: Path
    start: Image
    past: Past
    rows: Rows
    order: str | None = None
    ends: Counter[int] = field(default_factory=Counter)

    def run(self, codes: Mapping[str, int], *, lasting: bool) -> None:
        for at in count(1):
            failing = Failing(codes, at, lasting)
            self._fail(failing)
            if not failing.fired:
                return

    def _fail(self, failing: Failing) -> None:
        write_image(self.start, self.database)
        code, reembedded = attempt(self.database, failing, self.order)
        assert code in CLEAN
        assert code or reembedded == len(self.rows), "rows were reported that were not written"
        with looking(self.database) as connection:
            require_promises(connection, self.past, power_lost=False)
            if code == 0:
                require_done(connection, self.rows)
        assert sweep(self.database, HashEmbedder()).exit_code == 0
        with looking(self.database) as connection:
            require_done(connection, self.rows)
            assert number(connection, REEMBEDDED) == len(self.rows)
        if failing.fired:
            self.ends[code] += 1


def begin_loop(database: Path, build: Build, order: str | None = None) -> Loop:
    """Return the loop over a database built for it."""
    build(database, ROWS)
    start = read_image(database)
    with looking(database) as connection:
        rows = read_rows(connection)
    return Loop(database, start, Past(rows, []), rows, order)


@pytest.fixture(scope="module")
def ends(figures: list[str]) -> Iterator[Counter[int]]:
    """How many jobs with a failed operation ended with which exit code; reported at the end."""
    found: Counter[int] = Counter()
    yield found
    codes = ", ".join(f"{times:,} with exit {code}" for code, times in sorted(found.items()))
    figures.append(f"failed operations: {found.total():,} jobs ended clean and were resumed: {codes}")


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_operation_fails_the_end_is_clean_and_a_resume_completes(
    fast_folder: Path, build: str, fault: str, lasting: bool, ends: Counter[int]
) -> None:
    loop = begin_loop(fast_folder / "m.db", BUILDS_LONG[build], HOT if build == HOT else None)
    loop.run(FAULTS[fault], lasting=lasting)
    assert loop.ends.total() > 0
    ends.update(loop.ends)


def test_a_commit_that_fails_after_it_was_written_is_not_written_again(fast_folder: Path) -> None:
    fail_after_a_commit(fast_folder / "m.db")


def fail_after_a_commit(database: Path) -> None:
    failing = FailingCheckpoint()
    build_own(database, ROWS)

    with watched("failing-checkpoint", str(database), failing) as vfs, looking(database) as reader:
        hold_back_checkpoints(reader, database)

        def let_go(texts: Sequence[str]) -> None:
            if texts[0] not in WITNESS_TEXTS and reader.in_transaction:
                reader.execute("ROLLBACK")
                failing.armed = True

        report = sweep(database, HashEmbedder(before=let_go), options=OpenOptions(vfs=vfs), late=False)
        require_done(reader, read_rows(reader))
        assert number(reader, REEMBEDDED) == ROWS, "a row was counted twice"

    assert failing.failed == 1
    assert (report.exit_code, report.reembedded, report.passes) == (0, ROWS, 1)


def test_a_commit_behind_a_page_that_failed_is_not_written_again(fast_folder: Path) -> None:
    fail_after_a_commit_behind_a_failed_page(fast_folder / "m.db")


def fail_after_a_commit_behind_a_failed_page(database: Path) -> None:
    failing = FailingCheckpoint()
    build_own(database, 4 * BATCH)

    with watched("failing-checkpoint", str(database), failing) as vfs, looking(database) as reader:
        hold_back_checkpoints(reader, database)

        proven: set[str] = set()

        def fail_the_second(texts: Sequence[str]) -> None:
            if set(texts) <= {*WITNESS_TEXTS, *proven}:
                return
            if not proven:
                # The first page: nothing is in flight beside it.
                proven.update(texts)
            elif reader.in_transaction:
                reader.execute("ROLLBACK")
                failing.armed = True
                raise TransientFailure("the endpoint is away.", http_status=503)

        embedder = HashEmbedder(before=fail_the_second, concurrency=3)
        report = sweep(database, embedder, options=OpenOptions(vfs=vfs), late=False)
        written = sum(each.fresh for each in vectors(reader))
        assert number(reader, REEMBEDDED) == report.reembedded == written, "a row was counted twice"

    assert (failing.failed, report.exit_code, written) == (1, 75, 3 * BATCH)


def hold_back_checkpoints(reader: apsw.Connection, database: Path) -> None:
    """Make the log so long that every commit tries a checkpoint, and let none succeed while `reader` reads."""
    reader.execute("BEGIN; SELECT count(*) FROM memories")
    ((first,),) = files.execute(database, "SELECT id FROM memories WHERE title = 'Note 0'")
    files.lengthen_log(database, first)
