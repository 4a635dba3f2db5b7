"""A backfill that was cut off is doubted like a run: the next one asks for rows from all over what it wrote."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from random import Random
from unittest.mock import patch

import pytest

from ai_memory.actions.backfill import fill, ids_without_vector
from ai_memory.actions.filled import Filled
from ai_memory.actions.filling import Filling
from ai_memory.clock import SystemClock
from ai_memory.embed.assemble import in_turn
from ai_memory.errors import TransientFailure
from ai_memory.reembed.stop import Stop
from ai_memory.reembed.sweep import schedule
from ai_memory.reembed.sweep.worker import answer
from ai_memory.reembed.tools import SweepTools
from ai_memory.stores.opening import writing
from ai_memory.vectors.blob import encode
from tests.reembed.sweep.test_inherited import Killed, Passing
from tests.support import files
from tests.support.fakes import HashEmbedder, patient

ROWS, PAGE = 200, 20


def backfill(path: Path, embedder: HashEmbedder, origin: str) -> Filled:
    asked, filled = patient(embedder), Filled()
    tools = SweepTools(SystemClock(), Stop(), lambda _: None, Random(0))
    with writing(path, now_ms=0) as library:
        filling, ids = Filling(library.store, asked, origin, tools), ids_without_vector(library.listing)
        fill(filling, ids, in_turn(asked, answer), filled, batch=PAGE)
    return filled


def cut_off(path: Path, origin: str, failure: type[BaseException], *, ends: int) -> None:
    """Write some vectors of a liar before the work is cut off."""
    files.create(path, ROWS)
    files.execute(path, "UPDATE memories SET embedding = NULL")
    liar = Passing(lies=8, ends=ends, failure=failure)
    with patch.multiple(schedule, DENSE=1, EVERY=100, LEAST=0), suppress(Killed, TransientFailure):
        backfill(path, liar, origin)


def wrong(path: Path) -> int:
    texts = files.texts(path)
    found = files.vectors(path).items()
    return sum(stored not in (None, encode(HashEmbedder().vector(texts[each]))) for each, stored in found)


@pytest.mark.parametrize("origin", ["backfill", "import"])
@pytest.mark.parametrize("failure", [TransientFailure, Killed])
@pytest.mark.parametrize(("ends", "left"), [(12, True), (18, False)])
def test_what_was_written_wrong_before_it_was_cut_off_is_mended_by_the_next_backfill(
    tmp_path: Path, origin: str, failure: type[BaseException], ends: int, left: bool
) -> None:
    path = tmp_path / "m.db"
    cut_off(path, origin, failure, ends=ends)
    before, lacking = wrong(path), None in files.vectors(path).values()
    backfill(path, HashEmbedder(), "backfill")

    assert (before > 0, lacking) == (True, left)
    assert (wrong(path), None in files.vectors(path).values()) == (0, False)


def test_a_backfill_that_ended_well_leaves_nothing_to_ask_for(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    files.create(path, ROWS)
    files.execute(path, "UPDATE memories SET embedding = NULL")
    backfill(path, HashEmbedder(), "backfill")
    again = HashEmbedder()
    backfill(path, again, "backfill")

    assert again.meter.spent.requests == 0
