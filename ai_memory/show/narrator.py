"""Makes words and bars of what happens in an invocation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.reembed.events import (
    BackupOpened,
    CopyEnded,
    Copying,
    Event,
    PageCommitted,
    PauseKept,
    PauseNotKept,
    RemedyFound,
    RowsCounted,
    RowsQuarantined,
    RowsTakenBack,
    RunBegan,
    RunEnded,
    RunTakenOver,
    SignGiven,
    Waiting,
)
from ai_memory.show.notices import QuarantineNotices
from ai_memory.text.amounts import counted

if TYPE_CHECKING:
    from ai_memory.reembed.work import Sizes
    from ai_memory.show.progress import Progress

MEGABYTE = 1_000_000


class Narrator:
    """An observer that tells by way of a progress; what a person need not know it passes over."""

    def __init__(self, progress: Progress) -> None:
        """Tell `progress`."""
        self._progress = progress
        self._notices = QuarantineNotices(progress)
        self._copied = -1
        self._counted = True

    def __call__(self, event: Event) -> None:
        """Tell what happened."""
        match event:
            case RunTakenOver():
                twice = f"at most {counted(event.texts_sent_twice, 'text is', 'texts are')} sent twice"
                self._progress.say(f"The last runner was killed, or gave up what it had sent: {twice}.")
            case RunBegan() | RowsCounted():
                self._begin(event)
            case PageCommitted() | SignGiven():
                self._get_on(event)
            case RowsQuarantined():
                self._notices.observe(event.rows)
            case RowsTakenBack() | RemedyFound():
                self._progress.grow(event.rows if isinstance(event, RowsTakenBack) and self._counted else 0)
                self._progress.say(f"ai-memory: warning: {lie_words(event)}")
            case Waiting():
                self._progress.say(f"{event.reason} Waiting {event.seconds:.0f} s for the endpoint.")
            case RunEnded():
                self._progress.end()
                self._notices.tell()
            case Copying() | CopyEnded():
                self._copy(event)
            case BackupOpened() | PauseKept() | PauseNotKept():
                self._progress.note(restore_words(event))

    def _get_on(self, event: PageCommitted | SignGiven) -> None:
        if not self._counted:
            return
        if isinstance(event, PageCommitted):
            self._progress.advance(event.rows, event.spell)
        else:
            self._progress.wait(failing=bool(event.failure))

    def _begin(self, event: RunBegan | RowsCounted) -> None:
        self._copied, self._counted = -1, event.rows is not None
        if event.rows is not None:
            self._progress.begin(total=event.rows, label=f"to {event.model}")

    def _copy(self, event: Copying | CopyEnded) -> None:
        if isinstance(event, CopyEnded):
            self._progress.end()
            self._copied = -1
            if event.size:
                self._progress.note(f"Copied to {event.target} ({event.size / MEGABYTE:,.1f} MB).")
            return
        if self._copied < 0:
            self._progress.begin(total=event.total // MEGABYTE, label=event.what, unit="MB")
            self._copied = 0
        self._progress.advance(event.done // MEGABYTE - self._copied)
        self._copied = event.done // MEGABYTE


def restore_words(event: BackupOpened | PauseKept | PauseNotKept) -> str:
    """Return the sentence on how a restore gets on."""
    match event:
        case BackupOpened():
            return f"Checking {event.backup} …"
        case PauseKept():
            stays = "stays paused, as it was" if event.paused else "is not paused, as the backup was"
            return f"{event.path} {stays}."
        case PauseNotKept():
            return f"{event.path} could not be put back to paused or not paused, as it was: {event.error.line()}"


def lie_words(event: RowsTakenBack | RemedyFound) -> str:
    """Return the sentence on what became of a lie."""
    if isinstance(event, RemedyFound):
        return remedy_words(event.sizes)
    rows = counted(event.rows, "row that was written is", "rows that were written are")
    return f"{rows} in doubt, and embedded anew: some get other vectors now."


def remedy_words(sizes: Sizes) -> str:
    """Return the sentence on how an endpoint that lied is asked from now on."""
    if most := sizes.get("inputs"):
        what = "one text per request" if most == 1 else f"{most:,} texts per request at most"
        return f"The endpoint gives texts other vectors when they share a request: {what} from now on."
    return "The endpoint gives other vectors when several requests are in flight: one at a time from now on."
