"""The built shapes are what they say: without that no test on them means anything."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.support import shapes


@pytest.mark.parametrize("version", shapes.VERSIONS)
def test_every_row_of_a_shape_is_in_its_file(tmp_path: Path, version: int) -> None:
    shape = shapes.build(tmp_path / "m.db", version, rows=4)
    with sqlite3.connect(shape.path) as connection:
        stored = connection.execute("SELECT id, namespace, CAST(title AS BLOB), embedding FROM memories").fetchall()
        assert connection.execute("SELECT MAX(version) FROM schema_version").fetchone() == (version,)
        connection.execute("INSERT INTO memories_fts(memories_fts) VALUES ('integrity-check')")
    expected = [(row.id, row.namespace, _bytes(row.title), row.blob) for row in shape.rows]
    assert sorted(stored, key=repr) == sorted(expected, key=repr)


@pytest.mark.parametrize(("version", "again"), [(52, True), (57, False)])
def test_only_below_53_writing_a_vector_indexes_the_text_again(tmp_path: Path, version: int, again: bool) -> None:
    shape = shapes.build(tmp_path / "m.db", version, kinds={shapes.PLAIN}, rows=1)
    with sqlite3.connect(shape.path) as connection:
        before = connection.total_changes
        connection.execute("UPDATE memories SET embedding = x'01'")
        assert (connection.total_changes - before > 1) is again


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()
