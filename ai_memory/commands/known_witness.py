"""What a database knows of a target's witness texts: by it the engines of local models are told right from wrong."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from ai_memory.embed.terms import Ties
from ai_memory.errors import AiMemoryError
from ai_memory.reembed.plan.targets import known_fingerprint, recorded_target

if TYPE_CHECKING:
    from ai_memory.config.embedding import EmbeddingSettings
    from ai_memory.stores.memory_port import Library
    from ai_memory.stores.port import Reader
    from ai_memory.vectors.target import Target

Witness = Callable[["Target"], bytes | None]


def local_ties(settings: EmbeddingSettings, witness: Witness, tell: Callable[[str], None]) -> Ties:
    """Return what ties a local embedder to a database; `tell` hears of engines that are not used.

    An embedder that asks an endpoint is tied to nothing.
    """
    return Ties(witness=witness, tell=tell) if settings.is_local else Ties()


def witness_in(store: Reader) -> Witness:
    """Return what looks up the vectors of a target's witness texts in an open database, None where it has none."""

    def find(target: Target) -> bytes | None:
        known = known_fingerprint(store, recorded_target(store, target))
        return known.witness if known else None

    return find


def witness_of(opened: Callable[[], AbstractContextManager[Library]]) -> Witness:
    """Return what looks them up, from any thread, in a database that is opened for it.

    It returns None also where that cannot be read: then another step says so.
    """

    def find(target: Target) -> bytes | None:
        try:
            with opened() as library:
                return witness_in(library.store)(target)
        except AiMemoryError:
            return None

    return find
