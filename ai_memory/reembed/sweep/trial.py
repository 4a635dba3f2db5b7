"""Tries, before a text is paid for, whether the database takes the target's vectors: its own schema may forbid it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ai_memory.errors import DataRefused
from ai_memory.memory.freshness import Document, Freshness, Unfit, classify, examine
from ai_memory.memory.reason import unwritable
from ai_memory.memory.text_codec import printable
from ai_memory.reembed.plan.census import Census
from ai_memory.reembed.sweep.commit import rehearse_documents
from ai_memory.stores.sqlite import walk
from ai_memory.stores.sqlite.provenance import require_word_index
from ai_memory.stores.sqlite.refusals import look_at_schema
from ai_memory.stores.sqlite.rehearsal import refused_updates
from ai_memory.stores.sqlite.store import Store, Transaction
from ai_memory.text.amounts import counted
from ai_memory.vectors.target import Fingerprint

BLOCK = 256
"""Rows read and tried one after the other."""


def require_updates(store: Store) -> None:
    """Check that nothing in the schema keeps every vector out, as far as that is seen without writing.

    Raises:
        DataRefused: a trigger or a constraint needs what only some application has.
        WordIndexUnusable: each vector rewrites the word index, which is damaged.
    """
    if why := refused_updates(store):
        what = f"{store.db.path} takes no vector: {why}. No text was sent."
        raise DataRefused(what, tip=look_at_schema(store.db.path))
    require_word_index(store)


def try_updates(
    store: Store, known: Fingerprint | None, census: Census, *, retry: bool, enter: Callable[[Transaction], Fingerprint]
) -> list[Unfit]:
    """Try stale rows (with `retry` also those in quarantine) until one takes a vector, and return those that did not.

    Every try is rolled back. `known` is the target as it stands in the file, `enter` enters it for a try.

    Raises:
        DataRefused: all of them refuse, and no row has a vector of the target's yet.
    """
    wanted = {Freshness.STALE, Freshness.QUARANTINED} if retry else {Freshness.STALE}
    refusing: dict[str, Unfit] = {}
    for documents in _documents(store, known, census, wanted):
        words = rehearse_documents(store, documents, enter)
        for each in documents:
            if each.id not in words:
                return list(refusing.values())
            refusing[each.id] = Unfit(each.id, each.namespace, each.src, unwritable(words[each.id]), each.title)
    if refusing and not census.fresh:
        raise _refused_by_all(store, list(refusing.values()))
    return list(refusing.values())


def _refused_by_all(store: Store, refusing: Sequence[Unfit]) -> DataRefused:
    first = refusing[0]
    return DataRefused(
        f"{store.db.path} takes no vector in any of {counted(len(refusing), 'row')}. "
        f"Of {printable(first.id)}, the first, {first.reason.message}. No text was sent.",
        tip=look_at_schema(store.db.path),
    )


def _documents(
    store: Store, known: Fingerprint | None, census: Census, wanted: set[Freshness]
) -> Iterator[list[Document]]:
    """Yield documents of rows that are to be written, in blocks: the few that the census named, then all."""
    target = known.id if known else None

    def of(ids: Sequence[str]) -> list[Document]:
        rows = walk.rows_by_id(store, ids, target=target)
        due = [row for row in rows if row.live and classify(row, known, store.schema) in wanted]
        return [found for found in map(examine, due) if isinstance(found, Document)]

    for row_id in census.first_stale:
        yield of([row_id])
    for namespace in census.live_by_namespace:
        after = None
        while ids := walk.ids_after(store, namespace, after, limit=BLOCK):
            yield of(ids)
            after = ids[-1]
