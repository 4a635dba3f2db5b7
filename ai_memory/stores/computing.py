"""How a model on this machine computes, as a value that is kept beside a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.text.amounts import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST = 200
"""Letters of an engine's name, with what it was compared with."""
MOST, SHORTEST = 2**63, 1e-6
"""Beyond all that can be, and what can still be reckoned with."""


class Computing(Frozen):
    """What one invocation computed by itself: `tokens` of texts, and `filling` ones beside them, in `seconds`.

    `engine` is the library with its release, which computes on so many `threads` (0: not known). Texts are filled up to
    the longest of those they share a forward pass with.
    """

    engine: str
    threads: int
    tokens: int
    filling: int
    seconds: float

    @property
    def tokens_per_second(self) -> int:
        """Tokens of texts a second, while it computed."""
        return round(self.tokens / self.seconds)

    @property
    def padding(self) -> float:
        """The part of what was computed that only filled texts up."""
        return round(self.filling / (self.tokens + self.filling), 4)

    def values(self) -> dict[str, object]:
        """Return the JSON object."""
        speed = {"tokens_per_second": self.tokens_per_second, "padding": self.padding}
        return {"engine": self.engine, "threads": self.threads, **speed}

    def line(self) -> str:
        """Return the words for people."""
        threads = f" on {counted(self.threads, 'thread')}" if self.threads else ""
        return (
            f"{self.engine}{threads}: {self.tokens_per_second:,} tokens/s;"
            f" {100 * self.padding:.1f} % of what it computes is padding"
        )


def computing_of(kept: Mapping[str, object]) -> Computing | None:
    """Return what was kept, None where that is not whole: it is only told, and nothing is decided by it."""
    match kept:
        case {
            "engine": str(engine),
            "threads": int(threads),
            "tokens": int(tokens),
            "filling": int(filling),
            "seconds": float(seconds),
        } if _is_name(engine) and 0 < tokens < MOST and 0 <= filling < MOST and 0 <= threads < MOST:
            return Computing(engine, threads, tokens, filling, seconds) if SHORTEST < seconds < MOST else None
        case _:
            return None


def _is_name(text: str) -> bool:
    return 0 < len(text) <= LONGEST and text.isprintable()
