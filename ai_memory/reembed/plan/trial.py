"""Tries, before a text is paid for, whether the database takes the target's vectors: its own schema may forbid it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ai_memory.errors import DataRefused
from ai_memory.memory.freshness import Document, Freshness, classify, examine
from ai_memory.memory.reason import unwritable
from ai_memory.memory.text_codec import printable
from ai_memory.reembed.writes import rehearse_documents
from ai_memory.text.amounts import counted

if TYPE_CHECKING:
    from ai_memory.memory.freshness import Unfit
    from ai_memory.reembed.plan.census import Census
    from ai_memory.stores.port import Reader, Store, Transaction
    from ai_memory.vectors.target import Fingerprint

BLOCK = 256
"""Rows read and tried one after the other."""


def require_updates(store: Reader) -> None:
    """Check that nothing in the schema keeps every vector out, as far as that is seen without writing.

    Raises:
        DataRefused: a trigger or a constraint needs what only some application has.
        WordIndexUnusable: each vector rewrites the word index, which is damaged.
    """
    if why := store.memories.refused_updates():
        what = f"{store.name} takes no vector: {why}. No text was sent."
        raise DataRefused(what, tip=store.memories.look_at_schema)


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
            refusing[each.id] = each.unfit(unwritable(words[each.id]))
    if refusing and not census.fresh:
        raise refused_by_all(store, {each.id: each.reason.message for each in refusing.values()}, "No text was sent.")
    return list(refusing.values())


def refused_by_all(store: Reader, words: Mapping[str, str], so: str) -> DataRefused:
    """Return the error of a database that refuses each of the rows, with its `words` by id; `so` is what follows."""
    first, why = next(iter(words.items()))
    return DataRefused(
        f"{store.name} takes no vector in any of {counted(len(words), 'row')}. "
        f"The first is {printable(first)}: {why.rstrip('.')}. {so}",
        tip=store.memories.look_at_schema,
    )


def _documents(
    store: Reader, known: Fingerprint | None, census: Census, wanted: set[Freshness]
) -> Iterator[list[Document]]:
    """Yield documents of rows that are to be written, in blocks: the few that the census named, then all."""
    target, traits = known.id if known else None, store.memories.traits

    def of(ids: Sequence[str]) -> list[Document]:
        rows = store.memories.rows_by_id(ids, target=target)
        due = [row for row in rows if row.live and classify(row, known, traits) in wanted]
        return [found for found in map(examine, due) if isinstance(found, Document)]

    for row_id in census.first_stale:
        yield of([row_id])
    for namespace in census.live_by_namespace:
        after = None
        while ids := store.memories.ids_after(namespace, after, limit=BLOCK):
            yield of(ids)
            after = ids[-1]
