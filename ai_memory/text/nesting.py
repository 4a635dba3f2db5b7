"""Texts by others are read as deep as Python goes; past that they are refused, and nothing else comes to harm."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


class NestedTooDeeply(ValueError):
    """A text has more values inside one another than can be read."""


@contextmanager
def bounded() -> Iterator[None]:
    """Read a text inside the block.

    Deep inside, the collector of garbage would have no room left either: what it lets go there (a socket of somebody
    else) would fail to close itself, which Python reports on stderr. It waits until the block is over.

    Raises:
        NestedTooDeeply: Python's own limit was met.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    except RecursionError as error:
        raise NestedTooDeeply("is nested too deeply") from error
    finally:
        if collects:
            gc.enable()
