"""A copy from one database into another: stopped anywhere, edited in between, and what the target cannot hold."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import psycopg
import pytest

from ai_memory.actions.copy_census import EXTRA, link_names
from ai_memory.actions.copy_memories import Copied, CopyMemories
from ai_memory.actions.copy_plan import is_unfinished_copy, stock_of
from ai_memory.actions.copy_side import Side
from ai_memory.errors import Stopped
from ai_memory.memory.freshness import Freshness
from ai_memory.memory.reason import Reason
from ai_memory.reembed.unfinished_copy import BY
from ai_memory.stores.opening import reading, writing
from ai_memory.stores.values import Pause
from ai_memory.text.database_address import path_of
from ai_memory.text.times import timestamp
from ai_memory.vectors.blob import encode
from tests.stores.conformance import EMBEDDER, NOW_MS, document, entered, write_of, written
from tests.stores.memory_conformance import memory
from tests.stores.sqlite.memory_subject import with_log, without_log
from tests.support import files, postgres_shapes, shapes
from tests.support.postgres_server import Server

SOURCE = "the source"
MORE = [f"more-{number}" for number in range(5)]
COLUMNS = ("namespace", "title", "content", "encrypted_envelope", "priority")
LINK = "INSERT INTO memory_links VALUES (?, ?, 'cites', '2026-01-02T03:04:05Z')"

Passed = Callable[[str, int], None]
MakeTarget = Callable[[], Path]


def nothing(part: str, rows: int) -> None:
    del part, rows


def copy(source: Path, target: Path, passed: Passed = nothing, *, page: int = 2) -> Copied:
    with reading(source) as theirs, writing(target, now_ms=NOW_MS, create=True) as ours:
        goes_on = is_unfinished_copy(ours, of=SOURCE, now_ms=NOW_MS)
        work = CopyMemories(theirs, ours, SOURCE, stock_of(theirs).targets, NOW_MS, passed, page=page)
        return work.run(goes_on=goes_on)


def state(path: Path) -> dict[str, object]:
    """Return all that a copy is to take along, as both kinds of databases tell it."""
    with reading(path) as library:
        side = Side.of(library)
        found = side.seen([row_id for ids in side.pages() for row_id in ids])
        targets = {number: side.target(number) for number in stock_of(library).targets}
        return {
            "memories": {
                row_id: {
                    **{name: each.memory.values[name] for name in COLUMNS},
                    "atom_of": each.memory.values.get("atom_of"),
                    "vector": each.row.embedding,
                    "stamp": (each.row.dim, each.row.raw_space),
                    "record": (each.row.recorded_src, each.row.recorded_head, each.row.origin),
                    "freshness": side.freshness(each),
                }
                for row_id, each in found.items()
            },
            "links": link_names(library),
            "targets": [(each.digest, each.witness) for each in targets.values()],
            "unproven": [found.keys() & library.store.targets.unproven(each) for each in targets.values()],
            "quarantine": [library.store.quarantine.entries(number) for number in targets],
        }


def paused_by(path: Path) -> str | None:
    with reading(path) as library:
        pause = library.store.operator.pause(now_ms=NOW_MS)
    return pause.by if pause else None


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file with eleven memories: vectors of two targets, atoms, links, rows in quarantine, encrypted, not live."""
    path = with_log(tmp_path).path
    for row_id in MORE:
        files.add(path, row_id, "c")
    files.execute(path, "UPDATE memories SET atom_of = 'more-4' WHERE id IN ('id-000', 'more-0')")
    files.execute(path, "UPDATE memories SET atom_of = 'id-000' WHERE id = 'id-001'")
    files.execute(path, "UPDATE memories SET expires_at = '2020-01-01T00:00:00Z' WHERE id = 'id-005'")
    for pair in (("id-000", "id-001"), ("id-001", "more-3")):
        files.execute(path, LINK, *pair)
    with writing(path, now_ms=NOW_MS) as library:
        store = library.store
        target = entered(store)
        written(store, target, *(write_of(store, each) for each in ("id-000", "id-003", "id-005")))
        written(store, target, write_of(store, "more-1", origin="store"))
        with store.transaction() as transaction:
            transaction.targets.set_witness(target.id, b"witness")
            transaction.targets.begin_stretch(target.id)
        written(store, store.targets.read(target.id), write_of(store, "more-0"))
        src = document(store, "id-002").src
        with store.transaction() as transaction:
            for at in (5, 7, 7):
                transaction.quarantine.put(target.id, "id-002", src, Reason("refused", "no", 400), now_ms=at)
    files.execute(path, "UPDATE memories SET content = 'edited since' WHERE id = 'id-003'")
    files.execute(path, "UPDATE memories SET content = '', encrypted_envelope = x'0102ff' WHERE id = 'id-004'")
    # A vector that nothing records, as the Rust program writes one.
    stray = encode(EMBEDDER.vector("of something"))
    files.execute(path, "UPDATE memories SET embedding = ?, embedding_dim = 16 WHERE id = 'more-2'", stray)
    return path


