"""How many requests are in flight and when they start, on a clock that the tests own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

import pytest

from ai_memory.embed.flow.concurrency import ConcurrencyLimiter, LimitedEmbedder
from ai_memory.embed.flow.documented import DocumentedLimits
from ai_memory.embed.flow.level import CAUTION
from ai_memory.embed.flow.limiter import Remaining
from ai_memory.embed.flow.rate import RateLimiter
from ai_memory.embed.flow.request_size import RequestSize
from ai_memory.errors import RateLimited, TransientFailure
from tests.embed.flow.passing_time import PassingTime
from tests.support.fakes import HashEmbedder


def limiter(time: PassingTime, *, most: int = 32, fixed: bool = False) -> ConcurrencyLimiter:
    return ConcurrencyLimiter(most=most, fixed=fixed, stop=threading.Event(), clock=time.clock)


def a_round(limiter: ConcurrencyLimiter, time: PassingTime, texts: Sequence[str] = (), *, latency: float = 0.2) -> None:
    """Let as many requests for `texts` as may be in flight be answered after `latency` seconds."""
    slots = [limiter.slot(texts) for _ in range(limiter.limit)]
    for slot in slots:
        slot.__enter__()
    time.now += latency
    for slot in slots:
        slot.__exit__(None, None, None)


def refused(limiter: ConcurrencyLimiter, seconds: float = 0.0) -> None:
    with pytest.raises(RateLimited), limiter.slot():
        raise RateLimited("slow down.", retry_after=seconds)


def waits(limiter: ConcurrencyLimiter) -> bool:
    """Return whether a request would have to wait, by a limiter whose stop has come."""
    try:
        with limiter.slot():
            return False
    except TransientFailure:
        return True


def stopped_pace(time: PassingTime) -> ConcurrencyLimiter:
    stop = threading.Event()
    stop.set()
    return ConcurrencyLimiter(most=8, fixed=True, stop=stop, closed=lambda: False, clock=time.clock)


def test_a_harmless_text_is_sent_in_spite_of_a_refusal_and_where_it_passes_that_is_forgotten() -> None:
    found = stopped_pace(PassingTime())
    refused(found)
    assert waits(found)
    with found.rate_doubted():
        assert not waits(found)

    assert [waits(found) for _ in range(5)] == [False] * 5


def test_a_rate_that_refuses_the_harmless_text_too_is_obeyed() -> None:
    time = PassingTime()
    found = stopped_pace(time)
    refused(found)
    time.now += 0.1
    with pytest.raises(RateLimited), found.rate_doubted(), found.slot():
        raise RateLimited("slow down.")

    assert waits(found)
    time.now += 0.5
    assert waits(found)


def test_a_wait_that_the_endpoint_named_holds_also_for_a_harmless_text() -> None:
    time = PassingTime()
    found = stopped_pace(time)
    refused(found, seconds=5)
    with pytest.raises(TransientFailure), found.rate_doubted(), found.slot():
        pass
    assert waits(found)
    time.now += 5
    assert not waits(found)


def test_waits_that_are_named_in_vain_again_and_again_give_way_to_longer_ones_of_our_own() -> None:
    time, rate, pauses = PassingTime(), RateLimiter(), []
    for _ in range(8):
        pauses.append(rate.refused(time.now, began=time.now, named=0.01))
        time.now += pauses[-1]

    assert pauses[:3] == [0.01] * 3
    assert sum(pauses) > 10
    assert pauses[3:] == sorted(pauses[3:])


def test_a_long_wait_that_is_named_is_kept_also_where_others_were_in_vain() -> None:
    time, rate = PassingTime(), RateLimiter()
    for _ in range(8):
        time.now += rate.refused(time.now, began=time.now, named=0.01)

    assert rate.refused(time.now, began=time.now, named=45.0) == 45.0


def test_the_level_doubles_until_the_first_sign_of_trouble_and_never_passes_the_most() -> None:
    time = PassingTime()
    found = limiter(time)
    levels = []
    for _ in range(6):
        levels.append(found.limit)
        a_round(found, time)

    assert levels == [4, 8, 16, 32, 32, 32]


def test_a_failure_halves_the_level_and_then_it_grows_by_one_a_round() -> None:
    time = PassingTime()
    found = limiter(time, most=16, fixed=True)
    time.now += 1
    with pytest.raises(TransientFailure), found.slot():
        raise TransientFailure("down.")
    levels = []
    for _ in range(3):
        levels.append(found.limit)
        time.now += 0.001
        a_round(found, time)

    assert levels == [8, 9, 10]


def test_requests_that_only_queue_up_halve_the_level() -> None:
    time = PassingTime()
    found = limiter(time)
    for _ in range(4):
        a_round(found, time)
    assert found.limit == 32
    time.now += 0.001
    a_round(found, time, latency=0.5)

    assert found.limit == 16


def test_a_doubling_that_brings_hardly_more_answers_a_second_is_taken_back_and_then_it_grows_by_one_a_round() -> None:
    time = PassingTime()
    found = limiter(time)
    levels = []
    for latency in (0.2, 0.2, 0.34, 0.2, 0.2):
        levels.append(found.limit)
        time.now += 0.001
        a_round(found, time, latency=latency)

    assert levels == [4, 8, 16, 8, 9]


def test_a_round_of_long_texts_after_one_of_short_texts_is_no_slower_one() -> None:
    time = PassingTime()
    found = limiter(time)
    levels = []
    for texts, latency in ((["x"], 0.01), (["x" * 500] * 100, 0.2), (["x"], 0.01), (["x" * 500] * 100, 0.2)):
        levels.append(found.limit)
        a_round(found, time, texts, latency=latency)

    assert levels == [4, 8, 16, 32]
    time.now += 0.001
    a_round(found, time, ["x"], latency=0.05)
    assert found.limit == 16


def test_failures_of_one_round_halve_the_level_once() -> None:
    time = PassingTime(now=1)
    found = limiter(time, most=8, fixed=True)
    slots = [found.slot() for _ in range(8)]
    for slot in slots:
        slot.__enter__()
    time.now += 0.2
    for slot in slots:
        assert not slot.__exit__(TransientFailure, TransientFailure("down."), None)

    assert found.limit == 4


def test_a_pause_longer_than_anyone_waits_is_refused_at_once() -> None:
    time = PassingTime()
    found = limiter(time)
    refused(found, seconds=3_600)

    with pytest.raises(RateLimited, match=r"^slow down\.$") as caught, found.slot():
        pass
    assert caught.value.when == "The endpoint is asked again in 1 h."


def test_what_a_refusal_said_holds_while_its_pause_stands() -> None:
    time = PassingTime()
    found = limiter(time)
    early = found.slot()
    early.__enter__()
    refused(found, seconds=1e9)
    early.__exit__(None, None, None)

    with pytest.raises(RateLimited, match=r"^slow down\.$") as caught, found.slot():
        pass
    assert caught.value.line() == "slow down. The endpoint is asked again in 24 h. Run the same command again then."


def test_after_a_stop_no_request_is_sent_even_where_there_is_a_place() -> None:
    stop = threading.Event()
    found = ConcurrencyLimiter(most=2, fixed=True, stop=stop, clock=PassingTime().clock)
    stop.set()

    with pytest.raises(TransientFailure, match="not sent"), found.slot():
        pytest.fail("it was sent")


def test_what_is_to_be_finished_is_sent_after_a_stop_but_waits_for_no_place() -> None:
    stop = threading.Event()
    found = ConcurrencyLimiter(most=1, fixed=True, stop=stop, closed=lambda: False, clock=PassingTime().clock)
    stop.set()
    sent = []

    with found.slot():
        sent.append("sent")
        with pytest.raises(TransientFailure, match="not sent"), found.slot():
            pass

    assert sent == ["sent"]


def test_a_stop_ends_the_wait_for_a_place() -> None:
    stop = threading.Event()
    found = ConcurrencyLimiter(most=1, fixed=True, stop=stop, clock=PassingTime().clock)
    with found.slot():
        stop.set()
        with pytest.raises(TransientFailure, match="not sent"), found.slot():
            pass


def test_a_refusal_names_the_pause_to_whoever_retries() -> None:
    found = limiter(PassingTime())
    with pytest.raises(RateLimited) as caught, found.slot():
        raise RateLimited("slow down.")

    assert (caught.value.pause, caught.value.retry_after) == (0.5, 0)


@pytest.mark.parametrize(("seconds", "asked"), [(0.0, 0.0), (3_600.0, 3_600.0)])
def test_a_pause_of_our_own_is_not_what_the_endpoint_asked_for(seconds: float, asked: float) -> None:
    found = ConcurrencyLimiter(most=4, fixed=True, stop=threading.Event(), clock=PassingTime().clock, longest_wait=0.1)
    refused(found, seconds)

    with pytest.raises(RateLimited) as caught, found.slot():
        pass
    assert caught.value.retry_after == asked


def test_the_time_of_an_answer_teaches_the_size_of_a_request() -> None:
    time, limits = PassingTime(), RequestSize(DocumentedLimits())
    inner = HashEmbedder(before=lambda _texts: time.sleep(40))
    found = ConcurrencyLimiter(most=1, fixed=False, stop=threading.Event(), sizes=limits, clock=time.clock)
    embedder = LimitedEmbedder(inner, found)
    embedder.embed_documents([f"text {number}" for number in range(40)])

    assert limits.inputs == 10


def test_a_limit_that_is_used_up_holds_the_next_request_back() -> None:
    time, stop = PassingTime(), threading.Event()
    found = ConcurrencyLimiter(most=2, fixed=True, stop=stop, clock=time.clock)
    with found.slot():
        found.observe([Remaining("requests", 0, 10, 60)])
    stop.set()

    with pytest.raises(TransientFailure), found.slot():
        pass
    stop.clear()
    time.now += 60
    with found.slot():
        pass


def test_a_renewal_foretold_for_never_holds_nothing_back() -> None:
    found = ConcurrencyLimiter(most=2, fixed=True, stop=threading.Event(), clock=PassingTime().clock)
    with found.slot():
        found.observe([Remaining("requests", 0, 10, 86_400 * 999)])

    with found.slot():
        pass


def ask(rate: RateLimiter, time: PassingTime, server: Iterator[bool]) -> bool:
    """Wait until a request may start, send it and learn from the answer."""
    while wait := rate.wait(time.now, tokens=0):
        time.now += wait
    began = time.now
    rate.take(began, tokens=0)
    time.now += 0.001
    if passed := next(server):
        rate.accepted(time.now, began=began)
    else:
        rate.refused(time.now, began=began, named=0)
    return passed


def window_of(requests: int, seconds: float, time: PassingTime) -> Iterator[bool]:
    """A server that lets so many requests pass in each window and says nothing of it."""
    passed: dict[int, int] = {}
    while True:
        window = int(time.now // seconds)
        passed[window] = passed.get(window, 0) + 1
        yield passed[window] <= requests


@pytest.mark.parametrize(("requests", "seconds"), [(500, 60), (3_000, 60), (100, 6), (300, 6)])
def test_a_rate_that_nobody_tells_is_found_and_used_up_without_a_storm(requests: int, seconds: float) -> None:
    time, rate = PassingTime(), RateLimiter()
    server = window_of(requests, seconds, time)
    answers: list[bool] = []
    while time.now < 10 * seconds:
        answers.append(ask(rate, time, server))

    assert answers.count(True) >= 0.95 * 10 * requests
    assert answers.count(False) <= 0.02 * len(answers)


def test_what_headers_say_is_left_is_used_and_its_renewal_awaited() -> None:
    rate = RateLimiter()
    rate.take(0, tokens=10)
    rate.learn([Remaining("requests", 2, 3, 60), Remaining("tokens", 1_000, 1_010, 60)], now=0, requests=0, tokens=0)

    waits = []
    for _ in range(3):
        waits.append(rate.wait(1, tokens=10))
        rate.take(1, tokens=10)
    assert waits == [0, 0, 59]
    assert rate.wait(60, tokens=10) == 0


def test_a_refusal_that_headers_did_not_foretell_teaches_a_rate_all_the_same() -> None:
    time, rate = PassingTime(), RateLimiter()
    server = window_of(100, 6, time)
    answers: list[bool] = []
    while time.now < 60:
        rate.learn([Remaining("tokens", 1e6, 1e6, 60)], now=time.now, requests=0, tokens=0)
        answers.append(ask(rate, time, server))

    assert answers.count(True) >= 950
    assert answers.count(False) <= 20


def test_requests_in_flight_count_against_what_is_left() -> None:
    rate = RateLimiter()
    rate.learn([Remaining("requests", 5, 100, 60)], now=0, requests=5, tokens=0)

    assert rate.wait(0, tokens=0) == 60


def test_tokens_that_do_not_fit_any_more_wait_and_those_that_never_fit_are_tried_on_a_full_limit() -> None:
    rate = RateLimiter()
    rate.learn([Remaining("tokens", 50, 100, 60)], now=0, requests=0, tokens=0)

    assert rate.wait(0, tokens=40) == 0
    assert rate.wait(0, tokens=60) == 60
    rate.learn([Remaining("tokens", 100, 100, 60)], now=0, requests=0, tokens=0)
    assert rate.wait(0, tokens=500) == 0


def test_a_broken_answer_halves_the_level_and_it_stays_there_for_many_answers() -> None:
    time = PassingTime(now=1)
    found = limiter(time, most=8, fixed=True)
    found.doubt()
    assert found.limit == 4
    for _ in range(CAUTION // 4):
        assert found.limit == 4
        a_round(found, time)
    a_round(found, time)

    assert found.limit == 5


def test_broken_answers_of_one_round_leave_one_request_in_flight_and_each_later_one_keeps_it_there_longer() -> None:
    time = PassingTime(now=1)
    found = limiter(time, most=8, fixed=True)

    def answers_until_more() -> int:
        for _ in range(8):
            found.doubt()
        for answers in range(1, 1000):
            time.now += 0.001
            a_round(found, time)
            if found.limit > 1:
                return answers
        return 0

    assert (answers_until_more(), answers_until_more()) == (CAUTION + 1, 2 * CAUTION + 1)


def test_a_request_is_told_how_long_the_rate_held_it_back_and_not_how_long_the_others_did() -> None:
    found = ConcurrencyLimiter(most=1, fixed=True, stop=threading.Event())
    with pytest.raises(RateLimited), found.slot():
        raise RateLimited("slow down.", retry_after=0.3)
    with found.slot() as paced:
        told: list[float] = []
        other = threading.Thread(target=lambda: told.append(found.slot().__enter__()))
        other.start()
        time.sleep(0.2)
    other.join()

    assert (paced > 0.2, told) == (True, [0.0])
