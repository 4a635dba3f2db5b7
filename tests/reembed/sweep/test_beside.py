"""A start that goes on with a run begins beside its census, and ends as one that counts its rows first."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path
from typing import Any, TypeVar

import apsw
import pytest

from ai_memory.errors import DataRefused, StorageFailed, TransientFailure
from ai_memory.reembed.inspect.report import RunReport
from ai_memory.reembed.stop import Stop
from ai_memory.reembed.sweep import beside, census_beside
from ai_memory.reembed.sweep.refusal_guard import REFUSED_ROWS, REFUSED_SHARE
from ai_memory.stores.sqlite import walk
from ai_memory.stores.sqlite.database import Database
from ai_memory.stores.values import Run
from ai_memory.vectors.blob import encode
from tests.machine.in_files import traced
from tests.machine.pool import EAGER, LAZY, OrderedPool
from tests.reembed.finish.test_rollback import NEW, OLD, rollback
from tests.reembed.work import Work
from tests.support import files
from tests.support.fakes import HashEmbedder

T = TypeVar("T")

ROWS, BATCH, DONE = 60, 2, 10
BESIDE = 4
"""In the place of the thousands of rows that the program asks for."""
INSERT_MANY = """
    WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {count})
    INSERT INTO memories (id, tier, namespace, title, content, created_at, updated_at)
    SELECT printf('new-%05d', n), 'mid', 'a', 'note ' || n, iif(n <= {refused}, 'poison', 'fine'), '2026', '2026'
    FROM number
"""
EVERY_ROW = " ".join(walk.ALL_ROWS.split("{rows}")[1].split("{within}")[0].split())
"""How the statement that reads all rows ends."""
KILLED = """
    UPDATE reembed_run SET holder_json = '{{"pid": 1, "host": "here", "started_at": 1}}', in_flight_limit = {texts}
    WHERE state = 'running'
"""
REFUSE_ALL = "CREATE TRIGGER no BEFORE UPDATE OF embedding ON memories BEGIN SELECT RAISE(ABORT, 'not here'); END"


@pytest.fixture(autouse=True)
def few_rows_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    take_few(monkeypatch)


def take_few(patch: pytest.MonkeyPatch) -> None:
    for module in (beside, census_beside):
        patch.setattr(module, "ROWS_BESIDE", BESIDE)


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return begun(tmp_path / "m.db")


def begun(path: Path, embedder: HashEmbedder = NEW) -> Work:
    """Return the work on a file of the old model's vectors, with a run that was stopped early."""
    work = Work(files.create(path, rows=ROWS), OLD)
    assert work.run().exit_code == 0
    work = replace(work, embedder=embedder)
    assert work.run(max_rows=DONE, batch=BATCH).exit_code == 75
    return work


def resumed(work: Work, order: str = LAZY, **flags: Any) -> RunReport:  # noqa: ANN401 - fields of Options
    """Go on with the run; in the order LAZY its rows are counted as late as can be."""
    job = work.job(**{"resume": True, "batch": BATCH, **flags})
    return replace(job, tools=replace(job.tools, pool=lambda _: OrderedPool(order))).run()


@contextmanager
def states() -> Iterator[list[str]]:
    """Yield what is run on connections that are opened meanwhile, with what begins to read one state."""
    found: list[str] = []

    def heard(_cursor: apsw.Cursor, sql: str, _bindings: object) -> bool:
        found.append(" ".join(sql.split()))
        return True

    with traced(lambda connection: setattr(connection, "exec_trace", heard)):
        yield found


def begins_beside(work: Work, **flags: Any) -> bool:  # noqa: ANN401 - fields of Options
    """Return whether the next start of the work, on a copy, holds a state of the file to count its rows."""
    with states() as heard:
        resumed(copied(work, "asked"), **flags)
    return "PRAGMA query_only = ON" in heard


def copied(work: Work, folder: str) -> Work:
    """Return the same work on a copy of its file, of the same name: rows are chosen by it."""
    path = work.path.parent / folder / work.path.name
    path.parent.mkdir(exist_ok=True)
    with files.opened(work.path) as connection:
        list(connection.execute("PRAGMA wal_checkpoint(TRUNCATE)"))
    shutil.copy(work.path, path)
    fresh = Work(path, replace(work.embedder))
    fresh.clock.ms = work.clock.ms
    return fresh


