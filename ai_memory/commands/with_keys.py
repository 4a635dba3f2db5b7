"""Opens the database for a command that embeds texts: with the keys of its encrypted rows at hand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ai_memory.memory.envelope import KeyFolder
from ai_memory.stores.open_options import OpenOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from ai_memory.config.settings import Settings
    from ai_memory.stores.memory_port import Library
    from ai_memory.stores.port import Database


def with_keys(settings: Settings, options: OpenOptions = OpenOptions()) -> OpenOptions:
    """Return options by which encrypted contents are opened with the keys in the configured folder."""
    return replace(options, opener=KeyFolder(settings.key_dir.value))


def database(settings: Settings, tell: Callable[[str], None]) -> Database:
    """Return the configured database for a migration; see `stores.opening.database`."""
    from ai_memory.stores import opening

    return opening.database(settings.db.value, with_keys(settings), tell=tell)


def reading(settings: Settings, tell: Callable[[str], None]) -> AbstractContextManager[Library]:
    """Open the configured database read-only; see `stores.opening.reading`."""
    from ai_memory.stores import opening

    return opening.reading(settings.db.value, tell=tell, options=with_keys(settings))
