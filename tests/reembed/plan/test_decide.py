"""The table of starts: what was asked, what stands in the file, what is done (reembed.md 9)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ai_memory.errors import AiMemoryError, OperatorNeeded, TargetChanged, UsageError
from ai_memory.reembed.options import Options
from ai_memory.reembed.plan.census import Census
from ai_memory.reembed.plan.decide import Action, Situation, decide, scope_of
from ai_memory.stores.values import Run

PLAIN = Options()
RESUME = Options(resume=True)
CRON = Options(resume=True, or_start=True)
RETARGET = Options(retarget=True)
OVER = Options(resume=True, retarget=True)
CHANGED = ("dim: 16 -> 8",)


def run_in(state: str, scope: tuple[str, ...] | None = None) -> Run:
    values: dict[str, Any] = dict.fromkeys(Run.__dataclass_fields__, 0)
    return Run(**{**values, "run_id": 7, "state": state, "scope": scope, "holder": None})


def found(
    state: str, *, stale: int = 5, quarantined: int = 0, differences: tuple[str, ...] = (), unproven: bool = False
) -> Situation:
    run = None if state == "none" else run_in(state)
    census = Census(0, fresh=5, stale=stale, quarantined=quarantined)
    return Situation(run, differences, census, unproven=unproven)


@pytest.mark.parametrize(
    ("request_", "state", "stale", "action"),
    [
        (PLAIN, "none", 5, Action.START),
        (CRON, "none", 5, Action.START),
        (RETARGET, "none", 5, Action.START),
        (OVER, "none", 5, Action.START),
        (PLAIN, "none", 0, Action.NOTHING),
        (RESUME, "none", 0, Action.NOTHING),
        (CRON, "none", 0, Action.NOTHING),
        (RETARGET, "none", 0, Action.NOTHING),
        (RESUME, "running", 5, Action.TAKE_OVER),
        (CRON, "running", 5, Action.TAKE_OVER),
        (RESUME, "running", 0, Action.FINISH),
        (CRON, "running", 0, Action.FINISH),
        (RETARGET, "running", 5, Action.TAKE_OVER),
        (RETARGET, "running", 0, Action.FINISH),
    ],
)
def test_a_start_that_may_go_on_does(request_: Options, state: str, stale: int, action: Action) -> None:
    assert decide(request_, found(state, stale=stale)) is action


@pytest.mark.parametrize(
    ("request_", "state", "error", "words"),
    [
        (RESUME, "none", OperatorNeeded, "5 rows are stale"),
        (PLAIN, "running", OperatorNeeded, "Run 7 is unfinished"),
    ],
)
def test_a_start_that_needs_an_operators_word_changes_nothing(
    request_: Options, state: str, error: type[AiMemoryError], words: str
) -> None:
    with pytest.raises(error, match=words) as refusal:
        decide(request_, found(state))

    assert refusal.value.exit_code == 12
    assert "ai-memory reembed" in refusal.value.tip


@pytest.mark.parametrize(
    ("request_", "state", "action"),
    [
        (PLAIN, "none", Action.START),
        (CRON, "none", Action.START),
        (RETARGET, "none", Action.START),
        (RESUME, "running", Action.TAKE_OVER),
        (CRON, "running", Action.TAKE_OVER),
        (RETARGET, "running", Action.TAKE_OVER),
    ],
)
def test_what_nothing_shows_to_be_right_is_work_though_no_row_is_stale(
    request_: Options, state: str, action: Action
) -> None:
    assert decide(request_, found(state, stale=0, unproven=True)) is action


def test_a_resume_without_a_run_says_that_something_is_in_doubt() -> None:
    with pytest.raises(OperatorNeeded, match="of the rows written last nothing shows yet that their vectors are right"):
        decide(RESUME, found("none", stale=0, unproven=True))


@pytest.mark.parametrize("request_", [PLAIN, RESUME, CRON, RETARGET, OVER, Options(resume=True, scope=("a",))])
@pytest.mark.parametrize("stale", [0, 5])
@pytest.mark.parametrize("differences", [(), CHANGED])
def test_no_start_undoes_an_operators_pause_or_says_that_nothing_is_to_do(
    request_: Options, stale: int, differences: tuple[str, ...]
) -> None:
    with pytest.raises(OperatorNeeded, match="Run 7 was paused by an operator") as refusal:
        decide(request_, found("paused", stale=stale, differences=differences))

    assert (refusal.value.exit_code, "ai-memory reembed cancel" in refusal.value.tip) == (12, True)


@pytest.mark.parametrize("request_", [RESUME, CRON])
@pytest.mark.parametrize("state", ["running"])
def test_a_resume_to_another_target_shows_every_difference(request_: Options, state: str) -> None:
    with pytest.raises(TargetChanged, match="dim: 16 -> 8") as refusal:
        decide(request_, found(state, differences=CHANGED))

    assert refusal.value.exit_code == 78


@pytest.mark.parametrize("request_", [RETARGET, OVER])
@pytest.mark.parametrize("state", ["running"])
@pytest.mark.parametrize("stale", [0, 5])
def test_retarget_supersedes_an_unfinished_run_to_another_target(request_: Options, state: str, stale: int) -> None:
    assert decide(request_, found(state, stale=stale, differences=CHANGED)) is Action.SUPERSEDE


def test_a_plain_start_beside_a_run_to_another_target_is_refused() -> None:
    with pytest.raises(OperatorNeeded, match="to another target is unfinished"):
        decide(PLAIN, found("running", differences=CHANGED))


@pytest.mark.parametrize(("retry", "action"), [(False, Action.NOTHING), (True, Action.START)])
def test_rows_in_quarantine_alone_are_work_only_when_asked_for(retry: bool, action: Action) -> None:
    assert decide(Options(retry_quarantined=retry), found("none", stale=0, quarantined=3)) is action


def test_a_resume_without_a_run_says_that_rows_are_only_in_quarantine() -> None:
    with pytest.raises(OperatorNeeded, match="no run to resume, and 3 rows are in quarantine"):
        decide(Options(resume=True, retry_quarantined=True), found("none", stale=0, quarantined=3))


def test_a_resumed_run_goes_on_with_its_own_scope() -> None:
    assert scope_of(RESUME, run_in("running", ("a", "b"))) == ("a", "b")
    assert scope_of(Options(resume=True, scope=("b", "a")), run_in("running", ("a", "b"))) == ("a", "b")


@pytest.mark.parametrize(("own", "asked"), [(None, ("a",)), (("a",), ("b",)), (("a", "b"), ("a",))])
def test_a_resume_refuses_another_scope(own: tuple[str, ...] | None, asked: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="--resume cannot give it another --namespace"):
        scope_of(Options(resume=True, scope=asked), run_in("running", own))


@pytest.mark.parametrize("stale", [0, 5])
@pytest.mark.parametrize(("own", "asked"), [(None, ("a",)), (("a",), ("b",)), (("a",), None)])
def test_retarget_supersedes_a_run_over_another_scope(
    own: tuple[str, ...] | None, asked: tuple[str, ...] | None, stale: int
) -> None:
    situation = replace(found("running", stale=stale), run=run_in("running", own))

    assert decide(Options(retarget=True, scope=asked), situation) is Action.SUPERSEDE


def test_resume_with_retarget_keeps_the_runs_scope_unless_another_is_named() -> None:
    assert scope_of(OVER, run_in("running", ("a",))) == ("a",)


@pytest.mark.parametrize("request_", [Options(scope=("a",)), Options(resume=True, retarget=True, scope=("a",))])
def test_a_run_that_begins_anew_takes_the_scope_asked_for(request_: Options) -> None:
    assert scope_of(request_, run_in("running", ("b",))) == ("a",)


def test_a_resume_adds_no_skipping_that_the_run_has_not() -> None:
    with pytest.raises(UsageError, match="was begun without --skip-current-space"):
        scope_of(Options(resume=True, skip_current=True), replace(run_in("running"), skip_current=False))
