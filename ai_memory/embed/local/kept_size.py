"""Keeps in the user's cache which size of a forward pass was found to be the fastest."""

from __future__ import annotations

from pathlib import Path

from ai_memory.embed.local.user_cache import cached, keep, kept
from ai_memory.frozen import Frozen


class CachedSize(Frozen):
    """The place where it is kept for the model in `folder`, computed by `engine` on so many `threads` of a `device`."""

    folder: Path
    engine: str
    threads: int
    device: str

    def read(self) -> int | None:
        """Return what an earlier process found, None where there is nothing that can be read."""
        found = kept(self._place()).get("tokens")
        return found if type(found) is int else None

    def keep(self, tokens: int) -> None:
        """Keep what was found, where that can be done."""
        told = {"engine": self.engine, "threads": self.threads, "device": self.device, "model": str(self.folder)}
        keep(self._place(), {**told, "tokens": tokens})

    def _place(self) -> Path | None:
        return cached("passes", self.folder, f"{self.engine}, {self.device}, {self.threads}")
