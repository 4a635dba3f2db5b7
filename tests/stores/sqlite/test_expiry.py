"""A date means the same instant in whatever form it was written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ai_memory.actions.diagnosis import Diagnosis
from ai_memory.actions.doctor import examine_file
from ai_memory.memory.exchange import parse
from ai_memory.stores.sqlite.connection import Binding
from ai_memory.stores.sqlite.database import writing
from ai_memory.stores.sqlite.library import Library
from ai_memory.stores.sqlite.store import Store
from ai_memory.text.strict_json import compact
from ai_memory.text.times import in_utc
from tests.support import files

NOW = datetime.now(UTC)
FORMS: dict[str, Callable[[datetime, timezone], str]] = {
    "rfc": lambda at, zone: at.astimezone(zone).isoformat(),
    "small": lambda at, _: f"{at:%Y-%m-%dt%H:%M:%Sz}".replace("+00:00", ""),
    "nanoseconds": lambda at, _: f"{at:%Y-%m-%dT%H:%M:%S}.123456789Z",
    "no colon": lambda at, zone: f"{at.astimezone(zone):%Y-%m-%dT%H:%M:%S%z}",
    "hours only": lambda at, _: f"{at.astimezone(timezone(timedelta(hours=-7))):%Y-%m-%dT%H:%M:%S}-07",
    "basic": lambda at, zone: f"{at.astimezone(zone):%Y%m%dT%H%M%S%z}",
    "basic minutes": lambda at, _: f"{at:%Y%m%dT%H%MZ}",
    "comma": lambda at, _: f"{at:%Y-%m-%dT%H:%M:%S},5Z",
    "blank": lambda at, zone: f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S%z}",
    "UTC": lambda at, _: f"{at:%Y-%m-%d %H:%M:%S} UTC",
    "naive": lambda at, _: f"{at:%Y-%m-%dT%H:%M:%S}",
    "day": lambda at, _: f"{at:%Y-%m-%d}",
}
AWAY = st.integers(2 * 24 * 60, 3 * 365 * 24 * 60).flatmap(lambda minutes: st.sampled_from([minutes, -minutes]))
ZONES = st.integers(-13 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with writing(files.create(tmp_path / "m.db", rows=1, namespaces=("a",)), now_ms=0) as opened:
        yield opened


def lives(store: Store, expires_at: Binding) -> bool:
    store.db.execute("UPDATE memories SET expires_at = ?", (expires_at,))
    return next(Library(store).listing.summaries(None)).live


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(AWAY, st.sampled_from(sorted(FORMS)), ZONES)
def test_every_form_of_an_instant_expires_when_it_says(store: Store, minutes: int, form: str, zone: timezone) -> None:
    written = FORMS[form](NOW + timedelta(minutes=minutes), zone)
    assert lives(store, written) == (minutes > 0)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(AWAY, st.sampled_from(sorted(FORMS)), ZONES)
def test_an_import_writes_the_instant_in_utc_or_refuses_it(
    store: Store, minutes: int, form: str, zone: timezone
) -> None:
    written = FORMS[form](NOW + timedelta(minutes=minutes), zone)
    parsed = parse(compact({"title": "t", "content": "c", "expires_at": written}).encode(), "file")
    if form not in ("rfc", "small", "nanoseconds"):
        assert "expires_at must be a time" in parsed.refused[0].what
        return
    stored = parsed.memories[0].values["expires_at"]
    assert isinstance(stored, str)
    # As the Rust program compares: text with text.
    assert (stored > NOW.isoformat()) == lives(store, stored) == (minutes > 0)
    assert Library(store).counts.odd_expiries() == []


@pytest.mark.parametrize(
    ("written", "live"),
    [
        *[(each, False) for each in ("", "1577836800", 1577836800, "2020-W01-1T00:00:00", "12:00:00")],
        *[(each, True) for each in ("now", "never", None, "2460000.5", "9999-W01-1", "2999-13-45T99:00:00Z")],
        *[(each, False) for each in ("2020-13-45", "20201345", "+00:00", "-", "1577836800000", b"2020-01-01")],
        *[(each, False) for each in (" 2020-01-01 ", "2016-12-31T23:59:60Z")],
        *[(each, True) for each in ("3000-01-01T24:00:00Z", "30000101", b"\xff")],
    ],
)  # fmt: skip
def test_what_is_no_instant_is_compared_as_text(store: Store, written: Binding, live: bool) -> None:
    assert lives(store, written) is live


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-01-31T12:00:00+00:00", "2026-01-31T12:00:00+00:00"),
        ("2026-01-31T12:00:00.123456789Z", "2026-01-31T12:00:00.123456789Z"),
        ("2026-01-31T12:00:00.123456789+05:30", "2026-01-31T06:30:00.123456789+00:00"),
        ("2026-01-31t12:00:00z", "2026-01-31T12:00:00+00:00"),
        ("2026-01-31T12:00:00-00:00", "2026-01-31T12:00:00+00:00"),
        ("2026-12-31T23:30:00-23:59", "2027-01-01T23:29:00+00:00"),
        ("0001-01-01T00:00:00+01:00", None),
        ("9999-12-31T23:59:59-01:00", None),
        ("0000-01-01T00:00:00Z", None),
        ("2026-02-30T00:00:00Z", None),
        ("2026-01-31T24:00:00Z", None),
        ("2026-06-30T23:59:60Z", None),
        ("2026-01-31T12:00:00", None),
        ("2026-01-31T12:00Z", None),
        ("2026-01-31 12:00:00Z", None),
        ("2026-01-31T12:00:00,5Z", None),
        ("2026-01-31T12:00:00+24:00", None),
        ("٢٠٢٦-01-31T12:00:00Z", None),
        ("2026-01-31T12:00:00Z\n", None),
    ],
)
def test_only_rfc_3339_has_an_instant_in_utc(text: str, utc: str | None) -> None:
    assert in_utc(text) == utc


def test_odd_expiries_are_named(store: Store) -> None:
    library = Library(store)
    for number, expires_at in enumerate(
        ("", "2020-01-01", "2999-01-01T00:00:00+0100", 5, None, "2999-01-01T00:00:00Z")
    ):
        with library.transaction() as transaction:
            values = {"id": f"n{number}", "title": f"t{number}", "content": "c", "expires_at": expires_at,
                      "tier": "mid", "namespace": "a", "created_at": "", "updated_at": ""}  # fmt: skip
            transaction.memories.insert(values)
    assert library.counts.odd_expiries() == [
        ("n0", ""), ("n1", "2020-01-01"), ("n2", "2999-01-01T00:00:00+0100"), ("n3", "5"),
    ]  # fmt: skip


def test_doctor_names_them(store: Store) -> None:
    store.db.execute("UPDATE memories SET expires_at = '20200101T000000Z'")
    found = Diagnosis()
    examine_file(Library(store), found)
    assert found.values["odd_expiry_rows"] == [{"id": "id-000", "expires_at": "20200101T000000Z"}]
    assert [each for each in found.findings if "id-000 expires at '20200101T000000Z'" in each.line()]
