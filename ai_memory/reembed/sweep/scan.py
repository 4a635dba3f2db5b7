"""Walks the namespaces from their checkpoints and gathers what is stale into pages.

A page is what is embedded and committed together: up to a batch of stale documents, from as many
namespaces as it takes, with the cursors to move when it is committed. Fresh rows only move the cursor.

Rows may be named that come first. A walk meets each row once: what it met by name the namespaces pass over.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ai_memory.memory.freshness import Document, Freshness, Unfit, classify, examine
from ai_memory.reembed.page import Page
from ai_memory.reembed.sources import FromText, Source, Way, given_again
from ai_memory.reembed.sweep.already_there import is_comparable
from ai_memory.reembed.sweep.budget import Budget, Take
from ai_memory.stores.values import Checkpoint

if TYPE_CHECKING:
    from ai_memory.embed.outcomes import Embedded
    from ai_memory.memory.row import MemoryRow
    from ai_memory.stores.port import Reader
    from ai_memory.stores.values import KeptVector
    from ai_memory.vectors.target import Fingerprint

ID_BLOCK = 50_000
"""Ids read at once: a few MB. A choice of 2026-11-23, not measured."""

READ_ROWS = 256
"""Rows read at once."""

SCANNED_ROWS = 4_096
"""Rows a page passes at most, also where all are fresh: the cursor then moves this often."""

PAGE_BYTES = 8 * 1024 * 1024
"""Text a page carries at most, in bytes."""


@dataclass(frozen=True, slots=True)
class ScanOrder:
    """What a walk looks for: the target, the namespaces in order, their checkpoints, and the sizes of a page.

    `batch` is documents per page, `rows` those that it passes at most. `source` says where vectors come from.
    Where there are `ids`, those rows are looked at first, as far as they are `within` namespaces (None: in any).
    """

    target: Fingerprint
    namespaces: Sequence[str]
    checkpoints: Mapping[str, Checkpoint]
    batch: int
    source: Source = field(default_factory=FromText)
    rows: int = SCANNED_ROWS
    ids: Sequence[str] = ()
    within: Container[str] | None = None


class _Stale(NamedTuple):
    """A row that is to get a vector, its text, and where the vector comes from."""

    row: MemoryRow
    document: Document
    way: Way


_Verdict: TypeAlias = Freshness | Way | Unfit | _Stale
"""What a row is: fresh or in quarantine, left as it is (the way), without a text that can be embedded, or stale."""


class Scan:
    """One walk over the namespaces, page by page.

    The walk ends early when `budget` is spent and more is stale, or when `stopped` says so. While the budget is
    tight, the pages before must be settled before the next one is asked for.
    """

    def __init__(
        self, store: Reader, order: ScanOrder, budget: Budget | None = None, *, stopped: Callable[[], bool]
    ) -> None:
        """Prepare the walk, without a limit where there is no `budget`; `stopped` is asked before each read."""
        self._store, self._traits = store, store.memories.traits
        self._order = order
        self.budget = budget or Budget()
        self._stopped = stopped
        self._kept: Mapping[bytes, KeptVector] = {}
        self._on_their_way: set[bytes] = set()
        self._shared: set[bytes] = set()
        self._met: set[str] = set()
        self._gathering = _Gathering()
        self.stopped = False

    def pages(self) -> Iterator[Page]:
        """Yield the pages in cursor order; between two pages nothing is held open."""
        yield from self._chunks(None, self._order.ids)
        for namespace in () if self.budget.spent or self.stopped else self._order.namespaces:
            checkpoint = self._order.checkpoints.get(namespace)
            if checkpoint is None or not checkpoint.eof:
                yield from self._namespace(namespace, checkpoint.cursor_id if checkpoint else None)
            if self.budget.spent or self.stopped:
                break
        if self._gathering.steps:
            yield self._take()

    def settle(self, page: Page, *, unwritten: Collection[bytes] = ()) -> None:
        """Note that a page was committed: its vectors are found in the file from now on, but for the `unwritten`."""
        self._on_their_way.difference_update(each.src for each in page.documents if each.src not in unwritten)
        self.budget.settle([document.text for document in page.documents])

    def drop(self, page: Page) -> None:
        """Record that a page's vectors are not written: another walk finds its rows."""
        self.settle(page)
        self._shared.difference_update(document.src for document in page.documents)
        self.budget.give_back(len(page.documents))

    def _namespace(self, namespace: str, cursor: str | None) -> Iterator[Page]:
        while ids := self._store.memories.ids_after(namespace, cursor, limit=ID_BLOCK):
            yield from self._chunks(namespace, ids)
            if self.budget.spent or self.stopped:
                return
            cursor = ids[-1]
            if len(ids) < ID_BLOCK:
                break
        self._gathering.pass_end(namespace)

    def _chunks(self, namespace: str | None, ids: Sequence[str]) -> Iterator[Page]:
        for start in range(0, len(ids), READ_ROWS):
            if self._stopped():
                self.stopped = True
            if self.budget.spent or self.stopped:
                return
            yield from self._chunk(namespace, ids[start : start + READ_ROWS])

    def _chunk(self, namespace: str | None, ids: Sequence[str]) -> Iterator[Page]:
        rows = self._store.memories.rows_by_id(ids, target=self._order.target.id)
        judged = {row.id: self._judge(row) for row in self._met_now(rows, namespace)}
        if namespace is None:
            self._met.update(judged)
        self._find_vectors(judged.values())
        for row_id in ids:
            if verdict := judged.get(row_id):
                while (taken := self._gather(verdict)) is not Take.TAKEN:
                    if taken is Take.SPENT:
                        return
                    # It may have no rows: whoever takes it settles those before, and asks for the next one then.
                    yield self._take()
            self._gathering.pass_row(namespace, row_id)
            if self._full():
                yield self._take()

    def _met_now(self, rows: Sequence[MemoryRow], namespace: str | None) -> list[MemoryRow]:
        if namespace is None:
            within = self._order.within
            return [row for row in rows if row.live and (within is None or row.namespace in within)]
        raw, met = rows[0].codec.bound(namespace) if rows else b"", self._met
        return [row for row in rows if row.live and row.raw_namespace == raw and not (met and row.id in met)]

    def _judge(self, row: MemoryRow) -> _Verdict:
        order, traits = self._order, self._traits
        freshness = classify(row, order.target, traits)
        if freshness is Freshness.FRESH or (freshness is Freshness.QUARANTINED and order.source.heeds_quarantine):
            return freshness
        if (way := order.source.way(row, order.target, traits)) is Way.LEAVE:
            return way
        examined = examine(row)
        return examined if isinstance(examined, Unfit) else _Stale(row, examined, way)

    def _find_vectors(self, judged: Iterable[_Verdict]) -> None:
        """Find the stale texts whose vector need not be asked for; the store is asked once per chunk."""
        stale = (each for each in judged if isinstance(each, _Stale) and each.way is not Way.ATTEST)
        srcs = {each.document.src for each in stale if self._order.source.shares}
        coming, target = srcs & self._on_their_way, self._order.target
        self._shared = coming | self._store.memories.vectors_of(srcs - coming, target).keys()
        self._kept = self._store.targets.previous.vectors_of(srcs - self._shared, target)

    def _gather(self, judged: _Verdict) -> Take:
        """Put a row where it belongs; it is left out where it would have to be embedded and the budget has no room."""
        if isinstance(judged, _Stale):
            return self._gather_stale(judged)
        page = self._gathering
        match judged:
            case Freshness.FRESH:
                page.current += 1
            case Freshness():
                page.in_quarantine += 1
            case Way():
                page.left += 1
            case Unfit():
                page.unfit.append(judged)
        return Take.TAKEN

    def _gather_stale(self, stale: _Stale) -> Take:
        page, document = self._gathering, stale.document
        if stale.way is Way.ATTEST:
            page.attested.append(document)
        elif document.src in self._shared and self._order.source.shares:
            page.duplicates.append(document)
        elif kept := self._kept.get(document.src):
            if (taken := self.budget.take_row()) is Take.TAKEN:
                page.add_kept(document, kept)
            return taken
        else:
            return self._send(stale)
        return Take.TAKEN

    def _send(self, stale: _Stale) -> Take:
        document = stale.document
        if (taken := self.budget.take(document.text)) is Take.TAKEN:
            self._on_their_way.add(document.src)
            self._shared.add(document.src)
            page = self._gathering
            page.add(document)
            page.comparable = page.comparable or is_comparable(stale.row, self._order.target)
        return taken

    def _full(self) -> bool:
        page = self._gathering
        return len(page.documents) >= self._order.batch or page.passed >= self._order.rows or page.bytes >= PAGE_BYTES

    def _take(self) -> Page:
        page, self._gathering = self._gathering.page(), _Gathering()
        return page


