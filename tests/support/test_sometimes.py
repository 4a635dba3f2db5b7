"""The whole suite fails where a race was never lost; a part of it is not asked."""

from __future__ import annotations

import pytest

from tests.support.sometimes import LOST_RACE, REQUIRED, SOMETIMES, Sometimes, pytest_sessionfinish, whole_suite


def test_what_never_happened_is_named() -> None:
    met = Sometimes()
    for name in REQUIRED:
        met.happened(name, times=0 if name == LOST_RACE else 2)

    assert met.never() == [LOST_RACE]


def test_a_name_nobody_asks_for_is_a_typing_error() -> None:
    with pytest.raises(AssertionError, match="lost rce"):
        Sometimes().happened("lost rce")


@pytest.mark.parametrize(("whole", "code"), [(True, pytest.ExitCode.TESTS_FAILED), (False, pytest.ExitCode.OK)])
def test_only_a_run_of_everything_fails_for_what_never_happened(
    whole: bool, code: pytest.ExitCode, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.support.sometimes.whole_suite", lambda _: whole)
    monkeypatch.setitem(request.config.stash._storage, SOMETIMES, Sometimes())
    monkeypatch.setattr(request.session, "exitstatus", pytest.ExitCode.OK)

    pytest_sessionfinish(request.session, pytest.ExitCode.OK)

    assert request.session.exitstatus == code


def test_a_run_with_a_keyword_is_a_part(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request.config.option, "keyword", "census")

    assert not whole_suite(request.config)
