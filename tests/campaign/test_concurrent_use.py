"""A reader and a writer at work through a whole migration: no error, no lost write, every row right at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.campaign.campaign import editing, require_right
from tests.campaign.corpus import prepared, require
from tests.campaign.editor import read_journal, read_texts
from tests.support.command import Command
from tests.support.fake_endpoint import FakeEndpoint

DIM = 384
ROWS, ROWS_LONG = 400, 7_000
BATCH, BATCH_LONG = 20, 100
EDITS_PER_SECOND = 50
LATENCY_S, LATENCY_LONG_S = 0.2, 0.5
QUESTION = "run a function in another process and get its result"
CHURN = 75


@dataclass(slots=True)
class Seen:
    """What the bystanders saw: seconds of each recall, its exit codes, and the largest write-ahead log, in bytes."""

    recalls: list[float] = field(default_factory=list)
    codes: set[int] = field(default_factory=set)
    log_peak: int = 0


@contextmanager
def bystanders(command: Command) -> Iterator[Seen]:
    """Run `recall` in a loop and watch the write-ahead log inside the block."""
    seen, enough = Seen(), threading.Event()
    log = command.db.with_name(f"{command.db.name}-wal")

    def read() -> None:
        while not enough.is_set():
            began = time.monotonic()
            seen.codes.add(command.run("recall", QUESTION, "--json").code)
            seen.recalls.append(time.monotonic() - began)

    def watch() -> None:
        while not enough.wait(0.02):
            seen.log_peak = max(seen.log_peak, log.stat().st_size if log.exists() else 0)

    threads = [threading.Thread(target=each) for each in (read, watch)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        enough.set()
        for thread in threads:
            thread.join()


def settings(endpoint: FakeEndpoint) -> dict[str, str | int]:
    return {"backend": "openai-compatible", "base_url": endpoint.url, "model": endpoint.behaviour.model, "dim": DIM}


def test_a_reader_and_a_writer_are_at_home_during_a_whole_migration(
    long_form: bool, tmp_path: Path, figures: list[str]
) -> None:
    rows, batch = (ROWS_LONG, BATCH_LONG) if long_form else (ROWS, BATCH)
    with FakeEndpoint(dim=DIM, model="old") as endpoint, prepared(rows, seed=0) as bench:
        database = bench.imported("m", settings(endpoint))
        before, journal = read_texts(database), tmp_path / "journal"
        endpoint.change(model="new", latency=LATENCY_LONG_S if long_form else LATENCY_S)
        command, began = bench.on("m", settings(endpoint)), time.monotonic()
        with (
            editing(database, journal, seed=0, per_second=EDITS_PER_SECOND, dim=DIM),
            bystanders(command) as seen,
        ):
            moved = command.reembed("--yes", "--batch", str(batch), "--concurrency", "2")
            seconds = time.monotonic() - began
        assert moved.code in (0, CHURN), moved
        if moved.code == CHURN:
            require(command.reembed("--resume"))
        edits = read_journal(journal)
        require_right(database, before, edits, endpoint)

    assert seen.codes == {0}
    assert len(edits) > seconds * EDITS_PER_SECOND / 2, "the writer was held up"
    waits = f"longest wait of the writer {max(each.waited for each in edits) * 1000:.0f} ms"
    recalls = f"longest of {len(seen.recalls)} recalls {max(seen.recalls):.2f} s"
    work = f"{rows:,} rows in {seconds:.0f} s (exit {moved.code}, {moved.json['passes']} passes)"
    beside = f"beside {len(edits):,} edits, {moved.json['raced']} of them raced"
    peak = f"peak of the write-ahead log {seen.log_peak / 1e6:.1f} MB"
    figures.append(f"concurrent use: {work} {beside}: no error, every row right; {waits}, {recalls}, {peak}")
