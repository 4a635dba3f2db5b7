"""One view over the files of every release."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_memory.errors import DataRefused
from ai_memory.memory.names import is_substrate
from ai_memory.stores.sqlite.database import reading
from ai_memory.stores.sqlite.store import Store
from tests.support import files, shapes


@pytest.mark.parametrize("version", shapes.VERSIONS)
def test_what_a_file_has_is_what_its_release_had(tmp_path: Path, version: int) -> None:
    shape = shapes.build(tmp_path / "m.db", version, rows=1)

    with reading(shape.path) as store:
        found = store.schema

    assert (found.rust, found.version, found.has_reembed, found.walk_index) == (True, version, False, False)
    assert (found.has_space, found.has_dim, found.has_envelope) == (shape.has_space_column, True, True)


def test_a_file_of_our_own_has_everything_and_an_index_for_the_walk(store: Store) -> None:
    found = store.schema

    assert (found.rust, found.version, found.has_reembed, found.walk_index) == (False, None, True, True)
    assert (found.has_space, found.has_dim, found.has_envelope, found.encoding) == (True, True, True, "UTF-8")


@pytest.mark.parametrize("version", shapes.VERSIONS)
def test_the_view_knows_which_rows_are_alive(tmp_path: Path, version: int) -> None:
    shape = shapes.build(tmp_path / "m.db", version)
    dead = {row.id for row in shape.of_kind(shapes.EXPIRED, shapes.TOMBSTONED)}

    with reading(shape.path) as store:
        found = {row[0] for row in store.db.execute("SELECT id FROM memory_row WHERE NOT live")}

    assert found == dead


@pytest.mark.parametrize(
    ("expires_at", "live"),
    [
        (None, 1),
        ("2099-01-01T00:00:00+00:00", 1),
        ("2001-01-01T00:00:00.123456789+00:00", 0),
        ("2001-01-01T00:00:00Z", 0),
        ("no time at all", 1),
    ],
)
def test_a_row_lives_until_it_expires(path: Path, expires_at: str | None, live: int) -> None:
    files.add(path, "one", expires_at=expires_at)

    with reading(path) as store:
        assert store.db.value("SELECT live FROM memory_row WHERE id = 'one'") == live


def test_a_table_without_texts_is_no_memory_database(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    files.execute(path, "CREATE TABLE memories (id TEXT PRIMARY KEY, title TEXT)")

    with pytest.raises(DataRefused, match="lacks namespace, content, embedding"), reading(path):
        pass


@pytest.mark.parametrize(
    ("namespace", "substrate"),
    [
        ("_messages", True),
        ("_messages/agent-b", True),
        ("_messages_of_mine", False),
        ("_agents", True),
        ("_agents/below", False),
        ("_agent_sessions", True),
        ("_curator/reports", True),
        ("_curator/reports/2026", True),
        ("_curator", False),
        ("_inbox/x", True),
        ("_subscriptions", True),
        ("team/_messages", False),
        ("global", False),
    ],
)
def test_ai_memorys_own_namespaces_are_known(namespace: str, substrate: bool) -> None:
    assert is_substrate(namespace) is substrate
