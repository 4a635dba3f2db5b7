"""What it takes to give memories of a database vectors of one embedder, be it one memory or all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.memory.freshness import Document, Freshness, Unfit, classify
from ai_memory.memory.reason import unwritable
from ai_memory.reembed.plan.targets import enter_target, has_unproven, known_fingerprint, recorded_target
from ai_memory.reembed.writes import rehearse_documents
from ai_memory.stores.values import NOTHING_KEPT, InRow, Staged

if TYPE_CHECKING:
    from ai_memory.actions.filled import Filled
    from ai_memory.embed.port import ResilientEmbedder
    from ai_memory.memory.row import MemoryRow
    from ai_memory.reembed.tools import SweepTools
    from ai_memory.stores.port import Store, Transaction
    from ai_memory.stores.values import Place
    from ai_memory.vectors.target import Fingerprint


class Filling(Frozen):
    """Vectors of one embedder for memories of one store; `origin` names the writer in their provenance.

    `require` is asked about the target before anything is written, and refuses by raising. Memories that have another
    vector by now get none but where `over` is set.
    """

    store: Store
    embedder: ResilientEmbedder
    origin: str
    tools: SweepTools
    require: Callable[[Fingerprint], None] = lambda _: None
    over: bool = False

    def due(self, examined: Sequence[Document | Unfit], filled: Filled, *, refused: str | None) -> list[Document]:
        """Return what is to be embedded; tell `filled` of the others.

        `refused` is why the database takes no vector at all, None where that is not known.

        Raises:
            SchemaRefused: see `require_place`.
        """
        documents = [each for each in examined if isinstance(each, Document)]
        refusals = dict.fromkeys((each.id for each in documents), refused) if refused else self._refusals(documents)
        filled.set_aside(
            (each, each.reason if isinstance(each, Unfit) else unwritable(refusals[each.id]))
            for each in examined
            if isinstance(each, Unfit) or each.id in refusals
        )
        return [each for each in documents if each.id not in refusals]

    def _refusals(self, documents: Sequence[Document]) -> Mapping[str, str]:
        """Return which memories' vectors the database refuses, before their texts are sent, as far as that is seen."""
        dim = recorded_target(self.store, self.embedder.target).dim
        if documents and (known := self.known()):
            self.require_place(known)
        return rehearse_documents(self.store, documents, partial(self.entered, dim=dim)) if dim else {}

    def entered(self, transaction: Transaction, *, dim: int) -> Fingerprint:
        """Return the record of the embedder's target in the width `dim`.

        Raises:
            TargetChanged: the endpoint serves other weights than those by which the target is known.
            EmbedderInitFailed: vectors of that target are not wanted.
        """
        target = enter_target(transaction, replace(self.embedder.target, dim=dim), now_ms=self.tools.clock.now_ms())
        self.require(target)
        return target

    def require_place(self, target: Fingerprint) -> None:
        """Check that vectors of the target have a place, before a text is sent for them.

        Raises:
            SchemaRefused: the memories take vectors of another width.
        """
        if not isinstance(self.place(target), Staged):
            self.store.targets.staged.require_place(target)

    def place(self, target: Fingerprint) -> Place:
        """Return where vectors of the target belong: beside the memories until a staged run to it is switched to.

        From then on in the memories, where what they replace is kept as by the run, for the way back.
        """
        run = self.store.runs.unfinished()
        if run is None or not run.staged or run.target != target.id:
            return NOTHING_KEPT
        return Staged() if run.beside else InRow(run.run_id if run.keeps_previous else None)

    def known(self) -> Fingerprint | None:
        """Return the file's record of the embedder's target, None where it has none."""
        return known_fingerprint(self.store, recorded_target(self.store, self.embedder.target))

    def is_due(self, row: MemoryRow, known: Fingerprint | None) -> bool:
        """Return whether a row is to get a vector, as it is read for the target that is `known` (None: it is not)."""
        return self.is_stale(row, known) if self.over else row.embedding is None

    def is_stale(self, row: MemoryRow, known: Fingerprint | None) -> bool:
        """Return whether a row has none of the embedder's vectors, as it is read for the target that is `known`."""
        return classify(row, known, self.store.memories.traits) is not Freshness.FRESH

    def unproven(self) -> bool:
        """Return whether vectors of the embedder's target were written that no end has shown to be right."""
        return has_unproven(self.store, recorded_target(self.store, self.embedder.target))
