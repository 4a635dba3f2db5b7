"""Writes one page: vectors, provenance, quarantine and cursors, all for ONE transaction of the caller's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ai_memory.embed import vectors
from ai_memory.reembed.isolate import Embedded
from ai_memory.reembed.judge import ATTESTED, Document
from ai_memory.reembed.window import Answered
from ai_memory.store import quarantine, runs
from ai_memory.store.opening import Store
from ai_memory.store.provenance import Fingerprint, VectorWrite, attest, vector_of_text, write_vector
from ai_memory.store.quarantine import Reason
from ai_memory.store.runs import Checkpoint, Counters, Run

REEMBED = "reembed"
REEMBEDDED, RACED, QUARANTINED = "reembedded", "raced", "quarantined"


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the requests since the last commit cost, and the most texts in flight until the next one."""

    in_flight_limit: int
    texts_sent: int = 0
    requests: int = 0
    retries: int = 0
    tokens: int = 0


def write_page(
    store: Store,
    run: Run,
    target: Fingerprint,
    answered: Answered,
    *,
    steps: Mapping[str, Checkpoint],
    traffic: Traffic,
    now_ms: int,
) -> Counters:
    """Write a page with its cursors and return what was written; inside a transaction.

    `steps` are the cursors to move: the page's own, or none where an earlier page is not committed.

    Raises:
        NotFinished: the run is no longer ours; the transaction must not be committed.
    """
    runs.hold(store, run, in_flight_limit=traffic.in_flight_limit, now_ms=now_ms)
    page = answered.page
    written = [_write(store, target, each, now_ms=now_ms) for each in answered.embedded]
    # After the embedded ones: a twin's vector may come from this very page.
    twins = [_write_twin(store, target, each, now_ms=now_ms) for each in page.twins]
    attested = sum(_attest(store, target, each) for each in page.attested)
    for unfit in page.unfit:
        quarantine.put(store, target.id, unfit.id, unfit.src, unfit.reason, now_ms=now_ms)
    runs.advance(store, run, steps, now_ms=now_ms)
    counters = Counters(
        reembedded=written.count(REEMBEDDED) + twins.count(REEMBEDDED),
        raced=written.count(RACED) + twins.count(RACED),
        identical=twins.count(REEMBEDDED),
        attested=attested,
        already_current=page.current,
        quarantined=written.count(QUARANTINED) + twins.count(QUARANTINED) + len(page.unfit),
        texts_sent=traffic.texts_sent,
        requests=traffic.requests,
        retries=traffic.retries,
        tokens=traffic.tokens,
    )
    runs.count(store, run, counters)
    return counters


def _write(store: Store, target: Fingerprint, each: Embedded, *, now_ms: int) -> str:
    document, outcome = each.document, each.outcome
    if isinstance(outcome, Reason):
        quarantine.put(store, target.id, document.id, document.src, outcome, now_ms=now_ms)
        return QUARANTINED
    return _write_blob(store, target, document, vectors.encode(outcome))


def _write_twin(store: Store, target: Fingerprint, document: Document, *, now_ms: int) -> str:
    """Write the vector of an identical text, or share its quarantine; where it was edited meanwhile wait a pass."""
    if blob := vector_of_text(store, document.src, target):
        return _write_blob(store, target, document, blob)
    if reason := quarantine.reason_of(store, target.id, document.src):
        quarantine.put(store, target.id, document.id, document.src, reason, now_ms=now_ms)
        return QUARANTINED
    return RACED


def _write_blob(store: Store, target: Fingerprint, document: Document, blob: bytes) -> str:
    write = VectorWrite(document.id, document.title, document.content, blob, document.src, REEMBED)
    if not write_vector(store, write, target):
        return RACED
    quarantine.lift(store, target.id, [document.id])
    return REEMBEDDED


def _attest(store: Store, target: Fingerprint, document: Document) -> bool:
    write = VectorWrite(document.id, document.title, document.content, b"", document.src, ATTESTED)
    return attest(store, write, target)