@pytest.fixture(params=["SQLite", "pgvector", "BYTEA"])
def make_target(request: pytest.FixtureRequest, tmp_path: Path) -> MakeTarget:
    """What makes one empty target after another."""
    numbers = count()
    if request.param == "SQLite":

        def make() -> Path:
            (folder := tmp_path / f"target-{next(numbers)}").mkdir()
            path = with_log(folder).path
            files.execute(path, "DELETE FROM memories")
            return path

        return make
    server: Server = request.getfixturevalue("postgres")
    width = EMBEDDER.dim if request.param == "pgvector" else None
    return lambda: path_of(server.fresh(*postgres_shapes.statements(width=width)))


def test_a_copy_has_all_that_the_source_has_and_a_copy_of_it_too(
    source: Path, make_target: MakeTarget, tmp_path: Path
) -> None:
    (folder := tmp_path / "back").mkdir()
    target, back = make_target(), with_log(folder).path
    files.execute(back, "DELETE FROM memories")
    before = state(source)

    first, second = copy(source, target), copy(target, back)

    assert [(each.whole, each.written, each.there) for each in (first, second)] == [(True, 11, 0)] * 2
    assert (state(target), state(back), state(source)) == (before, before, before)
    assert first.census.fresh == sum(each["freshness"] is Freshness.FRESH for each in before["memories"].values())  # type: ignore[attr-defined]
    assert first.census.fresh == 4
    assert paused_by(target) is None


def test_one_that_is_stopped_anywhere_goes_on_and_ends_with_the_same_rows(
    source: Path, make_target: MakeTarget
) -> None:
    before = state(source)
    for stop_at in count(1):
        target, calls = make_target(), count(1)

        def passed(part: str, rows: int, calls: count[int] = calls, stop_at: int = stop_at) -> None:
            del part, rows
            if next(calls) == stop_at:
                raise Stopped("stopped", exit_code=130)

        try:
            copy(source, target, passed)
        except Stopped:
            assert paused_by(target) == BY
            with reading(target) as library:
                there = library.counts.totals().memories
            done = copy(source, target)
            assert (done.whole, done.there, done.written) == (True, there, 11 - there)
            assert state(target) == before
        else:
            break
    assert stop_at > 11


def edit_all_ways(path: Path) -> None:
    """Change in a file what may stand in the way of what was copied of it before."""
    for sql in (
        "UPDATE memories SET title = 'aside' WHERE id = 'id-001'",
        "UPDATE memories SET title = 'title id-001', namespace = 'b' WHERE id = 'id-005'",
        "UPDATE memories SET title = 'title id-005' WHERE id = 'id-001'",
        "UPDATE memories SET namespace = 'moved' WHERE id = 'more-3'",
        "UPDATE memories SET atom_of = NULL WHERE id = 'id-000'",
        "DELETE FROM memory_links WHERE source_id = 'id-001'",
        "DELETE FROM memories WHERE id = 'more-0'",
        "DELETE FROM memories WHERE id = 'more-4'",
        "UPDATE memories SET embedding = NULL, embedding_dim = NULL, embedding_space = NULL WHERE id = 'more-1'",
        "UPDATE memories SET priority = 9 WHERE id = 'id-004'",
        "DELETE FROM reembed_quarantine",
        "DELETE FROM embedding_provenance WHERE memory_id = 'id-003'",
    ):
        files.execute(path, sql)
    files.add(path, "new", "c", title="title more-4", atom_of="id-004")
    files.execute(path, LINK, "new", "id-000")


