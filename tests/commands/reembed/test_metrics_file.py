"""`--metrics-file` by real processes: read while a run works, is killed and goes on, and compared with the database."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.show.test_metrics import Samples, samples
from tests.support import files
from tests.support.command import Command, kill, remote, wait_for
from tests.support.fake_endpoint import FakeEndpoint

ROWS = 60


@dataclass(frozen=True, slots=True)
class Watched:
    """A file with memories, and the metrics of its runs."""

    command: Command
    path: Path

    @property
    def written(self) -> int:
        """How many rows have a vector in the database."""
        return sum(each is not None for each in files.vectors(self.command.db).values())

    def read(self) -> Samples:
        """Return the metrics; they are of a moment before this one, and add up."""
        found, written = samples(self.path), self.written
        assert found["rows", "reembedded"] <= written
        assert found["coverage_ratio", ""] * ROWS == pytest.approx(found["rows", "reembedded"])
        assert found["backlog_rows", ""] == ROWS - found["rows", "reembedded"] - found["quarantined_rows", ""]
        return found


@pytest.fixture
def watched(tmp_path: Path, endpoint: FakeEndpoint) -> Iterator[Watched]:
    command = Command(files.create(tmp_path / "m.db", ROWS), remote(endpoint))
    yield Watched(command, tmp_path / "a.prom")
    command.end()


def test_the_figures_are_true_while_a_run_works_and_is_killed_and_goes_on(
    watched: Watched, endpoint: FakeEndpoint
) -> None:
    words: list[str | Path] = ["reembed", "--batch", "4", "--concurrency", "1", "--metrics-file", watched.path]
    endpoint.change(latency=0.6)
    process = watched.command.start(*words)
    wait_for(watched.path.exists)
    first = watched.read()
    wait_for(lambda: watched.read()["rows", "reembedded"] > first["rows", "reembedded"], seconds=60)
    kill(process, signal.SIGKILL)
    killed = watched.read()
    endpoint.change(latency=0.0)
    done = watched.command.reembed(*words[1:], "--resume")

    found, status = watched.read(), watched.command.run("reembed", "status", "--json").json
    assert ("last_exit_code", "") not in killed
    assert 0 < killed["rows", "reembedded"] < ROWS == watched.written == found["rows", "reembedded"]
    assert (found["last_exit_code", ""], done.code) == (0, 0)
    for name in ("texts_sent", "texts_sent_twice", "requests", "retries", "tokens"):
        assert found[f"{name}_total", ""] == status[name] >= killed[f"{name}_total", ""]
    assert list(watched.path.parent.glob("*.prom.*")) == []


def test_an_outage_is_told_while_the_endpoint_is_waited_for(watched: Watched, endpoint: FakeEndpoint) -> None:
    endpoint.fail("server-error", times=-1)
    words: list[str | Path] = ["reembed", "--retry-for", "0", "--wait", "1h", "--metrics-file", watched.path]
    process = watched.command.start(*words)
    wait_for(watched.path.exists)
    wait_for(lambda: samples(watched.path).get(("breaker_open", "")), seconds=60)
    kill(process, signal.SIGTERM)

    found = samples(watched.path)
    assert found["breaker_until_timestamp_seconds", ""] > found["run_start_timestamp_seconds", ""]
    assert (found["last_exit_code", ""], found["coverage_ratio", ""]) == (143, 0)


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("unavailable", "5xx"),
        ("rate", "429"),
        ("bad-request", "4xx"),
        ("close", "connection"),
        ("not-json", "unusable"),
    ],
)
def test_requests_are_counted_by_what_came_of_them(
    watched: Watched, endpoint: FakeEndpoint, kind: str, what: str
) -> None:
    endpoint.fail("none", times=20)
    endpoint.fail(kind, times=2)
    run = watched.command.reembed("--batch", "4", "--concurrency", "1", "--metrics-file", watched.path).json

    found = samples(watched.path)
    told = {name: value for (metric, name), value in found.items() if metric == "start_requests_total" and value}
    assert set(told) == {"ok", what}
    assert told[what] == 2
    assert sum(told.values()) == run["requests"] == endpoint.seen.requests


def test_a_start_that_is_refused_tells_its_exit_code(watched: Watched) -> None:
    refused = Command(watched.command.db).run("reembed", "--resume", "--or-start", "--metrics-file", watched.path)

    assert samples(watched.path)["last_exit_code", ""] == refused.code != 0


def test_a_rollback_that_is_gone_on_with_tells_its_figures(watched: Watched) -> None:
    assert watched.command.run("reembed").code == 0
    assert watched.command.run("reembed", "rollback", "--max-rows", "20").code == 75

    assert watched.command.run("reembed", "--resume", "--metrics-file", watched.path).code == 0

    assert samples(watched.path)["rows", "put_back"] == ROWS


def test_what_begins_no_run_takes_no_metrics_file(watched: Watched) -> None:
    for flag in ("--dry-run", "--stamp-only"):
        refused = watched.command.run("reembed", flag, "--metrics-file", watched.path)
        assert (refused.code, "begins no run, and takes no --metrics-file" in refused.error) == (64, True)


def test_without_the_library_one_line_says_what_to_type(watched: Watched, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    # A finder that knows everything but this package.
    (hidden / "sitecustomize.py").write_text("import sys; sys.modules['prometheus_client'] = None\n")
    env = {**watched.command.env, "PYTHONPATH": f"{hidden}:{Path(__file__).parents[3]}"}
    refused = Command(watched.command.db, env).run("reembed", "--metrics-file", watched.path)

    assert refused.code == 64
    assert refused.error.endswith('Type: pip install "prometheus-client>=0.22.0"')


@pytest.mark.parametrize("fault", ["import not_there_at_all", "raise SystemError('of another Python')"])
def test_with_a_broken_library_one_line_says_so(watched: Watched, tmp_path: Path, fault: str) -> None:
    (tmp_path / "prometheus_client").mkdir()
    (tmp_path / "prometheus_client" / "__init__.py").write_text(f"{fault}\n")
    env = {**watched.command.env, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    refused = Command(watched.command.db, env).run("reembed", "--metrics-file", watched.path)

    assert (refused.code, watched.written) == (64, 0)
    assert "needs prometheus-client, which is installed and cannot be loaded (" in refused.error
    assert refused.error.endswith('Type: pip install --force-reinstall "prometheus-client>=0.22.0"')
