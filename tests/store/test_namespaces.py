"""A namespace was seen, or it is a typing error."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_memory.errors import NotFound
from ai_memory.store.namespaces import require_seen
from ai_memory.store.opening import Store, reading
from tests import files, shapes


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
