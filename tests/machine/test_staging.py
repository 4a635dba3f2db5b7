"""Programs of staged runs, switches, ways back, kills and an editor, over the real engine: what is served meanwhile."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from ai_memory.actions.filling import Filling
from ai_memory.actions.renew import renew
from ai_memory.errors import AiMemoryError
from ai_memory.reembed.finish.back import Back
from ai_memory.reembed.finish.prune import Prune
from ai_memory.reembed.finish.rollback import Rollback
from ai_memory.reembed.finish.switch import Switch
from ai_memory.reembed.stop import Stop
from ai_memory.reembed.tools import SweepTools
from ai_memory.stores.opening import database
from ai_memory.stores.port import Database, Store
from ai_memory.stores.served import Active
from ai_memory.vectors.blob import encode
from tests.machine.harness import Harness
from tests.machine.in_files import Files
from tests.machine.invocation import Killed
from tests.machine.on_server import OnServer
from tests.machine.storage import Refused, Statement, Storage
from tests.reembed.work import Work
from tests.support import files
from tests.support.fakes import HashEmbedder, patient
from tests.support.postgres_server import Server
from tests.support.promises import head, source

OLD, NEW = HashEmbedder(), HashEmbedder(dim=8, model="new")
BY_SPACE = {each.target.space: each for each in (OLD, NEW)}
PROGRAMS, STEPS = 60, 25
PATIENCE_MS = 10_000
ON_SERVER, STEPS_ON_SERVER = 10, 12
QUIET_STARTS = 8
ADD = """
    INSERT INTO memories (rowid, id, tier, namespace, title, content, created_at, updated_at)
    SELECT coalesce(max(rowid), 0) + 1, ?, 'mid', ?, ?, ?, ?, ? FROM memories
"""
EDIT = "UPDATE memories SET content = ? WHERE id = ?"
RECORDS = """
    SELECT p.memory_id, p.src, p.head, f.space FROM embedding_provenance AS p
    JOIN embedding_fingerprint AS f ON f.id = p.fingerprint_id
"""
STAGED = """
    SELECT s.memory_id, s.src, {sent}, f.space FROM embedding_staged AS s
    JOIN embedding_fingerprint AS f ON f.id = s.target
"""
STOOD = "SELECT text_src, {sent} FROM embedding_previous WHERE run_id = ? AND memory_id = ?"
UNFINISHED = """
    SELECT state, staged, undoes_first FROM reembed_run WHERE state IN ('running', 'paused', 'ready', 'switched')
