"""The whole sweep over processes of which one gets other weights in mid-run: no vector of those is left."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
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
from ai_memory.reembed.sweep import asking
from ai_memory.reembed.sweep.worker import OUTCASTS, answer
from ai_memory.reembed.tools import Tools
from ai_memory.show.narrator import Narrator
from ai_memory.stores.opening import database
from ai_memory.vectors.blob import encode
from tests.embed.worker_models import TARGET, OfOdd, drift, odd
from tests.reembed.work import Clock, Heard
from tests.support import files
from tests.support.fakes import HashEmbedder, patient

ROWS = 300
BATCH = 5
"""So that of many pages no row is asked again: the witness alone can show what was written of them."""


@dataclass(slots=True)
class Drifting(Heard, OfOdd):
    """Changes the weights of so many of the processes once `at` rows are done; `told` is what people are told."""

    folder: Path = Path()
    how_many: int = 0
    at: int = 100
    told: list[str] = field(default_factory=list)
    drifted: list[int] = field(default_factory=list)

    def advance(self, rows: int, spell: Spell | None = None) -> None:
        Heard.advance(self, rows, spell)
        if self.rows >= self.at and not self.drifted:
            self.drifted = self.started()[: self.how_many]
            for pid in self.drifted:
                drift(self.folder, pid)


def swept(path: Path, heard: Drifting) -> RunReport:
    begin, stop, awaited = Begin(partial(odd, heard.folder), at_once=2), Stop(), Awaited()
    crew = processes(3, lambda: begin, awaited, heard.told.append, at_once=2, max_batch=64)
    spread = SpreadEmbedder(TARGET, replace(crew, on_record=lambda: None), awaited, heard.told.append)
    embedder = patient(spread, retry_policy=RetryPolicy(), stop=stop.event, sleep=lambda _: None)
    workers = partial(SpreadPool, embedder, partial(answer, stop=stop), spread, OUTCASTS)
    tools = Tools(Clock(), stop, Narrator(heard), embedder=embedder, workers=workers)
    return Job(database(path), Options(batch=BATCH), tools, lambda _: None).run()


def wrong(path: Path) -> list[str]:
    """Return the rows recorded as done that have not their text's vector."""
    model, texts, found = HashEmbedder(model="first"), files.texts(path), files.vectors(path)
    recorded = [each for (each,) in files.execute(path, "SELECT memory_id FROM embedding_provenance")]
    return [each for each in recorded if found[each] != encode(model.vector(texts[each]))]


@pytest.mark.parametrize("every", [12, 1_000], ids=["found by the witness", "found by rows asked again, or at the end"])
def test_of_a_worker_that_gets_other_weights_no_vector_is_left_and_the_others_end_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    monkeypatch.setattr(asking, "WITNESS_EVERY", every)
    db, heard = files.create(tmp_path / "m.db", ROWS), Drifting(folder=tmp_path, how_many=1)

    report = swept(db, heard)

    assert len(heard.drifted) == 1
    assert (report.state, report.exit_code, report.reembedded, report.quarantined) == ("done", 0, ROWS, 0)
    assert wrong(db) == []
    assert [text for text in heard.told if "asked no more" in text] == [
        "A process that embeds has other weights of first than the others have; it is asked no more."
    ]


def test_where_all_of_them_get_other_weights_the_run_ends_and_no_vector_of_those_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "WITNESS_EVERY", 12)
    db, heard = files.create(tmp_path / "m.db", ROWS), Drifting(folder=tmp_path, how_many=3)

    report = swept(db, heard)

    assert len(heard.drifted) == 3
    assert report.exit_code == 78
    assert wrong(db) == []
    assert report.reembedded < ROWS
