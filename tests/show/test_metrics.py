"""The metrics of a run, compared with its database at each event; what is not known is left out."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from prometheus_client.parser import text_string_to_metric_families

from ai_memory.embed.usage import RequestClass
from ai_memory.errors import StorageFailed
from ai_memory.reembed.events import (
    Event,
    PageCommitted,
    RequestsCounted,
    RowsLookedAt,
    SignGiven,
    StartEnded,
    to_all,
)
from ai_memory.reembed.inspect.read_status import read_status
from ai_memory.reembed.plan.wanted import Wanted
from ai_memory.show.metrics import PREFIX, End, Figures, MetricsFile, collected, write
from ai_memory.stores.opening import database
from ai_memory.vectors import blob
from tests.conftest import ROOT
from tests.reembed.observers import ORDERS
from tests.reembed.work import NOW_MS, Clock, Work
from tests.support import files
from tests.support.fakes import HashEmbedder

Samples = dict[tuple[str, str], float]
CLASSES = {RequestClass.OK: 5, RequestClass.RATE: 2}
ODD_PATH = 'a "b"\\c\nd\udcff.db'


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(files.create(tmp_path / "m.db"))


def samples(path: Path) -> Samples:
    """Return the value of each sample of a metrics file by its name and the label that it has beside the database."""
    return {
        (
            each.name.removeprefix(f"{PREFIX}_"),
            each.labels.get("outcome") or each.labels.get("reason") or each.labels.get("class") or "",
        ): each.value
        for family in text_string_to_metric_families(path.read_text("utf-8"))
        for each in family.samples
    }


def figures(work: Work, wanted: Wanted) -> Figures | None:
    file = database(work.path)
    with file.read() as store:
        status = read_status(file, store, now_ms=work.clock.now_ms(), wanted=wanted)
        return Figures(status, store.quarantine.by_kind(status.target.id)) if status else None


def metrics_file(work: Work, path: Path, told: list[str], *, price: float | None = None) -> MetricsFile:
    wanted = Wanted(space=work.embedder.target.space, price=price)
    return MetricsFile(path, str(work.path), lambda: figures(work, wanted), work.clock, told.append)


def of_target(work: Work) -> int:
    """Return how many rows have the embedder's vector of their text, told by their bytes."""
    vectors = files.vectors(work.path)
    return sum(
        vectors[each] == blob.encode(work.embedder.vector(text)) for each, text in files.texts(work.path).items()
    )


def test_at_each_page_the_file_says_what_stands_in_the_database(work: Work, tmp_path: Path) -> None:
    work.embedder = HashEmbedder(poison="POISON")
    files.edit(work.path, "id-003", "POISON")
    path, told, seen, written_at = tmp_path / "a.prom", list[str](), list[int](), set[float]()
    metrics = metrics_file(work, path, told, price=20.0)

    def compare(event: Event) -> None:
        if isinstance(event, PageCommitted):
            found = samples(path)
            seen.append(of_target(work))
            written_at.add(work.clock.ms / 1000 if seen[-1] > max([0, *seen[:-1]]) else max(written_at))
            aside = found["quarantined_rows", ""]
            assert found["rows", "reembedded"] == seen[-1]
            assert found["coverage_ratio", ""] == seen[-1] / 10
            assert found["backlog_rows", ""] == 10 - seen[-1] - aside
            assert found["last_commit_timestamp_seconds", ""] == max(written_at)

    def pass_time(_event: Event) -> None:
        work.clock.advance(6)

    job = work.job(batch=2)
    report = replace(job, tools=replace(job.tools, observe=to_all(metrics, compare, pass_time))).run()
    metrics(StartEnded(report.exit_code, report.reason))

    found = samples(path)
    assert (len(seen) > 3, seen[-1], report.exit_code, told) == (True, 9, 10, [])
    assert (found["last_exit_code", ""], found["last_end_timestamp_seconds", ""]) == (10, work.clock.ms / 1000)
    assert (found["quarantine_entries", "refused"], found["quarantine_entries", "empty"]) == (1, 0)
    assert found["requests_total", ""] == report.requests
    assert found["texts_sent_total", ""] == report.texts_sent


def test_what_is_not_known_is_left_out(work: Work, tmp_path: Path) -> None:
    path = tmp_path / "a.prom"
    metrics = metrics_file(work, path, [])
    metrics(StartEnded(3, "refused"))
    without_run = samples(path)
    report = work.run(batch=5, max_rows=5)
    metrics(StartEnded(report.exit_code, report.reason))

    assert without_run == {("last_exit_code", ""): 3, ("last_end_timestamp_seconds", ""): NOW_MS / 1000}
    assert report.texts_sent > report.tokens == 0
    assert not {"tokens_total", "cost_total", "reads_answered_ratio", "breaker_until_timestamp_seconds"} & {
        name for name, _ in samples(path)
    }
    assert samples(path)["coverage_ratio", ""] == 0.5


def test_requests_are_told_by_what_came_of_them_each_class_also_where_nothing_did(work: Work, tmp_path: Path) -> None:
    path = tmp_path / "a.prom"
    work.run(batch=5, max_rows=5)
    metrics = metrics_file(work, path, [])
    metrics(RequestsCounted(CLASSES))
    told = {name: value for (metric, name), value in samples(path).items() if metric == "start_requests_total"}

    assert told == {"ok": 5, "429": 2, "4xx": 0, "5xx": 0, "connection": 0, "unusable": 0}


