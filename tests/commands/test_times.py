"""Every instant that --json tells has the form of a memory's, and says which moment it is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ai_memory.text.times import LAST_MS, in_utc, timestamp, with_timestamps
from tests.commands.conftest import Cli
from tests.support import files
from tests.support.fake_endpoint import FakeEndpoint

INSTANTS = ("at", "until")
MOST_COUNTED = 10**11
"""Below any time of this millennium in Unix milliseconds, above all that these files count."""
NOT_COUNTED = {"free_bytes"}


def told(found: object, name: str = "") -> Iterator[tuple[str, object]]:
    """Yield each value that is no container, with its key."""
    if isinstance(found, dict):
        for key, value in found.items():
            yield from told(value, key)
    elif isinstance(found, list):
        for value in found:
            yield from told(value, name)
    else:
        yield name, found


def is_instant(name: str) -> bool:
    return name in INSTANTS or name.endswith(("_at", "_until"))


@pytest.fixture
def ran(cli: Cli, db: Path, endpoint: FakeEndpoint) -> Cli:
    """A file with a run that set a row aside, a pause and a memory."""
    endpoint.change(poison="poison")
    files.create(db, 3)
    files.add(db, "bad", content="poison")
    assert cli("reembed").code == 10
    assert cli("reembed", "pause", "--until", "2126-03-01T07:30:00Z").code == 0
    return cli


ASKED = [
    ("reembed", "status"),
    ("reembed", "status", "--exact"),
    ("reembed", "verify"),
    ("reembed", "quarantine"),
    ("reembed", "pause", "--until", "2126-03-01T07:30:00Z"),
    ("reembed", "--dry-run"),
    ("get", "id-000"),
    ("doctor",),
    ("stats",),
]


@pytest.mark.parametrize("asked", ASKED, ids=" ".join)
def test_instants_are_texts_of_rfc_3339_in_utc(ran: Cli, asked: tuple[str, ...]) -> None:
    found = list(told(ran(*asked, "--json").json))

    instants = {name: value for name, value in found if is_instant(name) and value is not None}
    assert all(isinstance(value, str) and in_utc(value) == value for value in instants.values()), instants
    numbers = {name: value for name, value in found if isinstance(value, int) and name not in NOT_COUNTED}
    assert all(value < MOST_COUNTED for value in numbers.values()), numbers
    assert instants or asked[-1] in ("--dry-run", "doctor", "stats")


def test_a_run_tells_when_its_census_began(cli: Cli, db: Path, endpoint: FakeEndpoint) -> None:
    files.create(db, 3)
    report = cli("reembed", "--json").json
    ended = cli("reembed", "status", "--json").json

    assert endpoint.seen.requests
    assert report["census_at"] == ended["counted_at"]
    assert ended["started_at"] <= report["census_at"] <= ended["finished_at"]
    assert datetime.fromisoformat(report["census_at"]).utcoffset() == timedelta(0)


@pytest.mark.parametrize(("at", "written"), [(None, None), (0, "1970-01-01T00:00:00.000+00:00")])
def test_what_is_not_known_stays_so(at: int | None, written: str | None) -> None:
    assert with_timestamps({"at": at, "rows": 7}, "at") == {"at": written, "rows": 7}


def test_what_is_later_than_the_end_of_time_is_told_as_it() -> None:
    assert timestamp(LAST_MS * 10) == timestamp(LAST_MS) == "9999-12-31T23:59:59.999+00:00"
