"""Builds what a disk holds after a crash, from the record of what was written to it.

A *killed* image has every write up to the crash: the system's cache outlives a process. A *power lost*
image has what was synced, and of the rest a random part, torn at sectors of 512 bytes: a disk may
reorder whatever lies between two syncs. Bytes beside those written are never harmed (SQLite assumes the
same: powersafe overwrite), and a removed file may come back until something is synced after it: then whole, for what
was written under its name since went to another file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.crash.vfs import Change, Delete, Sync, Truncate, Write

SECTOR = 512
KEPT = (0.0, 0.1, 0.5, 0.9, 1.0)
"""How much of what was not synced reaches the disk; one of these is drawn for each image."""

Image = Mapping[str, bytes]
"""The files of a database by their suffix."""


@dataclass(slots=True)
class _File:
    """One file: what is surely on the disk (None: no such file), and what was done to it since."""

    synced: bytearray | None
    cached: bytearray | None
    pending: list[Change] = field(default_factory=list)


class Disk:
    """A disk to which the changes of a record are applied one after the other."""

    def __init__(self, start: Image) -> None:
        """Begin with files that are all synced."""
        self._files = {name: _File(bytearray(data), bytearray(data)) for name, data in start.items()}

    def apply(self, change: Change) -> None:
        """Do to the disk what the record says."""
        file = self._files.setdefault(change.file, _File(None, None))
        if isinstance(change, Sync) or (isinstance(change, Delete) and change.synced):
            file.cached = file.cached if isinstance(change, Sync) else None
            file.synced = None if file.cached is None else bytearray(file.cached)
            file.pending.clear()
            return
        file.cached = _changed(file.cached, change)
        file.pending.append(change)

    def killed(self) -> Image:
        """Return what a process that starts after a SIGKILL finds."""
        return {name: bytes(file.cached) for name, file in self._files.items() if file.cached is not None}

    def power_lost(self, random: Random) -> Image:
        """Return what may be found after a loss of power, as `random` draws it."""
        kept = random.choice(KEPT)
        found = {name: _survivor(file, kept, random) for name, file in self._files.items()}
        return {name: bytes(data) for name, data in found.items() if data is not None}


def write_image(image: Image, database: Path) -> None:
    """Put the files of an image where `database` is to be, and remove every other file of its name."""
    for old in database.parent.glob(f"{database.name}*"):
        old.unlink()
    for suffix, data in image.items():
        database.with_name(database.name + suffix).write_bytes(data)


def read_image(database: Path) -> Image:
    """Return the files of a database that nobody has open, without its shared memory."""
    files = {suffix: database.with_name(database.name + suffix) for suffix in ("", "-wal", "-journal")}
    return {suffix: path.read_bytes() for suffix, path in files.items() if path.exists()}


def _survivor(file: _File, kept: float, random: Random) -> bytearray | None:
    data = None if file.synced is None else bytearray(file.synced)
    for change in _drawn(file.pending, kept, random):
        data = _changed(data, change)
    return data


def _drawn(pending: Iterable[Change], kept: float, random: Random) -> Iterator[Change]:
    for change in pending:
        if isinstance(change, Delete) and random.random() >= kept:
            return
        parts = _sectors(change) if isinstance(change, Write) else [change]
        yield from (part for part in parts if isinstance(part, Delete) or random.random() < kept)


def _sectors(write: Write) -> Iterator[Write]:
    end = write.offset + len(write.data)
    start = write.offset
    while start < end:
        stop = min(end, (start // SECTOR + 1) * SECTOR)
        yield Write(write.file, start, write.data[start - write.offset : stop - write.offset])
        start = stop


def _changed(data: bytearray | None, change: Change) -> bytearray | None:
    if isinstance(change, Delete):
        return None
    data = bytearray() if data is None else data
    if isinstance(change, Truncate):
        del data[change.size :]
        data.extend(bytes(change.size - len(data)))
    elif isinstance(change, Write):
        data.extend(bytes(max(change.offset + len(change.data) - len(data), 0)))
        data[change.offset : change.offset + len(change.data)] = change.data
    return data
