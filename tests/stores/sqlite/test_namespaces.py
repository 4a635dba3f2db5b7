"""A namespace was seen, or it is a typing error."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ai_memory.errors import NotFound
from ai_memory.stores.sqlite.database import reading
from ai_memory.stores.sqlite.library import Library
from ai_memory.stores.sqlite.namespaces import require_found, require_seen, within
from ai_memory.stores.sqlite.store import Store
from tests.conftest import ROOT
from tests.support import files, shapes


def test_what_was_never_seen_is_named_and_nothing_else(store: Store) -> None:
    require_seen(store, "a", "b")

    with pytest.raises(NotFound, match="no namespace x, y in "):
        require_seen(store, "a", "x", "y")
    with pytest.raises(NotFound, match=r"no namespace \(empty name\) in "):
        require_seen(store, "")


@pytest.mark.parametrize("name", ["A", "a ", "a/", "a\0", "a%", "\udce9"])
def test_a_name_is_exact(store: Store, name: str) -> None:
    with pytest.raises(NotFound):
        require_seen(store, name)


def test_a_name_whose_bytes_are_no_text_is_found(store: Store, path: Path) -> None:
    files.execute(path, "UPDATE memories SET namespace = CAST(x'636166e9' AS TEXT) WHERE id = 'id-000'")

    require_seen(store, "caf\udce9")


@pytest.mark.parametrize("version", [52, 57, 101])
def test_a_file_of_the_rust_program_has_namespaces_and_no_runs(tmp_path: Path, version: int) -> None:
    shape = shapes.build(tmp_path / "m.db", version)
    (name,) = files.execute(shape.path, "SELECT namespace FROM memories LIMIT 1")[0]
    with reading(shape.path) as store:
        require_seen(store, name)
        with pytest.raises(NotFound):
            require_seen(store, "typo")


def test_the_scope_of_a_run_is_seen_though_nothing_of_it_was_swept(store: Store, path: Path) -> None:
    files.execute(
        path,
        "INSERT INTO embedding_fingerprint (id, digest, spec_json, space, dim, created_at)"
        " VALUES (1, x'', '', '', 1, 0)",
    )
    for scope, state in (('["gone"]', "done"), ("null", "done"), ("not JSON", "running")):
        files.execute(
            path,
            "INSERT INTO reembed_run (target, target_model, scope_json, state, started_at, last_progress_at,"
            " tool_version) VALUES (1, '', ?, ?, 0, 0, '')",
            scope,
            state,
        )

    require_seen(store, "gone")
    with pytest.raises(NotFound):
        require_seen(store, "null")


def namespaced(path: Path, *names: str) -> None:
    """Have one memory in each namespace, and no other."""
    files.execute(path, "DELETE FROM memories")
    for name in names:
        files.add(path, f"id {name!r}", name)


@given(names=st.sets(st.text("ab/%_*?[]0\0é", min_size=1, max_size=5), max_size=8), start=st.text("ab/%*é", max_size=3))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le", "UTF-16be"])
def test_below_a_namespace_is_what_begins_with_its_path(
    tmp_path: Path, encoding: str, names: set[str], start: str
) -> None:
    path = tmp_path / f"{encoding}.db"
    if not path.exists():
        with files.opened(path) as made:
            made.execute(f"PRAGMA encoding = '{encoding}'")
            made.execute((ROOT / "migrations" / "0001_memories.sql").read_text("utf-8"))
            made.execute("CREATE INDEX by_namespace ON memories (namespace)")
    namespaced(path, *names)
    with reading(path) as store:
        found = {each.namespace for each in Library(store).listing.summaries(f"{start}/*")}
    assert found == {name for name in names if name.startswith(f"{start}/")}


def test_all_below_a_namespace_are_found_by_the_index_where_there_is_one(store: Store) -> None:
    scope, bindings = within(store, "a/*", "namespace")
    plan = store.db.execute(f"EXPLAIN QUERY PLAN SELECT 1 FROM memory_row WHERE {scope}", bindings)
    assert "namespace>? AND namespace<?" in str(plan)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("team/note", "no namespace team/note in {path}. Did you mean team/notes? See"),
        ("TEAM/notes", "no namespace TEAM/notes in {path}. Did you mean team/notes? See"),
        ("team", "no namespace team in {path}. Did you mean 'team/*'? See"),
        ("team/notes/*", "no namespace below team/notes in {path}. Did you mean team/notes"),
        ("team/", "no namespace team/ in {path}. Did you mean 'team/*'? See"),
        ("team*", "no namespace team* in {path}. Did you mean 'team/*'? See"),
        (" team/notes", "no namespace ' team/notes' in {path}. Did you mean team/notes? See"),
        ("/team/notes", "no namespace /team/notes in {path}. Did you mean team/notes? See"),
        ("taem/*", "no namespace below taem in {path}. Did you mean 'team/*'? See"),
        ("*", "no namespace * in {path}. See ai-memory namespaces"),
        ("", "no namespace (empty name) in {path}. See ai-memory namespaces"),
    ],
)
def test_a_mistyped_name_is_answered_by_those_most_like_it(store: Store, path: Path, asked: str, told: str) -> None:
    namespaced(path, "team/notes", "team/plans", "ops")
    with pytest.raises(NotFound) as refusal:
        require_found(store, asked)
    assert told.format(path=path) in refusal.value.line()


def test_where_names_are_exact_those_below_are_named(store: Store, path: Path) -> None:
    namespaced(path, "team/notes", "team/plans", "ops")
    with pytest.raises(NotFound) as refusal:
        require_seen(store, "team/*")
    told = f"no namespace team/* in {path}. Names are exact here. Did you mean team/notes or team/plans? See"
    assert told in refusal.value.line()


def test_of_a_name_that_is_no_text_and_of_an_endless_one_nothing_is_said(store: Store, path: Path) -> None:
    namespaced(path, "team/notes", "x" * 100_000)
    files.execute(path, "UPDATE memories SET namespace = x'7465616d' WHERE namespace = 'team/notes'")
    with pytest.raises(NotFound) as refusal:
        require_found(store, "team/note")
    assert refusal.value.tip == "See ai-memory namespaces"


def test_what_is_below_is_seen_though_it_is_empty_now(store: Store, path: Path) -> None:
    files.execute(path, "DELETE FROM memories")
    with pytest.raises(NotFound):
        require_found(store, "gone/*")
    files.execute(
        path,
        "INSERT INTO embedding_fingerprint (id, digest, spec_json, space, dim, created_at)"
        " VALUES (1, x'', '', '', 1, 0)",
    )
    files.execute(
        path,
        "INSERT INTO reembed_run (target, target_model, scope_json, state, started_at, last_progress_at,"
        " tool_version) VALUES (1, '', '[\"gone/a\"]', 'done', 0, 0, '')",
    )
    require_found(store, "gone/*")


@pytest.mark.parametrize("table", ["archived_memories", "namespace_meta"])
def test_what_the_rust_program_keeps_of_a_namespace_is_seen(store: Store, path: Path, table: str) -> None:
    files.execute(path, f"CREATE TABLE {table} (id TEXT, namespace TEXT)")
    files.execute(path, f"INSERT INTO {table} VALUES ('1', 'left')")

    require_seen(store, "left")
    require_found(store, "left")
    with pytest.raises(NotFound):
        require_seen(store, "lefts")


def test_the_namespace_that_is_the_default_is_no_typing_error(store: Store) -> None:
    require_seen(store, "global")
    require_found(store, "global")
    with pytest.raises(NotFound):
        require_found(store, "Global")
