"""What is asked of the place where a database stands, whatever is left of it: protocols only.

A `Place` may have no database, a damaged one or a sound one: `init`, `doctor` and `restore` begin there.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ai_memory.stores.memory_port import Library
    from ai_memory.stores.memory_values import Comparison
    from ai_memory.stores.port import Database


class Place(Protocol):
    """Where a database stands, or is to stand."""

    @property
    def database(self) -> Database:
        """The database there, as the migration sees it."""

    def is_new(self) -> bool:
        """Return whether there is no database yet: nothing, or what was made and never written.

        Raises:
            DataRefused: something else stands there.
        """

    def require_findable(self) -> None:
        """Check that the place can be found from where the program stands.

        Raises:
            DataRefused: it cannot.
        """

    def require_one_name(self) -> None:
        """Check that nobody can know the database by a second name.

        Raises:
            DataRefused: somebody can: what that one writes would be lost.
            OSError: it cannot be looked at.
        """

    def may_be_of_memories(self) -> bool:
        """Return whether what cannot be read there may be the rest of a memory database.

        It has traces of memories, or nothing that tells it from one that was cut off early.
        """

    def complaints(self) -> list[str]:
        """See `About.complaints`, for what need not be a memory database.

        Raises:
            Damaged: it cannot be read as a database at all.
        """

    def read(self) -> AbstractContextManager[Library]:
        """Open the database to read; see `port.Database.read`."""

    def backup(self, path: Path) -> AbstractContextManager[Backup]:
        """Open a backup of this database, in one state of it, to be put in this place.

        Raises:
            DataRefused: see `port.Database.read`.
        """


class Backup(Protocol):
    """An open backup, and the place for which it is meant."""

    @property
    def library(self) -> Library:
        """The backup itself."""

    def live(self) -> AbstractContextManager[Live]:
        """Open the database that the backup is to replace; see `Place.read`."""

    def put_in_place(self, *, damaged: bool, told: Callable[[int, int], None]) -> None:
        """Give the database the content of the backup; `told` hears bytes done and bytes in all.

        Whoever has it open sees either all of the old content or all of the new one; so does whoever opens it after a
        kill. With `damaged` nothing of what stands there is looked at.

        Raises:
            NotFinished: somebody held the database for too long; nothing was changed.
            StorageFailed: the disk is full or fails.
            Stopped: `told` raised it; nothing was changed.
        """


class Live(Protocol):
    """The open database beside its backup."""

    @property
    def library(self) -> Library:
        """The database itself."""

    def require_fit(self) -> None:
        """Check that the backup can be put in its place.

        Raises:
            DataRefused: it cannot.
        """

    def compare(self) -> Comparison:
        """Return what the database has beside its backup, in one state of both."""
