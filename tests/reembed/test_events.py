"""What an observer is told of an invocation: facts in the order in which they happened, after they were committed."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from ai_memory.embed.assemble import in_turn
from ai_memory.errors import TransientFailure
from ai_memory.reembed.events import (
    BreakerOpened,
    Event,
    PageCommitted,
    PassBegan,
    RowsLookedAt,
    RowsQuarantined,
    RunBegan,
    RunEnded,
    RunTakenOver,
    Waiting,
    WitnessAgreed,
)
from ai_memory.reembed.sweep.worker import answer
from tests.reembed.test_job import ClockEvent
from tests.reembed.work import NOW_MS, Work
from tests.support import files
from tests.support.fakes import HashEmbedder


def observed(work: Work, **flags: object) -> list[Event]:
    """Run one invocation and return what was told."""
    events: list[Event] = []
    job = work.job(**flags)
    replace(job, tools=replace(job.tools, observe=events.append)).run()
    return events


def test_an_invocation_is_told_from_its_first_page_to_its_end(work: Work) -> None:
    events = observed(work, batch=4)

    rows = [each.rows for each in events if isinstance(each, PageCommitted)]
    assert events[:3] == [RowsLookedAt(), RunBegan("hash", 10), PassBegan(1)]
    assert (sum(rows), events[-1], events.count(RunEnded())) == (10, RunEnded(), 1)
    # Behind the first page and behind the last one.
    assert events.count(WitnessAgreed()) == 2


def test_each_page_is_told_with_how_the_time_went_that_it_took_and_what_its_requests_used(work: Work) -> None:
    work.embedder = HashEmbedder(before=lambda _: work.clock.advance(2))
    events: list[Event] = []
    job = work.job(batch=5)
    asked = partial(in_turn, job.tools.embedder, partial(answer, stop=work.stop))
    replace(job, tools=replace(job.tools, observe=events.append, workers=asked)).run()
    first, *others = (each.spell for each in events if isinstance(each, PageCommitted) and each.spell)

    assert first.seconds == first.awaiting >= 2
    assert sum(each.used.texts_sent for each in [first, *others]) >= 10


def test_rows_of_the_quarantine_are_told_with_their_reasons_once_their_page_is_committed(work: Work) -> None:
    work.embedder = HashEmbedder(poison="POISON")
    files.edit(work.path, "id-003", "POISON")
    events = observed(work, batch=4)

    (told,) = (each for each in events if isinstance(each, RowsQuarantined))
    assert [(each.id, each.reason.kind) for each in told.rows] == [("id-003", "refused")]
    assert isinstance(events[events.index(told) - 1], PageCommitted)


def test_a_breaker_that_opens_is_told_with_its_reason_and_its_time(work: Work) -> None:
    def fail(_texts: object) -> None:
        if work.embedder.meter.spent.requests == 9:
            raise TransientFailure("503: overloaded.")

    work.embedder = HashEmbedder(before=fail)
    events = observed(work, batch=2, wait_seconds=0)

    assert [type(each) for each in events[-2:]] == [BreakerOpened, RunEnded]
    assert isinstance(events[-2], BreakerOpened)
    assert (events[-2].reason, events[-2].until_ms > NOW_MS) == ("503: overloaded.", True)
    assert not any(isinstance(each, Waiting | RunTakenOver) for each in events)


def test_a_run_that_goes_on_after_a_wait_is_told_with_the_rows_that_are_left(work: Work) -> None:
    def fail(_texts: object) -> None:
        if work.embedder.meter.spent.requests == 9:
            raise TransientFailure("503: overloaded.")

    work.embedder = HashEmbedder(before=fail)
    work.stop.event = ClockEvent(work.clock)
    events = observed(work, batch=2, wait_seconds=3_600)
    waited = next(at for at, each in enumerate(events) if isinstance(each, Waiting))
    done = sum(each.rows for each in events[:waited] if isinstance(each, PageCommitted))

    assert 0 < done < 10
    assert [each.rows for each in events if isinstance(each, RunBegan)] == [10, 10 - done]
