"""Remembers which engines compute a model as PyTorch does, so that it is asked once and not at each start.

What is remembered holds for these very files, this release of the library and this machine. It may be deleted at any
time, and where it cannot be written the next process compares again.
"""

from __future__ import annotations

import json
import os
import platform
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ai_memory.embed.local.model_files import modules
from ai_memory.system.process_env import cache_home


@dataclass(frozen=True, slots=True)
class Proof:
    """The place where it is kept that `engine`, a library with its release, computes the model in `folder` rightly."""

    folder: Path
    engine: str

    def is_there(self) -> bool:
        """Return whether it was shown before."""
        place = self._place()
        return place is not None and place.is_file()

    def keep(self, cosine: float) -> None:
        """Keep that it was shown, with the least cosine that was found."""
        place = self._place()
        if place is None:
            return
        told = {"engine": self.engine, "model": str(self.folder), "cosine": round(cosine, 9)}
        part = place.with_name(f"{place.name}.{os.getpid()}")
        with suppress(OSError):
            place.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(told), encoding="utf-8")
            part.replace(place)

    def _place(self) -> Path | None:
        home = cache_home()
        return home / "ai-memory" / "engines" / f"{self._key()}.json" if home else None

    def _key(self) -> str:
        folder = self.folder.resolve()
        places = [folder, folder / "onnx", *(step.place for step in modules(folder))]
        files = {path for place in places if place.is_dir() for path in place.iterdir() if path.is_file()}
        seen = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(files)]
        return sha256(repr((self.engine, platform.node(), platform.machine(), seen)).encode()).hexdigest()[:32]
