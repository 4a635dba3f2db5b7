"""The switch to a staged run, the moving after it, and the way back: what is served at each instant of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ai_memory.errors import OperatorNeeded, TargetChanged
from ai_memory.reembed.finish.back import Back, WentBack
from ai_memory.reembed.finish.rollback import Rollback
from ai_memory.reembed.finish.rollback_report import RollbackReport
from ai_memory.reembed.finish.switch import Switch
from ai_memory.reembed.finish.switch_report import Switched
from ai_memory.reembed.inspect.report import RunReport
from ai_memory.reembed.job import Job
from ai_memory.reembed.stop import Stop
from ai_memory.reembed.tools import SweepTools
from ai_memory.show.narrator import Narrator
from ai_memory.stores.opening import database
from ai_memory.stores.sqlite.library import Library
from ai_memory.vectors.blob import encode
from tests.reembed.work import Heard, Work
from tests.support import files
from tests.support.fakes import HashEmbedder
from tests.support.promises import source

OLD, NEW = HashEmbedder(), HashEmbedder(dim=8, model="new")
OF_VECTOR = "SELECT id, embedding, embedding_dim, embedding_space FROM memories ORDER BY id"
NEW_RECORDS = "SELECT memory_id, src FROM embedding_provenance WHERE fingerprint_id = 2"
RECORDS = "SELECT * FROM embedding_provenance ORDER BY memory_id"


@dataclass(slots=True)
class Switching:
    """A file whose vectors are of one model, and its staged run to another."""

    work: Work
    asked: list[str] = field(default_factory=list)

    def tools(self) -> SweepTools:
        return SweepTools(self.work.clock, self.work.stop, Narrator(Heard()), Random(1))

    def switch(self, **named: Any) -> Switched | RunReport:  # noqa: ANN401 - fields of Switch
        def job() -> Job:
            self.asked.append("job")
            return self.work.job(resume=True, last_pass=True, batch=4)

        return Switch(database(self.work.path), self.tools(), job, **named).run()

    def switched(self, **named: Any) -> Switched:  # noqa: ANN401 - fields of Switch
        report = self.switch(**named)
        assert isinstance(report, Switched)
        return report

    def back(self, **named: Any) -> WentBack | RollbackReport:  # noqa: ANN401 - fields of Back
        return Back(database(self.work.path), self.tools(), **named).run()

    def served(self) -> dict[str, bytes | None]:
        """Return the vectors that search reads, by id."""
        with self.work.store() as store:
            ids = {row.id for row in store.consistently(lambda found: list(found.rows(target=None, only=None)))}
            return {row.id: row.embedding for row in store.memories.rows_by_id(sorted(ids), target=None)}

    def compared(self) -> dict[str, list[Any]]:
        """Return what search is told of the vectors, by space."""
        with self.work.store() as store:
            found: dict[str, list[Any]] = {}
            for page in Library(store).search.vectors(None):
                for group in page.groups:
                    found.setdefault(group.space or "", []).extend(map(encode, group.vectors))
            return found

    def of(self, embedder: HashEmbedder, *, but: tuple[str, ...] = ()) -> dict[str, bytes | None]:
        """Return the vectors that an embedder gives the present texts, but of some rows."""
        texts = files.texts(self.work.path)
        return {each: encode(embedder.vector(text)) for each, text in texts.items() if each not in but}

    def require_no_other_text(self) -> None:
        """Check that what is served of the new model is of each memory's present text, whatever stands in its row."""
        new = self.of(NEW)
        for found in (self.served(), dict(files.execute(self.work.path, "SELECT id, embedding FROM memories"))):
            wide = {each: blob for each, blob in found.items() if blob and len(blob) == 1 + 4 * NEW.dim}
            assert wide == {each: new[each] for each in wide}
        recorded, texts = dict(files.execute(self.work.path, NEW_RECORDS)), files.texts(self.work.path)
        assert recorded == {each: source(texts[each]) for each in recorded}
        in_rows = dict(files.execute(self.work.path, "SELECT id, embedding FROM memories"))
        assert {each: in_rows[each] for each in recorded} == {each: new[each] for each in recorded}

    def state(self) -> str:
        return str(files.execute(self.work.path, "SELECT state FROM reembed_run ORDER BY run_id DESC LIMIT 1")[0][0])

    def in_rows(self) -> tuple[list[Any], list[Any]]:
        return files.execute(self.work.path, OF_VECTOR), files.execute(self.work.path, RECORDS)

    def staged(self) -> int:
        return int(files.execute(self.work.path, "SELECT count(*) FROM embedding_staged")[0][0])


@pytest.fixture
def ready(work: Work) -> Switching:
    """Return a file with a staged run that is ready."""
    assert work.run().exit_code == 0
    work.embedder = HashEmbedder(dim=8, model="new")
    assert work.run(staged=True).state == "ready"
    return Switching(work)


