"""Writes one page: vectors, provenance, quarantine and cursors, all for ONE transaction of the caller's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ai_memory.embed import vectors
from ai_memory.reembed.isolate import Embedded, Left
from ai_memory.reembed.judge import ATTESTED, Document
from ai_memory.reembed.window import Answered
from ai_memory.store import quarantine, runs
from ai_memory.store.opening import Store
from ai_memory.store.provenance import Fingerprint, VectorWrite, attest, vector_of_text, write_vectors
from ai_memory.store.quarantine import Reason
from ai_memory.store.values import Checkpoint, Counters, Run

REEMBED = "reembed"
REEMBEDDED, RACED, QUARANTINED = "reembedded", "raced", "quarantined"


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the requests since the last commit cost and taught, and the most texts in flight until the next one.

    `limits` is what was learned of the size of a request, None where that is nothing new.
    """

    in_flight_limit: int
    limits: Mapping[str, int] | None = None
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
    runs.hold(store, run, in_flight_limit=traffic.in_flight_limit, limits=traffic.limits, now_ms=now_ms)
    page = answered.page
    written = _write(store, target, answered.embedded, now_ms=now_ms)
    # After the embedded ones: a twin's vector may come from this very page.
    twins = _write_twins(store, target, page.twins, now_ms=now_ms)
    attested = sum(attest_document(store, target, each) for each in page.attested)
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


def _write(store: Store, target: Fingerprint, embedded: Sequence[Embedded], *, now_ms: int) -> list[str]:
    """Write the vectors that came, put the refused rows into quarantine; return what became of each, in any order."""
    vectors_of: list[tuple[Document, bytes]] = []
    refused = 0
    for each in embedded:
        if isinstance(each.outcome, Reason):
            quarantine.put(store, target.id, each.document.id, each.document.src, each.outcome, now_ms=now_ms)
            refused += 1
        elif not isinstance(each.outcome, Left):
            vectors_of.append((each.document, vectors.encode(each.outcome)))
    return [QUARANTINED] * refused + _write_blobs(store, target, vectors_of)


def _write_twins(store: Store, target: Fingerprint, twins: Sequence[Document], *, now_ms: int) -> list[str]:
    """Write the vectors of identical texts, or share their quarantine; where one was edited meanwhile wait a pass."""
    outcomes: list[str] = []
    vectors_of: list[tuple[Document, bytes]] = []
    for document in twins:
        if blob := vector_of_text(store, document.src, target):
            vectors_of.append((document, blob))
        elif reason := quarantine.reason_of(store, target.id, document.src):
            quarantine.put(store, target.id, document.id, document.src, reason, now_ms=now_ms)
            outcomes.append(QUARANTINED)
        else:
            outcomes.append(RACED)
    return outcomes + _write_blobs(store, target, vectors_of)


def _write_blobs(store: Store, target: Fingerprint, vectors_of: Sequence[tuple[Document, bytes]]) -> list[str]:
    writes = [VectorWrite(each.id, each.title, each.content, blob, each.src, REEMBED) for each, blob in vectors_of]
    written = write_vectors(store, writes, target)
    quarantine.lift(store, target.id, [each.id for each, done in zip(writes, written, strict=True) if done])
    return [REEMBEDDED if done else RACED for done in written]


def attest_document(store: Store, target: Fingerprint, document: Document) -> bool:
    """Take a row's stored vector for the target's on the operator's word; inside a transaction.

    Returns False, with nothing written, where the text changed or the vector has another width.
    """
    write = VectorWrite(document.id, document.title, document.content, b"", document.src, ATTESTED)
    return attest(store, write, target)
