"""Examines a database and an embedder beside the target: what is not of it, and whether the embedder serves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.embed.probe import check_witness, probe
from ai_memory.reembed.plan.census import take_census
from ai_memory.reembed.plan.targets import known_fingerprint, recorded_target

if TYPE_CHECKING:
    from ai_memory.actions.diagnosis import Diagnosis
    from ai_memory.clock import Clock
    from ai_memory.embed.port import Embedder
    from ai_memory.stores.port import Reader
    from ai_memory.vectors.target import Target


def examine_target(store: Reader, target: Target, diagnosis: Diagnosis, *, clock: Clock) -> None:
    """Add how many live memories are not of the target: the very census of `reembed verify`."""
    resolved = recorded_target(store, target)
    census = take_census(store, known_fingerprint(store, resolved), None, now_ms=clock.now_ms())
    diagnosis.values["target"] = {"space": resolved.space, "dim": resolved.dim, "model": resolved.model}
    diagnosis.count("fresh", census.fresh)
    diagnosis.count("stale", census.stale, f" {resolved.space}")
    diagnosis.count("quarantined", census.quarantined)


def require_serving(store: Reader, embedder: Embedder) -> None:
    """Ask the embedder for the witness texts, and compare their vectors with those of a known target.

    Raises:
        AiMemoryError: it does not answer as it should.
    """
    # Before it is asked: from its answer an embedder learns the width, which is then not the recorded one.
    known = known_fingerprint(store, recorded_target(store, embedder.target))
    found = probe(embedder)
    if known is not None:
        check_witness(known, found)
