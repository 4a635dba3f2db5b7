"""Counts what must happen sometimes, and fails a whole run of the suite in which one of it never did.

A harness that never meets a lost race proves nothing about lost races. Every harness says through the
fixture `sometimes` what it met, read from reports, events and rows; at the end of a run of all tests each
name in REQUIRED must have a count.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest
from _pytest.config import Config

from tests.support.workers import Worker, hand_over, is_worker

LOST_RACE = "lost race"
SECOND_PASS = "second pass"
TAKE_OVER = "take-over"
OPEN_BREAKER = "open breaker"
RETRY_AFTER = "honoured Retry-After"
REFUSED_COMMIT = "refused commit"
PUT_BACK = "row put back"
TAKEN_AGAIN = "kept vector taken again"
REQUIRED = (
    LOST_RACE, SECOND_PASS, TAKE_OVER, OPEN_BREAKER, RETRY_AFTER, REFUSED_COMMIT, PUT_BACK, TAKEN_AGAIN,
)  # fmt: skip


@dataclass(slots=True)
class Sometimes:
    """What happened in one run of the tests."""

    counts: Counter[str] = field(default_factory=Counter)

    def happened(self, name: str, times: int = 1) -> None:
        """Note that `name` happened so many times more (0 is fine)."""
        assert name in REQUIRED, f"{name} is not in REQUIRED"
        self.counts[name] += times

    def never(self) -> list[str]:
        """Return what did not happen."""
        return [name for name in REQUIRED if not self.counts[name]]


SOMETIMES = pytest.StashKey[Sometimes]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SOMETIMES] = Sometimes()


@pytest.fixture(scope="session")
def sometimes(pytestconfig: pytest.Config) -> Sometimes:
    """The counts of this run."""
    return pytestconfig.stash[SOMETIMES]


def whole_suite(config: pytest.Config) -> bool:
    """Say whether all tests were asked for: no path, no -k, -m, --lf or the like."""
    chosen = ("keyword", "markexpr", "lf", "stepwise", "deselect", "ignore", "collectonly")
    everything = config.args_source is Config.ArgsSource.TESTPATHS
    return everything and not any(config.getoption(each, None) for each in chosen)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    hand_over(session.config, "sometimes", dict(session.config.stash[SOMETIMES].counts))
    if is_worker(session.config):
        return
    if exitstatus == pytest.ExitCode.OK and whole_suite(session.config) and session.config.stash[SOMETIMES].never():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Worker) -> None:
    node.config.stash[SOMETIMES].counts.update(getattr(node, "workeroutput", {}).get("sometimes", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    found = config.stash[SOMETIMES]
    if found.counts:
        counts = ", ".join(f"{name} {found.counts[name]:,}" for name in REQUIRED)
        terminalreporter.write_line(f"sometimes: {counts}")
    if whole_suite(config) and found.never():
        never = ", ".join(found.never())
        terminalreporter.write_line(f"FAILED: never in the whole suite: {never}", red=True)