def test_from_the_switch_on_the_new_vectors_are_served_and_those_of_the_rows_stay(ready: Switching) -> None:
    before = ready.in_rows()
    assert ready.served() == ready.of(OLD)

    report = ready.switched(wait=False)

    assert (report.exit_code, report.state, report.switched, report.remaining) == (0, "switched", True, 10)
    assert ready.served() == ready.of(NEW)
    assert list(ready.compared()) == [NEW.target.space]
    assert (ready.in_rows(), ready.asked) == (before, [])


def test_a_switch_that_moves_nothing_yet_leaves_the_run_in_good_order(ready: Switching) -> None:
    ready.switched(wait=False)

    with ready.work.store() as store:
        run = store.runs.read(2)
        assert (run.state, run.holder) == ("switched", None)
        assert run.last_end is not None
        assert (run.last_end.exit_code, run.last_end.reason) == (0, "switched")
    # Whoever asks for it again takes nothing, so that there is no end to note.
    ready.switched(wait=False)
    assert ready.switched().state == "done"
    kinds = files.execute(
        ready.work.path,
        "SELECT kind FROM reembed_event WHERE run_id = 2 AND kind IN ('runner', 'taken over', 'ended') ORDER BY rowid",
    )
    assert [kind for (kind,) in kinds] == ["runner", "ended", "runner", "ended", "runner", "ended"]


def test_then_they_are_moved_into_the_memories_and_the_run_is_done(ready: Switching) -> None:
    report = ready.switched()

    assert (report.exit_code, report.state, report.reason, report.moved) == (0, "done", "complete", 10)
    assert ready.work.all_right()
    assert (ready.served(), ready.staged(), ready.asked) == (ready.of(NEW), 0, [])
    with ready.work.store() as store:
        target = store.targets.read(2)
        assert (store.targets.unproven(target), store.targets.staged.active()) == ([], None)
        assert store.operator.is_approved(target.space, target.dim)
        run = store.runs.read(2)
        assert (run.counters.moved, run.counters.reembedded, run.kept.rows) == (10, 10, 10)


@pytest.mark.parametrize("rows", [1, 4, 9])
def test_the_moving_ends_early_and_is_gone_on_with_while_every_memory_is_served_its_new_vector(
    ready: Switching, rows: int
) -> None:
    report = ready.switched(max_rows=rows, batch=2)
    assert (report.exit_code, report.reason, report.state) == (75, "max-rows", "switched")
    assert (report.moved, report.remaining) == (rows, 10 - rows)
    assert ready.served() == ready.of(NEW)
    in_rows = dict(files.execute(ready.work.path, "SELECT id, embedding FROM memories"))
    # Whoever reads the memories alone finds an old vector or a new one.
    assert all(in_rows[each] in (ready.of(OLD)[each], ready.of(NEW)[each]) for each in in_rows)

    report = ready.switched(batch=3)

    assert (report.exit_code, report.state, report.switched, report.moved) == (0, "done", False, 10)
    assert ready.work.all_right()


def test_what_changed_since_it_was_ready_is_embedded_first(ready: Switching) -> None:
    files.edit(ready.work.path, "id-003", "edited")
    files.add(ready.work.path, "id-new", content="added")
    files.execute(ready.work.path, "DELETE FROM memories WHERE id = 'id-005'")

    report = ready.switched()

    assert (report.exit_code, report.state, ready.asked) == (0, "done", ["job"])
    assert ready.work.all_right()
    assert ready.served() == ready.of(NEW)


def test_a_last_pass_that_does_not_end_leaves_what_was_served(ready: Switching) -> None:
    files.edit(ready.work.path, "id-003", "edited")
    ready.work.embedder.poison = "edited"
    before = ready.served()

    with pytest.raises(OperatorNeeded, match="1 row is in quarantine") as caught:
        ready.switch()

    assert "--accept-quarantined" in caught.value.tip
    assert (ready.served(), ready.state()) == (before, "ready")


def test_rows_in_quarantine_are_left_behind_where_that_is_accepted(ready: Switching) -> None:
    files.edit(ready.work.path, "id-003", "edited")
    ready.work.embedder.poison = "edited"

    report = ready.switched(accept_quarantined=True)

    assert (report.exit_code, report.state, report.reason) == (10, "done", "quarantine")
    assert {each: blob for each, blob in ready.served().items() if each != "id-003"} == ready.of(NEW, but=("id-003",))


def test_moving_a_vector_answers_no_read_that_was_not_answered_before(ready: Switching) -> None:
    files.note_reads(ready.work.path, "id-003", 40)
    files.note_reads(ready.work.path, "id-000", 60)
    files.edit(ready.work.path, "id-003", "edited")
    ready.work.embedder.poison = "edited"

    ready.switched(accept_quarantined=True, max_rows=2, batch=1)

    with ready.work.store() as store:
        run = store.runs.unfinished()
    assert run is not None
    assert run.counted is not None
    assert (run.state, run.counted.reads, run.counted.reads_answered) == ("switched", 100, 60)


