"""The configured target, and the file's record of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TypedDict

from ai_memory.embed.port import Embedder
from ai_memory.embed.probe import probe
from ai_memory.stores.sqlite import provenance
from ai_memory.stores.sqlite.provenance import known_widths
from ai_memory.stores.sqlite.store import Store, Transaction
from ai_memory.vectors.fingerprint import canonical_spec, digest
from ai_memory.vectors.target import Fingerprint, Target


class _Identity(TypedDict):
    digest: bytes
    spec_json: str
    space: str
    dim: int


def recorded_target(store: Store, target: Target) -> Target:
    """Return `target` with the width under which this file knows it, or as it is where nothing tells more."""
    if not target.dim:
        for known, dim in known_widths(store):
            if digest(replace(target, dim=dim)) == known:
                return replace(target, dim=dim)
    return target


def find_target(store: Store, embedder: Embedder) -> Target:
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


def known_fingerprint(store: Store, target: Target) -> Fingerprint | None:
    """Return the file's record of a target, None where it has none."""
    return provenance.known_fingerprint(store, **_identity(target))


def enter_target(transaction: Transaction, target: Target, *, now_ms: int) -> Fingerprint:
    """Return the file's record of a target, made where it has none."""
    return provenance.ensure_fingerprint(transaction, **_identity(target), now_ms=now_ms)


def _identity(target: Target) -> _Identity:
    return {
        "digest": digest(target),
        "spec_json": canonical_spec(target),
        "space": target.space,
        "dim": target.dim,
    }
