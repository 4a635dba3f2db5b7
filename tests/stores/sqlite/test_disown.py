"""A vector that is taken back from every row of its text."""

from __future__ import annotations

from pathlib import Path

from ai_memory.reembed.writes import write_of
from ai_memory.stores.sqlite.disown import disown
from tests.reembed.work import Work, committed, documents, known
from tests.support import files

ONE_TEXT = "UPDATE memories SET title = 'one title', content = 'one content' WHERE id IN ('id-000', 'id-001', 'id-002')"
ANOTHER_VECTOR = "UPDATE memories SET embedding = CAST(embedding || x'00000000' AS BLOB) WHERE id = 'id-002'"
LEFT = "SELECT memory_id FROM embedding_provenance WHERE memory_id IN ('id-000', 'id-001', 'id-002')"


def test_the_rows_of_one_text_that_have_one_vector_are_stale_together(tmp_path: Path) -> None:
    work = Work(files.create(tmp_path / "m.db", namespaces=("a", "b", "c")))
    files.execute(work.path, ONE_TEXT)
    work.run()
    files.execute(work.path, ANOTHER_VECTOR)
    with work.store() as store:
        target, [document] = known(store, work.embedder), documents(store, "id-000")
        blob = store.db.value("SELECT embedding FROM memories WHERE id = 'id-000'")

        assert committed(store, disown, [write_of(document, blob)], target, unstamp=True) == 2

    assert files.execute(work.path, LEFT) == [("id-002",)]
