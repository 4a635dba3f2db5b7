"""The fingerprint of a target: the hash of everything that changes a vector."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai_memory.vectors.target import Target


def canonical_spec(target: Target) -> str:
    """Return the canonical JSON of all that changes a vector of `target`: sorted keys, no blanks."""
    spec = {
        "space": target.space,
        "dim": target.dim,
        "backend": target.backend,
        "document_prefix": target.document_prefix,
        "template_version": target.template_version,
        "normalized": target.normalized,
        "max_tokens": target.max_tokens,
        "precision": target.precision,
    }
    return json.dumps(spec, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(target: Target) -> bytes:
    """Return the sha256 of the canonical spec: 32 bytes."""
    return sha256(canonical_spec(target).encode()).digest()


def differences(recorded_spec: str, target: Target) -> list[str]:
    """Return one phrase per field in which `target` differs from a recorded spec, empty when equal."""
    recorded = json.loads(recorded_spec)
    current = json.loads(canonical_spec(target))
    return [
        f"{name}: {_shown(name, recorded.get(name))} -> {_shown(name, current.get(name))}"
        for name in sorted(recorded.keys() | current.keys())
        if recorded.get(name) != current.get(name)
    ]


def _shown(name: str, value: object) -> str:
    # No vector is 0 wide: that is how a width stands that nothing tells yet.
    return "not configured" if name == "dim" and not value else repr(value)
