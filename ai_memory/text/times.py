"""Times as RFC 3339 writes them: what every reader of a database takes for the same instant."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

RFC_3339 = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[Tt](?P<clock>(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)(?P<fraction>\.\d+)?"
    r"(?:(?P<z>[Zz])|(?P<offset>[+-](?:[01]\d|2[0-3]):[0-5]\d))",
    re.ASCII,
)
IN_UTC = re.compile(r"[-0-9]{10}T[:.0-9]+(?:Z|\+00:00)", re.ASCII)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST_MS = 253_402_300_799_999
"""The end of the year 9999 in Unix milliseconds: what is later is not a time."""


def timestamp(at_ms: int) -> str:
    """Return a time of Unix milliseconds (one from LAST_MS on as LAST_MS) as the columns …_at of a memory have it."""
    return (EPOCH + timedelta(milliseconds=min(at_ms, LAST_MS))).isoformat(timespec="milliseconds")


def with_timestamps(values: Mapping[str, object], *names: str) -> dict[str, object]:
    """Return the values, of which those of these names, where they are Unix milliseconds, became timestamps."""
    told = {name: timestamp(at_ms) for name in names if isinstance(at_ms := values[name], int)}
    return {**values, **told}


def instant(at_ms: int) -> str:
    """Return a time of Unix milliseconds as RFC 3339 writes it in UTC, to the second."""
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def on_the_wall(at_ms: int) -> str:
    """Return what the wall clock shows at a time of Unix milliseconds: HH:MM of this machine's zone."""
    return datetime.fromtimestamp(at_ms / 1000).strftime("%H:%M")  # noqa: DTZ006


def instant_of(text: str) -> datetime | None:
    """Return the instant of a text of RFC 3339, to the microsecond; None where it is not such a text, see `in_utc`."""
    told = in_utc(text)
    return None if told is None else datetime.fromisoformat(told)


def in_utc(text: str) -> str | None:
    """Return the instant of a text of RFC 3339 in UTC, as it is where it is that; None where it is not such a text.

    The ai-memory programs compare times as text, which is right for times in UTC only. A leap second is not such a
    text, nor is what lies outside of the years 1 to 9999 in UTC: neither SQLite nor Python can read them.
    """
    found = RFC_3339.fullmatch(text)
    if found is None:
        return None
    try:
        instant = datetime.fromisoformat(f"{found['date']}T{found['clock']}{found['offset'] or '+00:00'}")
        converted = instant.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    if IN_UTC.fullmatch(text):
        return text
    return f"{converted.replace(tzinfo=None).isoformat(timespec='seconds')}{found['fraction'] or ''}+00:00"
