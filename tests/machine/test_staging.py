"""Programs of staged runs, switches, ways back, kills and an editor, over the real engine: what is served meanwhile."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import apsw
import pytest
from hypothesis import HealthCheck, Phase, settings
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
from ai_memory.stores.served import Active
from ai_memory.vectors.blob import encode
from tests.machine.invocation import Killed, traced
from tests.reembed.work import Work
from tests.support import files
from tests.support.fakes import HashEmbedder, patient
from tests.support.promises import head, source

OLD, NEW = HashEmbedder(), HashEmbedder(dim=8, model="new")
BY_SPACE = {each.target.space: each for each in (OLD, NEW)}
PROGRAMS, STEPS = 60, 25
QUIET_STARTS = 8
MEMORIES = "SELECT id, title || ' ' || content, embedding FROM memories"
RECORDS = """
    SELECT p.memory_id, p.src, p.head, f.space FROM embedding_provenance AS p
    JOIN embedding_fingerprint AS f ON f.id = p.fingerprint_id
"""
STAGED = """
    SELECT s.memory_id, s.src, s.embedding, f.space FROM embedding_staged AS s
    JOIN embedding_fingerprint AS f ON f.id = s.target
"""
STOOD = "SELECT text_src, embedding FROM embedding_previous WHERE run_id = ? AND memory_id = ?"
UNFINISHED = """
    SELECT state, staged, undoes_first FROM reembed_run WHERE state IN ('running', 'paused', 'ready', 'switched')
"""
SERVED = "SELECT count(*) FROM embedding_active WHERE target IS NOT NULL"
TEXTS = ("one", "two", "three", "four")
"""Few, so that a memory gets a text again that it, or another one, had before."""


class Staging(RuleBasedStateMachine):
    """One program: a file with vectors of one model, and its way to another; `tally` counts over all programs."""

    def __init__(self, folder: Path, tally: Counter[str]) -> None:
        super().__init__()
        self._folder, self._tally = TemporaryDirectory(dir=folder), tally
        self._path = files.create(Path(self._folder.name) / "m.db", rows=6)
        self._work = Work(self._path)
        assert self._work.run().exit_code == 0
        tally["programs"] += 1

    @rule(number=st.integers(0, 7), text=st.sampled_from(TEXTS), how=st.sampled_from(["edit", "edit", "add", "delete"]))
    def others_write(self, number: int, text: str, how: str) -> None:
        row_id = f"id-{number:03}"
        with suppress(apsw.ConstraintError):
            if how == "edit":
                files.edit(self._path, row_id, text)
            elif how == "add":
                files.add(self._path, row_id, content=text)
            else:
                files.execute(self._path, "DELETE FROM memories WHERE id = ?", row_id)

    @rule(number=st.integers(0, 7), models=st.sampled_from([(OLD,), (NEW,), (OLD, NEW)]))
    def somebody_stores(self, number: int, models: tuple[HashEmbedder, ...]) -> None:
        with self._work.store() as store, suppress(AiMemoryError):
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
            embedder.before = lambda _: files.edit(self._path, "id-002", TEXTS[0])
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
        rows = {row_id: (text, blob) for row_id, text, blob in files.execute(self._path, MEMORIES)}
        with self._work.store() as store:
            found, active = store.memories.rows_by_id(sorted(rows), target=None), store.targets.staged.active()
        for row in found:
            text, own = rows[row.id]
            right = [encode(each.vector(text)) for each in BY_SPACE.values()]
            assert row.embedding in (own, *right, *self._stood_before(row.id, text, active)), row.id
        self._tally["steps"] += 1

    @invariant()
    def what_is_recorded_or_staged_of_a_text_is_its_vector(self) -> None:
        rows = {row_id: (text, blob) for row_id, text, blob in files.execute(self._path, MEMORIES)}
        for row_id, src, recorded, space in files.execute(self._path, RECORDS):
            text, blob = rows.get(row_id, ("", None))
            if blob and src == source(text) and recorded == head(blob):
                assert blob == encode(BY_SPACE[space].vector(text)), row_id
        for row_id, src, blob, space in files.execute(self._path, STAGED):
            if row_id in rows and src == source(rows[row_id][0]):
                assert blob == encode(BY_SPACE[space].vector(rows[row_id][0])), row_id

    @invariant()
    def a_run_is_switched_to_if_and_only_if_its_vectors_are_served(self) -> None:
        switched = [each for each in files.execute(self._path, UNFINISHED) if each[0] == "switched"]
        assert files.execute(self._path, SERVED) == [(len(switched),)]

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:
                self._come_to_rest()
        finally:
            self._folder.cleanup()

    def _come_to_rest(self) -> None:
        """Go on with whatever is unfinished, then run to the new model: the end is the same whatever came before."""
        self._work.embedder = HashEmbedder(dim=8, model="new")
        for _ in range(QUIET_STARTS):
            found = files.execute(self._path, UNFINISHED)
            state, staged, undoes = found[0] if found else ("", 0, None)
            if undoes:
                assert Rollback(self._file, self._tools, lambda _: None).run().exit_code == 0
            elif state in ("ready", "switched"):
                assert self._switch().exit_code in (0, 75)
            elif self._work.run(resume=bool(found)).exit_code == 0 and not staged:
                break
        assert self._work.all_right()
        assert files.execute(self._path, "SELECT count(*) FROM embedding_staged") == [(0,)]
        assert files.execute(self._path, "SELECT count(*) FROM embedding_active") == [(0,)]
        assert files.integrity(self._path) == "ok"

    def _stood_before(self, row_id: str, text: str, active: Active | None) -> list[bytes | None]:
        """Return what the way back serves beside this very text: what stood there, right or left behind by an edit."""
        if active is None or active.target is not None:
            return []
        kept = files.execute(self._path, STOOD, active.run_id, row_id)
        return [blob for src, blob in kept if src == source(text)]

    @property
    def _file(self) -> Any:  # noqa: ANN401 - a Database
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
        with killing(kill_at) as killed, suppress(AiMemoryError):
            work()
        self._tally["killed"] += killed[0]


@contextmanager
def killing(at: int | None) -> Iterator[list[bool]]:
    """Kill what is done in the block before its statement of that number; yields whether that happened."""
    statements, killed = 0, [False]

    def hook(connection: apsw.Connection) -> None:
        def before(_cursor: apsw.Cursor, _sql: str, _bindings: object) -> bool:
            nonlocal statements
            statements += 1
            if killed[0] or statements == at:
                killed[0] = True
                raise Killed
            return True

        connection.exec_trace = before

    with traced(hook if at else None), suppress(Killed):
        yield killed


def test_what_is_served_is_right_after_every_step_of_any_program(
    fast_folder: Path, figures: list[str], pytestconfig: pytest.Config, *, long_form: bool
) -> None:
    tally: Counter[str] = Counter()
    drawn = settings(
        max_examples=int(pytestconfig.getoption("--programs")) if long_form else PROGRAMS,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        derandomize=not long_form,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(cast("type[Staging]", lambda: Staging(fast_folder, tally)), settings=drawn)
    figures.append(f"staging machine: {', '.join(f'{number:,} {what}' for what, number in tally.items())}; all good")
