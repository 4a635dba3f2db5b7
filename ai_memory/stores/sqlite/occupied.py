"""Tells whether a path is a database's: its own, that of a file beside it, or another one's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.stores.sqlite.file import SIDE_FILES, beside, real_path
from ai_memory.stores.sqlite.lock import lock_path
from ai_memory.stores.sqlite.remains import MAGIC

if TYPE_CHECKING:
    from pathlib import Path


def occupied(database: Path, path: Path) -> str:
    """Return what a path is to databases, in words; empty where it is nothing to them."""
    real = real_path(path)
    its_own = {real_path(database), lock_path(database), *(beside(database, each) for each in SIDE_FILES)}
    if real in its_own:
        return "belongs to the database"
    return "is a database" if _begins_as_one(real) else ""


def _begins_as_one(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False
