"""What a server does at its start for memories that have no vector, as `backfill_on_boot` says."""

from __future__ import annotations

import threading
from contextlib import suppress
from time import monotonic, sleep
from typing import TYPE_CHECKING

from ai_memory.config.embedding import AT_ONCE, OFF
from ai_memory.errors import AiMemoryError
from ai_memory.system.hang_up import is_hung_up
from ai_memory.system.own_process import start_own
from ai_memory.text.amounts import counted

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping, Sequence

    from ai_memory.config.settings import Settings

STDIN = 0
BLOCKS_S = 30.0
"""Some clients wait a minute for a first answer, and then take the server for broken. A choice of 2026-11-27."""
LOOK_S = 0.02
LEFT = (
    "no vector. A server fills in none of these as it starts, for their texts go to the embedder in plain. "
    "A person decides that: ai-memory backfill"
)


class Boot:
    """A backfill beside the server: a process of its own, gentle, which ends with the server."""

    def __init__(self, options: Sequence[str], environ: Mapping[str, str], tell: Callable[[str], None]) -> None:
        """Begin nothing yet; the global `options` and `environ` name its files, `tell` hears what it leaves alone."""
        self._options, self._environ, self._tell = options, environ, tell
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = threading.Event()

    def begin(self, settings: Settings, *, blocks_s: float = BLOCKS_S) -> None:
        """Have missing vectors filled in where that is configured; where it is to block, return when they are.

        That is waited for `blocks_s` seconds at most, and as long as the client holds our stdin; it goes on then.

        Raises:
            EmbedderInitFailed: what is configured of it makes no sense.
        """
        when = settings.backfill_on_boot.value
        looking = threading.Thread(target=self._fill, args=(settings,), name="boot", daemon=True)
        if when != OFF:
            looking.start()
        if when == AT_ONCE:
            until = monotonic() + blocks_s
            while (looking.is_alive() or self.works) and monotonic() < until and not is_hung_up(STDIN):
                sleep(LOOK_S)

    @property
    def works(self) -> bool:
        """Whether the process that was begun is still there."""
        return self._process is not None and self._process.poll() is None

    def end(self) -> None:
        """End what still works; what it has done is kept."""
        self._ended.set()
        if self._process and self.works:
            self._process.terminate()
        if self._process and self._process.stdin:
            self._process.stdin.close()

    def _fill(self, settings: Settings) -> None:
        # Whatever is in the way is told where somebody asks for what needs it.
        with suppress(AiMemoryError, OSError):
            if _is_due(settings, self._tell) and not self._ended.is_set():
                self._process = start_own(
                    [*self._options, "--quiet", "backfill", "--without-keys"], self._environ, gently=True, bound=True
                )


def _is_due(settings: Settings, tell: Callable[[str], None]) -> bool:
    """Return whether there is something to fill in, and nothing in the way of it.

    A text that somebody encrypted is sent where a person says so, not because an agent's client starts a server: `tell`
    hears that such are left.
    """
    from ai_memory.actions.backfill import lacking
    from ai_memory.actions.served import require_served
    from ai_memory.clock import SystemClock
    from ai_memory.embed.assemble import configured_target
    from ai_memory.reembed.heartbeat import require_no_pause
    from ai_memory.reembed.plan.targets import recorded_target
    from ai_memory.stores.holder import LockState
    from ai_memory.stores.opening import database, reading

    path = settings.db.value
    target = configured_target(settings.embedding)
    if database(path).lock().state is not LockState.FREE:
        return False
    with reading(path) as library:
        require_no_pause(library.store, now_ms=SystemClock().now_ms())
        require_served(library.store, recorded_target(library.store, target))
        due, encrypted = lacking(library)
        if encrypted:
            tell(f"{counted(encrypted, 'encrypted memory has', 'encrypted memories have')} {LEFT}")
        return due > 0