def test_what_is_edited_after_the_switch_is_not_served_the_vector_of_its_earlier_text(ready: Switching) -> None:
    was = ready.of(NEW)["id-003"]
    ready.switched(wait=False)
    files.edit(ready.work.path, "id-003", "edited")

    served = ready.served()["id-003"]
    report = ready.switched()

    assert served != was
    assert (report.exit_code, report.state, report.stale) == (75, "done", 1)
    assert "ai-memory reembed" in report.next
    assert ready.served()["id-003"] == served
    assert ready.work.run().exit_code == 0
    assert ready.served() == ready.of(NEW)


@pytest.mark.parametrize("moved", [None, 0, 3, 10])
def test_what_was_served_before_is_served_again_at_once(ready: Switching, moved: int | None) -> None:
    before = ready.in_rows()
    served = ready.compared()
    if moved is None:
        ready.switched(wait=False)
    else:
        ready.switched(max_rows=moved or None, batch=2) if moved else ready.switched(wait=False)

    ready.back(wait=False)
    assert ready.served() == ready.of(OLD)
    assert ready.compared().keys() == served.keys()
    assert sorted(ready.compared()[OLD.target.space]) == sorted(served[OLD.target.space])

    with ready.work.store() as store:
        target = store.targets.read(2)
        assert not store.operator.is_approved(target.space, target.dim)
        unfinished = store.runs.unfinished()
    if unfinished:
        report = ready.back()
        assert (report.exit_code, report.state) == (0, "done")
    assert (ready.in_rows(), ready.staged(), ready.served()) == (before, 0, ready.of(OLD))


def test_after_its_end_it_is_switched_back_until_it_is_pruned(ready: Switching) -> None:
    before = ready.in_rows()
    ready.switched()

    report = ready.back()

    assert isinstance(report, RollbackReport)
    assert (report.exit_code, report.put_back) == (0, 10)
    assert ready.in_rows() == before
    with ready.work.store() as store:
        assert store.targets.staged.active() is None


def test_what_was_edited_after_the_switch_stays_as_it_is_on_the_way_back(ready: Switching) -> None:
    ready.switched()
    files.edit(ready.work.path, "id-003", "edited")

    ready.back(wait=False)

    served, old = ready.served(), ready.of(OLD)
    assert {each for each in served if served[each] != old[each]} == {"id-003"}


def test_what_is_no_longer_kept_cannot_be_served(ready: Switching) -> None:
    ready.switched()
    with ready.work.store() as store, store.transaction() as transaction:
        transaction.undo.prune(0, spare=(), limit=100)

    with pytest.raises(OperatorNeeded, match="was pruned"):
        ready.back()


def check_edits(path: Path) -> None:
    """Edit a memory at each step from the staged run to its end: none is served, or given, a vector of another text."""
    work = Work(files.create(path))
    assert work.run().exit_code == 0
    work.embedder = HashEmbedder(dim=8, model="new")
    edits = iter(["id-001"])

    def edit(_: Sequence[str]) -> None:
        for each in edits:
            files.edit(path, each, "while it was embedded")

    work.embedder.before = edit
    assert work.run(staged=True, batch=4).state == "ready"
    switching = Switching(work)
    files.edit(path, "id-002", "since it was ready")

    switching.switched(wait=False)
    assert switching.served() == switching.of(NEW)

    files.edit(path, "id-003", "since it was switched to")
    switching.require_no_other_text()
    assert switching.switched(max_rows=5, batch=2).exit_code == 75
    files.edit(path, "id-009", "while it was moved")
    switching.require_no_other_text()
    assert switching.switched().exit_code == 75
    switching.require_no_other_text()
    assert work.run().exit_code == 0
    assert switching.served() == switching.of(NEW)


def test_no_memory_that_is_edited_on_the_way_is_served_a_vector_of_another_text(tmp_path: Path) -> None:
    check_edits(tmp_path / "m.db")


UNREADY: dict[str, tuple[Callable[[Work], object], str]] = {
    "no run": (lambda _: None, "There is no staged run to switch to"),
    "in place": (lambda work: work.run(max_rows=2, batch=2), "replaces vectors in place, is unfinished"),
    "not ready": (lambda work: work.run(staged=True, max_rows=2, batch=2), "is not ready: 8 rows remain"),
}


@pytest.mark.parametrize("case", UNREADY)
def test_nothing_is_switched_to_that_is_not_ready(work: Work, case: str) -> None:
    begin, words = UNREADY[case]
    begin(work)

    with pytest.raises(OperatorNeeded, match=words):
        Switching(work).switch()


