"""Before the first request: the whole target, and the run that is begun or taken over."""

from __future__ import annotations

from ai_memory.memory.reason import Reason
from ai_memory.reembed.options import Options
from ai_memory.reembed.plan.decide import Action
from ai_memory.reembed.plan.plan import plan
from ai_memory.reembed.plan.taking import take
from ai_memory.reembed.plan.targets import find_target, known_fingerprint, recorded_target
from ai_memory.stores.sqlite import quarantine, runs
from ai_memory.stores.sqlite.store import Store
from tests.reembed.work import HOLDER, NOW_MS, documents, known
from tests.support.fakes import HashEmbedder, patient


def unknown_width() -> HashEmbedder:
    return HashEmbedder(dim_known=False)


def test_a_configured_width_asks_nobody(store: Store) -> None:
    embedder = HashEmbedder()

    assert (find_target(store, embedder).dim, embedder.meter.spent.requests) == (16, 0)


def test_a_width_that_the_file_knows_asks_nobody(store: Store) -> None:
    known(store, HashEmbedder())
    embedder = unknown_width()

    assert (find_target(store, embedder), embedder.meter.spent.requests) == (HashEmbedder().target, 0)


def test_a_width_that_nobody_knows_waits_for_the_probe_of_the_run(store: Store) -> None:
    embedder = unknown_width()

    assert (find_target(store, embedder).dim, embedder.meter.spent.requests) == (0, 0)


def test_the_record_of_another_model_tells_no_width(store: Store) -> None:
    known(store, HashEmbedder(model="another"))

    assert recorded_target(store, unknown_width().target).dim == 0


def test_a_plan_writes_nothing(store: Store) -> None:
    planned = plan(store, patient(HashEmbedder()), Options(), now_ms=NOW_MS)

    assert (planned.action, planned.census.stale, planned.run) == (Action.START, 10, None)
    assert known_fingerprint(store, planned.target) is None
    assert runs.recent_runs(store, 1) == []


def test_a_start_enters_a_run_that_this_process_holds(store: Store) -> None:
    planned = plan(store, patient(HashEmbedder()), Options(scope=("a",), skip_current=True), now_ms=NOW_MS)

    taken = take(store, planned, Options(scope=("a",), skip_current=True), HOLDER, in_flight=40)

    run = taken.run
    assert (run.state, run.scope, run.skip_current, run.holder) == ("running", ("a",), True, HOLDER)
    assert (run.fence, run.in_flight_limit, taken.resumed, taken.texts_sent_twice) == (1, 40, False, 0)


def test_a_take_over_after_a_kill_knows_what_may_be_sent_twice(store: Store) -> None:
    planned = plan(store, patient(HashEmbedder()), Options(), now_ms=NOW_MS)
    first = take(store, planned, Options(), HOLDER, in_flight=40)

    resume = Options(resume=True)
    second = take(store, plan(store, patient(HashEmbedder()), resume, now_ms=NOW_MS), resume, HOLDER, in_flight=7)

    assert (second.run.run_id, second.run.fence) == (first.run.run_id, first.run.fence + 1)
    # Of 40 in flight only those of the 10 stale rows can be sent again, each asked again at most once; a second kill
    # before any commit may cost both.
    assert (second.resumed, second.texts_sent_twice, second.run.in_flight_limit) == (True, 20, 20 + 7)


def test_a_retry_of_the_quarantine_empties_it(store: Store) -> None:
    target, (refused,) = known(store, HashEmbedder()), documents(store, "id-000")
    with store.transaction() as transaction:
        quarantine.put(transaction, target.id, "id-000", refused.src, Reason("refused", "no"), now_ms=NOW_MS)
    options = Options(retry_quarantined=True)

    take(store, plan(store, patient(HashEmbedder()), options, now_ms=NOW_MS), options, HOLDER, in_flight=1)

    assert quarantine.entries(store, target.id) == []
