"""Signs of life: only of the runner whose run it is."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from ai_memory.errors import NotFinished
from ai_memory.reembed.heartbeat import Heartbeat
from ai_memory.stores.sqlite import runs
from tests.reembed.work import HOLDER, NOW_MS, Work, begun, known
from tests.support import files
from tests.support.fakes import HashEmbedder

ROW = "SELECT last_progress_at, last_error FROM reembed_run"


class NeverThere(Future[object]):
    def exception(self, timeout: float | None = None) -> BaseException | None:
        raise TimeoutError(timeout)


def test_a_runner_whose_run_was_taken_over_writes_nothing_and_ends(work: Work) -> None:
    with work.store() as store:
        run = begun(store, known(store, HashEmbedder()))
        with store.transaction() as transaction:
            runs.take_over(transaction, run, HOLDER, in_flight_limit=1, now_ms=NOW_MS)
        work.clock.advance(60)
        work.embedder.meter.failure = "503"
        heartbeat = Heartbeat(store, run, work.job().tools)

        with pytest.raises(NotFinished, match="taken over"):
            heartbeat.await_answer(NeverThere())

        assert store.db.execute(ROW) == [(NOW_MS, None)]
        assert work.stop.requested()


def test_a_failure_is_noted_while_it_lasts_and_forgotten_once_a_page_is_committed(work: Work) -> None:
    with work.store() as store:
        heartbeat = Heartbeat(store, begun(store, known(store, HashEmbedder())), work.job().tools)
        work.clock.advance(60)
        work.embedder.meter.failure = "503: overloaded"
        heartbeat.beat()
        during = store.db.execute(ROW)
        work.embedder.meter.failure = ""
        heartbeat.committed()

        assert during == [(NOW_MS + 60_000, "503: overloaded")]
        assert store.db.execute(ROW) == [(NOW_MS + 60_000, None)]


def test_what_opened_the_breaker_stands_until_the_endpoint_has_answered(work: Work) -> None:
    with work.store() as store:
        heartbeat = Heartbeat(store, begun(store, known(store, HashEmbedder())), work.job().tools)
        store.db.execute("UPDATE reembed_run SET breaker_state = 'open', last_error = '503'")
        heartbeat.beat()

        assert store.db.execute(ROW)[0][1] == "503"


def test_a_file_that_cannot_be_written_keeps_nobody_from_waiting(work: Work) -> None:
    with work.store() as store:
        heartbeat = Heartbeat(store, begun(store, known(store, HashEmbedder())), work.job().tools)
        with files.opened(work.path) as other:
            store.db.execute("PRAGMA busy_timeout = 0")
            other.execute("BEGIN IMMEDIATE")
            heartbeat.beat()

        assert not work.stop.requested()
