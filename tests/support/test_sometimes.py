"""The whole suite fails where a race was never lost; a part of it is not asked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from tests.support.sometimes import (
    LOST_RACE,
    REQUIRED,
    SOMETIMES,
    TAKE_OVER,
    Sometimes,
    pytest_sessionfinish,
    pytest_testnodedown,
    whole_suite,
)
from tests.support.workers import Worker


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
    monkeypatch.setattr("tests.support.sometimes.is_worker", lambda _: False)
    monkeypatch.setitem(request.config.stash._storage, SOMETIMES, Sometimes())
    monkeypatch.setattr(request.session, "exitstatus", pytest.ExitCode.OK)

    pytest_sessionfinish(request.session, pytest.ExitCode.OK)

    assert request.session.exitstatus == code


def test_a_run_with_a_keyword_is_a_part(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request.config.option, "keyword", "census")

    assert not whole_suite(request.config)


def test_what_happened_in_two_processes_is_added_up(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = request.config
    monkeypatch.setitem(config.stash._storage, SOMETIMES, Sometimes())

    for handed_over in ({"sometimes": {LOST_RACE: 2}}, {"sometimes": {LOST_RACE: 1, TAKE_OVER: 4}}, {}):
        pytest_testnodedown(cast("Worker", SimpleNamespace(config=config, workeroutput=handed_over)))
    pytest_testnodedown(cast("Worker", SimpleNamespace(config=config)))

    assert config.stash[SOMETIMES].counts == {LOST_RACE: 3, TAKE_OVER: 4}
