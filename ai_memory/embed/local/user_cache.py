"""What is kept of a model in the user's cache, to be found out but once on this machine.

It may be deleted at any time, and where it cannot be written the next process finds it out again.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from ai_memory.embed.local.model_files import modules, table
from ai_memory.errors import EmbedderInitFailed
from ai_memory.system.process_env import cache_home


def cached(kind: str, folder: Path, engine: str) -> Path | None:
    """Return the file for what is kept of this `kind`, None where the user has no cache.

    It is that of the very files of the model in `folder`, of `engine`, a library with its release, and this machine.
    """
    home = cache_home()
    return home / "ai-memory" / kind / f"{model_key(folder, engine)}.json" if home else None


def kept(place: Path | None) -> Mapping[str, object]:
    """Return what is kept in a file of the cache, nothing where it is not there or cannot be read."""
    with suppress(EmbedderInitFailed, OSError):
        return table(place) if place else {}
    return {}


def keep(place: Path | None, told: Mapping[str, object]) -> None:
    """Write a file of the cache, where that can be done."""
    if place is None:
        return
    part = place.with_name(f"{place.name}.{os.getpid()}")
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(told), encoding="utf-8")
        part.replace(place)


def model_key(folder: Path, engine: str) -> str:
    """Return what tells a model's files, an engine and a machine from others: 32 hex digits."""
    folder = folder.resolve()
    places = [folder, folder / "onnx", *(step.place for step in modules(folder))]
    files = {path for place in places if place.is_dir() for path in place.iterdir() if path.is_file()}
    seen = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(files)]
    return sha256(repr((engine, platform.node(), platform.machine(), seen)).encode()).hexdigest()[:32]
