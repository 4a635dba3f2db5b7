"""What is announced as sent twice after a kill holds until it is committed, kill after kill."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ai_memory.actions.cancel import cancel as cancel_staged
from ai_memory.reembed.doubt import most_asked
from ai_memory.reembed.finish.rollback import Rollback
from ai_memory.reembed.inspect.report import RunReport
from ai_memory.reembed.tools import SweepTools
from ai_memory.show.narrator import Narrator
from ai_memory.stores.opening import database
from ai_memory.vectors.witness import WITNESS_TEXTS
from tests.reembed.work import NOW_MS, Work
from tests.support import files
from tests.support.fakes import HashEmbedder

BATCH = 2
FIRST_PAGE = 1 + BATCH
"""Requests of the first page: its rows, and each of them again. Nothing else is in flight before its commit."""


class Killed(BaseException):
    """Ends a job as SIGKILL would: nothing is saved on the way out."""


@dataclass(slots=True)
class Deadly:
    """Notes every text of a memory that is sent, does something then, and kills the runner after so many requests."""

    lives: int
    sent: list[str] = field(default_factory=list)
    then: Callable[[], object] = lambda: None

    def __call__(self, texts: Sequence[str]) -> None:
        if texts[0] in WITNESS_TEXTS:
            return
        self.sent += texts
        self.lives -= 1
        self.then()
        if self.lives < 0:
            raise Killed


def invocation(path: Path, deadly: Deadly, *, concurrency: int) -> RunReport:
    embedder = HashEmbedder(concurrency=concurrency, before=deadly)
    return Work(path, embedder).run(resume=True, retarget=True, batch=BATCH)


@pytest.mark.parametrize("wait", [1, 3])
def test_a_resume_counts_what_an_earlier_kill_left_unfinished(tmp_path: Path, wait: int) -> None:
    path = files.create(tmp_path / "m.db", 40)
    wide, narrow, last = Deadly(FIRST_PAGE), Deadly(wait), Deadly(1000)
    with pytest.raises(Killed):
        invocation(path, wide, concurrency=8)
    with pytest.raises(Killed):
        invocation(path, narrow, concurrency=1)

    report = invocation(path, last, concurrency=1)

    again = set(last.sent) & {*wide.sent, *narrow.sent}
    assert report.exit_code == 0
    assert 0 < len(again) <= report.texts_sent_twice


def test_what_a_kill_left_unfinished_is_announced_once_and_not_behind_a_clean_stop(tmp_path: Path) -> None:
    path = files.create(tmp_path / "m.db", 40)
    killed = Deadly(FIRST_PAGE)
    with pytest.raises(Killed):
        invocation(path, killed, concurrency=8)
    between, last = Deadly(1000), Deadly(1000)
    first = Work(path, HashEmbedder(before=between)).run(resume=True, batch=BATCH, max_rows=4)

    report = invocation(path, last, concurrency=1)

    again = {*between.sent, *last.sent} & set(killed.sent)
    assert 0 < len(again) <= first.texts_sent_twice
    assert report.texts_sent_twice == 0


def test_a_second_kill_is_announced_with_what_the_first_one_left_unfinished(tmp_path: Path) -> None:
    path = files.create(tmp_path / "m.db", 40)
    killed, last = Deadly(FIRST_PAGE), Deadly(1000)
    with pytest.raises(Killed):
        invocation(path, killed, concurrency=8)
    Work(path, HashEmbedder()).run(resume=True, batch=BATCH, max_rows=2)
    with pytest.raises(Killed):
        invocation(path, Deadly(0), concurrency=1)

    report = invocation(path, last, concurrency=1)

    again = set(last.sent) & set(killed.sent)
    assert 0 < len(again) <= report.texts_sent_twice


def test_what_was_committed_since_is_not_announced_again(tmp_path: Path) -> None:
    path = files.create(tmp_path / "m.db", 200)
    killed = Deadly(FIRST_PAGE)
    with pytest.raises(Killed):
        invocation(path, killed, concurrency=8)
    first = Work(path, HashEmbedder()).run(resume=True, batch=BATCH, max_rows=180)

    assert first.texts_sent_twice > 0
    assert Work(path, HashEmbedder()).run(resume=True, batch=BATCH).texts_sent_twice == 0


def test_pages_in_flight_are_counted_until_they_are_down(tmp_path: Path) -> None:
    path = files.create(tmp_path / "m.db", 60)
    wide, last = Deadly(FIRST_PAGE), Deadly(1000)
    embedder = HashEmbedder(concurrency=8, before=wide)
    wide.then = lambda: setattr(embedder, "concurrency", 1)
    with pytest.raises(Killed):
        Work(path, embedder).run(batch=BATCH)

    report = invocation(path, last, concurrency=1)

    again = set(last.sent) & set(wide.sent)
    assert 3 * BATCH < len(again) <= report.texts_sent_twice


def killed_and(path: Path, give_up: Callable[[Path], object]) -> set[str]:
    """Return the texts of a run that was killed with pages in flight, and given up then."""
    killed = Deadly(FIRST_PAGE)
    with pytest.raises(Killed):
        invocation(path, killed, concurrency=8)
    give_up(path)
    return set(killed.sent)


def cancel(path: Path) -> None:
    with Work(path).store() as store, store.transaction() as transaction:
        transaction.runs.cancel(now_ms=NOW_MS)


def start_elsewhere(path: Path) -> None:
    """Start over to another model, and give that up, too."""
    Work(path, HashEmbedder(model="another", dim=8)).run(resume=True, retarget=True, batch=BATCH, max_rows=4)
    cancel(path)


def start_over_in_another_namespace(path: Path) -> None:
    report = Work(path).run(resume=True, retarget=True, batch=BATCH, scope=("elsewhere",))
    assert (report.exit_code, report.texts_sent_twice) == (0, 0)


def undo(path: Path) -> None:
    work = Work(path)
    tools = SweepTools(work.clock, work.stop, Narrator(work.heard))
    assert Rollback(database(path), tools, lambda _: None).run().exit_code == 0


def cancel_and_undo(path: Path) -> None:
    cancel(path)
    undo(path)


@pytest.mark.parametrize("give_up", [cancel, start_elsewhere, undo, cancel_and_undo])
def test_what_a_run_that_was_given_up_had_in_flight_is_announced_by_the_next_one_to_its_target(
    tmp_path: Path, give_up: Callable[[Path], object]
) -> None:
    path = files.create(tmp_path / "m.db", 40)
    killed, last = killed_and(path, give_up), Deadly(1000)

    report = Work(path, HashEmbedder(before=last)).run(batch=BATCH)

    assert report.exit_code == 0
    assert 0 < len(set(last.sent) & killed) <= report.texts_sent_twice
    assert report.already_current is not None
    again = most_asked(report.already_current) + most_asked(report.taken_again)
    with Work(path).store() as store:
        assert store.runs.read(report.run_id or 0).counters.texts_sent_twice == report.texts_sent_twice - again


def test_what_a_run_of_another_namespace_did_not_send_again_is_still_announced(tmp_path: Path) -> None:
    path, last = files.create(tmp_path / "m.db", 40), Deadly(1000)
    files.execute(path, "UPDATE memories SET namespace = iif(rowid > 35, 'elsewhere', 'global')")
    killed = Deadly(FIRST_PAGE)
    with pytest.raises(Killed):
        Work(path, HashEmbedder(concurrency=8, before=killed)).run(batch=BATCH, scope=("global",))
    start_over_in_another_namespace(path)

    report = Work(path, HashEmbedder(before=last)).run(batch=BATCH)

    assert 0 < len(set(last.sent) & set(killed.sent)) <= report.texts_sent_twice


def test_a_run_that_was_given_up_after_a_clean_stop_has_nothing_to_announce(tmp_path: Path) -> None:
    path = files.create(tmp_path / "m.db", 40)
    Work(path).run(batch=BATCH, max_rows=8)
    cancel(path)

    assert Work(path).run(batch=BATCH).texts_sent_twice == 0


@pytest.mark.parametrize("lives", [FIRST_PAGE + 30, 1000])
@pytest.mark.parametrize("staged", [True, False])
def test_what_a_staged_run_had_sent_is_announced_by_the_next_one_where_it_was_dropped(
    tmp_path: Path, lives: int, staged: bool
) -> None:
    path, killed, last = files.create(tmp_path / "m.db", 40), Deadly(lives), Deadly(1000)
    with suppress(Killed):
        Work(path, HashEmbedder(concurrency=2, before=killed)).run(batch=BATCH, staged=True)
    dropped = cancel_staged(database(path), now_ms=NOW_MS).dropped

    report = Work(path, HashEmbedder(before=last)).run(batch=BATCH, staged=staged)

    assert report.exit_code == 0
    assert 0 < dropped <= len(set(last.sent) & set(killed.sent)) <= report.texts_sent_twice


def test_no_more_is_announced_than_there_is_to_send(tmp_path: Path) -> None:
    path = files.create(tmp_path / "m.db", 60)
    with pytest.raises(Killed):
        Work(path, HashEmbedder(concurrency=8, before=Deadly(60))).run(batch=BATCH)

    report = Work(path, HashEmbedder()).run(resume=True, batch=BATCH)

    assert report.already_current is not None
    # Each row at most twice: it is sent, and asked again; and some of those that were written.
    assert 0 < report.texts_sent_twice <= 2 * report.reembedded + most_asked(report.already_current)


def test_of_rows_that_get_what_was_kept_of_them_no_text_is_announced(tmp_path: Path) -> None:
    path, killed, last = files.create(tmp_path / "m.db", 40), Deadly(24), Deadly(1000)
    with pytest.raises(Killed):
        Work(path, HashEmbedder(concurrency=8, before=killed)).run(batch=BATCH)
    kept = files.embedded(path)
    cancel_and_undo(path)

    report = Work(path, HashEmbedder(before=last)).run(batch=BATCH)

    assert (report.taken_again, report.reembedded) == (kept, 40)
    assert len(set(last.sent) & set(killed.sent)) <= report.texts_sent_twice
    assert report.texts_sent_twice <= 2 * (40 - kept) + most_asked(kept)


def test_where_all_is_kept_only_what_is_asked_again_is_announced(tmp_path: Path) -> None:
    path, last = files.create(tmp_path / "m.db", 40), Deadly(1000)
    Work(path).run(batch=BATCH, max_rows=20)
    with pytest.raises(Killed):
        Work(path, HashEmbedder(concurrency=8, before=Deadly(5))).run(batch=BATCH, resume=True)
    cancel_and_undo(path)
    files.execute(path, "DELETE FROM memories WHERE id NOT IN (SELECT memory_id FROM embedding_previous)")

    report = Work(path, HashEmbedder(before=last)).run(batch=BATCH)

    assert report.taken_again == report.reembedded > 0
    assert report.texts_sent_twice == 0
