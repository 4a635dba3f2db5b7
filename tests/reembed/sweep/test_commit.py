"""One page, one transaction: vectors, quarantine and cursors together, or none of them."""

from __future__ import annotations

import pytest

from ai_memory.embed.outcomes import Embedded, Refused, Unanswered
from ai_memory.embed.usage import Usage
from ai_memory.errors import NotFinished, OperatorNeeded
from ai_memory.memory.freshness import Document, Unfit
from ai_memory.memory.reason import Reason
from ai_memory.reembed.page import Page
from ai_memory.reembed.stop import Stop
from ai_memory.reembed.sweep.commit import write_page
from ai_memory.reembed.sweep.committer import Committer
from ai_memory.reembed.sweep.journal import RunJournal
from ai_memory.reembed.sweep.progressed import Traffic
from ai_memory.reembed.tools import SweepTools
from ai_memory.reembed.work import Answered
from ai_memory.stores.sqlite import checkpoints, quarantine, runs
from ai_memory.stores.sqlite.store import Store
from ai_memory.stores.values import Checkpoint, Counters, Run, Steps
from ai_memory.vectors.blob import encode
from ai_memory.vectors.target import Fingerprint
from tests.reembed.work import HOLDER, NOW_MS, Clock, begun, committed, documents, known
from tests.support import files
from tests.support.fakes import HashEmbedder

EMBEDDER = HashEmbedder()
STEPS: Steps = {"a": Checkpoint("a", "id-002", eof=False, rows_done=2)}
REFUSED = Reason("refused", "the input was refused.", 400)


@pytest.fixture
def target(store: Store) -> Fingerprint:
    return known(store, EMBEDDER)


@pytest.fixture
def run(store: Store, target: Fingerprint) -> Run:
    return begun(store, target)


def embedded(documents: list[Document]) -> tuple[Embedded, ...]:
    return tuple(Embedded(each, EMBEDDER.vector(each.text)) for each in documents)


def write(store: Store, run: Run, target: Fingerprint, answered: Answered) -> Counters:
    traffic = Traffic(in_flight_limit=50, usage=Usage(texts_sent=2, requests=1))
    with store.transaction() as transaction:
        return write_page(
            transaction, RunJournal(run), target, answered, steps=STEPS, traffic=traffic, now_ms=NOW_MS
        ).counters


def test_vectors_cursors_and_counters_are_written_together(store: Store, run: Run, target: Fingerprint) -> None:
    page = documents(store, "id-000", "id-002")

    found = write(store, run, target, Answered(Page(documents=tuple(page)), embedded(page)))

    assert found == Counters(reembedded=2, texts_sent=2, requests=1)
    assert runs.read_run(store, run.run_id).counters == found
    assert checkpoints.read(store, run) == STEPS
    assert files.vectors(store.db.path)["id-002"] == encode(EMBEDDER.vector(page[1].text))


def test_a_row_edited_meanwhile_is_counted_as_raced_and_keeps_its_vector(
    store: Store, run: Run, target: Fingerprint
) -> None:
    page = documents(store, "id-000", "id-002")
    files.edit(store.db.path, "id-002", "another text")

    found = write(store, run, target, Answered(Page(documents=tuple(page)), embedded(page)))

    assert (found.reembedded, found.raced) == (1, 1)
    assert files.vectors(store.db.path)["id-002"] is None


def test_refused_and_unfit_rows_go_into_quarantine_and_keep_their_vector(
    store: Store, run: Run, target: Fingerprint
) -> None:
    (document,) = documents(store, "id-000")
    unfit = Unfit("id-002", "a", b"src", Reason("empty", "title and content are blank"))
    page = Page(documents=(document,), unfit=(unfit,))

    found = write(store, run, target, Answered(page, (Refused(document, REFUSED),)))

    assert found.quarantined == 2
    assert [(each.id, each.kind) for each in quarantine.entries(store, target.id)] == [
        ("id-000", "refused"),
        ("id-002", "empty"),
    ]
    assert set(files.vectors(store.db.path).values()) == {None}


def test_a_vector_lifts_the_quarantine_of_its_row(store: Store, run: Run, target: Fingerprint) -> None:
    page = documents(store, "id-000")
    write(store, run, target, Answered(Page(documents=tuple(page)), (Refused(page[0], REFUSED),)))

    write(store, run, target, Answered(Page(documents=tuple(page)), embedded(page)))

    assert quarantine.entries(store, target.id) == []


