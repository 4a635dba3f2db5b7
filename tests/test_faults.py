"""Through every fault of an endpoint no row is wrong, none is called bad without guilt, and the next run ends it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import files
from tests.support.command import Command, kill, remote, wait_for
from tests.support.fake_endpoint import FOREVER, FakeEndpoint
from tests.support.faults import (
    CASES,
    FLAGS,
    ROWS,
    UNDISTURBED,
    Case,
    Outcome,
    close_breaker,
    count,
    meet,
    rows_in_quarantine,
)
from tests.support.sometimes import OPEN_BREAKER, RETRY_AFTER, Sometimes


@pytest.fixture(scope="module")
def outcomes(figures: list[str]) -> Iterator[list[Outcome]]:
    """What was met so far; at the end one line of figures."""
    met: list[Outcome] = []
    yield met
    figures.append(
        f"faults: {len(met)} kinds, {sum(each.requests for each in met)} requests, "
        f"{sum(each.wrong for each in met)} rows wrong, {sum(each.quarantined for each in met)} in quarantine, "
        f"{sum(each.right_at_last for each in met):,} of {len(met) * ROWS:,} rows right when mended"
    )


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_a_fault_ends_as_it_must_and_costs_what_it_may(
    case: Case, tmp_path: Path, outcomes: list[Outcome], *, long_form: bool
) -> None:
    if case.long and not long_form:
        pytest.skip("takes a minute: --long")
    outcome = meet(case, tmp_path)
    outcomes.append(outcome)

    assert (outcome.code, outcome.wrong, outcome.quarantined) == (case.code, 0, case.quarantined)
    assert outcome.requests <= UNDISTURBED + case.extra
    assert (outcome.mended, outcome.right_at_last) == (0, ROWS)
    assert (outcome.right == ROWS - case.quarantined) == (case.code in (0, 10))


def test_a_wait_that_was_asked_for_is_kept(tmp_path: Path, sometimes: Sometimes) -> None:
    with FakeEndpoint(dim=8) as endpoint:
        path = files.create(tmp_path / "m.db", 20)
        endpoint.fail("none", times=2)
        endpoint.fail("rate", seconds=1)
        assert Command(path, remote(endpoint)).reembed(*FLAGS).code == 0

        refused, again = list(endpoint.seen.at)[2:4]
        assert 1 <= again - refused < 3
        sometimes.happened(RETRY_AFTER)


def test_a_night_without_the_endpoint_costs_a_canary_a_start_and_none_while_the_breaker_is_open(
    tmp_path: Path, sometimes: Sometimes
) -> None:
    with FakeEndpoint(dim=8) as endpoint:
        path = files.create(tmp_path / "m.db", 20)
        cron = Command(path, remote(endpoint))
        endpoint.fail("none", times=2)
        endpoint.fail("unavailable", times=FOREVER)
        assert cron.reembed(*FLAGS).code == 75

        sent = [_starts(cron, endpoint)]
        for _ in range(3):
            close_breaker(path)
            sent.append(_starts(cron, endpoint))

        assert (sent, rows_in_quarantine(path)) == ([0, 1, 1, 1], 0)
        sometimes.happened(OPEN_BREAKER, 4)
        endpoint.heal()
        close_breaker(path)
        assert cron.reembed("--resume", "--or-start", *FLAGS).code == 0
        assert count(path, endpoint) == (20, 0)


def test_an_endpoint_that_was_never_there_is_held_back_from_the_first_start_on(tmp_path: Path) -> None:
    with FakeEndpoint(dim=8) as endpoint:
        path = files.create(tmp_path / "m.db", 20)
        cron = Command(path, remote(endpoint))
        assert cron.run("reembed", "approve").code == 0
        endpoint.fail("unavailable", times=FOREVER)
        _starts(cron, endpoint)

        sent = [_starts(cron, endpoint)]
        close_breaker(path)
        sent.append(_starts(cron, endpoint))

        assert sent == [0, 1]


def _starts(cron: Command, endpoint: FakeEndpoint) -> int:
    """Start as cron does; return the requests it cost."""
    before = endpoint.seen.requests
    assert cron.reembed("--resume", "--or-start", *FLAGS).code == 75
    return endpoint.seen.requests - before


def test_a_learned_size_is_remembered_by_the_run(tmp_path: Path) -> None:
    with FakeEndpoint(dim=8, max_inputs=20) as endpoint:
        path = files.create(tmp_path / "m.db", 200)
        command = Command(path, remote(endpoint))
        assert command.reembed("--batch", "50", "--max-rows", "100", "--concurrency", "1").code == 75
        endpoint.seen.bodies.clear()
        assert command.reembed("--resume", "--batch", "50", "--concurrency", "1").code == 0

        assert max(len(body["input"]) for body in endpoint.seen.bodies) == 20


def test_a_learned_size_outlives_a_kill(tmp_path: Path) -> None:
    with FakeEndpoint(dim=8, max_inputs=20, latency=0.02) as endpoint:
        path = files.create(tmp_path / "m.db", 400)
        command = Command(path, remote(endpoint))
        flags = ("--batch", "50", "--concurrency", "1", "--sleep-ms", "200")
        process = command.start("reembed", *flags)
        wait_for(lambda: count(path, endpoint)[0] >= 100)
        assert kill(process).code == -9
        endpoint.seen.bodies.clear()
        assert command.reembed("--resume", "--batch", "50", "--concurrency", "1").code == 0

        assert max(len(body["input"]) for body in endpoint.seen.bodies) == 20
