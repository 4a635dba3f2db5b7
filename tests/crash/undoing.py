"""A run that is undone, redone and pruned, each recorded operation by operation; and what must be true meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from ai_memory.clock import SystemClock
from ai_memory.errors import OperatorNeeded
from ai_memory.reembed.finish.prune import Prune
from ai_memory.reembed.finish.rollback import Rollback
from ai_memory.reembed.stop import Stop
from ai_memory.reembed.tools import SweepTools
from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.opening import database
from tests.crash.images import Disk, Image, read_image
from tests.crash.promises import looking
from tests.crash.sweeping import build_own, sweep
from tests.crash.vfs import Change, Recorder, watched
from tests.support.fakes import HashEmbedder

ROWS = 12
VECTORS = """
    SELECT m.id, m.title || ' ' || m.content, embedding, embedding_dim, embedding_space, p.src, p.head, p.origin
    FROM memories AS m LEFT JOIN embedding_provenance AS p ON p.memory_id = m.id ORDER BY m.id
"""
KEPT = "SELECT count(*) FROM embedding_previous"
RUNS_KEPT = "SELECT count(*) FROM reembed_run WHERE kept_rows > 0"
COUNTED = "SELECT total(kept_rows) FROM reembed_run"

State = list[tuple[Any, ...]]
Work = Callable[[Path, OpenOptions], object]


def migrate(path: Path, options: OpenOptions = OpenOptions(), *, sent: list[str] | None = None) -> int:
    """Run to the new model, and return the exit code; `sent` gets the texts."""
    embedder = HashEmbedder(before=None if sent is None else sent.extend)
    return sweep(path, embedder, options=options, late=False).exit_code


def roll_back(path: Path, options: OpenOptions = OpenOptions()) -> int | None:
    """Undo the last run, and return the exit code, None where there was nothing to undo."""
    tools = SweepTools(SystemClock(), Stop(), lambda _: None)
    try:
        return Rollback(database(path, options), tools, lambda _: None, batch=3).run().exit_code
    except OperatorNeeded:
        return None


def prune(path: Path, options: OpenOptions = OpenOptions()) -> None:
    """Drop what is kept."""
    tools = SweepTools(SystemClock(), Stop(), lambda _: None)
    Prune(database(path, options), tools, lambda _: None, batch=3).run()


def state(path: Path) -> State:
    """Return all that is of the vectors of all memories."""
    with looking(path) as connection:
        return list(connection.execute(VECTORS))


def number(path: Path, sql: str) -> int:
    """Return a number of a file."""
    with looking(path) as connection:
        return int(connection.execute(sql).get)


@dataclass(frozen=True, slots=True)
class Scene:
    """Vectors as they were before the run and after it."""

    old: State
    new: State

    def mixed(self, found: State) -> bool:
        """Return whether each row has all that it had before, or all that it had after."""
        return all(each in (old, new) for each, old, new in zip(found, self.old, self.new, strict=True))


def scene(path: Path) -> Scene:
    """Make a file with half its rows of an old model, run, and return both states."""
    build_own(path, ROWS)
    old = [(*row[:5], None, None, None) for row in _without_provenance(path)]
    assert migrate(path) == 0
    return Scene(old, state(path))


def chain(path: Path) -> Scene:
    """Make such a file by way of a third model, to which the first of two runs went half the way."""
    build_own(path, ROWS)
    old = _without_provenance(path)
    assert sweep(path, HashEmbedder(model="third"), late=False, max_rows=ROWS // 2).exit_code == 75
    assert migrate(path) == 0
    assert number(path, RUNS_KEPT) == 2
    return Scene(old, state(path))


def _without_provenance(path: Path) -> State:
    return [(*each[:5], None, None, None) for each in state(path)]


def images(path: Path, work: Work, *, cuts: int, seed: int) -> Iterator[Image]:
    """Do the work on a file and yield what a kill, or a loss of power, leaves of it after each write."""
    disk, recorder, random = Disk(read_image(path)), Recorder(), Random(seed)
    # Another reader is there: see `test_io_errors.attempt`.
    with watched(f"recorded-{id(recorder)}", str(path), recorder) as vfs, looking(path) as reader:
        reader.execute("SELECT count(*) FROM memories")
        work(path, OpenOptions(vfs=vfs))
    for change in recorder.log:
        if isinstance(change, Change):
            disk.apply(change)
            yield disk.killed()
            for _ in range(cuts):
                yield disk.power_lost(random)