"""
SERVED = "SELECT count(*) FROM embedding_active WHERE target IS NOT NULL"
TEXTS = ("one", "two", "three", "four")
"""Few, so that a memory gets a text again that it, or another one, had before."""


class Staging(RuleBasedStateMachine):
    """One program: a file with vectors of one model, and its way to another; `tally` counts over all programs."""

    def __init__(self, storage: Storage, tally: Counter[str]) -> None:
        super().__init__()
        self._storage, self._tally = storage, tally
        begun = storage.begin(0)
        begun.shadow.close()
        self._path, self._others = begun.path, begun.file
        for number in range(6):
            self._add(f"id-{number:03}", "ab"[number % 2], f"the content of id-{number:03}")
        self._work = Work(self._path)
        assert self._work.run().exit_code == 0
        tally["programs"] += 1

    @rule(number=st.integers(0, 7), text=st.sampled_from(TEXTS), how=st.sampled_from(["edit", "edit", "add", "delete"]))
    def others_write(self, number: int, text: str, how: str) -> None:
        row_id = f"id-{number:03}"
        with suppress(Refused):
            if how == "edit":
                self._others.execute(EDIT, (text, row_id))
            elif how == "add":
                self._add(row_id, "a", text)
            else:
                self._others.execute("DELETE FROM memories WHERE id = ?", (row_id,))

    @rule(number=st.integers(0, 7), models=st.sampled_from([(OLD,), (NEW,), (OLD, NEW)]))
    def somebody_stores(self, number: int, models: tuple[HashEmbedder, ...]) -> None:
        with self._store() as store, suppress(AiMemoryError):
            for each in models:
                by = patient(HashEmbedder(dim=each.dim, model=each.model))
                renew(Filling(store, by, "store", self._tools), f"id-{number:03}")

    @rule(
        most=st.sampled_from([None, 1, 3]),
        kill_at=st.one_of(st.none(), st.integers(20, 160)),
        late=st.booleans(),
        flags=st.sampled_from([{"staged": True}, {"staged": True}, {"resume": True}, {}]),
    )
    def run(self, most: int | None, kill_at: int | None, late: bool, flags: dict[str, bool]) -> None:
        embedder = HashEmbedder(dim=8, model="new")
        if late:
            embedder.before = lambda _: self._late_edit()
        self._work.embedder = embedder
        self._call("runs", lambda: self._work.run(batch=2, max_rows=most, **flags), kill_at)

    @rule(most=st.sampled_from([None, 1, 3]), kill_at=st.one_of(st.none(), st.integers(5, 90)), wait=st.booleans())
    def switch(self, most: int | None, kill_at: int | None, wait: bool) -> None:
        self._call("switches", lambda: self._switch(max_rows=most, wait=wait), kill_at)

    @rule(most=st.sampled_from([None, 1, 3]), kill_at=st.one_of(st.none(), st.integers(5, 60)), wait=st.booleans())
    def back(self, most: int | None, kill_at: int | None, wait: bool) -> None:
        there = Back(self._file, self._tools, wait=wait, batch=2, max_rows=most)
        self._call("ways back", there.run, kill_at)

    @rule(kill_at=st.one_of(st.none(), st.integers(5, 60)))
    def roll_back(self, kill_at: int | None) -> None:
        self._call("rollbacks", Rollback(self._file, self._tools, lambda _: None, batch=2).run, kill_at)

    @rule()
    def prune(self) -> None:
        self._call("prunes", Prune(self._file, self._tools, lambda _: None).run, None)

    @invariant()
    def what_is_served_is_of_its_text(self) -> None:
        rows = self._rows()
        with self._store() as store:
            found, active = store.memories.rows_by_id(sorted(rows), target=None), store.targets.staged.active()
        for row in found:
            text, own = rows[row.id]
            right = [encode(each.vector(text)) for each in BY_SPACE.values()]
            assert row.embedding in (own, *right, *self._stood_before(row.id, text, active)), row.id
        self._tally["steps"] += 1

    @invariant()
    def what_is_recorded_or_staged_of_a_text_is_its_vector(self) -> None:
        rows, others = self._rows(), self._others
        for row_id, src, recorded, space in others.execute(RECORDS):
            text, blob = rows.get(row_id, ("", None))
            if blob and src == source(text) and recorded == head(blob):
                assert blob == encode(BY_SPACE[space].vector(text)), row_id
        for row_id, src, sent, space in others.execute(STAGED.format(sent=others.sent("s.embedding"))):
            if row_id in rows and src == source(rows[row_id][0]):
                assert others.blob(sent) == encode(BY_SPACE[space].vector(rows[row_id][0])), row_id

    @invariant()
    def a_run_is_switched_to_if_and_only_if_its_vectors_are_served(self) -> None:
        switched = [each for each in self._others.execute(UNFINISHED) if each[0] == "switched"]
        assert self._others.execute(SERVED) == [(len(switched),)]

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:
                self._come_to_rest()
        finally:
            self._others.close()
            self._storage.close()

    def _come_to_rest(self) -> None:
        """Go on with whatever is unfinished, then run to the new model: the end is the same whatever came before."""
        self._work.embedder = HashEmbedder(dim=8, model="new")
        for _ in range(QUIET_STARTS):
            found = self._others.execute(UNFINISHED)
            state, staged, undoes = found[0] if found else ("", 0, None)
            if undoes:
                assert Rollback(self._file, self._tools, lambda _: None).run().exit_code == 0
            elif state in ("ready", "switched"):
                assert self._switch().exit_code in (0, 75)
            elif self._work.run(
                resume=bool(found), staged=self._storage.fixed_width and not found
            ).exit_code == 0 and not (staged or self._others.execute(UNFINISHED)):
                break
        for row_id, (text, blob) in self._rows().items():
            assert blob == encode(NEW.vector(text)), row_id
        assert self._others.execute("SELECT count(*) FROM embedding_staged") == [(0,)]
        assert self._others.execute("SELECT count(*) FROM embedding_active") == [(0,)]
        self._others.require_sound()

    def _stood_before(self, row_id: str, text: str, active: Active | None) -> list[bytes | None]:
        """Return what the way back serves beside this very text: what stood there, right or left behind by an edit."""
        if active is None or active.target is not None:
            return []
        kept = self._others.execute(STOOD.format(sent=self._others.sent("embedding")), (active.run_id, row_id))
        return [self._others.blob(sent) for src, sent in kept if src == source(text)]

    def _rows(self) -> dict[str, tuple[str, bytes | None]]:
        """Return text and vector of each memory."""
        found = self._others.view().rows.values()
        return {(row.id or b"").decode(): (row.text or "", row.blob) for row in found}

    def _add(self, row_id: str, namespace: str, content: str) -> None:
        title, stamp = f"title {row_id}", files.STAMP
        self._others.execute(ADD, (row_id, namespace, title, content, stamp, stamp))

    def _late_edit(self) -> None:
        self._others.execute(EDIT, (TEXTS[0], "id-002"))

    @contextmanager
    def _store(self) -> Iterator[Store]:
        """Open the database to write."""
        with self._storage.alone(self._path), self._file.write(now_ms=self._work.clock.ms) as store:
            yield store

    @property
    def _file(self) -> Database:
        return database(self._path)

    @property
    def _tools(self) -> SweepTools:
        return SweepTools(self._work.clock, Stop(), lambda _: None)

    def _switch(self, **named: Any) -> Any:  # noqa: ANN401 - fields of Switch, and its reports
        self._work.embedder = HashEmbedder(dim=8, model="new")
        return Switch(
            self._file, self._tools, lambda: self._work.job(resume=True, last_pass=True, batch=2), batch=2, **named
        ).run()

    def _call(self, what: str, work: Callable[[], object], kill_at: int | None) -> None:
        self._tally[what] += 1
        with self._storage.alone(self._path), killing(self._storage, kill_at) as killed, suppress(AiMemoryError):
            work()
        self._tally["killed"] += killed[0]


@contextmanager
def killing(storage: Storage, at: int | None) -> Iterator[list[bool]]:
    """Kill what is done in the block before its statement of that number; yields whether that happened."""
    statements, killed = 0, [False]

    def step(_statement: Statement) -> None:
        nonlocal statements
        statements += 1
        if killed[0] or statements == at:
            killed[0] = True
            raise Killed

    with storage.traced(step if at else None), suppress(Killed):
        yield killed


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs of one test over new stores of a kind; `what` they are is told with their figures."""

    what: str
    storage: Callable[[], Storage]
    drawn: settings

    def run(self, harness: Harness) -> None:
        """Run them all."""
        tally: Counter[str] = Counter()
        machine = cast("type[Staging]", lambda: Staging(self.storage(), tally))
        run_state_machine_as_test(machine, settings=self.drawn)
        done = ", ".join(f"{number:,} {what}" for what, number in tally.items())
        harness.figures.append(f"{self.what}: {done}; all good")


def test_what_is_served_is_right_after_every_step_of_any_program(fast_folder: Path, harness: Harness) -> None:
    drawn = harness.drawn(PROGRAMS, STEPS, long_steps=STEPS)
    Programs("staging machine", lambda: Files(fast_folder, PATIENCE_MS), drawn).run(harness)


def test_what_is_served_on_a_server_is_right_after_every_step_of_any_program(
    postgres: Server, harness: Harness
) -> None:
    # Vectors of another width: the run lays columns of its own, which change places with the memories' at the switch.
    drawn = harness.drawn(ON_SERVER, STEPS_ON_SERVER, long_steps=STEPS, long_share=20)
    Programs("staging machine on PostgreSQL", lambda: OnServer(postgres, OLD.dim), drawn).run(harness)
