"""What the job asks of a database of memories, whatever keeps it: protocols only.

From outside to inside: a `Database` is what a path leads to. It is opened as a `Reader` or as a `Store`. Only a
`Transaction` of a store has methods that write, so that a write outside of one does not type-check.

An id is a memory's id as text. `target` is the number by which the file knows a target (`Fingerprint.id`), None for one
that it has never seen. A vector is a BLOB as `vectors.blob` encodes it. Times and `now_ms` are Unix milliseconds.
Every method that reads a record of ours raises DataRefused where a column of it is damaged, and every method raises
StorageFailed where the disk fails, NotFinished where another writer holds the database for too long, and Damaged where
the database cannot be read; what else is raised is stated at the method.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from ai_memory.frozen import Frozen

if TYPE_CHECKING:
    from ai_memory.memory.row import MemoryRow
    from ai_memory.stores.holder import Holder, LockState
    from ai_memory.stores.port_reading import (
        MemoryReader,
        OperatorReader,
        QuarantineReader,
        RunReader,
        TargetReader,
    )
    from ai_memory.stores.port_writing import (
        OperatorWriter,
        ProgressWriter,
        QuarantineWriter,
        RunWriter,
        StagingWriter,
        TargetWriter,
        TellingWriter,
        UndoWriter,
        VectorWriter,
    )
    from ai_memory.stores.values import Identity, Run, Space
    from ai_memory.vectors.target import Fingerprint

T = TypeVar("T")


class Lock(Frozen):
    """What can be told of the runner's lock without taking it.

    `name` is what people call it, `holder` who took it last (None: nobody, or the note cannot be read). `find` is a
    command that finds the process which holds it, `share` one that keeps those who only read from taking it. `file` is
    the path of what stays of it when nobody holds it, None where nothing does.
    """

    name: str
    state: LockState
    holder: Holder | None
    find: str
    share: str
    file: str | None = None


class Database(Protocol):
    """What a path or a URL leads to; nothing is open yet."""

    @property
    def name(self) -> str:
        """What people call it; never with a password."""

    def read(self, *, one_state: bool = False) -> AbstractContextManager[Reader]:
        """Open it to read; nothing of it changes.

        With `one_state` all that is read is of one state, that of now, and one other thread may read it in the block.

        Raises:
            DataRefused: it is missing, is not a memory database, or is newer than this program.
            NotFinished: its writers would have to wait for `one_state`; or at the end of the block, where it was
                written while it was read without locks.
        """

    def write(self, *, now_ms: int) -> AbstractContextManager[Store]:
        """Open it to write, with our own tables brought up to date.

        Raises:
            DataRefused: see `read`; or it may not be written, or has a second name.
        """

    def hold(self, holder: Holder, *, damaged: bool = False) -> AbstractContextManager[bool]:
        """Hold the runner's lock in the block; yields False, without waiting, where another process has it.

        The lock is free the moment its holder is gone, however that ended. With `damaged` the database need not be
        sound.

        Raises:
            DataRefused: see `write`; nothing is made beside it then.
        """

    def lock(self) -> Lock:
        """Return what can be told of the lock; takes nothing."""

    def free_bytes(self) -> int | None:
        """Return how much room it has to grow; None: nothing tells."""

    def vacuum(self, *, now_ms: int) -> int:
        """Give what is free in it back to the file system, and return how many bytes that was.

        Nobody else can write it meanwhile.

        Raises:
            StorageFailed: the disk has not the room that it takes.
            DataRefused: it must not be done to this one.
        """

    def require_free(self, to: Path) -> None:
        """Check that a copy can be made at `to`.

        Raises:
            UsageError: something stands there, or there is no folder for it.
        """

    def occupied(self, path: Path) -> str:
        """Return why a path must not be written as another file, in words: it is of this database, or another one.

        Empty where it may.
        """

    def back_up(self, to: Path, *, told: Callable[[int, int], None]) -> int:
        """Copy one state of it to a new file and return its size in bytes; `told` hears bytes done and bytes in all.

        Raises:
            UsageError: something stands at `to`.
            Stopped: `told` raised it. In any error there is no file at `to`.
        """


class Reader(Protocol):
    """An open database. Each method sees what was committed last; only `consistently` sees one state throughout."""

    @property
    def name(self) -> str:
        """See `Database.name`."""

    @property
    def memories(self) -> MemoryReader:
        """The memories and their vectors."""

    @property
    def targets(self) -> TargetReader:
        """The targets that it has seen."""

    @property
    def runs(self) -> RunReader:
        """The runs of the migration."""

    @property
    def quarantine(self) -> QuarantineReader:
        """The rows that cannot be brought to a target."""

    @property
    def operator(self) -> OperatorReader:
        """What an operator has decided."""

    def consistently(self, read: Callable[[Snapshot], T]) -> T:
        """Return what `read` finds in one state of the database.

        It may be called up to four times, the first ones in vain: so it must keep nothing of an earlier call.
        """


class Snapshot(Protocol):
    """One state of a database, however long it is read."""

    def rows(self, *, target: int | None, only: Sequence[str] | None) -> Iterator[MemoryRow]:
        """Yield every addressable row once, of the namespaces `only` (None: all), in any order.

        As the target judges them, see `MemoryReader.rows_by_id`.
        """

    def unaddressable(self) -> list[tuple[str, int]]:
        """Return how many live rows have no text as id, by namespace: they can be neither named nor updated."""

    def stored_spaces(self) -> list[Space]:
        """Return what live rows declare of their vectors, with their number, the most frequent first."""

    def known(self, identity: Identity) -> Fingerprint | None:
        """See `TargetReader.known`."""

    def hottest(self, *, target: int, only: Sequence[str] | None, limit: int, now_ms: int) -> list[str]:
        """Return the ids of the live rows that are read most often and lately, the hottest first, at most `limit`.

        Of the namespaces `only` (None: all but ai-memory's own); without rows that nobody read, and without those of
        which it is recorded that they have a vector of the target's.
        """

    def listed(self, run: Run) -> list[str] | None:
        """Return the run's list of hot rows from its cursor on; None where its present pass has none."""


class Store(Reader, Protocol):
    """A database open to write."""

    @property
    def structure(self) -> Structure:
        """Its own schema: what that refuses, and what is built in it."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Hold the one write transaction: committed at the end of the block, rolled back on any error.

        Raises:
            StorageFailed: the commit failed, and nobody knows whether it is in the database: ask `committed`; or the
                database was removed or replaced.
            StatementRefused: at the end of the block, where what was written breaks a rule of the database's own.
        """

    def committed(self, run: Run | None, number: int | None) -> bool:
        """Connect anew, and return whether the commit of that number (see `RunWriter.hold`) is in the database.

        With None, where nothing had a number yet or there is no run, it only connects.

        Raises:
            StorageFailed: the database was removed or replaced.
            DataRefused: it cannot be opened any more.
        """


class Structure(Protocol):
    """What a database is built of for its memories: its schema, theirs and its owner's, and its replicas."""

    def rehearse(self, attempts: Mapping[str, Callable[[Transaction], object]]) -> dict[str, str]:
        """Try to write, each attempt of one memory by its id, and return the database's words on those it refuses.

        Every attempt is rolled back. An attempt may be called twice.
        """

    def index(self, run: Run) -> None:
        """Index what a run moved to columns of another width as the memories' own are, while others write these."""

    def replicated(self) -> tuple[int, int] | None:
        """Return how far it is written, and how far the last of its replicas has that; None: there is none.

        Raises:
            DataRefused: this user may not see it.
        """


class Transaction(Protocol):
    """An open write transaction: its methods are the only ones that write.

    After an error the database may have ended it already, so that nothing more may be written in it.
    """

    @property
    def reader(self) -> Reader:
        """Reads what was committed, and what this transaction wrote."""

    @property
    def vectors(self) -> VectorWriter:
        """Writes vectors with the record of where they come from."""

    @property
    def targets(self) -> TargetWriter:
        """Writes the records of targets."""

    @property
    def runs(self) -> RunWriter:
        """Brings a run from one state to the next."""

    @property
    def progress(self) -> ProgressWriter:
        """Keeps how far a run has come."""

    @property
    def quarantine(self) -> QuarantineWriter:
        """Puts rows into quarantine and takes them out."""

    @property
    def operator(self) -> OperatorWriter:
        """Keeps what an operator has decided."""

    @property
    def undo(self) -> UndoWriter:
        """Puts back what runs replaced."""

    @property
    def staging(self) -> StagingWriter:
        """Says which vectors are served."""

    @property
    def tellings(self) -> TellingWriter:
        """Keeps what was told."""
