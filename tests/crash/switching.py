"""A staged run, the switch to it and the way back, each recorded operation by operation; and what is served then."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ai_memory.clock import SystemClock
from ai_memory.embed.assemble import threads
from ai_memory.errors import OperatorNeeded
from ai_memory.reembed.finish.back import Back
from ai_memory.reembed.finish.switch import Switch
from ai_memory.reembed.job import Job
from ai_memory.reembed.options import Options
from ai_memory.reembed.stop import Stop
from ai_memory.reembed.sweep.worker import answer
from ai_memory.reembed.tools import SweepTools, Tools
from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.opening import database
from tests.crash.promises import looking
from tests.crash.sweeping import build_own
from tests.crash.undoing import State, migrate, state
from tests.support.fakes import HashEmbedder, patient
from tests.support.promises import source

ROWS = 10
BATCH = 3
NEW = HashEmbedder(dim=8, model="new")
HAS_STAGED = "SELECT count(*) FROM sqlite_master WHERE name = 'embedding_active'"
ACTIVE = "SELECT run_id, target FROM embedding_active"
TEXTS = "SELECT id, title || ' ' || content, embedding FROM memories ORDER BY id"
STAGED = "SELECT memory_id, src, embedding FROM embedding_staged WHERE target = ?"
KEPT = "SELECT memory_id, text_src, embedding FROM embedding_previous WHERE run_id = ? AND written_head IS NOT NULL"


def job(path: Path, options: OpenOptions, *, resume: bool, last_pass: bool = False) -> Job:
    embedder = patient(HashEmbedder(dim=NEW.dim, model=NEW.model))
    tools = Tools(SystemClock(), Stop(), lambda _: None, embedder=embedder, workers=partial(threads, embedder, answer))
    wanted = Options(resume=resume, or_start=False, staged=not resume, batch=BATCH, last_pass=last_pass)
    return Job(database(path, options), wanted, tools, disclose=lambda _: None)


def stage(path: Path, options: OpenOptions = OpenOptions(), *, resume: bool = False) -> int:
    """Begin a staged run, or go on with it, and return the exit code."""
    return job(path, options, resume=resume).run().exit_code


def switch(path: Path, options: OpenOptions = OpenOptions()) -> int | None:
    """Switch, or go on with that, and return the exit code; None where there is nothing to switch to."""
    tools = SweepTools(SystemClock(), Stop(), lambda _: None)
    last = partial(job, path, options, resume=True, last_pass=True)
    try:
        return Switch(database(path, options), tools, last, batch=BATCH).run().exit_code
    except OperatorNeeded:
        return None


def back(path: Path, options: OpenOptions = OpenOptions()) -> int | None:
    """Switch back, or go on with that, and return the exit code; None where there is nothing to go back from."""
    tools = SweepTools(SystemClock(), Stop(), lambda _: None)
    try:
        return Back(database(path, options), tools, batch=BATCH).run().exit_code
    except OperatorNeeded:
        return None


def served(path: Path) -> dict[str, bytes]:
    """Return what search reads of each memory, by SQL of the tests' own."""
    with looking(path) as connection:
        rows = list(connection.execute(TEXTS))
        own = {row_id: blob for row_id, _, blob in rows}
        if not connection.execute(HAS_STAGED).get:
            return own
        found = list(connection.execute(ACTIVE))
        if not found:
            return own
        (run_id, target) = found[0]
        beside = connection.execute(KEPT, (run_id,)) if target is None else connection.execute(STAGED, (target,))
        texts = {row_id: source(text) for row_id, text, _ in rows}
        return own | {row_id: blob for row_id, src, blob in beside if texts.get(row_id) == src}


@dataclass(frozen=True, slots=True)
class Scene:
    """Vectors of the memories before a staged run and once it is moved into them; and what is served of them."""

    old: State
    new: State

    @property
    def old_served(self) -> dict[str, bytes]:
        return {row[0]: row[2] for row in self.old}

    @property
    def new_served(self) -> dict[str, bytes]:
        return {row[0]: row[2] for row in self.new}

    def mixed(self, found: State) -> bool:
        """Return whether each memory has all that it had before, or all that it has after."""
        return all(each in (old, new) for each, old, new in zip(found, self.old, self.new, strict=True))


def begin(path: Path) -> State:
    """Make a file with vectors of one model, and return them."""
    build_own(path, ROWS)
    assert migrate(path) == 0
    return state(path)


def scene(path: Path) -> Scene:
    """Make a file with a run that is ready, and find out on a copy of it what it comes to."""
    old = begin(path)
    assert stage(path) == 0
    copy = path.with_suffix(".copy")
    copy.write_bytes(_whole(path))
    assert switch(copy) == 0
    found = Scene(old, state(copy))
    copy.unlink()
    return found


def _whole(path: Path) -> bytes:
    with looking(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.read_bytes()
