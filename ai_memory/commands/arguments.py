"""Types of arguments: whole numbers in a range, durations, times, money, sample sizes."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ai_memory.text.database_address import is_address, path_of
from ai_memory.text.times import in_utc
from ai_memory.text.window import Window, window_of

if TYPE_CHECKING:
    from ai_memory.embed.port import Where

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
MOST_PROCESSES = 256
LONGEST_DURATION = 3650 * UNITS["d"]
"""Ten years; the clocks of some systems overflow not far beyond."""
DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
CLOCK_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)", re.ASCII)

WITHOUT_SECONDS = re.compile(r"^(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d)([Zz]|[+-]\d\d:\d\d)$", re.ASCII)


def named_path(text: str) -> Path:
    """Return the path that an argument names.

    Raises:
        ArgumentTypeError: the text is blank, which is not a name but what an unset variable leaves.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty; name a file")
    return Path(text)


def embedders(text: str) -> Where:
    """Return how many processes embed, or where a Ray is whose actors do: `ray`, or an address like ray://head:10001.

    Raises:
        ArgumentTypeError: the text is neither.
    """
    if text == "ray" or re.fullmatch(r"ray://[^\s/?#@]+:[0-9]{1,5}", text):
        return text
    if re.fullmatch(r"[0-9]+", text):
        return whole_number(1, MOST_PROCESSES)(text)
    raise argparse.ArgumentTypeError(f"{text!r} is neither a number, nor ray, nor an address like ray://head:10001")


def named_database(text: str) -> Path:
    """Return the place of a database that an argument names: a file, or a server's.

    Raises:
        ArgumentTypeError: see `named_path`.
    """
    return path_of(text) if is_address(text) else named_path(text)


def duration(text: str) -> float:
    """Return the seconds of a duration like `90`, `90s`, `20m`, `2h` or `1h30m`.

    Raises:
        ArgumentTypeError: the text is not a duration, or it is longer than ten years.
    """
    plain = f"{text}s" if re.fullmatch(r"\d+(\.\d+)?", text) else text
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|[smhd])", plain)
    if not parts or "".join(number + unit for number, unit in parts) != plain:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration; write 90s, 20m or 2h")
    seconds = sum(float(number) * UNITS[unit] for number, unit in parts)
    if seconds > LONGEST_DURATION:
        raise argparse.ArgumentTypeError(f"{text!r} is longer than ten years; write 90s, 20m or 2h")
    return seconds


def point_in_time(text: str) -> int:
    """Return the Unix milliseconds of an RFC 3339 time, or of the next HH:MM by the clock on the wall.

    Raises:
        ArgumentTypeError: the text is neither.
    """
    if (at_ms := _rfc_3339(text)) is not None:
        return at_ms
    if clock := CLOCK_TIME.fullmatch(text):
        # Without a zone: what the wall clock shows on that day, also where summer time begins or ends before it.
        now = datetime.now()  # noqa: DTZ005
        then = now.replace(hour=int(clock[1]), minute=int(clock[2]), second=0, microsecond=0)
        return round((then if then > now else then + timedelta(days=1)).timestamp() * 1000)
    raise argparse.ArgumentTypeError(f"{text!r} is not a time; write 07:30 or 2026-03-01T07:30:00+01:00")


def _rfc_3339(text: str) -> int | None:
    """Return the Unix milliseconds of an RFC 3339 time, also of one without seconds; None where it is none."""
    found = in_utc(WITHOUT_SECONDS.sub(r"\1:00\2", text))
    return round(datetime.fromisoformat(found).timestamp() * 1000) if found else None


def window(text: str) -> Window:
    """Return the window of each day that a text like `01:00-05:00` names.

    Raises:
        ArgumentTypeError: it names none, or one that is never open.
    """
    if found := window_of(text):
        return found
    raise argparse.ArgumentTypeError(f"{text!r} is not a window of the day; write 01:00-05:00, or 22:30-04:00")


def past_time(text: str) -> int:
    """Return the Unix milliseconds of a day's beginning on the wall clock, of an RFC 3339 time, or of so long ago.

    Raises:
        ArgumentTypeError: the text is none of them.
    """
    try:
        if DAY.fullmatch(text):
            return round(datetime.fromisoformat(text).timestamp() * 1000)
        if (at_ms := _rfc_3339(text)) is not None:
            return at_ms
        # A number alone is more likely a year than seconds.
        if not text.isdigit():
            return round((datetime.now(UTC) - timedelta(seconds=duration(text))).timestamp() * 1000)
    except (ValueError, OverflowError, argparse.ArgumentTypeError):
        pass
    what = f"{text!r} is not a time; write 2026-03-01, 2026-03-01T07:30:00+01:00, or how long ago, like 7d"
    raise argparse.ArgumentTypeError(what)


def money(text: str) -> float:
    """Return an amount of money, more than 0.

    Raises:
        ArgumentTypeError: the text is not such an amount.
    """
    if not re.fullmatch(r"\d{1,12}(\.\d+)?", text) or not float(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not an amount of money; write it like 2.50")
    return float(text)


def sample_size(text: str) -> str | int:
    """Return the size of a sample: "all", or a whole number above 0.

    Raises:
        ArgumentTypeError: the text is neither.
    """
    return text if text == "all" else whole_number(1, 10**9)(text)


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """Return a type for whole numbers from `low` to `high`, both allowed."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"-?\d{1,18}", text) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low:,} to {high:,}")
        return int(text)

    return parse
