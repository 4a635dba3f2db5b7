"""Taking memories in: upsert, vectors of the very text, and what a kill or a racing writer leaves."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_memory.actions.backfill import fill as backfill
from ai_memory.actions.backfill import ids_without_vector
from ai_memory.actions.filled import Filled
from ai_memory.actions.filling import Filling
from ai_memory.actions.ingest import Outcome, Put, put
from ai_memory.clock import SystemClock
from ai_memory.embed.assemble import in_turn
from ai_memory.errors import DataRefused, EndpointUnusable, TransientFailure
from ai_memory.memory.records import Draft, Value
from ai_memory.reembed.stop import Stop
from ai_memory.reembed.sweep.worker import answer
from ai_memory.reembed.tools import SweepTools
from ai_memory.stores.sqlite.database import writing
from ai_memory.stores.sqlite.library import Library
from ai_memory.stores.sqlite.store import Store
from ai_memory.text.times import timestamp
from ai_memory.vectors import blob
from ai_memory.vectors.target import Vectors
from ai_memory.vectors.witness import WITNESS_TEXTS
from tests.stores.sqlite.test_rehearsal import REFUSING, WORDS, forbid
from tests.support import shapes
from tests.support.fake_endpoint import FakeEndpoint
from tests.support.fakes import HashEmbedder, patient

NOW = 1_700_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with writing(tmp_path / "m.db", now_ms=NOW, create=True) as opened:
        yield opened


def take(store: Store, *, at: int = NOW, **values: Value) -> Put:
    with Library(store).transaction() as transaction:
        return put(transaction, Draft(values, "here"), now_ms=at, source="test")


def fill(store: Store, embedder: HashEmbedder, *, batch: int = 4) -> Filled:
    total = Filled()
    asked = patient(embedder)
    tools = SweepTools(SystemClock(), Stop(), lambda _: None)
    filling = Filling(store, asked, "backfill", tools)
    backfill(filling, lacking_in(store), in_turn(asked, answer), total, batch=batch)
    return total


def lacking_in(store: Store) -> list[str]:
    return ids_without_vector(Library(store).listing)


def stored(store: Store, title: str) -> bytes | None:
    found: bytes | None = store.db.value("SELECT embedding FROM memories WHERE title = ?", (title,))
    return found


def test_a_new_memory_has_defaults_and_times(store: Store) -> None:
    memory = Library(store).memories.get(take(store, title="t", content="c").id)
    assert memory is not None
    kept = {
        name: memory.values[name] for name in ("tier", "namespace", "source", "created_at", "updated_at", "version")
    }
    now = "2023-11-14T22:13:20.000+00:00"
    assert kept == {
        "tier": "mid",
        "namespace": "global",
        "source": "test",
        "created_at": now,
        "updated_at": now,
        "version": 1,
    }


def test_a_change_bumps_version_and_time_and_keeps_the_rest(store: Store) -> None:
    first = take(store, title="t", content="c", priority=7)
    second = take(store, title="t", content="d", at=NOW + 1000)
    memory = Library(store).memories.get(first.id)
    assert memory is not None
    assert (second.id, second.outcome) == (first.id, Outcome.UPDATED)
    assert [memory.values[name] for name in ("version", "priority", "created_at", "updated_at")] == [
        2,
        7,
        timestamp(NOW),
        timestamp(NOW + 1000),
    ]


def test_a_title_moves_with_its_id(store: Store) -> None:
    take(store, id="one", title="old", content="c")
    assert take(store, id="one", title="new", content="c", namespace="x") == Put("one", Outcome.UPDATED)
    assert Library(store).memories.titled("new", "x") is not None
    assert Library(store).memories.titled("old", "global") is None


def test_a_title_is_never_taken_from_another_memory(store: Store) -> None:
    take(store, id="one", title="a", content="c")
    take(store, id="two", title="b", content="c")
    with pytest.raises(DataRefused, match="another memory"):
        take(store, id="one", title="b", content="c")


def test_a_changed_text_loses_its_vector_and_only_that(store: Store) -> None:
    take(store, title="t", content="c")
    take(store, title="u", content="c")
    fill(store, HashEmbedder())
    take(store, title="t", content="d")
    take(store, title="u", content="c", priority=9)
    assert stored(store, "t") is None
    assert stored(store, "u") is not None
    assert store.db.value("SELECT count(*) FROM embedding_provenance") == 1


def test_a_vector_of_a_text_that_changed_meanwhile_is_not_written(store: Store, tmp_path: Path) -> None:
    take(store, title="t", content="c")

    def edit(texts: Sequence[str]) -> None:
        if "t c" in texts:
            with sqlite3.connect(tmp_path / "m.db") as other:
                other.execute("UPDATE memories SET content = 'edited'")

    filled = fill(store, HashEmbedder(before=edit))
    assert (filled.embedded, filled.raced, stored(store, "t")) == (0, 1, None)
    fill(store, embedder := HashEmbedder())
    assert stored(store, "t") == blob.encode(embedder.vector("t edited"))


def test_an_outage_keeps_the_pages_before_it(store: Store) -> None:
    for number in range(50):
        take(store, title=f"t{number}", content="c")

    def fail_on_the_last_page(texts: Sequence[str]) -> None:
        if "t49 c" in texts:
            raise TransientFailure("gone")

    with pytest.raises(TransientFailure):
        fill(store, HashEmbedder(before=fail_on_the_last_page))
    assert len(lacking_in(store)) == 10


THEIRS = bytes.fromhex("010000803f")


class Turning(HashEmbedder):
    """Gives all texts but the witness texts vectors of another model once `turned`."""

    turned = False

    def vector(self, text: str) -> Vectors:
        other = self.turned and text not in WITNESS_TEXTS
        return super().vector(f"{text} of another model" if other else text)


def test_vectors_in_doubt_are_taken_out_and_filled_in_anew_but_for_those_that_another_program_wrote(
    store: Store,
) -> None:
    for number in range(60):
        take(store, id=f"id-{number:02}", title=f"t{number}", content="c")

    def turn(texts: Sequence[str]) -> None:
        if "t30 c" in texts:
            embedder.turned = True
            store.db.execute("UPDATE memories SET embedding = ? WHERE id = 'id-07'", (THEIRS,))

    embedder = Turning(before=turn)
    filled = fill(store, embedder)

    expected = {f"id-{number:02}": blob.encode(embedder.vector(f"t{number} c")) for number in range(60)}
    assert dict(store.db.execute("SELECT id, embedding FROM memories")) == expected | {"id-07": THEIRS}
    assert filled.embedded == 60


def test_an_endpoint_that_refuses_everything_blames_no_row(store: Store) -> None:
    take(store, title="t", content="c")
    with pytest.raises(EndpointUnusable):
        fill(store, HashEmbedder(poison=" "))


@given(st.integers(1, 9), st.integers(1, 9), st.sets(st.integers(0, 11)))
@settings(max_examples=25)
def test_every_batch_size_ends_in_the_same_vectors(
    tmp_path_factory: pytest.TempPathFactory, batch: int, max_batch: int, poisoned: set[int]
) -> None:
    embedder = HashEmbedder(max_batch=max_batch, poison="poison")
    with writing(tmp_path_factory.mktemp("b") / "m.db", now_ms=NOW, create=True) as store:
        for number in range(12):
            take(store, title=f"t{number}", content="poison" if number in poisoned else "fine")
        left = fill(store, embedder, batch=batch).left
        expected = [None if n in poisoned else blob.encode(embedder.vector(f"t{n} fine")) for n in range(12)]
        assert [stored(store, f"t{number}") for number in range(12)] == expected
        assert len(left) == len(poisoned)


def test_a_width_that_only_the_answer_tells_is_recorded(store: Store) -> None:
    take(store, title="t", content="c")
    fill(store, HashEmbedder(dim=24, dim_known=False))
    assert store.db.execute("SELECT dim, space FROM embedding_fingerprint") == [(24, "fake/hash#none")]
    assert store.db.execute("SELECT embedding_dim, embedding_space FROM memories") == [(24, "fake/hash#none")]


@pytest.mark.parametrize("version", shapes.VERSIONS)
def test_only_live_addressable_memories_without_a_vector_are_filled(tmp_path: Path, version: int) -> None:
    shape = shapes.build(tmp_path / "m.db", version)
    lacking = {row.id for row in shape.rows if row.blob is None and row.id and row.kind not in shapes.NOT_LIVE}
    with writing(shape.path, now_ms=NOW) as store:
        assert set(lacking_in(store)) == lacking
        filled = fill(store, HashEmbedder())
        assert {each.id for each in filled.left} == lacking - {row.id for row in shape.of_kind(shapes.PLAIN)}


def test_a_killed_import_has_all_texts_and_backfill_adds_the_vectors(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "ai_memory", "--db", str(tmp_path / "m.db")]
    lines = "\n".join(f'{{"title": "t{n}", "content": "c"}}' for n in range(40))
    (tmp_path / "in.jsonl").write_text(lines)
    with FakeEndpoint(dim=16, latency=0.3) as endpoint:
        named = {"BACKEND": "openai-compatible", "BASE_URL": endpoint.url, "MODEL": "fake", "BACKFILL_BATCH": "8"}
        environ = {**os.environ, **{f"AI_MEMORY_EMBED_{name}": value for name, value in named.items()}}
        with subprocess.Popen([*program, "import", str(tmp_path / "in.jsonl")], env=environ) as process:
            while endpoint.seen.requests < 3:
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
        with sqlite3.connect(tmp_path / "m.db") as found:
            assert found.execute("SELECT count(*), count(embedding) < 40 FROM memories").fetchone() == (40, 1)
        endpoint.change(latency=0.0)
        assert subprocess.run([*program, "-q", "backfill"], env=environ, check=False).returncode == 0
        with sqlite3.connect(tmp_path / "m.db") as found:
            rows = dict(found.execute("SELECT title, embedding FROM memories").fetchall())
        assert rows == {f"t{n}": b"\x01" + endpoint.vector(f"t{n} c").tobytes() for n in range(40)}


@pytest.mark.parametrize("name", REFUSING)
@pytest.mark.parametrize("dim_known", [True, False])
def test_a_row_whose_vector_the_database_refuses_keeps_its_text_and_harms_no_other(
    store: Store, name: str, dim_known: bool
) -> None:
    for number in range(4):
        take(store, id=f"id-00{number}", title=f"t{number}", content=f"c{number}")
    forbid(store.db.path, name)

    filled = fill(store, HashEmbedder(dim_known=dim_known))

    assert (filled.embedded, filled.raced) == (3, 0)
    words = f"its vector cannot be written: {WORDS[name]}"
    assert [(each.id, each.message) for each in filled.left] == [("id-001", words)]
    assert stored(store, "t1") is None


def test_a_row_that_is_known_to_refuse_its_vector_is_not_paid_for(store: Store) -> None:
    for number in range(4):
        take(store, id=f"id-00{number}", title=f"t{number}", content=f"c{number}")
    forbid(store.db.path, "abort")
    sent: set[str] = set()

    fill(store, HashEmbedder(before=sent.update))

    assert sent - set(WITNESS_TEXTS) == {"t0 c0", "t2 c2", "t3 c3"}


def test_a_database_that_takes_no_vector_keeps_the_texts_and_sends_none(store: Store) -> None:
    take(store, title="t", content="c")
    store.db.execute("CREATE TRIGGER audit AFTER UPDATE OF embedding ON memories BEGIN SELECT theirs(new.id); END")
    embedder = HashEmbedder(dim_known=False)

    filled = fill(store, embedder)

    assert [each.message for each in filled.left] == [
        "its vector cannot be written: its trigger audit: no such function: theirs"
    ]
    assert embedder.meter.spent.texts_sent == 0
