"""A rollback on a real file: what comes back, what is left, and that it is a run like any other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from ai_memory.errors import OperatorNeeded, TransientFailure, UsageError
from ai_memory.reembed.finish.rollback import Rollback
from ai_memory.reembed.finish.rollback_report import RollbackReport
from ai_memory.reembed.finish.undoable import Undoable
from ai_memory.reembed.sweep import asking
from ai_memory.reembed.sweep.budget import BESIDE_ROWS
from ai_memory.reembed.tools import SweepTools
from ai_memory.show.narrator import Narrator
from ai_memory.stores.opening import database
from ai_memory.vectors.target import Vectors
from tests.reembed.work import Work
from tests.support import files
from tests.support.fakes import HashEmbedder

OLD, NEW, THIRD = HashEmbedder(dim=8, model="old"), HashEmbedder(), HashEmbedder(dim=24, model="third")
VECTORS = """
    SELECT m.id, embedding, embedding_dim, embedding_space, fingerprint_id, src, head, origin, stretch
    FROM memories AS m LEFT JOIN embedding_provenance AS p ON p.memory_id = m.id ORDER BY m.id
"""


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return half_done(tmp_path / "m.db")


def half_done(path: Path) -> Work:
    """Return the work on a file of which half the rows have vectors of the old model."""
    work = Work(files.create(path, rows=30), OLD)
    assert work.run(max_rows=15).exit_code == 75
    work.clock.advance(1)
    with work.store() as store, store.transaction() as transaction:
        transaction.runs.cancel(now_ms=work.clock.ms)
    return replace(work, embedder=NEW)


def vectors(work: Work) -> list[Any]:
    return files.execute(work.path, VECTORS)


def rollback(work: Work, *, told: list[Undoable] | None = None, **flags: Any) -> RollbackReport:  # noqa: ANN401
    tools = SweepTools(work.clock, work.stop, Narrator(work.heard))
    disclose = (told if told is not None else []).append
    return Rollback(database(work.path), tools, disclose, **flags).run()


def test_a_finished_run_is_undone_byte_for_byte(work: Work) -> None:
    before = vectors(work)
    assert work.run().exit_code == 0

    done = rollback(work)

    assert (done.exit_code, done.state, done.put_back, done.left_alone, done.remaining) == (0, "done", 30, 0, 0)
    assert vectors(work) == before


def test_an_unfinished_run_is_given_up_first(work: Work) -> None:
    before, told = vectors(work), list[Undoable]()
    assert work.run(max_rows=7).exit_code == 75

    assert rollback(work, told=told).put_back == 7

    assert (vectors(work), told[0].gives_up) == (before, True)
    with work.store() as store:
        assert store.runs.read(2).state == "cancelled"
    assert files.execute(work.path, "SELECT run_id FROM reembed_event WHERE kind = 'cancelled'") == [(2,)]


def test_runs_on_the_way_to_another_target_are_undone_back_to_before_the_first(work: Work) -> None:
    before = vectors(work)
    work.run(max_rows=20)
    third = replace(work, embedder=THIRD)
    assert third.run(retarget=True).exit_code == 0

    done = rollback(work)

    assert (done.undoes, done.put_back) == ((2, 3), 30)
    assert vectors(work) == before


def test_a_run_that_kept_nothing_is_not_undone_with_the_one_after_it(work: Work) -> None:
    assert work.run(max_rows=20, keeps_previous=False).exit_code == 75
    before, third = vectors(work), replace(work, embedder=THIRD)
    assert third.run(resume=True, retarget=True).exit_code == 0

    done = rollback(third)

    assert (done.undoes, vectors(work) == before) == ((3, 3), True)


def test_what_was_edited_since_is_left_and_counted_and_what_was_deleted_is_not(work: Work) -> None:
    assert work.run().exit_code == 0
    ids = sorted(files.texts(work.path))
    files.edit(work.path, ids[0], "edited since")
    files.execute(work.path, "DELETE FROM memories WHERE id = ?", ids[1])
    after = vectors(work)[0]

    done = rollback(work)

    assert (done.put_back, done.left_alone, done.with_target) == (28, 1, 1)
    assert vectors(work)[0] == after
    with work.store() as store:
        counted = store.runs.read(done.run_id or 0).counted
    assert counted
    assert (counted.live, counted.remaining) == (29, 0)


def test_a_rollback_stops_after_the_rows_that_it_may_take_and_goes_on_where_it_was(work: Work) -> None:
    before, told = vectors(work), list[Undoable]()
    work.run()

    first = rollback(work, batch=4, max_rows=10, told=told)
    rest = rollback(work, batch=4, told=told)

    assert (first.exit_code, first.reason, first.put_back, first.remaining) == (75, "max-rows", 10, 20)
    assert (rest.exit_code, rest.run_id, rest.resumed, rest.put_back) == (0, first.run_id, True, 20)
    assert (vectors(work), len(told)) == (before, 1)


def test_a_rollback_that_goes_on_counts_the_rows_that_it_has_not_looked_at(work: Work) -> None:
    work.run()
    files.edit(work.path, min(files.texts(work.path)), "edited since")

    first = rollback(work, max_rows=10)
    rollback(work)

    assert (first.left_alone, first.remaining, work.heard.total) == (1, 20, 20)


def test_no_run_begins_while_a_rollback_is_unfinished(work: Work) -> None:
    work.run()
    rollback(work, batch=4, max_rows=10)

    for flags in ({}, {"resume": True}, {"retarget": True}):
        with pytest.raises(OperatorNeeded, match="rollback, is unfinished"):
            work.run(**flags)


def test_a_run_is_undone_once(work: Work) -> None:
    work.run()
    rollback(work)
    before = vectors(work)

    done = rollback(work)

    assert (done.exit_code, done.run_id) == (0, None)
    assert "Run 2 is undone already." in done.lines()[0]
    assert vectors(work) == before


@pytest.mark.parametrize("undone_before", [False, True])
def test_an_earlier_run_is_undone_with_all_after_it(work: Work, undone_before: bool) -> None:
    before = vectors(work)
    work.run()
    edited = min(files.texts(work.path))
    files.edit(work.path, edited, "edited, and embedded the night after")
    assert work.run().reembedded == 1
    if undone_before:
        assert rollback(work).put_back == 1

    done = rollback(work, run_id=2)

    assert (done.undoes, done.put_back, done.left_alone) == ((2, 3), 29, 1)
    assert vectors(work)[1:] == before[1:]
    with pytest.raises(UsageError, match="no run 99"):
        rollback(work, run_id=99)


def test_a_rollback_that_was_given_up_is_begun_anew_for_the_rest(work: Work) -> None:
    before = vectors(work)
    work.run()
    rollback(work, batch=4, max_rows=10)
    with work.store() as store, store.transaction() as transaction:
        transaction.runs.cancel(now_ms=work.clock.ms)

    done = rollback(work)

    assert (done.put_back, done.left_alone) == (20, 0)
    assert vectors(work) == before


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ("nothing began", "There is no run to undo."),
        ("nothing replaced", "There is no run to undo."),
        ("nothing replaced yet", "run 1 replaced nothing"),
        ("nothing kept", r"was not kept \(--no-undo\)"),
        ("pruned", "was pruned"),
    ],
)
def test_where_nothing_is_kept_it_says_why(tmp_path: Path, cause: str, words: str) -> None:
    work = Work(files.create(tmp_path / "m.db", rows=3), NEW)
    if cause == "nothing replaced":
        work = replace(work, embedder=replace(NEW, poison="title"))
    if cause == "nothing replaced yet":
        work = replace(work, embedder=Liar(requests=14))
    if cause != "nothing began":
        work.run(keeps_previous=cause != "nothing kept")
    if cause == "pruned":
        with work.store() as store, store.transaction() as transaction:
            transaction.undo.prune(0, spare=[], limit=9)

    with pytest.raises(OperatorNeeded, match=words):
        rollback(work)


def test_of_a_row_that_a_run_wrote_twice_the_vector_of_before_comes_back(tmp_path: Path) -> None:
    check_written_twice(tmp_path / "m.db")


def test_that_stamps_were_believed_is_undone_too(tmp_path: Path) -> None:
    work = Work(files.create(tmp_path / "m.db", rows=6), NEW)
    work.run(keeps_previous=False)
    files.execute(work.path, "DELETE FROM embedding_provenance")
    before = vectors(work)
    assert work.run(skip_current=True).attested == 6

    assert rollback(work).put_back == 6

    assert vectors(work) == before


@pytest.mark.parametrize("how", ["ABORT, 'legal hold'", "ROLLBACK, 'legal hold'", "IGNORE"])
def test_a_row_that_its_own_database_keeps_as_it_is_is_put_back_when_that_is_mended(work: Work, how: str) -> None:
    before = vectors(work)
    work.run()
    held = "BEFORE UPDATE OF embedding ON memories WHEN old.id = 'id-003'"
    files.execute(work.path, f"CREATE TRIGGER held {held} BEGIN SELECT RAISE({how}); END")

    done = rollback(work)

    assert (done.exit_code, done.state, done.put_back, done.left_alone, done.remaining) == (12, "done", 29, 0, 1)
    assert "1 row keeps its vector" in done.error
    assert "id-003" in done.error
    assert [row for row in vectors(work) if row[0] != "id-003"] == [row for row in before if row[0] != "id-003"]
    files.execute(work.path, "DROP TRIGGER held")
    assert (rollback(work).put_back, vectors(work)) == (1, before)
    assert rollback(work).reason == "undone"


def test_rows_that_were_refused_before_a_kill_are_still_known_at_its_end(work: Work) -> None:
    before = vectors(work)
    work.run()
    held = "BEFORE UPDATE OF embedding ON memories WHEN old.id < 'id-003'"
    files.execute(work.path, f"CREATE TRIGGER held {held} BEGIN SELECT RAISE(ABORT, 'legal hold'); END")
    files.execute(work.path, "UPDATE memories SET content = 'edited' WHERE id IN ('id-002', 'id-020')")

    assert (first := rollback(work, max_rows=10, batch=5)).exit_code == 75
    last = rollback(work, batch=5)

    assert (first.put_back, first.left_alone, last.put_back, last.left_alone) == (7, 1, 19, 1)
    assert (last.exit_code, last.remaining) == (12, 2)
    files.execute(work.path, "DROP TRIGGER held")
    assert rollback(work).put_back == 2
    edited = ("id-002", "id-020")
    assert [row for row in vectors(work) if row[0] not in edited] == [row for row in before if row[0] not in edited]


def test_nobody_is_asked_however_many_pages_there_are(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    before = vectors(work)
    work.run()
    monkeypatch.setattr(asking, "WITNESS_EVERY", 2)

    assert rollback(work, batch=1).put_back == 30

    assert vectors(work) == before


def test_where_a_lie_is_found_out_search_keeps_the_vectors_of_before(tmp_path: Path) -> None:
    work = Work(files.create(tmp_path / "m.db", rows=60), OLD)
    work.run(keeps_previous=False)
    before = vectors(work)

    ended = replace(work, embedder=Turning()).run(batch=4)

    assert (ended.exit_code, ended.disagreed > 0) == (69, True)
    # What it wrote before the lie is in doubt, and stands no more than the lie does.
    assert vectors(work) == before


class TestRedo:
    """A run to the target of one that was undone."""

    def test_it_sends_no_text_whose_vector_is_still_at_hand(self, work: Work) -> None:
        work.run()
        after = vectors(work)
        rollback(work)
        files.edit(work.path, min(files.texts(work.path)), "edited since")

        again = work.run()

        assert (again.exit_code, again.taken_again, again.reembedded) == (0, 29, 30)
        assert work.all_right()
        assert [each[:4] for each in vectors(work)[1:]] == [each[:4] for each in after[1:]]

    def test_a_row_that_is_taken_again_is_a_row(self, work: Work) -> None:
        assert work.run().exit_code == 0
        rollback(work)

        part = work.run(max_rows=7, batch=5)
        rest = work.run(resume=True)

        assert (part.exit_code, part.reason, part.reembedded) == (75, "max-rows", 7)
        assert (rest.exit_code, rest.reembedded, work.all_right()) == (0, 23, True)

    def test_it_can_be_undone_and_redone_in_any_order(self, work: Work) -> None:
        before = vectors(work)
        work.run()
        for _ in range(3):
            rollback(work)
            assert vectors(work) == before
            again = work.run()
            assert (again.exit_code, again.taken_again) == (0, 30)
            assert work.all_right()

    def test_a_row_of_the_same_text_gets_the_vector_of_one_that_is_gone(self, work: Work) -> None:
        work.run()
        rollback(work)
        first, second = sorted(files.texts(work.path))[:2]
        files.execute(work.path, "UPDATE memories SET id = 'another' WHERE id = ?", first)
        files.execute(work.path, "DELETE FROM memories WHERE id = ?", second)

        again = work.run()

        assert (again.taken_again, work.all_right()) == (29, True)

    def test_vectors_that_nobody_saw_to_be_right_are_asked_for_again_at_its_end(self, tmp_path: Path) -> None:
        check_redo_of_lies(tmp_path / "lies.db")

    @pytest.mark.parametrize("way", ["rollback", "another model"])
    def test_however_large_the_pages_many_of_them_are_asked_for(self, tmp_path: Path, way: str) -> None:
        path = files.create(tmp_path / "m.db", rows=200)
        work = Work(path, HashEmbedder(max_batch=200))
        liar = replace(work, embedder=LiarInPart(max_batch=200, path=path))
        assert liar.run(batch=100).exit_code == 75
        if way == "rollback":
            rollback(work)
        else:
            with work.store() as store, store.transaction() as transaction:
                transaction.runs.cancel(now_ms=work.clock.ms)
            assert replace(work, embedder=THIRD).run().exit_code == 0

        done = work.run(batch=100)

        assert (done.exit_code, work.all_right()) == (0, True)
        # Each may have been a lie; whoever served them then, the endpoint of today is honest.
        assert done.disagreed > 0
        assert not any("one at a time" in line for line in work.heard.lines)

    def test_that_a_run_was_undone_proves_nothing_of_what_it_wrote(self, work: Work) -> None:
        liar = replace(work, embedder=Liar())
        liar.run(batch=5)
        rollback(work)
        with work.store() as store, store.transaction() as transaction:
            # A good end of something else, before what is kept is taken again.
            transaction.targets.begin_stretch(2)

        done = work.run(batch=5)

        assert (done.exit_code, done.disagreed > 0, work.all_right()) == (0, True, True)


def check_written_twice(path: Path) -> None:
    """Have a run write a row twice, and check that what comes back is what stood there before the first time."""
    work = half_done(path)
    before = vectors(work)
    assert work.run(max_rows=20).exit_code == 75
    row_id = min(files.texts(path))
    files.execute(path, "UPDATE memories SET embedding = x'01000080bf' WHERE id = ?", row_id)
    assert work.run(resume=True).exit_code == 0
    assert work.all_right()

    rollback(work)

    assert vectors(work) == before


def check_redo_of_lies(path: Path) -> None:
    """Have an endpoint lie to a run that is undone, and check that another run finds out what it takes again."""
    work = half_done(path)
    liar = replace(work, embedder=Liar())
    assert liar.run(batch=5).exit_code == 75
    with liar.store() as store:
        assert len(store.targets.unproven(store.targets.read(2))) >= 10
    assert rollback(work).put_back >= 10

    done = work.run(batch=5)

    assert (done.exit_code, done.disagreed > 0, work.all_right()) == (0, True, True)


@dataclass(slots=True)
class Turning(HashEmbedder):
    """Gives each text another vector each time, after some requests."""

    requests: int = 0

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        self.requests += 1
        return HashEmbedder.embed_documents(self, texts)

    def vector(self, text: str) -> Vectors:
        lies = self.requests > 12 and text not in BESIDE_ROWS
        return HashEmbedder.vector(self, f"{text} {self.requests}" if lies else text)


@dataclass(slots=True)
class LiarInPart(HashEmbedder):
    """Gives one document in twelve the vector of another text, and goes away when all rows of a file have vectors."""

    path: Path = Path()

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        if files.embedded(self.path) == len(files.texts(self.path)):
            raise TransientFailure("The endpoint is away.")
        return HashEmbedder.embed_documents(self, texts)

    def vector(self, text: str) -> Vectors:
        lies = text not in BESIDE_ROWS and not crc32(text.encode()) % 12
        return HashEmbedder.vector(self, f"another than {text}" if lies else text)


@dataclass(slots=True)
class Liar(HashEmbedder):
    """Gives documents vectors of other texts, each the same one at any time, and goes away before the end."""

    requests: int = 0

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        self.requests += 1
        if self.requests > 14:
            raise TransientFailure("The endpoint is away.")
        return HashEmbedder.embed_documents(self, texts)

    def vector(self, text: str) -> Vectors:
        honest = text in BESIDE_ROWS
        return HashEmbedder.vector(self, text if honest else f"another than {text}")