@dataclass(slots=True)
class _Step:
    """How far the page being filled comes in one namespace."""

    last: str | None = None
    rows: int = 0
    eof: bool = False


@dataclass(slots=True)
class _Gathering:
    """The page being filled."""

    documents: list[Document] = field(default_factory=list)
    duplicates: list[Document] = field(default_factory=list)
    attested: list[Document] = field(default_factory=list)
    unfit: list[Unfit] = field(default_factory=list)
    current: int = 0
    in_quarantine: int = 0
    left: int = 0
    comparable: bool = False
    passed: int = 0
    bytes: int = 0
    taken: list[Embedded] = field(default_factory=list)
    unproven: list[Embedded] = field(default_factory=list)
    steps: dict[str | None, _Step] = field(default_factory=dict)

    def add_kept(self, document: Document, kept: KeptVector) -> None:
        (self.taken if kept.proven else self.unproven).append(given_again(document, kept))

    def add(self, document: Document) -> None:
        self.documents.append(document)
        self.bytes += document.size

    def pass_row(self, namespace: str | None, row_id: str) -> None:
        self.passed += 1
        step = self._step(namespace)
        step.last, step.rows = row_id, step.rows + 1

    def pass_end(self, namespace: str) -> None:
        self._step(namespace).eof = True

    def _step(self, namespace: str | None) -> _Step:
        if (step := self.steps.get(namespace)) is None:
            step = self.steps[namespace] = _Step()
        return step

    def page(self) -> Page:
        return Page(
            documents=tuple(self.documents),
            duplicates=tuple(self.duplicates),
            attested=tuple(self.attested),
            unfit=tuple(self.unfit),
            bytes=self.bytes,
            current=self.current,
            in_quarantine=self.in_quarantine,
            left=self.left,
            comparable=self.comparable,
            taken=tuple(self.taken),
            unproven=tuple(self.unproven),
            steps={name: Checkpoint(name, each.last, each.eof, each.rows) for name, each in self.steps.items()},
        )
