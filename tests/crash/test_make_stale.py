"""Rows are made stale while the process dies at any write: all of them are, or none."""

from __future__ import annotations

from pathlib import Path
from random import Random

from ai_memory.actions.make_stale import make_stale
from ai_memory.reembed.inspect.verify import choose, compare
from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.sqlite.database import writing
from tests.crash.editor import read_rows
from tests.crash.images import Disk, read_image, write_image
from tests.crash.promises import looking, require_sound
from tests.crash.vfs import Change, Recorder, watched
from tests.reembed.work import Work, known
from tests.support import files

ROWS, WRONG = 60, 20
SEED = 20261126
SPOIL = (
    "UPDATE memories SET embedding = (SELECT CAST(substr(m.embedding, 1, 17) || substr(o.embedding, 18) AS BLOB)"
    f" FROM memories AS m, memories AS o WHERE m.id = memories.id AND o.id = 'id-{ROWS - 1:03}')"
    f" WHERE id < 'id-{WRONG:03}'"
)
RECORDED = "SELECT count(*) FROM embedding_provenance"
REMAINING = "SELECT remaining FROM reembed_run"


def mend(work: Work, options: OpenOptions = OpenOptions()) -> int:
    with writing(work.path, now_ms=0, options=options) as store:
        target = known(store, work.embedder)
        chosen = choose(store, target, None, size=None)
        return make_stale(store, work.embedder, target, compare(store, work.embedder, target, chosen), chosen)


def test_after_a_crash_at_any_write_all_are_stale_or_none_and_the_next_run_mends_them(
    fast_folder: Path, long_form: bool
) -> None:
    recorded, crashed = Work(fast_folder / "recorded.db"), Work(fast_folder / "crashed.db")
    files.create(recorded.path, ROWS)
    recorded.run()
    files.execute(recorded.path, SPOIL)
    with looking(recorded.path) as connection:
        rows = read_rows(connection)
    disk, recorder, random = Disk(read_image(recorded.path)), Recorder(), Random(SEED)
    with watched("recorded-mend", str(recorded.path), recorder) as vfs:
        assert mend(recorded, OpenOptions(vfs=vfs)) == WRONG
    seen = set()
    for change in recorder.log:
        if isinstance(change, Change):
            disk.apply(change)
            for image in (disk.killed(), *(disk.power_lost(random) for _ in range(10 if long_form else 1))):
                write_image(image, crashed.path)
                with looking(crashed.path) as connection:
                    require_sound(connection)
                    assert read_rows(connection) == rows
                    [(left,)] = connection.execute(RECORDED)
                    [(remaining,)] = connection.execute(REMAINING)
                    assert (left, remaining) in ((ROWS, 0), (ROWS - WRONG, WRONG))
                    seen.add(left)
    assert seen == {ROWS, ROWS - WRONG}
    mend(crashed)
    crashed.run()
    assert crashed.all_right()
