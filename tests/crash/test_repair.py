"""The repair of the word index dies after every single write: no memory is touched, and a second repair ends it."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.sqlite import word_index
from ai_memory.stores.sqlite.database import reading, writing
from tests.crash.images import Disk, Image, read_image, write_image
from tests.crash.sweeping import build_own
from tests.crash.vfs import Change, Recorder, watched
from tests.support import files

SEED = 20261125
DAMAGE = {
    "rebuilt in its place": ("DELETE FROM memories_fts_data WHERE id > 10",),
    "made anew": ("DROP TABLE memories_fts_config", "DROP TRIGGER memories_au"),
}


def repair(path: Path, options: OpenOptions = OpenOptions()) -> None:
    with writing(path, now_ms=0, options=options) as store, store.transaction() as transaction:
        word_index.rebuild(transaction)


@pytest.mark.parametrize("damage", DAMAGE)
def test_after_a_crash_at_any_write_no_memory_is_touched_and_the_repair_can_be_repeated(
    fast_folder: Path, damage: str, figures: list[str]
) -> None:
    recorded, crashed = fast_folder / "recorded.db", fast_folder / "crashed.db"
    build_own(recorded, 12)
    for statement in DAMAGE[damage]:
        files.execute(recorded, statement)
    memories, start, recorder = memories_of(recorded), read_image(recorded), Recorder()
    with watched(f"repair-{id(recorder)}", str(recorded), recorder) as vfs:
        repair(recorded, OpenOptions(vfs=vfs))

    images = list(crashes(Disk(start), recorder))
    for image in images:
        write_image(image, crashed)
        assert memories_of(crashed) == memories
        repair(crashed)
        with reading(crashed) as store:
            assert (word_index.fault(store), word_index.out_of_step(store)) == (None, 0)
        assert memories_of(crashed) == memories
    assert len(images) > 10
    figures.append(f"repair of the word index, {damage}: {len(images)} images good")


def crashes(disk: Disk, recorder: Recorder) -> list[Image]:
    found, random = [], Random(SEED)
    for entry in recorder.log:
        if isinstance(entry, Change):
            disk.apply(entry)
            found += [disk.killed(), disk.power_lost(random)]
    return found


def memories_of(path: Path) -> list[tuple[object, ...]]:
    return files.execute(path, "SELECT rowid, * FROM memories NOT INDEXED ORDER BY rowid")
