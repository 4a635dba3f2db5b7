"""One sweep with another writer at work, recorded operation by operation."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import TypeVar

import apsw

from ai_memory.clock import SystemClock
from ai_memory.embed.assemble import threads
from ai_memory.errors import AiMemoryError
from ai_memory.reembed.events import Spell
from ai_memory.reembed.inspect.report import RunReport
from ai_memory.reembed.job import Job
from ai_memory.reembed.options import Options
from ai_memory.reembed.stop import Stop
from ai_memory.reembed.sweep.worker import answer
from ai_memory.reembed.tools import Tools
from ai_memory.show.narrator import Narrator
from ai_memory.show.progress import SilentProgress
from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.opening import database
from ai_memory.stores.sqlite.database import writing
from ai_memory.vectors.witness import WITNESS_TEXTS
from tests.crash.editor import INSERT, NOW, Editor, Rows
from tests.crash.images import Image, read_image
from tests.crash.vfs import Recorder, watched
from tests.support import shapes
from tests.support.fakes import HashEmbedder, patient
from tests.support.promises import TRIGGERS
from tests.support.strategies import HELD

T = TypeVar("T")

BATCH = 3
IN_FLIGHT = 2
"""Requests at once; one page more waits for its commit meanwhile."""
NAMESPACES = ("global", "b/c", "b/c/d", "B")
SET_CONTENT_OF = "UPDATE memories SET content = ? WHERE title = ?"
REEMBEDDED = "SELECT coalesce(sum(reembedded), 0) FROM reembed_run"

Build = Callable[[Path, int], None]
"""Creates a database of so many rows."""


@dataclass(frozen=True, slots=True)
class Sent:
    """Texts left for the embedder."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Committed:
    """A commit of the sweep returned: the rows re-embedded so far."""

    reembedded: int


@dataclass(frozen=True, slots=True)
class Record:
    """What happened on a disk that held `start` and, in `memories`, `rows`; and how the sweep ended."""

    start: Image
    rows: Rows
    log: Sequence[object]
    report: RunReport


def build_own(path: Path, rows: int) -> None:
    """Create a database as this program makes it; every second row has a vector of the old model."""
    with writing(path, now_ms=0, create=True) as store, store.transaction() as transaction:
        for number in range(rows):
            namespace = NAMESPACES[number % len(NAMESPACES)]
            row_id = f"{'Aa_'[number % 3]}{number * 7 % rows:03}"
            transaction.db.execute(INSERT, (row_id, namespace, f"Note {number}", f"the text of {number}", NOW, NOW))
        transaction.db.execute("UPDATE memories SET embedding = x'01000080bf' WHERE rowid % 2")


def build_read(path: Path, rows: int) -> None:
    """Create a database whose rows are read, some more often than others, and some not at all."""
    build_own(path, rows)
    with writing(path, now_ms=0) as store, store.transaction() as transaction:
        transaction.db.execute("UPDATE memories SET access_count = rowid * 5 % 7, last_accessed_at = created_at")


def build_held(path: Path, rows: int) -> None:
    """Create a database whose own triggers keep every vector out of some of its rows."""
    build_own(path, rows)
    with writing(path, now_ms=0) as store, store.transaction() as transaction:
        for number, content in enumerate(HELD):
            # Every second one has a vector of the old model, which it keeps.
            transaction.db.execute(SET_CONTENT_OF, (content, f"Note {rows - 1 - 2 * number}"))
        for trigger in TRIGGERS:
            transaction.db.execute(trigger)


def build_foreign(version: int) -> Build:
    """Return what creates a database as the Rust program left it in that version."""

    def build(path: Path, rows: int) -> None:
        shapes.build(path, version, rows=rows, kinds=shapes.EMBEDDABLE)

    return build


def build_unlogged(path: Path, rows: int) -> None:
    """Create a database of our own that somebody took out of WAL mode: a rollback journal guards its commits."""
    build_own(path, rows)
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")


class Marking(SilentProgress):
    """Marks in the record what was sent and what was committed."""

    def __init__(self, recorder: Recorder, editor: Editor) -> None:
        super().__init__(io.StringIO())
        self._recorder, self._editor = recorder, editor

    def advance(self, rows: int, spell: Spell | None = None) -> None:
        del rows, spell
        self._recorder.mark(Committed(int(self._editor.connection.execute(REEMBEDDED).get)))

    def sending(self, texts: Sequence[str]) -> None:
        """Hear of a request."""
        if texts[0] not in WITNESS_TEXTS:
            self._recorder.mark(Sent(tuple(texts)))
            self._editor.during(texts)


class Late(Future[T]):
    """Keeps whoever is patient waiting once, so that a sign of life is written among the pages."""

    kept_waiting = False

    def exception(self, timeout: float | None = None) -> BaseException | None:
        if timeout is not None and not self.kept_waiting:
            self.kept_waiting = True
            raise TimeoutError
        return super().exception(timeout)


class InTurn(Executor):
    """Runs each request at once, in the caller's thread: pages are still in flight together, in a fixed order.

    With `late` whoever waits for an answer is kept waiting once.
    """

    def __init__(self, threads: int, *, late: bool) -> None:
        del threads
        self._late = late

    def submit(self, function: Callable[..., T], /, *arguments: object, **named: object) -> Future[T]:
        future: Future[T] = Late() if self._late else Future()
        try:
            future.set_result(function(*arguments, **named))
        except AiMemoryError as error:
            future.set_exception(error)
        return future


def sweep(
    path: Path,
    embedder: HashEmbedder,
    *,
    progress: SilentProgress | None = None,
    options: OpenOptions = OpenOptions(),
    late: bool = True,
    order: str | None = None,
    max_rows: int | None = None,
) -> RunReport:
    """Run `reembed --resume --retarget` on the database, as a person does, and return its report.

    With `late` signs of life are written among the pages. `order` is that of a run that is begun.
    """
    stop = Stop()
    asked = patient(embedder, stop=stop.event)
    observe = Narrator(progress or SilentProgress(io.StringIO()))
    in_turn = partial(InTurn, late=late)
    workers = partial(threads, asked, partial(answer, stop=stop), executor=in_turn)
    tools = Tools(SystemClock(), stop, observe, Random(0), embedder=asked, workers=workers, pool=in_turn)
    flags = Options(resume=True, retarget=True, batch=BATCH, order=order, max_rows=max_rows)
    file = database(path, replace(options, heed=stop.heed))
    return Job(file, flags, tools, lambda _preflight: None).run()


def record(path: Path, build: Build, *, rows: int, order: str | None = None) -> Record:
    """Build a database, sweep it while another writer edits it, and return what happened on the disk."""
    build(path, rows)
    start, recorder = read_image(path), Recorder()
    with watched(f"recorded-{id(recorder)}", str(path), recorder) as vfs:
        editor = Editor.at(str(path), vfs, recorder)
        first, marking = editor.rows(), Marking(recorder, editor)
        embedder = HashEmbedder(before=marking.sending, concurrency=IN_FLIGHT)
        report = sweep(path, embedder, progress=marking, options=OpenOptions(vfs=vfs), order=order)
        editor.connection.close()
    return Record(start, first, recorder.log, report)