def run_of(work: Work) -> Run:
    with work.store() as store:
        return store.runs.recent(1)[0]


def alike(work: Work, patch: pytest.MonkeyPatch, **flags: Any) -> RunReport:  # noqa: ANN401 - fields of Options
    """Go on beside the census and, on a copy, after it; return the report where both leave and tell the same."""
    first, late = copied(work, "first"), copied(work, "late")
    with patch.context() as counted_first:
        counted_first.setattr("ai_memory.reembed.job.plan_beside", lambda *_, **__: None)
        expected = resumed(first, **flags)
    with states() as heard:
        found = resumed(late, **flags)

    assert "PRAGMA query_only = ON" in heard
    assert (found, files.vectors(late.path)) == (expected, files.vectors(first.path))
    assert run_of(late) == replace(run_of(first), limits=run_of(late).limits)
    assert late.heard.lines == first.heard.lines
    return found


def other_vector(text: str) -> bytes:
    return encode(OLD.vector(text))


def overwrite(work: Work) -> None:
    with work.store() as store:
        store.db.execute("UPDATE memories SET embedding = ? WHERE id < 'id-005'", (other_vector("another program's"),))


CHANGES: dict[str, Callable[[Work], object]] = {
    "nothing": lambda _: None,
    "deletes": lambda work: files.execute(work.path, "DELETE FROM memories WHERE id > 'id-040'"),
    "deletes of what was done": lambda work: files.execute(work.path, "DELETE FROM memories WHERE id < 'id-012'"),
    "inserts": lambda work: files.execute(work.path, INSERT_MANY.format(count=80, refused=0)),
    "edits": lambda work: files.execute(work.path, "UPDATE memories SET content = 'new ' || id WHERE id < 'id-009'"),
    "vectors written over": overwrite,
    "reads": lambda work: files.execute(work.path, "UPDATE memories SET access_count = 3 + rowid % 2"),
    "a kill": lambda work: files.execute(work.path, KILLED.format(texts=30)),
    "a kill with more in flight": lambda work: files.execute(work.path, KILLED.format(texts=38)),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("flags", [{}, {"max_rows": 6}, {"max_rows": 1}])
def test_it_ends_as_one_that_counts_first_whatever_happened_in_between(
    work: Work, change: str, flags: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    CHANGES[change](work)

    ended = alike(work, monkeypatch, **flags)

    assert ended.exit_code == (75 if flags else 0)


def check_beside(folder: Path) -> None:
    """Check that starts beside a census end as others, for mutants."""
    with pytest.MonkeyPatch.context() as patch:
        take_few(patch)
        work = begun(folder / "m.db")
        alike(work, patch, max_rows=6)
        assert rows_before_census(work) <= BESIDE
        more = begun(folder / "n.db")
        files.execute(more.path, KILLED.format(texts=1000))
        noted = "UPDATE reembed_run SET remaining = {}"
        files.execute(more.path, noted.format(2_000))
        assert resumed(copied(more, "seen")).texts_sent_twice < 3 * ROWS
        patch.setattr(beside, "SEEN", BATCH)
        files.execute(more.path, noted.format(999))
        assert resumed(more).texts_sent_twice < 3 * ROWS
        check_refused(folder / "o.db")


def check_refused(path: Path) -> None:
    """Check that a database which takes no vector is told before a text is sent, and none of its rows is set aside."""
    sent: list[str] = []
    work = Work(files.create(path, rows=ROWS), HashEmbedder(before=away))
    assert work.run(batch=BATCH).exit_code == 75
    files.execute(path, REFUSE_ALL)
    files.execute(path, "UPDATE reembed_run SET breaker_state = 'closed', breaker_until = 0")
    work = replace(work, embedder=HashEmbedder(before=sent.extend))
    code = 0
    try:
        code = resumed(work).exit_code
    except DataRefused as refused:
        code = refused.exit_code
    assert (code, sent) == (65, [])
    assert files.execute(path, "SELECT count(*) FROM reembed_quarantine") == [(0,)]


def away(texts: Sequence[str]) -> None:
    if len(texts) == BATCH:
        raise TransientFailure("the endpoint is gone.", http_status=503)


def test_a_database_that_takes_no_vector_is_refused_before_a_text_is_sent(tmp_path: Path) -> None:
    check_refused(tmp_path / "m.db")


def rows_before_census(work: Work) -> int:
    """Go on to the end, with two censuses, and return how many vectors are written before the first one."""
    with states() as heard:
        assert resumed(work).exit_code == 0
    read = [place for place, sql in enumerate(heard) if EVERY_ROW in sql]
    assert len(read) == 2
    written = max(place for place, sql in enumerate(heard) if sql.startswith("UPDATE memories SET embedding"))
    # The state that was read is let go while there is more to write.
    assert "ROLLBACK" in heard[read[0] : written]
    # The first one is only tried.
    return sum(sql.startswith("UPDATE memories SET embedding") for sql in heard[: read[0]]) - 1


def test_pages_are_written_before_all_rows_are_read(work: Work) -> None:
    assert 0 < rows_before_census(work) <= BESIDE
    assert work.all_right()


def test_rows_that_came_since_count_where_the_refused_ones_are_too_many(tmp_path: Path) -> None:
    work = begun(tmp_path / "m.db", HashEmbedder(poison="poison"))
    refused, came = REFUSED_ROWS + 5, round((REFUSED_ROWS + 10) / REFUSED_SHARE)
    files.execute(work.path, INSERT_MANY.format(count=came, refused=refused))
    assert begins_beside(work, batch=BATCH, max_rows=2)

    ended = resumed(work, batch=4)

    assert (ended.exit_code, ended.quarantined, ended.total) == (10, refused, came + ROWS)


def test_on_a_disk_without_room_nothing_is_sent(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = work.embedder.meter.spent.texts_sent
    monkeypatch.setattr(Database, "free_bytes", lambda _: 10)
    with pytest.raises(StorageFailed, match="nothing was changed"):
        resumed(work)

    assert work.embedder.meter.spent.texts_sent == sent


def test_a_disk_that_is_filled_meanwhile_ends_it_as_soon_as_the_rows_are_counted(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = chain([10**12], repeat(10))
    with monkeypatch.context() as full:
        full.setattr(Database, "free_bytes", lambda _: next(free))
        ended = resumed(work)

    assert (ended.exit_code, ended.state) == (74, "running")
    assert "what was written stays" in ended.error
    assert 0 < ended.reembedded <= BESIDE + BATCH
    assert resumed(work).exit_code == 0
    assert work.all_right()


def test_a_second_run_to_the_same_target_begins_beside_its_census_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = begun(tmp_path / "m.db")
    assert work.run(resume=True).exit_code == 0
    files.execute(work.path, "UPDATE memories SET content = 'again ' || id")
    assert work.run(max_rows=DONE, batch=BATCH).exit_code == 75

    assert alike(work, monkeypatch).exit_code == 0


def test_vectors_at_hand_are_counted_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = begun(tmp_path / "m.db")
    assert work.run(resume=True, max_rows=10, batch=5).exit_code == 75
    assert rollback(work).exit_code == 0
    assert work.run(max_rows=4, batch=BATCH).exit_code == 75
    files.execute(work.path, KILLED.format(texts=30))
    assert work.run(resume=True, max_rows=20, batch=BATCH).exit_code == 75
    files.execute(work.path, KILLED.format(texts=5))

    assert alike(work, monkeypatch).exit_code == 0


FIRST: dict[str, tuple[Callable[[Work], object], dict[str, object]]] = {
    "no write-ahead log": (lambda work: files.execute(work.path, "PRAGMA journal_mode = DELETE"), {}),
    "few rows left by its notes": (lambda work: files.execute(work.path, "UPDATE reembed_run SET remaining = 5"), {}),
    "no notes": (lambda work: files.execute(work.path, "UPDATE reembed_run SET counted_at = NULL"), {}),
    "few rows ahead": (lambda work: files.execute(work.path, "DELETE FROM memories WHERE id > 'id-025'"), {}),
    "more texts in flight than are left by its notes": (
        lambda work: files.execute(work.path, KILLED.format(texts=200)),
        {},
    ),
    "more texts in flight than rows ahead": (
        lambda work: (
            files.execute(work.path, KILLED.format(texts=200)),
            files.execute(work.path, "UPDATE reembed_run SET remaining = 1000"),
        ),
        {},
    ),
    "quarantine lifted": (lambda _: None, {"retry_quarantined": True}),
    "another batch": (lambda _: None, {"batch": 10}),
    "a row that takes no vector": (lambda work: files.execute(work.path, REFUSE_ALL), {}),
}


@pytest.mark.parametrize("case", FIRST)
def test_rows_are_counted_first_where_a_look_ahead_shows_too_little(work: Work, case: str) -> None:
    assert begins_beside(work)
    change, flags = FIRST[case]
    change(work)

    assert not begins_beside(work, **flags)


def test_of_very_many_texts_in_flight_a_few_are_to_be_seen(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    files.execute(work.path, KILLED.format(texts=200))
    files.execute(work.path, "UPDATE reembed_run SET remaining = 1000")
    monkeypatch.setattr(beside, "SEEN", BATCH)

    assert begins_beside(work)


@pytest.mark.parametrize("flags", [{"staged": True}, {"order": "hot"}, {"skip_current": True}])
def test_rows_of_other_kinds_of_runs_are_counted_first(tmp_path: Path, flags: dict[str, Any]) -> None:
    work = Work(files.create(tmp_path / "m.db", rows=ROWS))
    assert work.run(max_rows=DONE, batch=BATCH, **flags).exit_code == 75

    assert not begins_beside(work)


class Heeding(OrderedPool):
    """Runs work as late as can be, and not after a stop: so it is with the census of a large file."""

    def __init__(self, stop: Stop) -> None:
        super().__init__(LAZY)
        self._stop = stop

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:  # noqa: ANN401
        def heeding() -> T:
            self._stop.heed()
            return fn(*args, **kwargs)

        return super().submit(heeding)


@pytest.mark.parametrize("page", [1, 2])
def test_a_stop_before_the_rows_are_counted_tells_no_number_of_them(work: Work, page: int) -> None:
    pages = iter(range(1, 1000))

    def stop(texts: Sequence[str]) -> None:
        if len(texts) == BATCH and next(pages) == page:
            work.stop.ask("SIGTERM", exit_code=143)

    files.execute(work.path, KILLED.format(texts=30))
    job = replace(work, embedder=replace(NEW, before=stop)).job(resume=True, batch=BATCH)
    ended = replace(job, tools=replace(job.tools, pool=lambda _: Heeding(work.stop))).run()

    assert (ended.exit_code, ended.state, ended.reason) == (143, "running", "SIGTERM")
    # What was answered is paid for, and written.
    assert ended.reembedded >= page * BATCH
    rows = ended.total, ended.already_current, ended.quarantined, ended.unaddressable, ended.remaining
    assert rows == (None,) * 5
    assert "the others were not counted by then." in ended.lines()[0]
    assert ended.texts_sent_twice >= 30
    assert f"at most {ended.texts_sent_twice} texts are sent twice" in work.heard.lines[0]
    again = replace(work, stop=Stop())
    assert resumed(again).exit_code == 0
    assert again.all_right()


@pytest.mark.parametrize("order", [EAGER, LAZY])
def test_what_others_write_meanwhile_ends_right(work: Work, order: str) -> None:
    pages = iter(range(1, 1000))

    def interfere(texts: Sequence[str]) -> None:
        if len(texts) == BATCH and (page := next(pages)) < 20:
            files.add(work.path, f"born-{page}")
            files.edit(work.path, f"id-{page:03}", f"edited {page}")
            files.execute(work.path, "DELETE FROM memories WHERE id = ?", f"id-{59 - page:03}")

    ended = resumed(replace(work, embedder=replace(NEW, before=interfere)), order)

    assert (ended.exit_code, ended.total, ended.remaining) == (0, ROWS, 0)
    assert work.all_right()


def test_threads_count_beside_pages(work: Work) -> None:
    ended = work.run(resume=True, batch=BATCH)

    assert (ended.exit_code, ended.total, ended.already_current) == (0, ROWS, DONE)
    assert work.all_right()
