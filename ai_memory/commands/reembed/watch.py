"""Shows how a run stands again and again, as long as somebody works on it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ai_memory.clock import SystemClock
from ai_memory.frozen import Frozen
from ai_memory.text.times import instant

if TYPE_CHECKING:
    from collections.abc import Callable

    from ai_memory.show.console import Console

CLEARED = "\x1b[H\x1b[J"
"""What a terminal takes for: go to the upper left corner and erase all from there (ECMA-48: CUP, ED)."""


class Shown(Frozen):
    """A status that was shown: its verdict (0 healthy, 1 somebody is needed, 75 waiting), and whether nobody works."""

    verdict: int
    over: bool


def watch(show: Callable[[], Shown], console: Console, *, every: int) -> Shown:
    """Call `show` after `every` so many seconds until nobody works on the run, and return what it showed last."""
    while True:
        _begin(console)
        shown = show()
        if shown.over:
            return shown
        console.out.flush()
        time.sleep(every)


def _begin(console: Console) -> None:
    """Begin what is shown anew: on a terminal in the place of what was, elsewhere below it, with the time."""
    if console.json:
        return
    if console.look.moves and console.out.isatty():
        console.out.write(CLEARED)
    console.line(instant(SystemClock().now_ms()))
