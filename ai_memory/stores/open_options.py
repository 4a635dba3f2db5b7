"""How a database is to be opened: what differs between the program, its harnesses and its tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen

if TYPE_CHECKING:
    from ai_memory.memory.envelope import Opener

BUSY_TIMEOUT_MS = 30_000
"""How long a statement waits for another writer; ai-memory's own transactions are far shorter."""


class OpenOptions(Frozen):
    """How to open: the SQLite VFS (None: the system's) and the wait for other writers, in milliseconds.

    `heed` is called many times per second while SQLite works long or waits; what it raises ends the statement. `tell`
    hears what the user should know. `receiving`: nothing is read or set, for a file that a copy will fill. `opener`
    opens encrypted texts (None: nobody does).
    """

    vfs: str | None = None
    busy_timeout_ms: int = BUSY_TIMEOUT_MS
    heed: Callable[[], None] | None = None
    tell: Callable[[str], None] = lambda _text: None
    receiving: bool = False
    opener: Opener | None = None
