"""How fast an endpoint may be asked: from what it says is left, and from where it began to refuse.

Why not the obvious:
- A token bucket needs a rate that somebody configures. Few accounts know theirs, and a vendor changes it.
- To back off and send again gets through, but in a storm of refusals: each request finds the limit for itself. Here one
  request scouts after a refusal, and a rate that was once measured is kept to.
- The rate is measured from the end of one pause to the end of the next, pause included: where a window is renewed, all
  of it may pass in its first second, and a rate measured until the refusal would be far too high.
- A refusal that headers foretold teaches no rate, for the headers say more than it does.
- It grows with each request and not with time, for an idle hour proves nothing; and slowly once it was refused, for
  each step beyond the limit costs a refusal.
- Forgetting is as important as learning: a 429 can be about one text, and a harmless one that passes proves it.
Nothing here waits, locks or reads a clock, so that a test can play hours of it. `concurrency` holds requests back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ai_memory.embed.flow.limiter import REQUESTS, Remaining
from ai_memory.frozen import Frozen

# Chosen 2026-11-23: a rate that nobody tells is used to 0.994, and 1.27 % of the answers are 429, by
# `scripts/bench-endpoint --only "rate unsaid"`; tests/embed/flow/test_concurrency.py finds four such rates.
FIRST_PAUSE = 0.5
LONGER = 1.5
LONGEST_PAUSE = 30.0
"""Where a refusal names no wait: so many seconds, or the time of FEW requests; longer by this with each vain one."""
BELIEVED = 3
"""Waits in a row that an endpoint may name in vain; then ours are kept where they are longer. Not measured."""
FAST_GROWTH = 0.005
SLOW_GROWTH = 0.0002
"""How much a learned rate grows with each request that passes: faster until it was refused once."""
CREDIT = 0.5
"""Seconds of its rate that may be made up for after a lull."""
FEW = 4
"""So few accepted requests say little about a rate."""


@dataclass(slots=True)
class _Window:
    """What is left of one limit until it is renewed at `ends`; `full` is the most it ever had."""

    full: float = 0.0
    left: float = math.inf
    ends: float = 0.0

    def learn(self, *, left: float, limit: float, ends: float) -> None:
        self.full = limit or max(left + 1, self.full)
        self.left, self.ends = left, ends

    def used_up(self, now: float) -> bool:
        return self.left < 1 and now < self.ends

    def wait(self, now: float, need: float) -> float:
        if now >= self.ends:
            self.left = math.inf
        # What never fits is tried when nothing is used.
        return self.ends - now if self.left < min(need, self.full) else 0.0


class _LearnedRate:
    """The rate that refusals taught, 0 for none yet: how many requests pass per second, and when the next may start."""

    def __init__(self) -> None:
        self._rate = self._next = 0.0
        self._growth = FAST_GROWTH
        self._began: float | None = None
        self._accepted = 0

    def wait(self, now: float) -> float:
        """Return the seconds until the next request, not above 0 where it may start."""
        return self._next - now

    def take(self, now: float) -> None:
        if self._began is None:
            self._began = now
        if self._rate:
            self._next = max(self._next, now - CREDIT) + 1 / self._rate

    def accepted(self) -> None:
        self._accepted += 1
        self._rate *= 1 + self._growth

    def first_pause(self) -> float:
        """Return the pause, in seconds, after a refusal that names none and follows an answer."""
        return FEW / self._rate if self._rate else FIRST_PAUSE

    def resume(self, now: float, began: float, *, foretold: bool) -> None:
        """Take what was accepted between two pauses for the rate, unless headers had foretold the refusal."""
        if not foretold and self._began is not None and began > self._began:
            measured = self._accepted / (began - self._began)
            if not self._rate:
                self._rate = measured
            else:
                self._rate = max(min(measured, self._rate), self._rate / 2) if self._accepted > FEW else self._rate / 2
                self._growth = SLOW_GROWTH
            self._next = now
        self._began, self._accepted = began, 0


class _Pause(Frozen):
    """Until when nothing is sent, and how much of that the endpoint itself asked for."""

    until: float = 0.0
    asked_until: float = 0.0

    def after_refusal(self, now: float, *, pause: float, named: float) -> _Pause:
        return _Pause(max(self.until, now + pause), max(self.asked_until, now + named if named else 0.0))

    def as_asked(self) -> _Pause:
        return _Pause(self.asked_until, self.asked_until)


class _Refusal(Frozen):
    """The last refusal: when it came, how many came right before it, and whether headers had foretold it."""

    at: float = -math.inf
    vain: int = 0
    foretold: bool = False


class RateLimiter:
    """When the next request may start. Times are seconds of one monotonic clock.

    Where headers say what is left, that is used up and its renewal awaited. Otherwise the first refusals
    teach a rate: what was accepted from the last refusal to the first answer after this one.
    """

    def __init__(self) -> None:
        """Begin without any limit."""
        self.scouting = False
        self._requests, self._tokens = _Window(), _Window()
        self._learned = _LearnedRate()
        self._pause = _Pause()
        self._last = _Refusal()

    def learn(self, limits: Sequence[Remaining], *, now: float, requests: int, tokens: int) -> None:
        """Record what an answer says is left; it may not have counted so many requests and tokens in flight."""
        for each in limits:
            window, uncounted = (self._requests, requests) if each.kind == REQUESTS else (self._tokens, tokens)
            window.learn(left=each.left - uncounted, limit=each.limit, ends=now + each.seconds)

    def wait(self, now: float, *, tokens: int) -> float:
        """Return the seconds until a request of so many tokens may start, 0 for now."""
        return max(self._pause.until - now, self._learned.wait(now), self.asked(now, tokens=tokens))

    def asked(self, now: float, *, tokens: int) -> float:
        """Return what of that wait the endpoint itself asked for, in seconds."""
        windows = max(self._requests.wait(now, 1), self._tokens.wait(now, tokens))
        return max(self._pause.asked_until - now, windows, 0.0)

    def take(self, now: float, *, tokens: int) -> None:
        """Note that a request starts."""
        self._requests.left -= 1
        self._tokens.left -= tokens
        self._learned.take(now)

    def accepted(self, now: float, *, began: float) -> None:
        """Learn from a request that was answered; it began at `began`."""
        if self.scouting and began > self._last.at:
            self.scouting = False
            self._learned.resume(now, began, foretold=self._last.foretold)
        self._learned.accepted()

    def refused(self, now: float, *, began: float, named: float) -> float:
        """Learn from a refusal that named a wait (0: none); return the pause, in seconds."""
        # Those that were in flight beside the last refusal say the same once more.
        if began > self._last.at:
            foretold = self._requests.used_up(now) or self._tokens.used_up(now)
            self._last = _Refusal(now, self._last.vain + 1 if self.scouting else 0, foretold)
            self.scouting = True
        own = min(self._learned.first_pause() * LONGER**self._last.vain, LONGEST_PAUSE)
        pause = max(named, own) if self._last.vain >= BELIEVED else named or own
        self._pause = self._pause.after_refusal(now, pause=pause, named=named)
        return pause

    def forget(self) -> None:
        """Forget what refusals taught: it was not the rate that they refused. What the endpoint itself said stays."""
        self.scouting = False
        self._pause = self._pause.as_asked()
        self._learned = _LearnedRate()
        self._last = replace(self._last, vain=0)
