"""How the embedders of a file's vectors were configured, as the file has kept it, and whether that is believed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from ai_memory.config.keeping import to_keep
from ai_memory.config.kept import believed, read_kept
from ai_memory.errors import AiMemoryError, EmbedderInitFailed
from ai_memory.frozen import Frozen
from ai_memory.system.trusted_file import trusted_users

if TYPE_CHECKING:
    from ai_memory.config.settings import Settings
    from ai_memory.show.console import Console
    from ai_memory.stores.memory_port import Library
    from ai_memory.stores.values import KeptTarget


Opening = Callable[..., AbstractContextManager["Library"]]
"""See `stores.opening.reading`."""


class KeptSettings(Frozen):
    """What the file has kept for the vectors of a space; `used` says whether that embedder is asked, or why not."""

    space: str
    dim: int
    settings: Mapping[str, str | int]
    used: str


def kept_settings(settings: Settings, console: Console, reading: Opening) -> list[KeptSettings]:
    """Return what the database has kept of other embedders of its vectors than the configured one, the latest first."""
    path, own = settings.db.value, to_keep(settings.embedding)
    try:
        if not path.exists():
            return []
        with reading(path, tell=console.note) as library:
            known = library.store.targets.kept()
    except AiMemoryError as error:
        console.note(f"What {path} has kept of its embedders is not shown: {error.line()}")
        return []
    return [_kept(each, settings) for each in known if each.settings not in ("", own)]


def _kept(target: KeptTarget, settings: Settings) -> KeptSettings:
    values: Mapping[str, str | int] = {}
    try:
        kept = read_kept(target.settings, settings.db.value, settings.config, settings.environ)
        values = kept.values
        own = [each for each in (settings.embedding, settings.previous) if each]
        believed(kept, own, trusted_users(settings.environ))
    except EmbedderInitFailed as error:
        return KeptSettings(target.space, target.dim, values, f"not asked: {error.line()}")
    return KeptSettings(target.space, target.dim, values, "asked by recall while there are vectors of its own")