def test_a_twin_gets_the_vector_of_its_identical_text(store: Store, run: Run, target: Fingerprint) -> None:
    store.db.execute("UPDATE memories SET title = 'same', content = 'text' WHERE id IN ('id-000', 'id-001')")
    one, twin = documents(store, "id-000", "id-001")

    found = write(store, run, target, Answered(Page(documents=(one,), duplicates=(twin,)), embedded([one])))

    assert (found.reembedded, found.identical) == (2, 1)
    assert files.vectors(store.db.path)["id-001"] == files.vectors(store.db.path)["id-000"]


def test_a_twin_of_a_refused_text_shares_its_quarantine(store: Store, run: Run, target: Fingerprint) -> None:
    store.db.execute("UPDATE memories SET title = 'same', content = 'text' WHERE id IN ('id-000', 'id-001')")
    one, twin = documents(store, "id-000", "id-001")

    found = write(store, run, target, Answered(Page(documents=(one,), duplicates=(twin,)), (Refused(one, REFUSED),)))

    assert (found.quarantined, found.raced, found.reembedded) == (2, 0, 0)
    assert files.vectors(store.db.path)["id-001"] is None
    assert [each.kind for each in quarantine.entries(store, target.id)] == ["refused", "refused"]


def test_a_twin_gets_the_vector_that_came_though_its_own_row_was_edited(
    store: Store, run: Run, target: Fingerprint
) -> None:
    store.db.execute("UPDATE memories SET title = 'same', content = 'text' WHERE id IN ('id-000', 'id-001')")
    one, twin = documents(store, "id-000", "id-001")
    files.edit(store.db.path, "id-000", "another text")

    found = write(store, run, target, Answered(Page(documents=(one,), duplicates=(twin,)), embedded([one])))

    assert (found.reembedded, found.identical, found.raced) == (1, 1, 1)
    assert files.vectors(store.db.path)["id-001"] == encode(EMBEDDER.vector(twin.text))


def test_a_twin_for_which_no_vector_came_waits_and_is_not_told_as_edited(
    store: Store, run: Run, target: Fingerprint
) -> None:
    store.db.execute("UPDATE memories SET title = 'same', content = 'text' WHERE id IN ('id-000', 'id-001')")
    one, twin = documents(store, "id-000", "id-001")
    answered = Answered(Page(documents=(one,), duplicates=(twin,)), (Unanswered(one, "it broke down."),))

    found = write(store, run, target, answered)

    assert (found.reembedded, found.raced, found.quarantined) == (0, 0, 0)
    assert files.vectors(store.db.path)["id-001"] is None


def test_what_is_taken_back_leaves_no_vector_for_a_twin(store: Store, run: Run, target: Fingerprint) -> None:
    page = documents(store, "id-000")
    files.edit(store.db.path, "id-000", "another text")
    committer = Committer(store, RunJournal(run), target, SweepTools(Clock(), Stop(), lambda _: None))
    committer.commit(Answered(Page(documents=tuple(page)), embedded(page)), STEPS, in_flight=1)
    assert list(committer.unwritten) == [page[0].src]

    committer.take_back(["id-002"])

    assert not committer.unwritten


@pytest.mark.parametrize("by", ["cancelled", "paused", "superseded", "taken over"])
def test_a_runner_that_lost_its_run_writes_nothing(store: Store, run: Run, target: Fingerprint, by: str) -> None:
    page = documents(store, "id-000")
    if by == "taken over":
        committed(store, runs.take_over, run, HOLDER, in_flight_limit=1, now_ms=NOW_MS)
    else:
        committed(store, runs.transition, run, by, now_ms=NOW_MS, fenced=False)

    with pytest.raises(NotFinished if by == "taken over" else OperatorNeeded, match=f"was {by}"):
        write(store, run, target, Answered(Page(documents=tuple(page)), embedded(page)))

    assert set(files.vectors(store.db.path).values()) == {None}
    assert checkpoints.read(store, run) == {}
    assert files.execute(store.db.path, "SELECT count(*) FROM embedding_provenance") == [(0,)]
