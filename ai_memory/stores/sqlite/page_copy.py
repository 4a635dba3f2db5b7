"""A copy of a whole database under way, page by page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PageCopy:
    """A copy under way by SQLite's backup API.

    `copy` copies so many pages more; it returns whether these were the last, and all of them are committed, and raises
    NotFinished where another writer, or a reader, held the target for longer than the busy timeout, StorageFailed where
    one of the files cannot be read or written. `count` returns how many pages are copied, and how many there are.
    """

    copy: Callable[[int], bool]
    count: Callable[[], tuple[int, int]]
