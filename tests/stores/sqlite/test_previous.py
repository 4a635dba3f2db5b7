"""What is kept of replaced vectors is found without reading all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_memory.stores.sqlite import previous
from tests.support import files

OF_VERSION_8 = """
    DROP INDEX embedding_previous_by_src;
    DROP INDEX embedding_previous_by_target;
    CREATE INDEX embedding_previous_by_target ON embedding_previous (fingerprint_id, src)
        WHERE fingerprint_id IS NOT NULL;
"""
BY_ITS_TEXT = (previous.VECTORS_OF_TEXT, previous.DOUBT_TEXT)
OF_ONE_MEMORY = (previous.DROP_TAKEN, previous.DROP_OF_MEMORY)


def steps(path: Path, sql: str) -> str:
    """Return how SQLite goes about a statement."""
    return "; ".join(
        str(each[3]) for each in files.execute(path, f"EXPLAIN QUERY PLAN {sql}", *[None] * sql.count("?"))
    )


@pytest.mark.parametrize("before", ["", OF_VERSION_8])
def test_a_kept_vector_is_looked_up_by_its_text_and_not_among_all_of_its_target(tmp_path: Path, before: str) -> None:
    path = files.create(tmp_path / "m.db", 1)
    with files.opened(path) as connection:
        connection.execute(before)

    assert all("src=?" in steps(path, each) for each in BY_ITS_TEXT)
    assert all("(memory_id=?" in steps(path, each) for each in OF_ONE_MEMORY)
    assert "(fingerprint_id=?" in steps(path, previous.ANY_OF)
