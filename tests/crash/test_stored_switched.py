"""What is stored while a run is switched to dies at every write: the vector of before is there for the way back."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ai_memory.actions.filling import Filling
from ai_memory.actions.renew import renew
from ai_memory.clock import SystemClock
from ai_memory.reembed.finish.switch import Switch
from ai_memory.reembed.stop import Stop
from ai_memory.reembed.tools import SweepTools
from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.opening import database, writing
from ai_memory.vectors.blob import encode
from tests.crash.images import write_image
from tests.crash.promises import looking, require_sound
from tests.crash.switching import NEW, back, begin, job, stage, switch
from tests.crash.undoing import COUNTED, images, number, state
from tests.support import files
from tests.support.fakes import HashEmbedder, patient

OLD = HashEmbedder()
LATE, TEXT = "zz-late", "stored since"
OF_LATE = f"SELECT embedding FROM memories WHERE id = '{LATE}'"
KEPT_OF_LATE = f"SELECT embedding FROM embedding_previous WHERE memory_id = '{LATE}' AND written_head IS NOT NULL"
SEED = 20261126


def switched(path: Path) -> list[str]:
    """Make a file that is switched to and not moved, with a memory without a vector; return the other ids."""
    ids = [row[0] for row in begin(path)]
    assert stage(path) == 0
    tools = SweepTools(SystemClock(), Stop(), lambda _: None)
    last = partial(job, path, OpenOptions(), resume=True, last_pass=True)
    assert Switch(database(path), tools, last, wait=False).run().exit_code == 0
    files.add(path, LATE, content=TEXT)
    return ids


def fill(path: Path, options: OpenOptions = OpenOptions()) -> None:
    """Give the memory both vectors, as `store` does."""
    tools = SweepTools(SystemClock(), Stop(), lambda _: None)
    with writing(path, now_ms=0, options=options) as library:
        if not library.memories.has_vector(LATE):
            renew(Filling(library.store, patient(HashEmbedder()), "store", tools), LATE)
        new = patient(HashEmbedder(dim=NEW.dim, model=NEW.model))
        renew(Filling(library.store, new, "store", tools), LATE)


def of_late(path: Path) -> tuple[bytes | None, bytes | None]:
    """Return the vector of the memory, and the one that is kept of it."""
    with looking(path) as connection:
        require_sound(connection)
        return connection.execute(OF_LATE).get, connection.execute(KEPT_OF_LATE).get


def check_stored(folder: Path, cuts: int) -> int:
    """Kill it at every write; each time it is gone on with, moved, and switched back."""
    recorded, crashed, done = folder / "recorded.db", folder / "crashed.db", 0
    switched(recorded)
    text = files.texts(recorded)[LATE]
    old, new = encode(OLD.vector(text)), encode(NEW.vector(text))
    for image in images(recorded, fill, cuts=cuts, seed=SEED):
        write_image(image, crashed)
        assert of_late(crashed) in ((None, None), (old, None), (new, old))
        with looking(crashed) as connection:
            kept = connection.execute("SELECT count(*) FROM embedding_previous").get
        assert kept == number(crashed, COUNTED), "what is kept is counted wrong"
        fill(crashed)
        assert of_late(crashed) == (new, old)
        if done % 2:
            assert switch(crashed) == 0
        assert back(crashed) == 0
        assert {row[2] for row in state(crashed) if row[0] == LATE} == {old}
        done += 1
    return done


def test_after_a_crash_at_any_write_it_has_both_vectors_once_it_is_stored_again(
    fast_folder: Path, figures: list[str], *, long_form: bool
) -> None:
    done = check_stored(fast_folder, 10 if long_form else 1)

    assert done > 10
    figures.append(f"stored while switched: {done} images good")
