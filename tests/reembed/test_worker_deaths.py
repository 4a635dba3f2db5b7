"""The whole sweep over processes that die: of one text, and of whoever kills them."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from ai_memory.embed.awaited import Awaited
from ai_memory.embed.pools.channel import Begin
from ai_memory.embed.pools.local import processes
from ai_memory.embed.pools.spread import SpreadEmbedder
from ai_memory.embed.pools.spread_pool import SpreadPool
from ai_memory.embed.port import RetryPolicy
from ai_memory.reembed.events import Spell
from ai_memory.reembed.inspect.report import RunReport
from ai_memory.reembed.job import Job
from ai_memory.reembed.options import Options
from ai_memory.reembed.stop import Stop
from ai_memory.reembed.sweep.worker import answer
from ai_memory.reembed.tools import Tools
from ai_memory.show.narrator import Narrator
from ai_memory.stores.opening import database
from ai_memory.vectors.blob import encode
from tests.embed.worker_models import DEADLY, TARGET, odd
from tests.reembed.work import Clock, Heard
from tests.support import files
from tests.support.fakes import HashEmbedder, patient

ROWS = 60
BATCH = 5


@dataclass(slots=True)
class Killing(Heard):
    """Kills a process of `started`, where there is one, each time that so many rows more are done."""

    started: list[int] = field(default_factory=list)
    every: int = 20
    killed: int = 0

    def advance(self, rows: int, spell: Spell | None = None) -> None:
        Heard.advance(self, rows, spell)
        if self.every and self.started and self.rows >= (self.killed + 1) * self.every:
            self.killed += 1
            os.kill(self.started.pop(0), signal.SIGKILL)


def swept(path: Path, folder: Path, heard: Killing) -> RunReport:
    begin = Begin(partial(odd, folder), at_once=3)
    stop, told = Stop(), heard.started

    def tell(text: str) -> None:
        if text.startswith("loading in "):
            told.append(int(text.removeprefix("loading in ")))

    awaited = Awaited()
    spread = SpreadEmbedder(TARGET, processes(2, lambda: begin, awaited, tell, at_once=3, max_batch=64), awaited, tell)
    embedder = patient(spread, retry_policy=RetryPolicy(), stop=stop.event, sleep=lambda _: None)
    workers = partial(SpreadPool, embedder, partial(answer, stop=stop), spread)
    tools = Tools(Clock(), stop, Narrator(heard), embedder=embedder, workers=workers)
    return Job(database(path), Options(batch=BATCH), tools, lambda _: None).run()


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return files.create(tmp_path / "m.db", ROWS)


def wrong(path: Path) -> list[str]:
    """Return the rows that have not their text's vector."""
    model, texts = HashEmbedder(model="first"), files.texts(path)
    return [each for each, vector in files.vectors(path).items() if vector != encode(model.vector(texts[each]))]


def test_a_deadly_row_goes_into_quarantine_and_all_others_get_their_vectors(db: Path, tmp_path: Path) -> None:
    files.edit(db, "id-031", f"a {DEADLY} text")
    report = swept(db, tmp_path, Killing(every=0))

    assert (report.state, report.quarantined, report.reembedded) == ("done", 1, ROWS - 1)
    assert wrong(db) == ["id-031"]


def test_processes_that_are_killed_cost_no_row(db: Path, tmp_path: Path) -> None:
    heard = Killing()
    report = swept(db, tmp_path, heard)

    assert heard.killed > 0
    assert (report.state, report.quarantined, report.reembedded) == ("done", 0, ROWS)
    assert wrong(db) == []
