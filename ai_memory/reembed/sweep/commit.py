"""Writes one page: vectors, provenance, quarantine and cursors, all in ONE transaction of the caller's.

Why one: a cursor that is committed before its vectors loses rows at a kill, one after them sends texts twice without
anybody noticing. Why each vector is compared and set by the row's own text, and not written by id: a person edits
while texts are embedded, and the vector of an old text is wrong, not old. Why a lost race writes nothing and is no
failure: the row is stale, and the next pass finds it by its hash, not by a list of ours. Why the run is held first,
by its fence: a process that slept for an hour wakes up in the middle of this, and another one has the run by then.
Why refused rows go into quarantine here and not where the endpoint refused them: only what is committed may count.
Why counters and costs are in it, too: a killed run would tell of vectors that it did not write, or of fewer requests
than it sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from ai_memory.embed.outcomes import Embedded, Outcome, Refused, Unanswered
from ai_memory.frozen import Frozen, field
from ai_memory.memory import reason
from ai_memory.memory.freshness import ATTESTED, Document
from ai_memory.reembed.sweep.commit_once import Numbered
from ai_memory.reembed.writes import attest_document, rehearse_documents, write_of
from ai_memory.stores.values import Counters, Steps
from ai_memory.vectors.blob import encode

if TYPE_CHECKING:
    from ai_memory.embed.usage import Usage
    from ai_memory.memory.reason import Reason
    from ai_memory.reembed.page import Page
    from ai_memory.reembed.sweep.journal import Journal
    from ai_memory.reembed.sweep.progressed import Traffic
    from ai_memory.reembed.work import Answered, Unwritable
    from ai_memory.stores.port import Store, Transaction
    from ai_memory.vectors.target import Fingerprint

REEMBEDDED, RACED, QUARANTINED = "reembedded", "raced", "quarantined"


def write_page(
    transaction: Transaction,
    journal: Journal,
    target: Fingerprint,
    answered: Answered,
    *,
    steps: Steps,
    traffic: Traffic,
    now_ms: int,
) -> Numbered:
    """Write a page with its cursors and return what was written, with the number of the commit.

    `steps` are the cursors to move: the page's own, or none where an earlier page is not committed.

    Raises:
        OperatorNeeded, NotFinished: the run is no longer ours; the transaction must not be committed.
        StatementRefused: the database refuses something of it; likewise.
    """
    limits, in_flight = traffic.limits, traffic.in_flight_limit
    number = journal.hold(transaction, in_flight_limit=in_flight, limits=limits, now_ms=now_ms)
    page = answered.page
    rows = _Rows(transaction, journal, target, answered.unwritable, now_ms, dict(answered.unwritten))
    written = _write(rows, answered.outcomes)
    taken = _take_again(rows, page.taken, proven=True) + _take_again(rows, page.unproven, proven=False)
    moved = rows.write([(each.document, encode(each.vector)) for each in page.moved], proven=True)
    # After the embedded ones: a twin's vector may come from this very page.
    duplicates = _write_duplicates(rows, page.duplicates)
    attested = [_attest(rows, each) for each in page.attested]
    returned = journal.put_back(transaction, page.to_put_back, unwritable=answered.unwritable)
    # What the database refuses remains to be put back, and is counted once it is.
    left_alone = [each for each, was in returned.items() if not was and each not in (answered.unwritable or {})]
    for unfit in page.unfit:
        journal.set_aside(transaction, target, unfit, unfit.reason, now_ms=now_ms)
    journal.advance(transaction, steps, now_ms=now_ms)
    counters = Counters(
        reembedded=(written + taken + duplicates).count(REEMBEDDED),
        raced=(written + taken + duplicates + moved).count(RACED),
        identical=duplicates.count(REEMBEDDED),
        attested=attested.count(ATTESTED),
        already_current=page.current,
        quarantined=(written + taken + duplicates + attested + moved).count(QUARANTINED) + len(page.unfit),
        asked_again=len(answered.asked),
        taken_again=taken.count(REEMBEDDED),
        put_back=sum(returned.values()),
        left_alone=len(left_alone),
        moved=moved.count(REEMBEDDED),
    )
    counters += spent(traffic.usage)
    reads, written_at = sum(each.reads for each in rows.done), now_ms if counters.reembedded else None
    journal.count(transaction, counters, reads=reads, written_at=written_at, rows_per_hour=traffic.rows_per_hour)
    if traffic.computing:
        journal.note_computing(transaction, traffic.computing, now_ms=now_ms)
    return Numbered(number, counters, reads, rows.unwritten)


def spent(usage: Usage) -> Counters:
    """Return what requests cost as counters of a run."""
    return Counters(texts_sent=usage.texts_sent, requests=usage.requests, retries=usage.retries, tokens=usage.tokens)


def rehearse_page(store: Store, journal: Journal, page: Page, target: Fingerprint) -> dict[str, str]:
    """Return which rows of a page the database would not give a vector or a stamp, as `rehearse_documents` does."""
    attests = {each.id: partial(attest_document, target=target, document=each) for each in page.attested}
    embedded = page.documents + page.duplicates + tuple(each.document for each in page.at_hand)
    refused = rehearse_documents(store, embedded, lambda _: target)
    returns = {each: partial(journal.put_back, ids=[each], unwritable={}) for each in page.to_put_back}
    return {**refused, **store.structure.rehearse(attests), **store.structure.rehearse(returns)}


class _Rows(Frozen):
    """The rows of one page in one transaction, which of them the database refuses, and which are `done`.

    `unwritten` are vectors that came and that their row was not given, by the hash of the text.
    """

    transaction: Transaction
    journal: Journal
    target: Fingerprint
    unwritable: Unwritable
    now_ms: int
    unwritten: dict[bytes, bytes] = field(default_factory=dict)
    done: list[Document] = field(default_factory=list)

    def write(self, vectors_of: Sequence[tuple[Document, bytes]], *, proven: bool = False) -> list[str]:
        """Write vectors and return what became of each, in any order; `proven`: they were seen to be right before."""
        if not vectors_of:
            return []
        writable = vectors_of
        if self.unwritable:
            writable = [(each, blob) for each, blob in vectors_of if not self.shut_out(each)]
        origin, place, one_by_one = self.journal.origin, self.journal.place, self.unwritable is not None
        writes = [write_of(each, blob, origin, proven=proven) for each, blob in writable]
        written = self.transaction.vectors.write(writes, self.target, one_by_one=one_by_one, place=place)
        done = [each for (each, _), was in zip(writable, written, strict=True) if was]
        self.transaction.quarantine.lift(self.target.id, [each.id for each in done])
        self.done.extend(done)
        if len(done) < len(vectors_of):
            written_ids = {each.id for each in done}
            self.unwritten.update((each.src, blob) for each, blob in vectors_of if each.id not in written_ids)
        outcomes = [REEMBEDDED if was else RACED for was in written]
        return outcomes + [QUARANTINED] * (len(vectors_of) - len(writes))

    def shut_out(self, document: Document) -> bool:
        """Put a row into quarantine if the database refuses it; return whether it does."""
        words = (self.unwritable or {}).get(document.id)
        if words is not None:
            self.quarantine(document, reason.unwritable(words))
        return words is not None

    def quarantine(self, document: Document, reason: Reason) -> None:
        """Put a row into quarantine."""
        self.journal.set_aside(self.transaction, self.target, document, reason, now_ms=self.now_ms)


def _write(rows: _Rows, outcomes: Sequence[Outcome]) -> list[str]:
    """Write the vectors that came, put the refused rows into quarantine; return what became of each, in any order."""
    vectors_of: list[tuple[Document, bytes]] = []
    refused = 0
    for each in outcomes:
        match each:
            case Refused():
                rows.quarantine(each.document, each.reason)
                refused += 1
            case Embedded():
                vectors_of.append((each.document, encode(each.vector)))
            case Unanswered():
                pass
    return [QUARANTINED] * refused + rows.write(vectors_of)


def _take_again(rows: _Rows, at_hand: Sequence[Embedded], *, proven: bool) -> list[str]:
    """Write vectors that were kept, and keep them no longer for that; return what became of each, in any order."""
    outcomes = rows.write([(each.document, encode(each.vector)) for each in at_hand], proven=proven)
    rows.transaction.undo.taken([write_of(each.document, b"") for each in at_hand], rows.target)
    return outcomes


def _write_duplicates(rows: _Rows, duplicates: Sequence[Document]) -> list[str]:
    """Write the vectors of identical texts, or share their quarantine; where no vector came they wait a pass.

    The row whose text was sent need not have its vector: it may have been edited, or the database refuses it.
    """
    outcomes: list[str] = []
    vectors_of: list[tuple[Document, bytes]] = []
    reader = rows.transaction.reader
    found = reader.memories.vectors_of({each.src for each in duplicates}, rows.target)
    for document in duplicates:
        if blob := found.get(document.src) or rows.unwritten.get(document.src):
            vectors_of.append((document, blob))
        elif reason := reader.quarantine.reason_of(rows.target.id, document.src):
            rows.quarantine(document, reason)
            outcomes.append(QUARANTINED)
    return outcomes + rows.write(vectors_of)


def _attest(rows: _Rows, document: Document) -> str:
    """Attest a row and return what became of it."""
    if rows.shut_out(document):
        return QUARANTINED
    if not attest_document(rows.transaction, rows.target, document, rows.journal.place):
        return RACED
    rows.done.append(document)
    return ATTESTED
