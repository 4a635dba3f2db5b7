"""A backfill is killed, or loses its power, after every single write: no text and no vector is lost, none is wrong."""

from __future__ import annotations

from pathlib import Path
from random import Random

import apsw

from ai_memory.actions.backfill import fill, ids_without_vector
from ai_memory.actions.filled import Filled
from ai_memory.actions.filling import Filling
from ai_memory.clock import SystemClock
from ai_memory.embed.assemble import in_turn
from ai_memory.reembed.stop import Stop
from ai_memory.reembed.sweep.worker import answer
from ai_memory.reembed.tools import SweepTools
from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.opening import writing
from tests.crash.editor import read_rows
from tests.crash.images import Disk, read_image, write_image
from tests.crash.promises import TARGET, looking, require_sound
from tests.crash.sweeping import build_own
from tests.crash.vfs import Change, Recorder, watched
from tests.support.fakes import HashEmbedder, patient
from tests.support.promises import blob

ROWS, HAVE = 50, 5
SEED = 20261126
VECTORS = "SELECT rowid, title || ' ' || content, embedding FROM memories ORDER BY rowid"
OLD = b"\x01\x00\x00\x80\xbf"


def build(path: Path) -> None:
    """Create a database in which all but the first rows lack a vector."""
    build_own(path, ROWS)
    with looking(path) as connection:
        connection.execute("UPDATE memories SET embedding = ?", (OLD,))
        connection.execute("UPDATE memories SET embedding = NULL WHERE rowid > ?", (HAVE,))


def backfill(path: Path, options: OpenOptions = OpenOptions()) -> Filled:
    asked, filled = patient(HashEmbedder()), Filled()
    tools = SweepTools(SystemClock(), Stop(), lambda _: None, Random(0))
    with writing(path, now_ms=0, options=options) as library:
        filling, ids = Filling(library.store, asked, "backfill", tools), ids_without_vector(library.listing)
        fill(filling, ids, in_turn(asked, answer), filled, batch=3)
    return filled


def vectors(connection: apsw.Connection) -> list[tuple[int, bytes, bytes | None]]:
    """Return of each row its number, the vector that it should have in the end, and that which it has."""
    return [
        (number, OLD if number <= HAVE else blob(TARGET, text), stored)
        for number, text, stored in connection.execute(VECTORS)
    ]


def test_after_a_crash_at_any_write_nothing_is_lost_and_a_backfill_does_the_rest(
    fast_folder: Path, long_form: bool
) -> None:
    recorded, crashed, random = fast_folder / "recorded.db", fast_folder / "crashed.db", Random(SEED)
    build(recorded)
    with looking(recorded) as connection:
        rows = read_rows(connection)
    disk, recorder = Disk(read_image(recorded)), Recorder()
    with watched("recorded-backfill", str(recorded), recorder) as vfs:
        assert backfill(recorded, OpenOptions(vfs=vfs)).embedded == ROWS - HAVE
    for change in recorder.log:
        if isinstance(change, Change):
            disk.apply(change)
            for image in (disk.killed(), *(disk.power_lost(random) for _ in range(10 if long_form else 1))):
                write_image(image, crashed)
                with looking(crashed) as connection:
                    require_sound(connection)
                    assert read_rows(connection) == rows
                    assert all(
                        stored in (wanted, OLD if n <= HAVE else None) for n, wanted, stored in vectors(connection)
                    )
                backfill(crashed)
                with looking(crashed) as connection:
                    assert all(stored == wanted for _, wanted, stored in vectors(connection))
