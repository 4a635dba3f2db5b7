"""The whole sweep with its workers in other processes: what travels is all that they need, and all that is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ai_memory.config.embedding import EmbeddingSettings, resolve
from ai_memory.config.file import Table
from ai_memory.embed.assemble import assemble, threads
from ai_memory.embed.port import ONE_ATTEMPT, TokenLimit
from ai_memory.embed.terms import Terms, Ties
from ai_memory.reembed.events import Spell
from ai_memory.reembed.inspect.report import RunReport
from ai_memory.reembed.job import Job
from ai_memory.reembed.options import Options
from ai_memory.reembed.stop import Stop
from ai_memory.reembed.sweep import asking
from ai_memory.reembed.sweep.worker import answer
from ai_memory.reembed.tools import Tools
from ai_memory.reembed.work import PageAnswer, Question, Workers
from ai_memory.show.narrator import Narrator
from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.opening import database
from ai_memory.vectors.blob import encode
from ai_memory.vectors.witness import WITNESS_TEXTS
from tests.embed.processes import ProcessPool
from tests.reembed.work import Clock, Heard
from tests.support import files
from tests.support.command import remote
from tests.support.fake_endpoint import FakeEndpoint

ROWS = 45
TERMS = Terms(ONE_ATTEMPT, concurrency=1, batch=10)
COUNTS = ("reembedded", "asked_again", "disagreed", "quarantined", "texts_sent", "requests", "retries", "tokens")
LIMIT = 900
"""Tokens for a part of the rows."""
SWAPPED_AT = 20
"""Rows done when the weights change."""


def settings_for(endpoint: FakeEndpoint) -> EmbeddingSettings:
    """Return settings under which no worker has to find out by a request how wide vectors are, or how they come."""
    table = Table(values={"embeddings": {"dim": 16, "encoding_format": "float"}})
    return resolve(table, remote(endpoint))


@dataclass(slots=True)
class Swapping(Heard):
    """Changes the weights of an endpoint once so many rows are done."""

    endpoint: FakeEndpoint | None = None

    def advance(self, rows: int, spell: Spell | None = None) -> None:
        Heard.advance(self, rows, spell)
        if self.endpoint and self.rows >= SWAPPED_AT:
            self.endpoint.change(weights="retrained")


@dataclass(frozen=True, slots=True)
class Joined:
    """The workers of several pools in turn."""

    pools: Sequence[Workers]
    failure: str = ""
    judges: bool = False
    turns: Iterator[int] = field(default_factory=count)

    @property
    def capacity(self) -> int:
        return sum(each.capacity for each in self.pools)

    def submit(self, work: Question) -> Future[PageAnswer]:
        return self.pools[next(self.turns) % len(self.pools)].submit(work)

    def witness(self, work: Question) -> Sequence[Future[PageAnswer]]:
        return [future for each in self.pools for future in each.witness(work)]

    def close(self) -> None:
        for each in self.pools:
            each.close()


@dataclass(slots=True)
class Swept:
    """One invocation on a file of its own, with the embedder of `endpoint` in the driver."""

    path: Path
    endpoint: FakeEndpoint
    heard: Heard = field(default_factory=Heard)

    def run(
        self,
        workers: Callable[[EmbeddingSettings], Workers] | None = None,
        *,
        limit: int | None = None,
        **flags: Any,  # noqa: ANN401 - fields of Options
    ) -> RunReport:
        settings, stop = settings_for(self.endpoint), Stop()
        terms = replace(TERMS, limit=TokenLimit(limit)) if limit else TERMS
        embedder = assemble(settings, terms, Ties(stop=stop.event, closed=stop.closed))
        own = partial(threads, embedder, partial(answer, stop=stop))
        pool = partial(workers, settings) if workers else own
        tools = Tools(
            Clock(), stop, Narrator(self.heard), Random(7), embedder=embedder, workers=pool, spending=embedder.spending
        )
        if workers:
            tools.ledger.pay_with(embedder.meter)
        file = database(self.path, OpenOptions(heed=stop.heed))
        return Job(file, Options(batch=10, **flags), tools, lambda _: None).run()

    def wrong(self) -> list[str]:
        """Return the rows recorded as done whose vector is not the endpoint's."""
        found, texts = files.vectors(self.path), files.texts(self.path)
        return [each for each in self.recorded() if found[each] != encode(self.endpoint.vector(texts[each]))]

    def recorded(self) -> list[str]:
        return [each for (each,) in files.execute(self.path, "SELECT memory_id FROM embedding_provenance")]


