"""Does some work again and again, and each time another operation of the system fails, until none is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path

from ai_memory.errors import AiMemoryError
from ai_memory.stores.open_options import OpenOptions
from tests.crash.images import read_image, write_image
from tests.crash.promises import looking
from tests.crash.test_io_errors import CLEAN, FAULTS, Failing
from tests.crash.vfs import watched

Work = Callable[..., int | None]
"""Works on a file, with the options of its opening if they are given, and returns its exit code; None stands for 0."""


def fail_each_operation(
    path: Path, fault: str, work: Work, *, whole: Callable[[], None], ended: Callable[[], None]
) -> None:
    """Fail each operation of `work` once: it ends clean, the file is `whole`, and the work done again has `ended`."""
    start, ends = read_image(path), Counter[int]()
    for at in count(1):
        write_image(start, path)
        failing = Failing(FAULTS[fault], at, lasting=False)
        code = _attempt(path, failing, work)
        assert code in CLEAN
        whole()
        work(path)
        ended()
        if not failing.fired:
            break
        ends[code] += 1
    assert ends.total() > 0


def _attempt(path: Path, failing: Failing, work: Work) -> int:
    """Do the work while operations fail, and return how it ended."""
    with watched(f"failing-{id(failing)}", str(path), failing) as vfs, looking(path) as reader:
        reader.execute("SELECT count(*) FROM memories")
        try:
            return work(path, OpenOptions(vfs=vfs, busy_timeout_ms=20)) or 0
        except AiMemoryError as error:
            return error.exit_code
