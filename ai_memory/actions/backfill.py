"""Vectors for memories that have none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from ai_memory.clock import Clock
from ai_memory.embed.documents import embed_documents
from ai_memory.embed.outcomes import Embedded, Refused, Unanswered
from ai_memory.embed.port import ONE_ATTEMPT, ResilientEmbedder
from ai_memory.errors import EmbedError
from ai_memory.memory.freshness import Document, Freshness, Unfit, classify, examine
from ai_memory.memory.names import is_substrate
from ai_memory.memory.reason import unwritable
from ai_memory.reembed.plan.targets import enter_target, known_fingerprint, recorded_target
from ai_memory.reembed.sweep.believed import Belief, embed_beside_witness
from ai_memory.reembed.sweep.commit import rehearse_documents
from ai_memory.reembed.sweep.commit_once import Unwritable, commit_without_refused
from ai_memory.stores.port import Transaction
from ai_memory.stores.sqlite import walk
from ai_memory.stores.sqlite.memories import lacking_vectors
from ai_memory.stores.sqlite.provenance import require_word_index
from ai_memory.stores.sqlite.rehearsal import refused_updates
from ai_memory.stores.sqlite.store import Store
from ai_memory.stores.values import VectorWrite
from ai_memory.vectors import blob
from ai_memory.vectors.target import Fingerprint, Vectors

ID_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Unfilled:
    """A memory that got no vector, and why."""

    id: str
    namespace: str
    message: str


@dataclass(slots=True)
class Filled:
    """What became of some memories: `passed` were looked at.

    `embedded` got their vector; the text of `raced` changed meanwhile; `left` got none.
    """

    passed: int = 0
    embedded: int = 0
    raced: int = 0
    left: list[Unfilled] = field(default_factory=list)

    def add(self, other: Filled) -> None:
        """Add what became of other memories."""
        self.passed += other.passed
        self.embedded += other.embedded
        self.raced += other.raced
        self.left += other.left


@dataclass(frozen=True, slots=True)
class Filler:
    """Gives memories vectors of one embedder, `batch` texts a page; `origin` names the writer in their provenance."""

    store: Store
    embedder: ResilientEmbedder
    origin: str
    batch: int
    clock: Clock

    def pages(self, ids: Sequence[str]) -> Iterator[Filled]:
        """Embed the live memories of `ids` that have no vector, page by page; yield what each page brought.

        Those in ai-memory's own namespaces are left out.

        Raises:
            EmbedError: a request failed in a way that says nothing about a row; earlier pages are stored.
            EndpointUnusable: the endpoint refuses a harmless text as well, or its vectors cannot be believed.
            TargetChanged: the endpoint serves other weights than those by which the target is known.
            WordIndexUnusable: each vector rewrites the word index, which is damaged.
        """
        require_word_index(self.store)
        belief = Belief(self.store, self.embedder)
        size = max(1, min(self.batch, self.embedder.max_batch))
        for start in range(0, len(ids), size):
            page = ids[start : start + size]
            filled = Filled(passed=len(page))
            if due := self._due(self._lacking(page), filled):
                belief.require_served()
                try:
                    embedded = embed_documents(self.embedder, due)
                except EmbedError:
                    # What earlier pages paid for is kept where it can be believed.
                    with suppress(EmbedError):
                        self._write(belief.rest(self.embedder.with_retry_policy(ONE_ATTEMPT)), filled, belief.witness)
                        yield filled
                    raise
                self._write(belief.of(embedded), filled, belief.witness)
            yield filled
        last = Filled()
        self._write(belief.rest(self.embedder), last, belief.witness)
        yield last

    def renew(self, memory_id: str) -> Filled:
        """Embed one memory unless its vector is already the target's vector of its present text.

        Raises:
            TargetChanged: the endpoint serves other weights than those by which the target is known.
            EmbedError, EndpointUnusable: see `pages`.
        """
        rows = walk.rows_by_id(self.store, [memory_id], target=None)
        target = known_fingerprint(self.store, recorded_target(self.store, self.embedder.target))
        traits, filled = self.store.schema.traits, Filled()
        due = self._due([examine(row) for row in rows if classify(row, target, traits) is not Freshness.FRESH], filled)
        if due:
            self._write(embed_beside_witness(self.embedder, due, target), filled)
        return filled

    def _lacking(self, ids: Sequence[str]) -> list[Document | Unfit]:
        rows = walk.rows_by_id(self.store, ids, target=None)
        lacking = (row for row in rows if row.live and row.embedding is None)
        return [examine(row) for row in lacking if not is_substrate(row.namespace)]

    def _due(self, examined: Sequence[Document | Unfit], filled: Filled) -> list[Document]:
        """Return what is to be embedded; tell `filled` of the others."""
        unfit = [each for each in examined if isinstance(each, Unfit)]
        filled.left += [Unfilled(each.id, each.namespace, each.reason.message) for each in unfit]
        documents = [each for each in examined if isinstance(each, Document)]
        refused = self._refused(documents)
        filled.left += [_unwritable(each, refused[each.id]) for each in documents if each.id in refused]
        return [each for each in documents if each.id not in refused]

    def _refused(self, documents: Sequence[Document]) -> Mapping[str, str]:
        """Return which memories' vectors the database refuses, before their texts are sent, as far as that is seen."""
        if why := refused_updates(self.store):
            return dict.fromkeys((each.id for each in documents), why)
        dim = recorded_target(self.store, self.embedder.target).dim
        return rehearse_documents(self.store, documents, partial(self._target, dim=dim)) if dim else {}

    def _write(
        self, outcomes: Sequence[Embedded | Refused | Unanswered], filled: Filled, witness: bytes | None = None
    ) -> None:
        vectors_of: list[tuple[Document, Vectors]] = []
        for each in outcomes:
            if isinstance(each, Embedded):
                vectors_of.append((each.document, each.vector))
            else:
                why = each.reason.message if isinstance(each, Refused) else each.message
                filled.left.append(Unfilled(each.document.id, each.document.namespace, why))
        if vectors_of:
            self._write_vectors(vectors_of, filled, witness)

    def _write_vectors(
        self, vectors_of: Sequence[tuple[Document, Vectors]], filled: Filled, witness: bytes | None
    ) -> None:
        enter = partial(self._target, dim=len(vectors_of[0][1]))

        def write(transaction: Transaction, refused: Unwritable) -> list[bool]:
            writes = [
                VectorWrite(each.id, each.title, each.content, blob.encode(vector), each.src, self.origin)
                for each, vector in vectors_of
                if each.id not in (refused or {})
            ]
            target = enter(transaction)
            if witness:
                transaction.targets.set_witness(target.id, witness)
            return transaction.vectors.write(writes, target, one_by_one=refused is not None)

        documents = [each for each, _ in vectors_of]
        written, refused = commit_without_refused(
            self.store, write, lambda: rehearse_documents(self.store, documents, enter)
        )
        filled.embedded += sum(written)
        filled.raced += len(written) - sum(written)
        filled.left += [_unwritable(each, refused[each.id]) for each in documents if each.id in refused]

    def _target(self, transaction: Transaction, *, dim: int) -> Fingerprint:
        return enter_target(transaction, replace(self.embedder.target, dim=dim), now_ms=self.clock.now_ms())


def _unwritable(document: Document, words: str) -> Unfilled:
    return Unfilled(document.id, document.namespace, unwritable(words).message)


def ids_without_vector(store: Store) -> list[str]:
    """Return the ids of the live memories without a vector, without those in ai-memory's own namespaces."""
    found: list[str] = []
    after = -(2**63)
    while rows := lacking_vectors(store, after=after, limit=ID_PAGE):
        found += [memory_id for _, memory_id, namespace in rows if not is_substrate(namespace)]
        after = rows[-1][0]
    return found