def processes(number: int, *, limit: int | None = None) -> Callable[[EmbeddingSettings], Workers]:
    """Return what makes such a pool; each worker may spend its share of `limit`."""
    terms = replace(TERMS, limit=TokenLimit(limit // number)) if limit else TERMS
    return lambda settings: ProcessPool(settings, terms, answer, workers=number)


def counts(report: RunReport) -> Mapping[str, object]:
    return {each: getattr(report, each) for each in COUNTS}


def test_a_sweep_over_processes_writes_the_vectors_of_threads_byte_for_byte_and_counts_as_they_do(
    tmp_path: Path,
) -> None:
    with FakeEndpoint() as endpoint, FakeEndpoint() as another:
        own = Swept(files.create(tmp_path / "threads.db", ROWS), endpoint)
        others = Swept(files.create(tmp_path / "processes.db", ROWS), another)
        expected, found = own.run(), others.run(processes(1))
        sent = another.seen.texts

    assert (expected.exit_code, found.exit_code, expected.reembedded) == (0, 0, ROWS)
    assert files.vectors(others.path) == files.vectors(own.path)
    assert counts(found) == counts(expected)
    assert sum(sent.values()) == found.texts_sent


def test_two_processes_are_each_asked_for_the_witness_and_share_the_pages(tmp_path: Path) -> None:
    with FakeEndpoint() as endpoint:
        swept = Swept(files.create(tmp_path / "m.db", ROWS), endpoint)
        found = swept.run(processes(2))

    assert (found.exit_code, found.reembedded, swept.wrong()) == (0, ROWS, [])
    # The start's three one by one and three together; then each worker's, behind the first page and at the end.
    assert endpoint.seen.texts[WITNESS_TEXTS[1]] == 1 + 2 * 2


def test_sizes_that_one_process_learned_are_kept_to_by_the_others(tmp_path: Path) -> None:
    with FakeEndpoint(max_inputs=4) as endpoint:
        swept = Swept(files.create(tmp_path / "m.db", ROWS), endpoint)
        found = swept.run(processes(2))
        refused = sum(len(each["input"]) > 4 for each in endpoint.seen.bodies)
        again = Swept(swept.path, endpoint).run(processes(2), resume=True)

    assert (found.exit_code, swept.wrong(), again.exit_code) == (0, [], 0)
    assert refused <= 3
    limits = files.execute(swept.path, "SELECT limits_json FROM reembed_run")
    assert '"inputs": 4' in limits[0][0]


@pytest.mark.parametrize("all_of_them", [True, False], ids=["all", "one"])
def test_of_other_weights_in_mid_run_in_one_process_or_in_all_no_vector_is_left_standing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, all_of_them: bool
) -> None:
    monkeypatch.setattr(asking, "WITNESS_EVERY", 3)
    with FakeEndpoint() as endpoint, FakeEndpoint() as another:
        changed = endpoint if all_of_them else another
        swept = Swept(files.create(tmp_path / "m.db", ROWS), endpoint, Swapping(endpoint=changed))
        true = {each: encode(endpoint.vector(text)) for each, text in files.texts(swept.path).items()}
        ended = swept.run(
            lambda settings: Joined(
                [
                    ProcessPool(settings, TERMS, answer, workers=1),
                    ProcessPool(settings_for(changed), TERMS, answer, workers=1),
                ]
            )
        )
        left, recorded = files.vectors(swept.path), swept.recorded()

    assert ended.exit_code == 78
    assert "other weights" in ended.error
    assert all(left[each] == true[each] for each in recorded)
    assert len(recorded) == ended.reembedded < ROWS


def test_a_limit_of_tokens_holds_over_processes_and_is_used_as_over_threads(tmp_path: Path) -> None:
    with FakeEndpoint(tokens_a_byte=0.5) as endpoint:
        own = Swept(files.create(tmp_path / "threads.db", ROWS), endpoint).run(limit=LIMIT)
        ended = Swept(files.create(tmp_path / "processes.db", ROWS), endpoint).run(
            processes(1, limit=LIMIT), limit=LIMIT
        )

    assert (ended.exit_code, ended.reason) == (own.exit_code, own.reason) == (75, "max-tokens")
    assert 0 < ended.reembedded == own.reembedded < ROWS
    assert ended.tokens == own.tokens <= LIMIT
