"""Which run a file is said to have, where it has had several."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai_memory.stores.port import Reader
    from ai_memory.stores.values import Run


def recorded_run(store: Reader) -> Run | None:
    """Return the unfinished run, else the one begun last; None where none ever was."""
    return store.runs.unfinished() or next(iter(store.runs.recent(1)), None)
