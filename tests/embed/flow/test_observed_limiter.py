"""What -v says of the requests: their number, size, time, and what held them back, in a line a second."""

from __future__ import annotations

from contextlib import suppress

from ai_memory.embed.flow.limiter import Remaining, Unlimited
from ai_memory.embed.flow.observed_limiter import ObservedLimiter
from ai_memory.errors import RateLimited, TransientFailure
from tests.embed.flow.passing_time import PassingTime


def told(clock: PassingTime, lines: list[str]) -> ObservedLimiter:
    return ObservedLimiter(Unlimited(4), lines.append, clock=clock.clock)


def test_the_first_request_is_told_at_once_and_then_a_line_a_second() -> None:
    clock, lines = PassingTime(), list[str]()
    limiter = told(clock, lines)

    for _ in range(30):
        with limiter.slot(["text", "texts"]):
            clock.sleep(0.125)

    assert lines[0] == "1 request of 2 texts (9 bytes) in 0.12 s: 0.12 s each; 16.0 texts/s; up to 4 side by side."
    assert lines[1].startswith("8 requests of 16 texts (72 bytes) in 1.00 s: 0.12 s each; 16.0 texts/s")
    assert len(lines) == 4


def test_a_request_that_fails_is_told_with_its_cause_and_the_pause_that_follows() -> None:
    clock, lines = PassingTime(), list[str]()
    limiter = told(clock, lines)

    for error in (TransientFailure("no answer."), RateLimited("too many.", retry_after=7.0)):
        with suppress(TransientFailure), limiter.slot(["text"]):
            clock.sleep(0.2)
            raise error

    assert lines == [
        "Request of 1 text (4 bytes) failed after 0.20 s: no answer.",
        "Request of 1 text (4 bytes) failed after 0.20 s: too many. The next request waits 7.0 s.",
    ]


def test_what_the_endpoint_says_is_used_up_is_told() -> None:
    lines = list[str]()

    told(PassingTime(), lines).observe([Remaining("tokens", 0, 100, 12.0), Remaining("requests", 5, 10, 60.0)])

    assert lines == ["The endpoint says that no tokens are left for 12 s."]
