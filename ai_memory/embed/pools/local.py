"""Worker processes on this machine, each with the model: the crew of an embedder that spreads its calls over them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ai_memory.embed.pools.crew import Crew, Words
from ai_memory.embed.pools.process import WorkerProcess
from ai_memory.errors import EmbedderInitFailed

if TYPE_CHECKING:
    from ai_memory.embed.awaited import Awaited
    from ai_memory.embed.pools.channel import Begin, Tell

SHORT_OF_MEMORY = "If this machine was short of memory, give a smaller --embedders."
WORDS = Words("process", "processes", SHORT_OF_MEMORY)


def processes(
    many: int, begin: Callable[[], Begin], awaited: Awaited, tell: Tell, *, at_once: int, max_batch: int
) -> Crew:
    """Return so many processes, each begun as `begin` says then; see `Crew`, and `WorkerProcess` for the rest."""

    def start() -> WorkerProcess:
        try:
            return WorkerProcess(begin(), awaited, tell)
        except OSError as error:
            raise EmbedderInitFailed(
                f"no process to embed can be started: {error.strerror}.", tip="Give a smaller --embedders."
            ) from error

    return Crew(many, start, at_once, max_batch, WORDS)