def test_what_was_edited_in_the_source_since_is_brought_to_what_it_is_now(
    source: Path, make_target: MakeTarget
) -> None:
    target = make_target()
    with pytest.raises(Stopped):
        copy(source, target, stopping_at_census)
    edit_all_ways(source)

    done = copy(source, target)

    assert done.whole
    assert done.removed == 2
    assert state(target) == state(source)


def test_what_somebody_stored_in_the_target_before_it_was_whole_is_named_and_stays(
    source: Path, make_target: MakeTarget
) -> None:
    target = make_target()
    with pytest.raises(Stopped):
        copy(source, target, stopping_at_census)
    later = timestamp(NOW_MS + 1)
    with writing(target, now_ms=NOW_MS) as library, library.transaction() as transaction:
        transaction.memories.insert(memory("theirs", created_at=later, updated_at=later))

    done = copy(source, target)

    assert done.census.differing == {"theirs": [EXTRA]}
    with reading(target) as found:
        assert found.memories.titled("title theirs", "c") is not None


def test_a_target_that_the_source_has_only_since_then_goes_along_with_the_next_start(
    source: Path, make_target: MakeTarget
) -> None:
    target = make_target()
    with reading(source) as theirs, writing(target, now_ms=NOW_MS, create=True) as ours:
        first = CopyMemories(theirs, ours, SOURCE, (), NOW_MS, nothing).run(goes_on=False)

    assert set(first.census.differing) == {"id-000", "id-003", "id-005", "more-0", "more-1"}
    assert copy(source, target).whole
    assert state(target) == state(source)


def test_a_pause_by_somebody_else_meanwhile_stays(source: Path, make_target: MakeTarget) -> None:
    target = make_target()

    def passed(part: str, rows: int) -> None:
        if part == "census" and rows:
            with writing(target, now_ms=NOW_MS) as library, library.store.transaction() as transaction:
                transaction.operator.pause(Pause(NOW_MS, None, "ann", ""))

    assert copy(source, target, passed).whole
    assert paused_by(target) == "ann"


def test_whoever_writes_a_file_without_a_log_does_not_wait_for_a_copy_of_it(tmp_path: Path) -> None:
    source, edits = without_log(tmp_path).path, count()

    def passed(part: str, rows: int) -> None:
        if part == "copy" and rows:
            assert files.edit_all(source, f"edit {next(edits)}")

    first = copy(source, tmp_path / "new.db", passed)
    second = copy(source, tmp_path / "new.db")

    assert next(edits) == 4
    assert (first.whole, second.whole) == (False, True)
    assert state(tmp_path / "new.db")["memories"].keys() == state(source)["memories"].keys()  # type: ignore[attr-defined]


def stopping_at_census(part: str, rows: int) -> None:
    del rows
    if part == "census":
        raise Stopped("stopped", exit_code=130)


def test_an_edit_meanwhile_is_found_and_copied_by_the_next_start(source: Path, make_target: MakeTarget) -> None:
    target, edits = make_target(), iter(["once"])

    def passed(part: str, rows: int) -> None:
        if part == "copy" and rows and next(edits, None):
            files.edit(source, "id-000", "an edit of the source")
            files.add(source, "id-0000", "a")
            files.execute(source, "DELETE FROM memories WHERE id = 'id-004'")

    first, second = copy(source, target, passed), copy(source, target)

    assert first.census.differing.keys() == {"id-000", "id-0000", "id-004"}
    assert (first.whole, second.whole, second.written, second.removed) == (False, True, 2, 1)
    assert state(target) == state(source)


