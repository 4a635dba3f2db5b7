"""The configured target, as far as it is known, recorded or told by its endpoint, and the file's record of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ai_memory.embed.port import ONE_ATTEMPT
from ai_memory.embed.probe import probe
from ai_memory.errors import AiMemoryError
from ai_memory.reembed.breaker import believed_until
from ai_memory.stores.values import Identity, Run
from ai_memory.vectors.fingerprint import canonical_spec, digest
from ai_memory.vectors.witness import WITNESS_TEXTS

if TYPE_CHECKING:
    from ai_memory.embed.port import Embedder, ResilientEmbedder
    from ai_memory.stores.port import Reader, Transaction
    from ai_memory.vectors.target import Fingerprint, Target


def recorded_target(store: Reader, target: Target) -> Target:
    """Return `target` with the width under which this file knows it, or as it is where nothing tells more."""
    if not target.dim:
        for known, dim in store.targets.widths():
            if digest(replace(target, dim=dim)) == known:
                return replace(target, dim=dim)
    return target


def find_target(store: Reader, embedder: Embedder) -> Target:
    """Return the target with its width as configured, known or recorded in the file; 0 where only a request can tell.

    A local model whose files do not tell all that changes a vector is loaded, and tells it.

    Raises:
        EmbedderInitFailed: that model cannot be loaded.
    """
    target = recorded_target(store, embedder.target)
    if not target.is_local or (target.dim and target.max_tokens):
        return target
    dim = probe(embedder).shape[1]
    return replace(embedder.target, dim=dim)


def told_width(embedder: ResilientEmbedder, run: Run | None, *, now_ms: int) -> int:
    """Return the width of the vectors that the endpoint gives now, 0 where it gives none."""
    if run and now_ms < believed_until(run, now_ms=now_ms):
        return 0
    try:
        return int(probe(embedder.with_retry_policy(ONE_ATTEMPT), WITNESS_TEXTS[:1]).shape[1])
    except AiMemoryError:
        # The run's own probe meets that again, and knows what to do.
        return 0


def known_fingerprint(store: Reader, target: Target) -> Fingerprint | None:
    """Return the file's record of a target, None where it has none."""
    return store.targets.known(identity(target))


def has_unproven(store: Reader, target: Target) -> bool:
    """Return whether vectors of a target were written that no end has shown to be right."""
    known = known_fingerprint(store, target)
    return known is not None and bool(store.targets.unproven(known))


def enter_target(transaction: Transaction, target: Target, *, now_ms: int) -> Fingerprint:
    """Return the file's record of a target, made where it has none."""
    return transaction.targets.enter(identity(target), now_ms=now_ms)


def identity(target: Target) -> Identity:
    """Return by what a file records a target."""
    return Identity(digest(target), canonical_spec(target), target.space, target.dim, target.settings)
