"""The configured target, and the file's record of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ai_memory.embed.probe import probe
from ai_memory.stores.values import Identity
from ai_memory.vectors.fingerprint import canonical_spec, digest

if TYPE_CHECKING:
    from ai_memory.embed.port import Embedder
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


def known_fingerprint(store: Reader, target: Target) -> Fingerprint | None:
    """Return the file's record of a target, None where it has none."""
    return store.targets.known(identity(target))


def enter_target(transaction: Transaction, target: Target, *, now_ms: int) -> Fingerprint:
    """Return the file's record of a target, made where it has none."""
    return transaction.targets.enter(identity(target), now_ms=now_ms)


def identity(target: Target) -> Identity:
    """Return by what a file records a target."""
    return Identity(digest(target), canonical_spec(target), target.space, target.dim)
