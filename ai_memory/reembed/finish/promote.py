"""Moves what is served from beside the memories into them, page by page, for programs that read nothing else.

At each instant a memory has its old vector or its new one, each with its stamp; what is replaced is kept as by any run.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ai_memory.embed.outcomes import Embedded
from ai_memory.errors import NotFinished
from ai_memory.memory.freshness import ATTESTED, Document, Freshness, classify, identify
from ai_memory.memory.text_codec import printable
from ai_memory.reembed.finish.kept_walk import NOWHERE, KeptWalk
from ai_memory.reembed.finish.moving import PAGE_ROWS, Moving
from ai_memory.reembed.page import Page
from ai_memory.reembed.plan.census import take_census
from ai_memory.reembed.plan.trial import refused_by_all
from ai_memory.reembed.sweep.ending import EDITED_SINCE, Ending
from ai_memory.reembed.sweep.staging import drop_staged
from ai_memory.reembed.writes import rehearse_documents
from ai_memory.stores.values import Counted
from ai_memory.text.amounts import counted
from ai_memory.text.hints import REEMBED
from ai_memory.vectors.blob import decode

if TYPE_CHECKING:
    from ai_memory.reembed.tools import SweepTools
    from ai_memory.stores.holder import Holder
    from ai_memory.stores.port import Reader, Store
    from ai_memory.stores.values import Run, Steps
    from ai_memory.vectors.target import Fingerprint


def promote(
    store: Store,
    run: Run,
    tools: SweepTools,
    holder: Holder,
    *,
    batch: int = PAGE_ROWS,
    max_rows: int | None = None,
) -> Ending:
    """Move the vectors of a switched run as far as it goes, and end the run when all are moved."""
    target, now_ms = store.targets.read(run.target), tools.clock.now_ms()
    left = store.targets.staged.count()
    with store.transaction() as transaction:
        run = transaction.runs.take_over(run, holder, in_flight_limit=0, lost=0, breaker_until=None, now_ms=now_ms)
        transaction.staging.lay(run, target)
        was = run.counted or Counted(left, left, 0, now_ms)
        transaction.progress.note_census(run, replace(was, remaining=left, at=now_ms))

    def page(ids: list[str], steps: Steps) -> Page:
        found = _page(store, target, ids, steps)
        if not store.runs.read(run.run_id).counters.moved:
            _require_some(store, target, found)
        return found

    walk = KeptWalk(
        lambda after, limit: store.targets.staged.ids_after(after, limit=limit),
        page,
        store.runs.checkpoints(run).get(NOWHERE),
        batch=batch,
        max_rows=max_rows,
        stopped=tools.stop.requested,
        monotonic=tools.clock.monotonic,
    )
    moving = Moving(store, run, target, tools, batch)
    ending, _ = moving.over(walk, "vectors to their memories", left, finish=lambda: _finish(store, run, target, tools))
    return ending


def _page(store: Reader, target: Fingerprint, ids: list[str], steps: Steps) -> Page:
    """Return the vectors that are staged of the present texts of these memories; the others stay where they are."""
    moved: list[Embedded] = []
    attested: list[Document] = []
    for row in store.memories.rows_by_id(ids, target=target.id):
        document = identify(row._replace(reads=0))  # They are answered since the switch.
        if not row.live or classify(row, target, store.memories.traits) is not Freshness.FRESH:
            continue
        if isinstance(document, Document) and row.origin == ATTESTED:
            # It is a copy of the memory's own, on the operator's word: that is what is recorded of it.
            attested.append(document)
        elif isinstance(document, Document):
            moved.append(Embedded(document, decode(row.embedding or b"")))
    left = len(ids) - len(moved) - len(attested)
    return Page(moved=tuple(moved), attested=tuple(attested), left=left, steps=steps)


def _require_some(store: Store, target: Fingerprint, page: Page) -> None:
    """Check that the database takes one of the first vectors at least, before those beside are given up for any.

    Raises:
        DataRefused: it refuses each of them.
    """
    documents = [each.document for each in page.moved]
    words = rehearse_documents(store, documents, lambda _: target)
    if documents and len(words) == len(documents):
        raise refused_by_all(store, words, "None is moved; search serves them all the same.")


def _finish(store: Store, run: Run, target: Fingerprint, tools: SweepTools) -> Ending:
    """End the run: what could be moved is, and the memories' own vectors are served."""
    store.structure.index(run)
    now_ms = tools.clock.now_ms()
    with store.transaction() as transaction:
        transaction.runs.transition(run, "done", now_ms=now_ms, fenced=True)
        transaction.staging.serve_own()
        transaction.operator.completed(run, target, now_ms=now_ms)
        transaction.staging.exchange(run)
    drop_staged(store)
    census = take_census(store, target, run.scope, now_ms=tools.clock.now_ms())
    reason = {0: "complete", NotFinished.exit_code: EDITED_SINCE}.get(census.exit_code, "quarantine")
    with store.transaction() as transaction:
        transaction.progress.note_census(run, census.counted())
        transaction.progress.note_end(run, exit_code=census.exit_code, reason=reason, now_ms=tools.clock.now_ms())
    error = _edited(run, target, census.stale) if census.stale else None
    return Ending(run, census.exit_code, reason, census, error=error)


def _edited(run: Run, target: Fingerprint, stale: int) -> NotFinished:
    found = f"no vector of {printable(target.space)} of the present text: edited or added since the run was ready"
    rows = counted(stale, f"row has {found}", f"rows have {found}")
    return NotFinished(f"{rows}.", tip=f"With {printable(run.target_model)} in [embeddings], embed them: {REEMBED}")
