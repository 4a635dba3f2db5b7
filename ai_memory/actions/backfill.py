"""Vectors for memories that have none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from ai_memory.embed.outcomes import Outcome, Refused, Unanswered, embedded_of
from ai_memory.embed.probe import witness_bytes
from ai_memory.errors import OperatorNeeded
from ai_memory.memory.freshness import Document, Freshness, Unfit, classify, examine
from ai_memory.memory.names import is_substrate
from ai_memory.memory.reason import Reason, unwritable
from ai_memory.memory.text_codec import printable
from ai_memory.reembed.events import PageCommitted
from ai_memory.reembed.heartbeat import NoSigns
from ai_memory.reembed.options import Options
from ai_memory.reembed.page import Page
from ai_memory.reembed.plan.targets import enter_target, known_fingerprint, recorded_target
from ai_memory.reembed.sources import FromTextWhereNone
from ai_memory.reembed.sweep.believed import embed_beside_witness, witnessed
from ai_memory.reembed.sweep.budget import Budget
from ai_memory.reembed.sweep.committer import Committer
from ai_memory.reembed.sweep.joined import joined
from ai_memory.reembed.sweep.journal import Unrecorded
from ai_memory.reembed.sweep.refusal_guard import RefusalGuard
from ai_memory.reembed.sweep.scan import READ_ROWS, Scan, ScanOrder
from ai_memory.reembed.sweep.schedule import Schedule
from ai_memory.reembed.work import Answered
from ai_memory.reembed.writes import rehearse_documents
from ai_memory.stores.sqlite import walk
from ai_memory.stores.sqlite.memories import lacking_vectors
from ai_memory.stores.sqlite.rehearsal import refused_updates, require_word_index
from ai_memory.stores.values import Counters

if TYPE_CHECKING:
    from ai_memory.embed.port import ResilientEmbedder
    from ai_memory.reembed.tools import SweepTools
    from ai_memory.reembed.work import Workers
    from ai_memory.stores.port import Transaction
    from ai_memory.stores.sqlite.store import Store
    from ai_memory.vectors.target import Fingerprint, Target

ID_PAGE = 1_000
LEAST_PAGE = 20
"""Rows of a page at least: of each of the first pages one is asked again."""


Aside = tuple[Document | Unfit, Reason]
"""A row that gets no vector, and why."""


@dataclass(frozen=True, slots=True)
class Unfilled:
    """A memory that got no vector, and why."""

    id: str
    namespace: str
    message: str


@dataclass(slots=True)
class Filled:
    """What became of some memories.

    `embedded` got their vector; the text of `raced` changed meanwhile; `left` got none.
    """

    embedded: int = 0
    raced: int = 0
    left: list[Unfilled] = field(default_factory=list)

    def add(self, counters: Counters, aside: Iterable[Aside], unanswered: Iterable[Unanswered]) -> None:
        """Add what was written, the rows that get no vector, and those that nobody embedded."""
        self.embedded += counters.reembedded
        self.raced += counters.raced
        self.left += [Unfilled(row.id, row.namespace, reason.message) for row, reason in aside]
        self.left += [Unfilled(each.document.id, each.document.namespace, each.message) for each in unanswered]


@dataclass(frozen=True, slots=True)
class Filler:
    """Gives memories vectors of one embedder, `batch` texts per page; `origin` names the writer in their provenance."""

    store: Store
    embedder: ResilientEmbedder
    origin: str
    batch: int
    tools: SweepTools

    def fill(self, ids: Sequence[str], workers: Workers, filled: Filled) -> None:
        """Sweep over the live memories of `ids` that have no vector; `filled` is told what became of them.

        Those in ai-memory's own namespaces are left out.

        Raises:
            EmbedError: a request failed in a way that says nothing about a row; earlier pages are stored.
            EndpointUnusable: the endpoint refuses a harmless text as well, or its vectors cannot be believed.
            TargetChanged: the endpoint serves other weights than those by which the target is known.
            WordIndexUnusable: each vector rewrites the word index, which is damaged.
        """
        require_word_index(self.store)
        due: list[str] = []
        for start in range(0, len(ids), READ_ROWS):
            chunk = ids[start : start + READ_ROWS]
            found = [each.id for each in self._due(self._lacking(chunk), filled)]
            self.tools.observe(PageCommitted(len(chunk) - len(found)))
            due += found
        if due:
            self._sweep(due, workers, filled)

    def renew(self, memory_id: str) -> Filled:
        """Embed one memory unless its vector is already the target's vector of its present text.

        Raises:
            TargetChanged: the endpoint serves other weights than those by which the target is known.
            EmbedError, EndpointUnusable: see `fill`.
        """
        rows = walk.rows_by_id(self.store, [memory_id], target=None)
        known = known_fingerprint(self.store, recorded_target(self.store, self.embedder.target))
        traits, filled = self.store.schema.traits, Filled()
        due = self._due([examine(row) for row in rows if classify(row, known, traits) is not Freshness.FRESH], filled)
        if due:
            self._write(due, embed_beside_witness(self.embedder, due, known), filled)
        return filled

    def _sweep(self, ids: Sequence[str], workers: Workers, filled: Filled) -> None:
        store, tools, batch = self.store, self.tools, max(self.batch, LEAST_PAGE)
        target = self._served()
        journal, committer = self._committer(target)
        signs, schedule = NoSigns(tools.stop), Schedule(rows=len(ids), batch=batch)
        sweep = joined(committer, Options(batch=batch), tools, workers, signs, schedule, RefusalGuard())
        order, budget = ScanOrder(target, (), {}, batch, FromTextWhereNone(), ids=ids), Budget()
        try:
            while not sweep.over(Scan(store, order, budget, stopped=tools.stop.requested), budget):
                journal.aside.clear()
        finally:
            filled.add(committer.counters, journal.aside.values(), sweep.left.values())

    def _served(self) -> Fingerprint:
        """Return the target, once the endpoint has shown that it serves it."""
        vectors = witnessed(self.store, self.embedder)
        with self.store.transaction() as transaction:
            target = self._target(transaction, dim=vectors.shape[1])
            transaction.targets.set_witness(target.id, witness_bytes(vectors))
            return transaction.reader.targets.read(target.id)

    def _write(self, due: Sequence[Document], outcomes: Sequence[Outcome], filled: Filled) -> None:
        counters = Counters()
        aside: Iterable[Aside] = [(each.document, each.reason) for each in outcomes if isinstance(each, Refused)]
        if found := embedded_of(outcomes):
            with self.store.transaction() as transaction:
                target = self._target(transaction, dim=len(found[0].vector))
            journal, committer = self._committer(target)
            committer.commit(Answered(Page(tuple(due)), tuple(outcomes)), {}, in_flight=0)
            # Those that the database refused are among them.
            counters, aside = committer.counters, journal.aside.values()
        filled.add(counters, aside, [each for each in outcomes if isinstance(each, Unanswered)])

    def _committer(self, target: Fingerprint) -> tuple[Unrecorded, Committer]:
        journal = Unrecorded(self.origin)
        return journal, Committer(self.store, journal, target, self.tools)

    def _lacking(self, ids: Sequence[str]) -> list[Document | Unfit]:
        rows = walk.rows_by_id(self.store, ids, target=None)
        lacking = (row for row in rows if row.live and row.embedding is None)
        return [examine(row) for row in lacking if not is_substrate(row.namespace)]

    def _due(self, examined: Sequence[Document | Unfit], filled: Filled) -> list[Document]:
        """Return what is to be embedded; tell `filled` of the others."""
        documents = [each for each in examined if isinstance(each, Document)]
        refused = self._refused(documents)
        aside = [
            (each, each.reason if isinstance(each, Unfit) else unwritable(refused[each.id]))
            for each in examined
            if isinstance(each, Unfit) or each.id in refused
        ]
        filled.add(Counters(), aside, ())
        return [each for each in documents if each.id not in refused]

    def _refused(self, documents: Sequence[Document]) -> Mapping[str, str]:
        """Return which memories' vectors the database refuses, before their texts are sent, as far as that is seen."""
        if why := refused_updates(self.store):
            return dict.fromkeys((each.id for each in documents), why)
        dim = recorded_target(self.store, self.embedder.target).dim
        return rehearse_documents(self.store, documents, partial(self._target, dim=dim)) if dim else {}

    def _target(self, transaction: Transaction, *, dim: int) -> Fingerprint:
        return enter_target(transaction, replace(self.embedder.target, dim=dim), now_ms=self.tools.clock.now_ms())


def require_served(store: Store, target: Target) -> None:
    """Check that most vectors of the file are of the target's space: it is served in that.

    Raises:
        OperatorNeeded: they are not.
    """
    spaces = [(space, dim) for space, dim, _ in walk.stored_spaces(store) if space]
    if not spaces:
        return
    space, dim = spaces[0]
    if space != target.space or (dim and target.dim and dim != target.dim):
        wide = f", {target.dim} wide" if target.dim else ""
        raise OperatorNeeded(
            f"{store.db.path} is served in {printable(space)}, {dim or 'unknown'} wide, and the configured target is "
            f"{target.space}{wide}; no vector was added.",
            tip="Bring the whole file to the target: ai-memory reembed",
        )


def ids_without_vector(store: Store) -> list[str]:
    """Return the ids of the live memories without a vector, without those in ai-memory's own namespaces."""
    found: list[str] = []
    after = -(2**63)
    while rows := lacking_vectors(store, after=after, limit=ID_PAGE):
        found += [memory_id for _, memory_id, namespace in rows if not is_substrate(namespace)]
        after = rows[-1][0]
    return found
