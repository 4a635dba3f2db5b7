"""Writes how a run stands into a file for Prometheus' node exporter (textfile format); the only user of its client.

A moment is told, not an age, for a file gets older while it is not read. What may fall is a gauge: rows that are in
doubt are taken back. Counters are those of the recorded run, and begin anew with the next one. What is not known is
left out: a 0 would be taken for a figure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from ai_memory.embed.usage import RequestClass
from ai_memory.errors import AiMemoryError, RunHeld
from ai_memory.frozen import Frozen
from ai_memory.memory.reason import Kind
from ai_memory.memory.text_codec import printable
from ai_memory.reembed.events import Event, RequestsCounted, StartEnded
from ai_memory.show.libraries import require
from ai_memory.show.marked_file import begins_with

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from ai_memory.clock import Clock
    from ai_memory.reembed.inspect.status import Status
    from ai_memory.stores.values import Counters, Run

INSTALL = 'Type: pip install "prometheus-client>=0.22.0"'
PREFIX = "ai_memory_reembed"
REFRESH_S = 5.0
"""How old the file gets while something happens, or an answer is awaited; node exporters read it every 15 s or less."""

OUTCOMES = ("reembedded", "attested", "raced", "quarantined", "put_back", "left_alone", "moved")
"""What becomes of a row, by the fields of `Counters`."""
SPARED = ("identical", "taken_again")
"""Why a re-embedded row needed no request of its own, by the fields of `Counters`."""
SPENT = {
    "texts_sent": "Texts that were sent to the embedder.",
    "texts_sent_twice": "Of the texts sent, those that a killed runner had sent before, at most.",
    "requests": "Requests to the embedder.",
    "retries": "Requests that were sent once more.",
}


class Figures(Frozen):
    """What the file tells of its recorded run: its status, and the entries of its quarantine by kind."""

    status: Status
    quarantined: Mapping[Kind, int]


Classes = Mapping[RequestClass, int]
"""How many requests of a start came to what."""


class End(Frozen):
    """How a start ended, and when (Unix milliseconds)."""

    exit_code: int
    at: int


def has_figures(path: Path) -> bool:
    """Return whether a file is one that we wrote, or an empty one; not where it cannot be read."""
    return begins_with(path, f"# HELP {PREFIX}_".encode(), or_empty=True)


def require_installed() -> None:
    """Check that Prometheus' client is there.

    Raises:
        UsageError: it is not, or cannot be loaded.
    """
    require("--metrics-file", "prometheus-client", INSTALL, "prometheus_client.core")


class MetricsFile:
    """An observer that writes the file when something has happened, and at the end; a failure is told once.

    The end of a start that found a live runner is not written: the file is that runner's.
    """

    def __init__(
        self,
        path: Path,
        database: str,
        read: Callable[[], Figures | None],
        clock: Clock,
        tell: Callable[[str], None],
    ) -> None:
        """Write `path` of the database at the path `database`, of which `read` tells (None: no run yet)."""
        self._path, self._database, self._read = path, database, read
        self._clock, self._tell = clock, tell
        self._written: float | None = None
        self._failed = False
        self._classes: Classes = {}

    def __call__(self, event: Event) -> None:
        """Write the file if it is time to."""
        if isinstance(event, RequestsCounted):
            self._classes = event.classes
        if isinstance(event, StartEnded):
            if event.exit_code != RunHeld.exit_code:
                self._write(End(event.exit_code, self._clock.now_ms()))
        elif self._written is None or self._clock.monotonic() - self._written >= REFRESH_S:
            self._written = self._clock.monotonic()
            self._write(None)

    def _write(self, end: End | None) -> None:
        try:
            figures = self._read()
        except AiMemoryError:
            # What is wrong with the database is told by the run.
            figures = None
        # The last figures are better than none.
        if figures is None and end is None:
            return
        try:
            write(self._path, self._database, figures, end, self._classes)
        except OSError as error:
            if not self._failed:
                self._tell(f"--metrics-file: {self._path} cannot be written: {error.strerror}; the run goes on.")
            self._failed = True


def write(path: Path, database: str, figures: Figures | None, end: End | None, classes: Classes) -> None:
    """Put a file with these figures in place of the one at `path`, all at once.

    Raises:
        OSError: it cannot be written.
    """
    from prometheus_client import CollectorRegistry, write_to_textfile
    from prometheus_client.registry import Collector

    class Collected(Collector):
        def collect(self) -> Iterator[Metric]:
            return collected(database, figures, end, classes)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collected())
    write_to_textfile(str(path), registry)


def collected(database: str, figures: Figures | None, end: End | None, classes: Classes) -> Iterator[Metric]:
    """Yield the metrics of a database: of its run, of how the last start ended, and of the requests of this one."""
    tell = _Teller(printable(database))
    if figures:
        yield from _of_rows(tell, figures.status)
        yield from _of_run(tell, figures.status)
        yield from _of_requests(tell, figures.status)
        kinds = {kind: figures.quarantined.get(kind, 0) for kind in get_args(Kind)}
        yield tell.each("quarantine_entries", "Entries of the quarantine, also of rows edited since.", "reason", kinds)
        if classes:
            words = "Requests of this start by what came of them: vectors, a status, no whole answer, or no usable one."
            by_class = {each.value: classes.get(each, 0) for each in RequestClass}
            yield tell.counters("start_requests", words, "class", by_class)
        last = figures.status.run.last_end
        end = end or (End(last.exit_code, last.at) if last else None)
    if end:
        yield tell.gauge(
            "last_exit_code",
            "What the last start ended with; while one works, the last that its run has recorded.",
            end.exit_code,
        )
        yield tell.moment(
            "last_end", "When the last start ended; while one works, the last that its run has recorded.", end.at
        )


class _Teller(Frozen):
    """Makes metrics of one database."""

    database: str

    def gauge(self, name: str, words: str, value: float) -> Metric:
        return self._gauge(name, words, {}, value)

    def moment(self, name: str, words: str, at_ms: int) -> Metric:
        return self.gauge(f"{name}_timestamp_seconds", f"{words} Seconds since 1970.", at_ms / 1000)

    def each(self, name: str, words: str, label: str, values: Mapping[Kind, int] | Mapping[str, int]) -> Metric:
        from prometheus_client.core import GaugeMetricFamily

        family = GaugeMetricFamily(f"{PREFIX}_{name}", words, labels=["database", label])
        for key, value in values.items():
            family.add_metric([self.database, key], value)
        return family

    def info(self, name: str, words: str, labels: Mapping[str, str]) -> Metric:
        return self._gauge(f"{name}_info", words, labels, 1)

    def counter(self, name: str, words: str, value: float) -> Metric:
        from prometheus_client.core import CounterMetricFamily

        family = CounterMetricFamily(f"{PREFIX}_{name}", words, labels=["database"])
        family.add_metric([self.database], value)
        return family

    def counters(self, name: str, words: str, label: str, values: Mapping[str, int]) -> Metric:
        from prometheus_client.core import CounterMetricFamily

        family = CounterMetricFamily(f"{PREFIX}_{name}", words, labels=["database", label])
        for key, value in values.items():
            family.add_metric([self.database, key], value)
        return family

    def _gauge(self, name: str, words: str, labels: Mapping[str, str], value: float) -> Metric:
        from prometheus_client.core import GaugeMetricFamily

        family = GaugeMetricFamily(f"{PREFIX}_{name}", words, labels=["database", *labels])
        family.add_metric([self.database, *map(printable, labels.values())], value)
        return family


def _of_rows(tell: _Teller, status: Status) -> Iterator[Metric]:
    if not (rows := status.counted):
        return
    if rows.live:
        yield tell.gauge("coverage_ratio", "Share of the rows that have the target's vector.", status.done / rows.live)
    yield tell.gauge("live_rows", "Rows of the run's namespaces.", rows.live)
    yield tell.gauge("backlog_rows", "Rows that are stale still.", rows.remaining)
    if since := status.stale_since:
        yield tell.moment("oldest_stale", "Since when the oldest of them is known to be stale.", since)
    yield tell.gauge("quarantined_rows", "Rows in quarantine.", rows.in_quarantine)
    if rows.reads:
        share = rows.reads_answered / rows.reads
        yield tell.gauge("reads_answered_ratio", "Share of reads that the new space answers.", share)
    yield tell.moment("counted", "When the census began that the rows are counted from.", rows.at)


def _of_run(tell: _Teller, status: Status) -> Iterator[Metric]:
    run = status.run
    labels = {"run": str(run.run_id), "state": run.state, "model": run.target_model, "space": status.target.space}
    yield tell.info("run", "The recorded run.", labels)
    yield tell.moment("run_start", "When the run was begun.", run.started_at)
    yield tell.moment("last_progress", "The last sign of life of a runner.", run.last_progress_at)
    if run.last_written_at:
        yield tell.moment("last_commit", "When a row was written last.", run.last_written_at)
    done, spared = _named(run.counters, OUTCOMES), _named(run.counters, SPARED)
    yield tell.each("rows", "Rows of the run by what became of them.", "outcome", done)
    yield tell.each("spared_rows", "Re-embedded rows that needed no request, by why.", "reason", spared)
    yield from _of_breaker(tell, run, status)
    if status.free_bytes is not None:
        yield tell.gauge("disk_free_bytes", "Room on the disk of the database.", status.free_bytes)


def _of_breaker(tell: _Teller, run: Run, status: Status) -> Iterator[Metric]:
    is_open = run.breaker_state == "open"
    yield tell.gauge("breaker_open", "1 while the endpoint is not asked because it failed, else 0.", is_open)
    if is_open and status.breaker_until:
        yield tell.moment("breaker_until", "When the endpoint may be asked again.", status.breaker_until)


def _of_requests(tell: _Teller, status: Status) -> Iterator[Metric]:
    counters = status.run.counters
    for name, words in SPENT.items():
        yield tell.counter(name, words, getattr(counters, name))
    # An embedder that was asked and told of none has not told what the texts took.
    if counters.tokens or not counters.texts_sent:
        yield tell.counter("tokens", "Tokens that the endpoint reported.", counters.tokens)
        if status.cost is not None:
            words = "What the tokens cost, in the currency of [embeddings].price_per_million_tokens."
            yield tell.counter("cost", words, status.cost)


def _named(counters: Counters, names: tuple[str, ...]) -> dict[str, int]:
    return {name: getattr(counters, name) for name in names}