def test_what_a_server_cannot_hold_is_named_row_by_row_and_the_rest_is_there(source: Path, postgres: Server) -> None:
    target = path_of(postgres.fresh(*postgres_shapes.statements(width=EMBEDDER.dim)))
    wide = encode(np.ones(17, dtype=np.float32))
    for row_id, column, value in (
        ("id-001", "content", "a nul \0 in it"),
        ("id-002", "embedding", b"\x01\x02\x03"),
        ("id-003", "embedding", wide),
        ("id-004", "created_at", "once upon a time"),
        ("more-2", "embedding", "a text"),
        ("more-3", "metadata", "no JSON"),
    ):
        files.execute(source, f"UPDATE memories SET {column} = ? WHERE id = ?", value, row_id)
    with files.opened(source) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("UPDATE memories SET atom_of = 'nobody' WHERE id = 'more-1'")

    done = copy(source, target)

    assert {row_id: why.partition(":")[0] for row_id, why in done.left.items()} == {
        "id-001": "not copied",
        "id-002": "copied without its vector",
        "id-003": "copied without its vector",
        "id-004": "not copied",
        "more-1": "not copied",
        "more-2": "copied without its vector",
        "more-3": "not copied",
    }
    assert set(done.links) == {("id-000", "id-001", "cites"), ("id-001", "more-3", "cites")}
    assert done.census.agrees
    assert not done.whole
    assert paused_by(target) == BY

    for row_id in ("id-001", "id-003"):
        files.edit(source, row_id, "mended")
    files.execute(source, "UPDATE memories SET created_at = updated_at, metadata = '{}', atom_of = NULL")
    files.execute(source, "UPDATE memories SET embedding = NULL WHERE id IN ('id-002', 'id-003', 'more-2')")
    again = copy(source, target)
    assert (again.left, again.links, again.whole, paused_by(target)) == ({}, {}, True, None)
    assert state(target) == state(source)


def test_what_a_trigger_of_the_target_changes_is_named(source: Path, postgres: Server) -> None:
    url = postgres.fresh(*postgres_shapes.statements(width=EMBEDDER.dim))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            """
            CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                new.priority = 10;
                RETURN new;
            END $$
            """
        )
        connection.execute(
            "CREATE TRIGGER theirs BEFORE INSERT ON memories FOR EACH ROW WHEN (new.id = 'more-3')"
            " EXECUTE FUNCTION theirs()"
        )

    done = copy(source, path_of(url))

    assert done.census.differing == {"more-3": ["priority"]}
    assert paused_by(path_of(url)) == BY


@pytest.mark.parametrize("version", [52, 57, 101])
def test_every_row_of_a_database_of_the_rust_program_is_copied_or_named(
    tmp_path: Path, postgres: Server, version: int
) -> None:
    shape = shapes.build(tmp_path / "theirs.db", version)
    target = path_of(postgres.fresh("CREATE EXTENSION vector"))
    unreadable = {row.id for row in shape.of_kind(shapes.UNDECODABLE)}
    of_no_form = {row.id for row in shape.of_kind(shapes.MALFORMED)}

    to_server, to_file = copy(shape.path, target), copy(shape.path, tmp_path / "new.db")

    assert {row_id for row_id, why in to_server.left.items() if why.startswith("not copied")} == unreadable
    assert unreadable < to_server.left.keys() <= unreadable | of_no_form
    assert (to_file.left, to_file.whole) == ({}, True)
    assert to_server.census.agrees
    named = {row.id for row in shape.rows} - {None}
    assert state(tmp_path / "new.db")["memories"].keys() == named  # type: ignore[attr-defined]
    assert state(target)["memories"].keys() == named - unreadable  # type: ignore[attr-defined]


def test_times_and_json_may_be_written_in_another_way_and_that_is_told(source: Path, postgres: Server) -> None:
    target = path_of(postgres.fresh(*postgres_shapes.statements()))
    files.execute(source, "UPDATE memories SET tags = '[\"x\",\"y\"]' WHERE id = 'id-000'")
    files.execute(source, "UPDATE memories SET created_at = '2026-01-02T05:04:05.123456789+02:00' WHERE id = 'id-001'")

    done = copy(source, target)

    assert done.whole
    assert done.census.rewritten["tags"] == 1
    assert done.census.rewritten["created_at"] == 1
    with reading(target) as library:
        found = library.listing.of_ids(["id-000", "id-001"])
    assert found["id-000"].values["tags"] == '["x", "y"]'
    assert found["id-001"].values["created_at"] == "2026-01-02T03:04:05.123457+00:00"


def test_values_of_columns_that_the_target_does_not_have_are_counted(source: Path, tmp_path: Path) -> None:
    files.execute(source, "ALTER TABLE memories ADD COLUMN mood TEXT")
    files.execute(source, "UPDATE memories SET mood = 'good' WHERE id IN ('id-000', 'id-001')")

    done = copy(source, tmp_path / "new.db")

    assert done.census.lost == {"mood": 2, "atom_of": 3}
    assert done.whole