def test_while_rows_are_counted_the_file_gets_no_older_than_between_pages(work: Work, tmp_path: Path) -> None:
    path = tmp_path / "a.prom"
    metrics = metrics_file(work, path, [])
    work.run(batch=5, max_rows=5)
    job, written = work.job(batch=5, resume=True), list[bool]()

    def look(event: Event) -> None:
        work.clock.advance(6)
        if isinstance(event, RowsLookedAt):
            written.append(path.exists())
            path.unlink(missing_ok=True)

    assert replace(job, tools=replace(job.tools, observe=to_all(metrics, look))).run().exit_code == 0
    assert written == [True, True]


def test_until_there_is_a_run_the_end_of_the_last_start_stays_told(work: Work, tmp_path: Path) -> None:
    path = tmp_path / "a.prom"
    metrics = metrics_file(work, path, [])
    metrics(StartEnded(12, "refused"))
    work.clock.advance(6)
    metrics(RowsLookedAt())

    assert samples(path)["last_exit_code", ""] == 12


def test_since_when_a_row_is_stale_is_told_as_long_as_one_is(work: Work, tmp_path: Path) -> None:
    path = tmp_path / "a.prom"
    began = work.clock.ms
    report = work.run(batch=5, max_rows=5)
    work.clock.advance(3_600)
    work.run(batch=2, max_rows=2, resume=True)
    metrics_file(work, path, [])(StartEnded(report.exit_code, report.reason))
    waiting = samples(path)
    work.run(resume=True)
    metrics_file(work, path, [])(StartEnded(0, "complete"))

    assert waiting["oldest_stale_timestamp_seconds", ""] == began / 1000
    assert ("oldest_stale_timestamp_seconds", "") not in samples(path)


def test_a_start_that_found_a_live_runner_leaves_the_file_to_that_one(work: Work, tmp_path: Path) -> None:
    path = tmp_path / "a.prom"
    metrics = metrics_file(work, path, [])
    metrics(StartEnded(75, "max-rows"))
    metrics(StartEnded(11, "refused"))

    assert samples(path)["last_exit_code", ""] == 75


def test_a_file_that_cannot_be_written_is_told_once_and_changes_nothing_of_the_run(work: Work, tmp_path: Path) -> None:
    told: list[str] = []
    path = tmp_path / "gone" / "a.prom"
    metrics = metrics_file(work, path, told)
    job = work.job(batch=2)
    tools = replace(job.tools, observe=to_all(metrics, lambda _: work.clock.advance(6)))

    assert replace(job, tools=tools).run().exit_code == 0
    metrics(StartEnded(0, "complete"))
    assert told == [f"--metrics-file: {path} cannot be written: No such file or directory; the run goes on."]


def test_a_database_that_cannot_be_read_for_now_leaves_the_last_figures_until_the_end(tmp_path: Path) -> None:
    def refuse() -> Figures | None:
        raise StorageFailed("It is busy.")

    path = tmp_path / "a.prom"
    path.write_text("before")
    metrics = MetricsFile(path, "m.db", refuse, Clock(), print)
    metrics(SignGiven(""))
    before = path.read_text()
    metrics(StartEnded(74, "storage"))

    assert before == "before"
    assert samples(path)["last_exit_code", ""] == 74


def test_the_documents_name_each_metric(work: Work) -> None:
    work.run(batch=5, max_rows=5)
    found = figures(work, Wanted(price=20.0))
    assert found
    assert found.status.counted
    run = replace(found.status.run, breaker_state="open", counters=replace(found.status.run.counters, tokens=9))
    read = replace(found.status.counted, reads=3)
    whole = replace(found, status=replace(found.status, run=run, breaker_until=NOW_MS, counted=read))

    told = {
        each.name.removeprefix(f"{PREFIX}_")
        for family in collected("m.db", whole, None, CLASSES)
        for each in family.samples
    }
    page = (ROOT / "docs" / "how-to.md").read_text("utf-8").partition("in Prometheus\n")[2].partition("\n## ")[0]
    names = re.findall(r"^\| (`.*?) \|", page, re.MULTILINE)
    assert told | {"last_exit_code", "last_end_timestamp_seconds"} == set(re.findall("`(\\w+)`", " ".join(names)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ORDERS)
def test_events_are_taken_in_any_order(work: Work, tmp_path: Path, told: list[Event]) -> None:
    metrics = metrics_file(work, tmp_path / "a.prom", [])
    for event in [*told, StartEnded(0, "complete")]:
        metrics(event)

    assert samples(tmp_path / "a.prom")["last_exit_code", ""] == 0


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed (Debian: prometheus)")
@pytest.mark.parametrize("name", ["m.db", ODD_PATH], ids=["plain", "odd"])
def test_prometheus_own_check_finds_nothing_to_say(work: Work, tmp_path: Path, name: str) -> None:
    work.run(batch=5, max_rows=5)
    found = figures(work, Wanted(price=20.0))
    assert found
    run = replace(
        found.status.run,
        target_model=ODD_PATH,
        breaker_state="open",
        counters=replace(found.status.run.counters, tokens=9),
    )
    write(
        tmp_path / "a.prom",
        name,
        replace(found, status=replace(found.status, run=run, breaker_until=NOW_MS)),
        End(75, NOW_MS),
        CLASSES,
    )

    with (tmp_path / "a.prom").open() as text:
        checked = subprocess.run(
            ["promtool", "check", "metrics"], stdin=text, capture_output=True, text=True, check=False
        )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    seldom = {"cost_total", "tokens_total", "breaker_until_timestamp_seconds", "start_requests_total"}
    assert seldom <= {name for name, _ in samples(tmp_path / "a.prom")}
