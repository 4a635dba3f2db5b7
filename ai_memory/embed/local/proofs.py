"""Remembers which engines compute a model as PyTorch does, so that it is asked once and not at each start.

What is remembered holds for these very files, this release of the library and this machine.
"""

from __future__ import annotations

from pathlib import Path

from ai_memory.embed.local.user_cache import cached, keep
from ai_memory.frozen import Frozen


class Proof(Frozen):
    """The place where it is kept that `engine`, a library with its release, computes the model in `folder` rightly."""

    folder: Path
    engine: str

    def is_there(self) -> bool:
        """Return whether it was shown before."""
        place = self._place()
        return place is not None and place.is_file()

    def keep(self, cosine: float) -> None:
        """Keep that it was shown, with the least cosine that was found."""
        keep(self._place(), {"engine": self.engine, "model": str(self.folder), "cosine": round(cosine, 9)})

    def _place(self) -> Path | None:
        return cached("engines", self.folder, self.engine)
