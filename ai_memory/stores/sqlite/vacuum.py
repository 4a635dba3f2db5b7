"""Gives free pages of a file back to the file system, by VACUUM.

SQLite makes a copy of the whole file, which it attaches: the one statement for which a second file may be attached.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from ai_memory.errors import DataRefused, StorageFailed
from ai_memory.stores.sqlite.file import real_path
from ai_memory.text.amounts import size

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.connection import Connection

HAS_INDEX = "SELECT count(*) FROM pragma_index_list('memories')"
FREE_SOME = "Free some room, or leave out --vacuum: what was pruned is used again by what is stored next"


def vacuum(db: Connection) -> int:
    """Write the file anew without its free pages and return by how many bytes it is smaller.

    Nobody else can write it meanwhile.

    Raises:
        StorageFailed: the disk has not the room for two copies; nothing was changed.
        DataRefused: the rows of memories would get other numbers, by which the word index knows them.
        NotFinished: another process holds the file.
    """
    if not db.value(HAS_INDEX):
        raise DataRefused(
            f"{db.path} cannot be vacuumed: its memories have no index, and would be numbered anew.",
            tip="Leave out --vacuum.",
        )
    before = _bytes(db.path)
    _require_room(db.path, before)
    # The copy is not to be made in memory.
    db.execute("PRAGMA temp_store = FILE")
    with db.handle.one_attached():
        db.execute("VACUUM")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return max(before - _bytes(db.path), 0)


def _require_room(path: Path, needed: int) -> None:
    """Check that there is room for the copy, and in the log, or the journal, for the file that it becomes."""
    wanted: Counter[int] = Counter()
    folders = {}
    for folder in (real_path(path).parent, Path(tempfile.gettempdir())):
        device = folder.stat().st_dev
        wanted[device] += needed
        folders[device] = folder
    for device, much in wanted.items():
        found = os.statvfs(folders[device])
        if found.f_bavail * found.f_frsize < much:
            raise StorageFailed(
                f"To vacuum {path} takes {size(much)} in {folders[device]}, "
                f"which has {size(found.f_bavail * found.f_frsize)}; the file is as it was.",
                tip=FREE_SOME,
            )


def _bytes(path: Path) -> int:
    """Return the bytes of a file with its log."""
    log = Path(f"{real_path(path)}-wal")
    return real_path(path).stat().st_size + (log.stat().st_size if log.exists() else 0)
