"""What an invocation's requests cost and taught: by the answers of its workers, each counted once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from ai_memory.embed.usage import Meter, Usage
from ai_memory.errors import CredentialsRefused, StorageFailed, TransientFailure
from ai_memory.reembed.ledger import Ledger
from ai_memory.reembed.work import Learned, PageAnswer
from ai_memory.stores.computing import Computing
from tests.reembed.work import Work
from tests.support import files
from tests.support.fakes import HashEmbedder

COUNTS = "SELECT texts_sent, requests FROM reembed_run"


def taught(*learned: dict[str, int]) -> Ledger:
    ledger = Ledger()
    for sizes in learned:
        ledger.settle(PageAnswer(learned=Learned(sizes, inputs=100)))
    return ledger


def test_a_size_that_one_worker_was_told_stays_though_another_knows_nothing_of_it() -> None:
    ledger = taught({"inputs": 8, "bytes": 900}, {"inputs": 20}, {})

    assert (ledger.sizes, ledger.inputs) == ({"inputs": 8, "bytes": 900}, 8)


def test_the_size_that_may_grow_again_is_as_it_was_told_last_and_each_worker_finds_its_own() -> None:
    assert taught({"in_time": 4}, {"in_time": 8}).sizes == {"in_time": 8}
    assert taught({"in_time": 4, "inputs": 9}, {}).sizes == {"inputs": 9}
    assert taught({"in_time": 4, "inputs": 9}).sizes_for_others == {"inputs": 9}


def test_a_size_that_all_must_keep_to_lowers_what_a_request_carries_at_once() -> None:
    ledger = taught({"in_time": 50})
    ledger.require({"inputs": 2})

    assert (ledger.sizes_for_others, ledger.inputs) == ({"inputs": 2}, 2)


def test_how_a_model_on_this_machine_computed_is_known_once_it_did() -> None:
    ledger = Ledger()
    ledger.settle(PageAnswer(usage=Usage(requests=1, tokens=9), learned=Learned({}, 10)))
    before = ledger.computing
    ledger.settle(PageAnswer(usage=Usage(computed=9, filling=1, seconds=0.5), learned=Learned({}, 10, "torch 2.9", 2)))
    ledger.require({"inputs": 2})

    assert before is None
    assert ledger.computing == Computing("torch 2.9", 2, 9, 1, 0.5)


def test_only_workers_with_meters_of_their_own_move_the_drivers() -> None:
    meter, usage = Meter(), Usage(requests=1, texts_sent=3, tokens=9)
    ledger = Ledger()
    ledger.settle(PageAnswer(usage=usage))
    before = meter.spent
    ledger.pay_with(meter)
    ledger.settle(PageAnswer(usage=usage))

    assert (before, meter.spent, ledger.spent) == (Usage(), usage, usage + usage)


def test_a_thread_counts_what_it_spends_itself_and_an_inner_count_is_not_the_outer_ones() -> None:
    meter = Meter()
    with meter.counting() as outer:
        meter.add(Usage(requests=1))
        with meter.counting() as inner:
            meter.add(Usage(requests=2))
        meter.add(Usage(requests=4))
    meter.add(Usage(requests=8))

    assert (outer.usage.requests, inner.usage.requests, meter.spent.requests) == (5, 2, 15)


def failing(at: int, fail: Callable[[], None]) -> HashEmbedder:
    """Return an embedder beside which something fails at a request."""
    embedder = HashEmbedder(concurrency=4)

    def before(_texts: Sequence[str]) -> None:
        if embedder.meter.spent.requests == at:
            fail()

    embedder.before = before
    return embedder


@pytest.mark.parametrize("at", [6, 8, 9, 11, 13])
@pytest.mark.parametrize("error", [TransientFailure("down."), CredentialsRefused("no."), StorageFailed("full.")])
def test_what_was_sent_for_pages_that_are_never_committed_is_counted_to_the_text(
    work: Work, error: Exception, at: int
) -> None:
    def fail() -> None:
        raise error

    work.embedder = failing(at, fail)
    ended = work.run(batch=1)
    sent = work.embedder.meter.spent

    assert ended.exit_code
    assert (ended.texts_sent, ended.requests) == (sent.texts_sent, sent.requests)
    assert files.execute(work.path, COUNTS) == [(sent.texts_sent, sent.requests)]
