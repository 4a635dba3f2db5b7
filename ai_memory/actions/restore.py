"""Puts a backup back into the live database, as one transaction of SQLite's.

Not by copying the file: a log that a killed program left beside the database would be played into the copy, and
whoever has the database open would go on with a file that is no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ai_memory.errors import AiMemoryError, Damaged, DataRefused, NotFound, UsageError
from ai_memory.frozen import Frozen
from ai_memory.reembed.back_up import CopiedPages, back_up
from ai_memory.reembed.events import BackupOpened, CopyEnded, Observer, PauseKept, PauseNotKept
from ai_memory.reembed.holding import holding
from ai_memory.stores.holder import Task
from ai_memory.stores.open_options import OpenOptions

if TYPE_CHECKING:
    from ai_memory.clock import Clock
    from ai_memory.reembed.stop import Stop
    from ai_memory.stores.memory_values import Comparison
    from ai_memory.stores.place_port import Backup, Live, Place
    from ai_memory.stores.port import Reader
    from ai_memory.stores.values import Pause


class Present(Frozen):
    """What is known of the live file: its `damage` (empty: none), and what it has beside the backup (None: unknown).

    `headless`: not even its first page can be read. `rust` says that the Rust program made it. `pause` stands on it.
    """

    damage: str = ""
    headless: bool = False
    beside: Comparison | None = None
    rust: bool = False
    pause: Pause | None = None


class Loss(Frozen):
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


class Restore(Frozen):
    """One restore of `backup` into the database at `path`; the present state goes to `keep` first (None: nowhere).

    `find` returns the place of a database.
    """

    find: Callable[[Path, OpenOptions], Place]
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
        place = self.find(self.path, options)
        self._require_two_files(place)
        # Before the lock, too: beside another program's file nothing is made.
        _unreadable(self.path, place)
        self.observe(BackupOpened(self.backup))
        now_ms = self.clock.now_ms
        with (
            holding(place.database, now_ms=now_ms(), task=Task.RESTORE, damaged=True),
            _checked(place, self.backup) as backup,
        ):
            loss = self._loss(place, backup)
            self.agree(loss)
            if self.keep is not None:
                self._keep(place, self.keep, loss.present)
            self._replace(backup, loss.present)
            self._keep_pause(loss.present, _pause(backup.library.store, now_ms=now_ms()))
        return loss

    def _require_two_files(self, place: Place) -> None:
        for each in (place, self.find(self.backup, self.options)):
            each.require_findable()
        try:
            _require_live(self.path)
            _require_backup(self.backup)
            if self.path.samefile(self.backup):
                raise UsageError(f"{self.backup} is {self.path} itself.", tip="Name the file that --backup made.")
            place.require_one_name()
        except OSError as error:
            what = f"{error.filename or self.path} cannot be read: {error.strerror}."
            raise DataRefused(what, tip="Check the permissions of file and folder.") from error

    def _loss(self, place: Place, backup: Backup) -> Loss:
        present, of_backup = _examine(self.path, place, backup, now_ms=self.clock.now_ms()), backup.library
        vectors = tuple(of_backup.store.memories.stored_spaces())
        return Loss(self.path, self.backup, present, of_backup.counts.totals().memories, vectors)

    def _keep(self, place: Place, target: Path, present: Present) -> None:
        if present.headless:
            raise DataRefused(
                f"{self.path} is too damaged to be copied by --backup; nothing was changed.",
                tip=f"Leave --backup {target} out, and copy the file itself with its -wal and -journal.",
            )
        back_up(place.database, target, self.stop, self.observe)

    def _replace(self, backup: Backup, present: Present) -> None:
        told = CopiedPages(self.stop, self.observe, f"restoring {self.backup}").tell
        try:
            backup.put_in_place(damaged=present.headless, told=told)
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
            now_ms, place = self.clock.now_ms(), self.find(self.path, self.options)
            with place.database.write(now_ms=now_ms) as store, store.transaction() as transaction:
                operator = transaction.operator
                operator.pause(present.pause) if present.pause else operator.unpause()
        except AiMemoryError as error:
            self.observe(PauseNotKept(self.path, error))
        else:
            self.observe(PauseKept(self.path, paused=present.pause is not None))


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


def _require_backup(path: Path) -> None:
    if not path.exists():
        raise NotFound(f"There is no file {path}.", tip="Name the file that --backup made.")
    if not path.is_file():
        raise DataRefused(f"{path} is not a file.", tip="Name the file that --backup made.")


@contextmanager
def _checked(place: Place, path: Path) -> Iterator[Backup]:
    """Open the backup, sound from its first page to its last, and hold one state of it."""
    with ExitStack() as stack:
        try:
            backup = stack.enter_context(place.backup(path))
            backup.library.about.require_known()
            found = backup.library.about.complaints(thorough=True)
        except DataRefused as error:
            raise DataRefused(f"{error.what} Nothing was changed.", tip="Name another backup.") from error
        if found:
            raise DataRefused(f"{path} is damaged: {found[0]}. Nothing was changed.", tip="Name another backup.")
        yield backup


def _unreadable(path: Path, place: Place) -> str:
    """Return why the live file cannot be read as a memory database, empty where it can.

    Raises:
        DataRefused: it is not a memory database and never was one.
    """
    if not path.stat().st_size:
        return "it is empty"
    try:
        with place.read():
            return ""
    except Damaged as error:
        if not place.may_be_of_memories():
            raise DataRefused(
                f"{path} is neither a memory database nor what is left of one; nothing was changed.",
                tip="Move it away and make an empty one: ai-memory init; then run the same command again.",
            ) from error
        return error.what


def _pause(store: Reader, *, now_ms: int) -> Pause | None:
    """Return the pause that stands on a file, None where there is none that can be read."""
    try:
        return store.operator.pause(now_ms=now_ms)
    except DataRefused:
        return None


def _examine(path: Path, place: Place, backup: Backup, *, now_ms: int) -> Present:
    """Return what the live file is, and what it has beside the backup.

    Raises:
        DataRefused: it is not a memory database and never was one, or the backup does not fit into it.
    """
    if damage := _unreadable(path, place):
        return Present(damage, headless=True)
    try:
        with backup.live() as live:
            live.require_fit()
            complaints = live.library.about.complaints()
            damage, pause = "; ".join(complaints[:1]), _pause(live.library.store, now_ms=now_ms)
            return Present(damage, beside=_beside(live), rust=live.library.about.rust, pause=pause)
    except Damaged as error:
        return Present(error.what, headless=True)


def _beside(live: Live) -> Comparison | None:
    try:
        return live.compare()
    except Damaged:
        return None
