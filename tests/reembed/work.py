"""A job on a real file with a deterministic embedder, a clock and a terminal of the tests' own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Concatenate, ParamSpec, TypeVar

from ai_memory.embed.assemble import threads
from ai_memory.embed.port import Embedder
from ai_memory.memory.freshness import Document, examine
from ai_memory.reembed.events import Spell
from ai_memory.reembed.inspect.report import RunReport
from ai_memory.reembed.job import Job
from ai_memory.reembed.options import Options
from ai_memory.reembed.plan.taking import Preflight
from ai_memory.reembed.plan.targets import identity
from ai_memory.reembed.stop import Stop
from ai_memory.reembed.sweep.worker import answer
from ai_memory.reembed.tools import Tools
from ai_memory.show.narrator import Narrator
from ai_memory.stores.holder import Holder
from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.opening import database
from ai_memory.stores.sqlite import runs, walk
from ai_memory.stores.sqlite.database import writing
from ai_memory.stores.sqlite.fingerprints import ensure_fingerprint
from ai_memory.stores.sqlite.store import Store, Transaction
from ai_memory.stores.values import Run, Terms
from ai_memory.vectors import blob
from ai_memory.vectors.target import Fingerprint
from tests.support import files
from tests.support.fakes import HashEmbedder, patient

P = ParamSpec("P")
T = TypeVar("T")

NOW_MS = 1_800_000_000_000
HOLDER = Holder(1, "here", NOW_MS)


@dataclass(slots=True)
class Clock:
    """A clock that only moves when it is told to."""

    ms: int = NOW_MS

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.ms / 1000

    def advance(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)


@dataclass(slots=True)
class Heard:
    """A progress that remembers what it was told."""

    lines: list[str] = field(default_factory=list)
    total: int = 0
    rows: int = 0
    ended: bool = False

    def begin(self, *, total: int, label: str, unit: str = "rows") -> None:
        del label, unit
        self.total = total

    def advance(self, rows: int, spell: Spell | None = None) -> None:
        del spell
        self.rows += rows

    def wait(self, *, failing: bool) -> None:
        pass

    def grow(self, rows: int) -> None:
        self.total += rows

    def note(self, text: str) -> None:
        self.lines.append(text)

    def say(self, text: str) -> None:
        self.lines.append(text)

    def end(self) -> None:
        self.ended = True


@dataclass(slots=True)
class Work:
    """Everything a job needs on one database; each `run` is one invocation."""

    path: Path
    embedder: HashEmbedder = field(default_factory=HashEmbedder)
    clock: Clock = field(default_factory=Clock)
    stop: Stop = field(default_factory=Stop)
    heard: Heard = field(default_factory=Heard)
    told: list[Preflight] = field(default_factory=list)

    def run(self, **flags: Any) -> RunReport:  # noqa: ANN401 - fields of Options
        """Run one invocation with these flags; no request is retried."""
        return self.job(**flags).run()

    def job(self, **flags: Any) -> Job:  # noqa: ANN401 - fields of Options
        embedder = patient(self.embedder)
        workers = partial(threads, embedder, partial(answer, stop=self.stop))
        tools = Tools(
            self.clock, self.stop, Narrator(self.heard), Random(self.path.name), embedder=embedder, workers=workers
        )
        file = database(self.path, OpenOptions(heed=self.stop.heed))
        return Job(file, Options(**flags), tools, disclose=self.told.append)

    def all_right(self) -> bool:
        """Say whether every row has the embedder's vector of its present text."""
        expected = {each: blob.encode(self.embedder.vector(text)) for each, text in files.texts(self.path).items()}
        return files.vectors(self.path) == expected

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Open the database to write."""
        with writing(self.path, now_ms=self.clock.ms) as store:
            yield store


def known(store: Store, embedder: Embedder) -> Fingerprint:
    """Return the file's record of the embedder's target, entered if need be."""
    with store.transaction() as transaction:
        return ensure_fingerprint(transaction, identity(embedder.target), now_ms=NOW_MS)


def begun(store: Store, target: Fingerprint, *, skip_current: bool = False) -> Run:
    """Return a new run that this process holds."""
    with store.transaction() as transaction:
        run = runs.begin_run(
            transaction,
            target=target.id,
            target_model="hash",
            terms=Terms(skip_current=skip_current),
            now_ms=NOW_MS,
            tool_version="test",
        )
        return runs.take_over(transaction, run, HOLDER, in_flight_limit=100, now_ms=NOW_MS)


def committed(store: Store, write: Callable[Concatenate[Transaction, P], T], *args: P.args, **named: P.kwargs) -> T:
    """Return what `write` returns in a transaction of its own."""
    with store.transaction() as transaction:
        return write(transaction, *args, **named)


def documents(store: Store, *ids: str) -> list[Document]:
    """Return the documents of these rows."""
    found = [examine(row) for row in walk.rows_by_id(store, ids, target=None)]
    return [each for each in found if isinstance(each, Document)]
