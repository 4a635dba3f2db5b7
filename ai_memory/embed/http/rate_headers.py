"""What an answer's headers say of the rate: the wait asked for, and what is left of each limit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from ai_memory.embed.flow.limiter import REQUESTS, TOKENS, Remaining

_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]*)?")
_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,9})?)(ms|d|h|m|s)")
_SPAN = re.compile(rf"({_PART.pattern})+")
_EPOCH = 1e9
_EPOCH_MS = 1e12


def left(headers: Mapping[str, str], *, now: float) -> tuple[Remaining, ...]:
    """Return the limits that headers (names in lower case) tell of; `now` is Unix time.

    OpenAI, "Rate limits in headers": x-ratelimit-limit|remaining|reset-requests|tokens, which Groq, Cerebras,
    LiteLLM and others send too; x-ratelimit-remaining and the IETF draft's ratelimit-remaining count requests.
    """
    found = [_left(headers, kind, f"x-ratelimit-{{}}-{kind}", now) for kind in (REQUESTS, TOKENS)]
    found += [_left(headers, REQUESTS, form, now) for form in ("x-ratelimit-{}", "ratelimit-{}")]
    return tuple(each for each in found if each)


def retry_after(headers: Mapping[str, str], *, now: float) -> float:
    """Return the wait a server asks for in seconds, 0 where it asks for none or in no known form.

    Both forms of RFC 9110 10.2.3; OpenAI's retry-after-ms, which is finer and goes before; and
    where neither is there, the time after which a used-up limit is full again.
    """
    milliseconds = headers.get("retry-after-ms", "").strip()
    if _NUMBER.fullmatch(milliseconds):
        return float(milliseconds) / 1000
    value = headers.get("retry-after", "").strip()
    if not value:
        return max((each.seconds for each in left(headers, now=now) if not each.left), default=0.0)
    return float(value) if _NUMBER.fullmatch(value) else _until(value, now) or 0.0


def _left(headers: Mapping[str, str], kind: str, form: str, now: float) -> Remaining | None:
    remaining = headers.get(form.format("remaining"), "").strip()
    seconds = _reset(headers.get(form.format("reset"), "").strip(), now)
    if not _NUMBER.fullmatch(remaining) or seconds is None:
        return None
    limit = headers.get(form.format("limit"), "").strip()
    return Remaining(kind, float(remaining), float(limit) if _NUMBER.fullmatch(limit) else 0.0, seconds)


def _reset(value: str, now: float) -> float | None:
    """Return seconds until a reset: 6m0s, 120ms, seconds, Unix time in seconds or milliseconds, or a date."""
    if _SPAN.fullmatch(value):
        return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(value))
    if not _NUMBER.fullmatch(value):
        return _until(value, now)
    number = float(value)
    if number >= _EPOCH:
        return max((number / 1000 if number >= _EPOCH_MS else number) - now, 0.0)
    return number


def _until(date: str, now: float) -> float | None:
    try:
        parsed = parsedate_to_datetime(date)
        moment = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        return max(0.0, moment.timestamp() - now)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
