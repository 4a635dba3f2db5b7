# ruff: noqa: N802 - the names of the methods are SQLite's
"""A SQLite VFS that shows a watcher every operation on a database's files, before and after it happens.

Files are known by what stands behind the database's name: "" is the database, "-wal" its log, "-journal"
its rollback journal. The shared memory (-shm) is mapped, not written, and never outlives a crash. Files
without a name (SQLite's own temporary ones) are passed by.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Protocol

import apsw


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes written to a file at an offset."""

    file: str
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Sync:
    """A file was forced to the disk."""

    file: str


@dataclass(frozen=True, slots=True)
class Truncate:
    """A file was brought to a size."""

    file: str
    size: int


@dataclass(frozen=True, slots=True)
class Delete:
    """A file was removed."""

    file: str


Change = Write | Sync | Truncate | Delete


class Watcher(Protocol):
    """Sees every operation."""

    def before(self, call: str, file: str) -> None:
        """Hear that `call` (xRead, xWrite …) is about to happen; raises apsw.Error to make it fail."""

    def changed(self, change: Change) -> None:
        """Hear what happened."""


@dataclass(slots=True)
class Recorder:
    """Keeps what happened, in order, with the marks that a test sets in between."""

    log: list[Change | object] = field(default_factory=list)

    def before(self, call: str, file: str) -> None:
        """Let everything happen."""

    def changed(self, change: Change) -> None:
        self.log.append(change)

    def mark(self, mark: object) -> None:
        """Note that something is true from here on."""
        self.log.append(mark)


@contextmanager
def watched(name: str, database: str, watcher: Watcher) -> Iterator[str]:
    """Register a VFS that shows `watcher` the files of `database`; yields its name for `OpenOptions`."""
    vfs = WatchedVfs(name, database, watcher)
    try:
        yield name
    finally:
        vfs.unregister()


class WatchedVfs(apsw.VFS):
    """The system's VFS, watched."""

    def __init__(self, name: str, database: str, watcher: Watcher) -> None:
        super().__init__(name, "")
        self.database, self.watcher, self.lock = database, watcher, Lock()

    def suffix(self, name: str) -> str | None:
        """Return which of the database's files that is, None where it is none of them."""
        return name.removeprefix(self.database) if name.startswith(self.database) else None

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        file = None if path is None else self.suffix(path)
        if file is None:
            return apsw.VFSFile("", name, flags)
        self.watcher.before("xOpen", file)
        return WatchedFile(self, file, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        file = self.suffix(filename)
        with self.lock:
            if file is not None:
                self.watcher.before("xDelete", file)
            super().xDelete(filename, syncdir)
            if file is not None:
                self.watcher.changed(Delete(file))
                if syncdir:
                    self.watcher.changed(Sync(file))

    def excepthook(self, *_error: object) -> bool:
        """Say nothing of errors made on purpose that SQLite passes over."""
        return True


class WatchedFile(apsw.VFSFile):
    """One open file, watched."""

    def __init__(self, vfs: WatchedVfs, file: str, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self.vfs, self.file = vfs, file

    def xRead(self, amount: int, offset: int) -> bytes:
        self.vfs.watcher.before("xRead", self.file)
        return super().xRead(amount, offset)

    def xFileSize(self) -> int:
        self.vfs.watcher.before("xFileSize", self.file)
        return super().xFileSize()

    def xLock(self, level: int) -> None:
        self.vfs.watcher.before("xLock", self.file)
        super().xLock(level)

    def xWrite(self, data: bytes, offset: int) -> None:
        # Happening and noting are one step: the order of the notes is the order on the disk.
        with self.vfs.lock:
            self.vfs.watcher.before("xWrite", self.file)
            super().xWrite(data, offset)
            self.vfs.watcher.changed(Write(self.file, offset, bytes(data)))

    def xSync(self, flags: int) -> None:
        with self.vfs.lock:
            self.vfs.watcher.before("xSync", self.file)
            super().xSync(flags)
            self.vfs.watcher.changed(Sync(self.file))

    def xTruncate(self, newsize: int) -> None:
        with self.vfs.lock:
            self.vfs.watcher.before("xTruncate", self.file)
            super().xTruncate(newsize)
            self.vfs.watcher.changed(Truncate(self.file, newsize))

    def excepthook(self, *_error: object) -> bool:
        """Say nothing of errors made on purpose that SQLite passes over."""
        return True
