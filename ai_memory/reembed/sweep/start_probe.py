"""Asks for the witness texts before anything is written: does the endpoint answer, and is it the target?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ai_memory.embed.port import ONE_ATTEMPT, ResilientEmbedder
from ai_memory.embed.probe import probe, require_witness, witness_bytes
from ai_memory.frozen import Frozen
from ai_memory.reembed.breaker import CLOSED, require_due
from ai_memory.reembed.plan.approval import approve_by_hand
from ai_memory.reembed.plan.targets import enter_target
from ai_memory.reembed.sweep.believed import as_recorded
from ai_memory.vectors.witness import WITNESS_TEXTS

if TYPE_CHECKING:
    from ai_memory.clock import Clock
    from ai_memory.reembed.heartbeat import Heartbeat
    from ai_memory.reembed.options import Options
    from ai_memory.reembed.plan.taking import TakenRun
    from ai_memory.stores.port import Store
    from ai_memory.vectors.target import Fingerprint, Vectors


class StartProbe(Frozen):
    """The first requests of one invocation, or of one that goes on after its endpoint was away."""

    store: Store
    embedder: ResilientEmbedder
    options: Options
    clock: Clock
    heartbeat: Heartbeat

    def run(self, taken: TakenRun) -> Fingerprint:
        """Ask for the witness texts, compare them, keep them if the target had none, close the breaker.

        Returns the target as it is now known: with its witness, and its width where only the endpoint could tell it.

        Raises:
            BreakerOpen: no request may be sent yet.
            EmbedError, EmbedderInitFailed, EndpointUnusable: see `probe`.
            TargetChanged: the endpoint serves other weights.
            OperatorNeeded, NotFinished: the run is no longer ours.
        """
        run = self.store.runs.read(taken.run.run_id)
        canary = require_due(run, now_ms=self.clock.now_ms())
        embedder = self.embedder.with_retry_policy(ONE_ATTEMPT) if canary else self.embedder
        known = self.store.targets.read(run.target)
        # What all later answers are compared with is what each text gets by itself.
        texts = WITNESS_TEXTS[:1] if canary else WITNESS_TEXTS
        vectors = self._asked(embedder, texts, one_by_one=known.witness is None)
        if canary and known.witness is None:
            # One text cannot show that different ones get different vectors, and there is nothing to compare it with.
            canary, vectors = False, self._asked(self.embedder, one_by_one=True)
        if known.dim:
            compare = partial(self.heartbeat.asked, partial(require_witness, known, self.embedder, vectors))
            anew = partial(self._asked, self.embedder, one_by_one=True)
            vectors = as_recorded(self.store, known, vectors, compare=compare, anew=anew)
        with self.store.transaction() as transaction:
            transaction.runs.hold(taken.run, now_ms=self.clock.now_ms())
            if not known.dim:
                found = replace(self.embedder.target, dim=vectors.shape[1])
                known = enter_target(transaction, found, now_ms=self.clock.now_ms())
                transaction.runs.aim_at(run, known)
                approve_by_hand(transaction, found, self.options, now_ms=self.clock.now_ms())
            if not canary:
                transaction.targets.set_witness(known.id, witness_bytes(vectors))
            transaction.progress.set_breaker(run, CLOSED, now_ms=self.clock.now_ms())
            # Read anew: the sweep compares with the witness that was kept just now.
            return transaction.reader.targets.read(known.id)

    def _asked(
        self, embedder: ResilientEmbedder, texts: Sequence[str] = WITNESS_TEXTS, *, one_by_one: bool = False
    ) -> Vectors:
        """Return the vectors of some witness texts, with signs of life while they are awaited."""
        return self.heartbeat.asked(partial(probe, embedder, texts, one_by_one=one_by_one))
