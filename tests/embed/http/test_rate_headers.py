"""What headers say of the rate, in every form that is known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_memory.embed.flow.limiter import Remaining
from ai_memory.embed.http.rate_headers import left

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("1s", 1),
        ("6m0s", 360),
        ("120ms", 0.12),
        ("2m59.56s", 179.56),
        ("12.5", 12.5),
        (f"{NOW + 30:.0f}", 30),
        (f"{(NOW + 30) * 1000:.0f}", 30),
        ("Fri, 15 Jan 2027 08:00:30 GMT", 30),
    ],
)
def test_every_form_of_a_reset_is_understood(reset: str, seconds: float) -> None:
    headers = {"x-ratelimit-remaining-requests": "7", "x-ratelimit-reset-requests": reset}

    (found,) = left(headers, now=NOW)

    assert (found.kind, found.left, found.limit) == ("requests", 7, 0)
    assert found.seconds == pytest.approx(seconds)


def test_requests_and_tokens_are_told_apart() -> None:
    headers = {
        "x-ratelimit-limit-requests": "3000",
        "x-ratelimit-remaining-requests": "2999",
        "x-ratelimit-reset-requests": "20ms",
        "x-ratelimit-limit-tokens": "1000000",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "6m0s",
    }

    assert left(headers, now=NOW) == (Remaining("requests", 2999, 3000, 0.02), Remaining("tokens", 0, 1_000_000, 360))


@pytest.mark.parametrize("form", ["x-ratelimit-{}", "ratelimit-{}"])
def test_the_plain_forms_count_requests(form: str) -> None:
    headers = {form.format("remaining"): "3", form.format("reset"): "9"}

    assert left(headers, now=NOW) == (Remaining("requests", 3, 0, 9),)


@given(st.text(max_size=20), st.text(max_size=20))
def test_whatever_stands_there_is_a_limit_or_none(remaining: str, reset: str) -> None:
    headers = {"x-ratelimit-remaining-tokens": remaining, "x-ratelimit-reset-tokens": reset}

    assert all(each.left >= 0 and each.seconds >= 0 for each in left(headers, now=NOW))
