"""Asks the target for the witness texts before any run, as a run would ask it first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ai_memory.clock import SystemClock
from ai_memory.embed.probe import check_witness, probe
from ai_memory.reembed.plan.estimate import Probed
from ai_memory.reembed.plan.targets import known_fingerprint, recorded_target

if TYPE_CHECKING:
    from ai_memory.embed.port import ResilientEmbedder
    from ai_memory.stores.port import Reader


def ask_target(store: Reader, embedder: ResilientEmbedder, *, retarget: bool) -> Probed:
    """Ask the target for the witness texts and compare them with those it is known by; `retarget` takes any width.

    Raises:
        EmbedderInitFailed, EmbedError, EndpointUnusable: see `embed.probe.probe`.
        TargetChanged: it gives other vectors than those it is known by.
    """
    clock, recorded = SystemClock(), 0 if retarget else recorded_target(store, embedder.target).dim
    began = clock.monotonic()
    vectors = probe(embedder)
    seconds, dim = clock.monotonic() - began, int(vectors.shape[1])
    # By the width that the file knows, if it knows one: an endpoint that has another by now is found out.
    if known := known_fingerprint(store, replace(embedder.target, dim=recorded or dim)):
        check_witness(known, vectors)
    return Probed(dim, seconds)
