"""The numbered SQL files of `migrations/`, which ship with the program: the definitions of its own tables.

Those of a store that is no file are in a folder of its name below it.
"""

from __future__ import annotations

from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from ai_memory.frozen import Frozen

MEMORIES = 1
"""The version that creates the memories themselves."""


class Migration(Frozen):
    """One numbered SQL file."""

    version: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """The hash by which the ledger knows the file's text: 64 hex digits."""
        return sha256(self.sql.encode()).hexdigest()


def available(store: str = "") -> list[Migration]:
    """Return all migrations of a store that ship with the program, in order."""
    folder = _folder() / store if store else _folder()
    found = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return [
        Migration(int(entry.name.split("_")[0]), entry.name, entry.read_text(encoding="utf-8"))
        for entry in sorted(found, key=lambda each: each.name)
    ]


def memories_sql() -> str:
    """Return the text of the migration that creates the memories."""
    return next(each.sql for each in available() if each.version == MEMORIES)


def _folder() -> Traversable:
    packaged = files("ai_memory") / "migrations"
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[2] / "migrations"