@pytest.mark.parametrize("case", ["no run", "in place", "ready"])
def test_nothing_is_switched_back_that_was_not_switched_to(work: Work, case: str) -> None:
    if case == "in place":
        work.run()
    if case == "ready":
        work.run(staged=True)

    with pytest.raises(OperatorNeeded, match="not switched to"):
        Switching(work).back()


def test_a_switched_run_stands_in_the_way_of_every_start(ready: Switching) -> None:
    ready.switched(wait=False)

    for flags in ({"resume": True}, {}, {"retarget": True}, {"resume": True, "or_start": True}):
        with pytest.raises(OperatorNeeded, match="is switched to") as caught:
            ready.work.run(**flags)
        assert "switch --back" in caught.value.tip


def test_a_pause_ends_the_moving_within_a_page(ready: Switching) -> None:
    stop = Stop()
    ready.work.stop = stop
    stop.ask("SIGTERM", exit_code=143)

    report = ready.switched()

    assert (report.exit_code, report.state, report.moved) == (143, "switched", 0)
    assert ready.served() == ready.of(NEW)


def test_a_later_run_over_what_changed_does_not_end_the_way_back(ready: Switching) -> None:
    before = ready.of(OLD)
    ready.switched()
    files.edit(ready.work.path, "id-003", "edited")
    assert ready.work.run().exit_code == 0

    ready.back(wait=False)
    assert {each: blob for each, blob in ready.served().items() if each != "id-003"} == {
        each: blob for each, blob in before.items() if each != "id-003"
    }

    assert ready.back().exit_code == 0
    assert {each for each, blob in ready.served().items() if blob != before[each]} == {"id-003"}


def test_only_the_staged_run_is_undone_and_not_the_one_that_it_superseded(work: Work) -> None:
    assert work.run().exit_code == 0
    work.embedder = HashEmbedder(dim=8, model="new")
    assert work.run(max_rows=4, batch=2).exit_code == 75
    before = files.execute(work.path, OF_VECTOR)
    assert work.run(retarget=True, staged=True).state == "ready"
    assert files.execute(work.path, OF_VECTOR) == before
    switching = Switching(work)
    served = switching.served()
    switching.switched()

    report = switching.back()

    assert isinstance(report, RollbackReport)
    assert (report.undoes, files.execute(work.path, OF_VECTOR) == before, switching.served()) == ((3, 3), True, served)


def test_a_last_pass_that_is_refused_leaves_the_run_ready(ready: Switching) -> None:
    files.edit(ready.work.path, "id-003", "edited")
    ready.work.embedder = HashEmbedder(dim=8, model="third")
    with pytest.raises(TargetChanged):
        ready.switch()
    ready.work.embedder = HashEmbedder(dim=8, model="new")

    assert ready.state() == "ready"
    assert ready.switched().state == "done"


def test_where_the_database_takes_no_vector_none_is_moved_and_all_are_served(ready: Switching) -> None:
    held = "BEFORE UPDATE OF embedding ON memories BEGIN SELECT RAISE(ABORT, 'legal hold'); END"
    files.execute(ready.work.path, f"CREATE TRIGGER held {held}")

    refused = ready.switched()

    assert (refused.exit_code, refused.state, ready.staged()) == (65, "switched", 10)
    assert "The first is id-000: legal hold." in refused.error
    assert ready.served() == ready.of(NEW)
    files.execute(ready.work.path, "DROP TRIGGER held")
    assert ready.switched().state == "done"


def test_a_run_that_has_replaced_nothing_is_given_up_or_switched_back(ready: Switching) -> None:
    for switch, way in ((False, "reembed cancel"), (True, "reembed switch --back")):
        if switch:
            ready.switched(wait=False)
        with pytest.raises(OperatorNeeded, match="has replaced nothing yet") as caught:
            Rollback(database(ready.work.path), ready.tools(), lambda _: None).run()
        assert caught.value.tip.endswith(way)


def test_what_was_left_in_the_middle_of_a_switch_back_is_gone_on_with(ready: Switching) -> None:
    ready.switched(wait=False)
    assert isinstance(ready.back(), WentBack)
    files.execute(
        ready.work.path,
        "INSERT INTO embedding_staged (memory_id, target, src, head, origin, stretch, embedding)"
        " VALUES ('id-001', 2, x'00', x'00', 'reembed', 1, x'00')",
    )

    assert isinstance(ready.back(), WentBack)
    assert ready.staged() == 0


def test_of_what_is_dropped_nothing_is_said_to_be_done(ready: Switching) -> None:
    ready.switched(wait=False)
    ready.back()

    with ready.work.store() as store:
        (run, *_) = store.runs.recent()
    assert run is not None
    assert run.counted is not None
    assert (run.counted.live, run.counted.remaining) == (10, 10)
