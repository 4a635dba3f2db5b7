"""What a terminal can show: what the environment says of it, and how wide it is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TextIO

from ai_memory.frozen import Frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

USUAL_COLUMNS = 80


class Look(Frozen):
    """Whether a terminal is to show colours, and whether it can be sent back to where it wrote before."""

    colours: bool = False
    moves: bool = False


def look_of(environ: Mapping[str, str]) -> Look:
    """Return how a terminal of this environment looks: TERM=dumb and none say that it only writes on.

    A NO_COLOR that is not empty turns colours off (no-color.org).
    """
    moves = (environ.get("TERM") or "dumb") != "dumb"
    return Look(colours=moves and not environ.get("NO_COLOR"), moves=moves)


def columns_of(stream: TextIO) -> int:
    """Return how many columns the terminal behind a stream has, as it is now."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or USUAL_COLUMNS
    except OSError:
        return USUAL_COLUMNS
