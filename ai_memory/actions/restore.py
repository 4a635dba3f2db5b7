"""Puts a backup back into the live database, as one transaction of SQLite's.

Not by copying the file: a log that a killed program left beside the database would be played into the copy, and
whoever has the database open would go on with a file that is no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ai_memory.errors import AiMemoryError, Damaged, DataRefused, NotFound, UsageError
from ai_memory.reembed.back_up import CopiedPages, back_up
from ai_memory.reembed.events import BackupOpened, CopyEnded, Observer, PauseKept, PauseNotKept
from ai_memory.reembed.holding import holding
from ai_memory.stores.holder import Task
from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.opening import database, reading, writing
from ai_memory.stores.sqlite import counts, health
from ai_memory.stores.sqlite.backup import replace_by, require_fit
from ai_memory.stores.sqlite.comparison import Comparison, compare
from ai_memory.stores.sqlite.consistent import consistently
from ai_memory.stores.sqlite.file import absolute
from ai_memory.stores.sqlite.remains import may_be_of_memories
from ai_memory.stores.sqlite.schema import require_known
from ai_memory.stores.sqlite.side_file import require_one_name
from ai_memory.stores.sqlite.transactions import snapshot

if TYPE_CHECKING:
    from ai_memory.clock import Clock
    from ai_memory.reembed.stop import Stop
    from ai_memory.stores.sqlite.store import Store
    from ai_memory.stores.values import Pause


@dataclass(frozen=True, slots=True)
class Present:
    """What is known of the live file: its `damage` (empty: none), and what it has beside the backup (None: unknown).

    `headless`: not even its first page can be read. `rust` says that the Rust program made it. `pause` stands on it.
    """

    damage: str = ""
    headless: bool = False
    beside: Comparison | None = None
    rust: bool = False
    pause: Pause | None = None


@dataclass(frozen=True, slots=True)
class Loss:
    """What is told before a backup is restored: the live file, and what comes in its place.

    `vectors` are the backup's (space, dim, rows).
    """

    path: Path
    backup: Path
    present: Present
    memories: int
    vectors: tuple[tuple[str | None, int | None, int], ...]


Agree = Callable[[Loss], None]
"""Hears what is lost; refuses by raising."""


@dataclass(frozen=True, slots=True)
class Restore:
    """One restore of `backup` into the database at `path`; the present state goes to `keep` first (None: nowhere)."""

    path: Path
    backup: Path
    keep: Path | None
    agree: Agree
    stop: Stop
    observe: Observer
    clock: Clock
    options: OpenOptions = OpenOptions()

    def run(self) -> Loss:
        """Restore, and return what that took away.

        Raises:
            NotFound: there is no backup of that name.
            UsageError: the backup is the database itself, or somebody did not agree.
            RunHeld: a migration is at work.
            DataRefused: the backup is damaged or no memory database, or the live file is another program's.
            NotFinished: another writer held the database for longer than the busy timeout; nothing was changed.
            StorageFailed: the disk is full or fails.
            Stopped: somebody asked for that; nothing was changed.
        """
        options = replace(self.options, heed=self.stop.heed)
        _require_two_files(self.path, self.backup)
        # Before the lock, too: beside another program's file nothing is made.
        _unreadable(self.path, options)
        self.observe(BackupOpened(self.backup))
        with (
            holding(database(self.path, options), now_ms=self.clock.now_ms(), task=Task.RESTORE, damaged=True),
            _checked(self.backup, options) as backup,
        ):
            loss = self._loss(backup, options)
            self.agree(loss)
            if self.keep is not None:
                self._keep(self.keep, loss.present, options)
            self._replace(backup, loss.present, options)
            self._keep_pause(loss.present, _pause(backup, now_ms=self.clock.now_ms()))
        return loss

    def _loss(self, backup: Store, options: OpenOptions) -> Loss:
        present = _examine(self.path, backup, options, now_ms=self.clock.now_ms())
        vectors = tuple(backup.memories.stored_spaces())
        return Loss(self.path, self.backup, present, counts.totals(backup).memories, vectors)

    def _keep(self, target: Path, present: Present, options: OpenOptions) -> None:
        if present.headless:
            raise DataRefused(
                f"{self.path} is too damaged to be copied by --backup; nothing was changed.",
                tip=f"Leave --backup {target} out, and copy the file itself with its -wal and -journal.",
            )
        back_up(database(self.path, options), target, self.stop, self.observe)

    def _replace(self, backup: Store, present: Present, options: OpenOptions) -> None:
        told = CopiedPages(self.stop, self.observe, f"restoring {self.backup}").tell
        try:
            replace_by(self.path, backup.db, damaged=present.headless, options=options, told=told)
        finally:
            self.observe(CopyEnded(self.path))

    def _keep_pause(self, present: Present, of_backup: Pause | None) -> None:
        """Pause the file again if it was paused, and only then: a pause is the operator's present word.

        SQLite replaces the content in a transaction of its own, so this is another one. Nothing ends it early, and
        where the live file could not be read the backup's pause stands.
        """
        if present.headless or present.pause == of_backup:
            return
        try:
            now_ms = self.clock.now_ms()
            with writing(self.path, now_ms=now_ms, options=self.options) as store, store.transaction() as transaction:
                operator = transaction.operator
                operator.pause(present.pause) if present.pause else operator.unpause()
        except AiMemoryError as error:
            self.observe(PauseNotKept(self.path, error))
        else:
            self.observe(PauseKept(self.path, paused=present.pause is not None))


def _require_two_files(path: Path, backup: Path) -> None:
    for each in (path, backup):
        absolute(each)
    try:
        _require_live(path)
        if not backup.exists():
            raise NotFound(f"There is no file {backup}.", tip="Name the file that --backup made.")
        if not backup.is_file():
            raise DataRefused(f"{backup} is not a file.", tip="Name the file that --backup made.")
        if path.samefile(backup):
            raise UsageError(f"{backup} is {path} itself.", tip="Name the file that --backup made.")
        require_one_name(path)
    except OSError as error:
        what = f"{error.filename or path} cannot be read: {error.strerror}."
        raise DataRefused(what, tip="Check the permissions of file and folder.") from error


def _require_live(path: Path) -> None:
    if path.exists() and not path.is_file():
        raise DataRefused(
            f"{path} is not a file, so it is not a database.", tip="Name the database file with --db PATH."
        )
    if not path.exists():
        raise DataRefused(
            f"There is no database at {path} to restore into.",
            tip="Make an empty one: ai-memory init; then run the same command again.",
        )


@contextmanager
def _checked(path: Path, options: OpenOptions) -> Iterator[Store]:
    """Open the backup, sound from its first page to its last, and hold one state of it."""
    with ExitStack() as stack:
        try:
            store = stack.enter_context(reading(path, options=options))
            stack.enter_context(snapshot(store.db))
            require_known(path, store.schema)
            found = health.complaints(store.db, thorough=True)
        except DataRefused as error:
            raise DataRefused(f"{error.what} Nothing was changed.", tip="Name another backup.") from error
        if found:
            raise DataRefused(f"{path} is damaged: {found[0]}. Nothing was changed.", tip="Name another backup.")
        yield store


def _unreadable(path: Path, options: OpenOptions) -> str:
    """Return why the live file cannot be read as a memory database, empty where it can.

    Raises:
        DataRefused: it is not a memory database and never was one.
    """
    if not path.stat().st_size:
        return "it is empty"
    try:
        with reading(path, options=options):
            return ""
    except Damaged as error:
        if not may_be_of_memories(path):
            raise DataRefused(
                f"{path} is neither a memory database nor what is left of one; nothing was changed.",
                tip="Move it away and make an empty one: ai-memory init; then run the same command again.",
            ) from error
        return error.what


def _pause(store: Store, *, now_ms: int) -> Pause | None:
    """Return the pause that stands on a file, None where there is none that can be read."""
    try:
        return store.operator.pause(now_ms=now_ms)
    except DataRefused:
        return None


def _examine(path: Path, backup: Store, options: OpenOptions, *, now_ms: int) -> Present:
    """Return what the live file is, and what it has beside the backup.

    Raises:
        DataRefused: it is not a memory database and never was one, or the backup does not fit into it.
    """
    if damage := _unreadable(path, options):
        return Present(damage, headless=True)
    try:
        with reading(path, options=options) as live:
            require_fit(live.db, backup.db)
            complaints = health.complaints(live.db)
            damage, pause = "; ".join(complaints[:1]), _pause(live, now_ms=now_ms)
            return Present(damage, beside=_beside(live, backup), rust=live.schema.rust, pause=pause)
    except Damaged as error:
        return Present(error.what, headless=True)


def _beside(live: Store, backup: Store) -> Comparison | None:
    try:
        return consistently(live.db, lambda: compare(live, backup))
    except Damaged:
        return None
