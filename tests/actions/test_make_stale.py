"""Rows of which a sample found another vector: what happens to them between the comparison and the commit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ai_memory.actions.make_stale import make_stale
from ai_memory.errors import EndpointUnusable
from ai_memory.reembed.inspect.verify import choose, compare
from ai_memory.vectors.witness import WITNESS_TEXTS
from tests.reembed.work import Work, known
from tests.support import files
from tests.support.promises import Model, blob

SPOIL = (
    "UPDATE memories SET embedding = (SELECT CAST(substr(m.embedding, 1, 17) || substr(o.embedding, 18) AS BLOB)"
    " FROM memories AS m, memories AS o WHERE m.id = memories.id AND o.id = 'id-009') WHERE id IN ('id-001', 'id-004')"
)
RECORDED = "SELECT memory_id FROM embedding_provenance ORDER BY memory_id"
TEXT = "title id-001 the content of id-001"
REWRITTEN = blob(Model("hash", 16), "another text")

Meanwhile = Callable[[Path], object]


@pytest.fixture
def work(tmp_path: Path) -> Work:
    """A file of ten rows, two of which have the vector of another text."""
    work = Work(files.create(tmp_path / "m.db"))
    work.run()
    files.execute(work.path, SPOIL)
    return work


def mended(work: Work, *, asked: Sequence[str] = (), meanwhile: Meanwhile = lambda _: None) -> int:
    """Make stale what differs; once the sample is there, `meanwhile` happens as soon as one of `asked` is asked for."""
    left = list(asked)

    def before(texts: Sequence[str]) -> None:
        if left and left[0] in texts:
            del left[0]
            meanwhile(work.path)

    with work.store() as store:
        target = known(store, work.embedder)
        chosen = sorted(choose(store, target, None, size=None), key=lambda each: each.id)
        sample = compare(store, work.embedder, target, chosen)
        work.embedder.before = before
        return make_stale(store, work.embedder, target, sample, chosen)


def recorded(work: Work) -> list[str]:
    return [each for (each,) in files.execute(work.path, RECORDED)]


def test_what_differs_loses_its_record_and_its_stamp(work: Work) -> None:
    assert mended(work) == 2

    assert [each for each in ("id-001", "id-004") if each in recorded(work)] == []
    stamps = "SELECT embedding_space, embedding IS NULL FROM memories WHERE id IN ('id-001', 'id-004')"
    assert files.execute(work.path, stamps) == [(None, 0), (None, 0)]
    assert len(recorded(work)) == 8


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda path: files.edit(path, "id-001", "edited"),
        lambda path: files.execute(path, "UPDATE memories SET embedding = ? WHERE id = 'id-001'", REWRITTEN),
        lambda path: files.execute(path, "UPDATE memories SET embedding = NULL WHERE id = 'id-001'"),
        lambda path: files.execute(path, "DELETE FROM memories WHERE id = 'id-001'"),
    ],
    ids=["edited", "written anew", "taken away", "deleted"],
)
@pytest.mark.parametrize("late", [False, True])
def test_a_row_that_another_writer_changed_since_is_left_alone(work: Work, meanwhile: Meanwhile, late: bool) -> None:
    # Late: after it was compared, while the row behind it is asked for.
    asked = TEXT.replace("001", "004") if late else TEXT

    assert mended(work, asked=[asked], meanwhile=meanwhile) == 1

    assert "id-004" not in recorded(work)


@pytest.mark.parametrize("asked", [WITNESS_TEXTS[0], TEXT], ids=["before it is asked for again", "meanwhile"])
def test_a_row_that_was_mended_by_somebody_since_keeps_its_record(work: Work, asked: str) -> None:
    def mend(path: Path) -> None:
        true = blob(Model("hash", 16), TEXT)
        files.execute(path, "UPDATE memories SET embedding = ? WHERE id = 'id-001'", true)

    assert mended(work, asked=[asked], meanwhile=mend) == 1

    assert "id-001" in recorded(work)


def test_an_endpoint_that_fails_meanwhile_leaves_every_row_as_it_is(work: Work) -> None:
    def fail(_: Path) -> None:
        raise EndpointUnusable("no more today.")

    with pytest.raises(EndpointUnusable):
        mended(work, asked=[TEXT.replace("001", "004")], meanwhile=fail)

    assert len(recorded(work)) == 10
