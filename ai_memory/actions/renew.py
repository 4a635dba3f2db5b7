"""A vector for one memory, of its present text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ai_memory.actions.filled import Filled
from ai_memory.embed.outcomes import Outcome, Refused, Unanswered, embedded_of
from ai_memory.memory.freshness import examine
from ai_memory.reembed.page import Page
from ai_memory.reembed.sweep.believed import embed_beside_witness
from ai_memory.reembed.sweep.committer import Committer
from ai_memory.reembed.sweep.journal import Unrecorded
from ai_memory.reembed.work import Answered

if TYPE_CHECKING:
    from ai_memory.actions.filling import Filling
    from ai_memory.memory.freshness import Document


def renew(filling: Filling, memory_id: str) -> Filled:
    """Embed one memory unless its vector is already the target's vector of its present text.

    Raises:
        EmbedError: the request failed in a way that says nothing about the memory.
        EndpointUnusable: the endpoint refuses a harmless text as well, or its vectors cannot be believed.
        TargetChanged: the endpoint serves other weights than those by which the target is known.
        WordIndexUnusable: each vector rewrites the word index, which is damaged.
        SchemaRefused: the memories take vectors of another width.
    """
    memories, filled = filling.store.memories, Filled()
    known = filling.known()
    rows = memories.rows_by_id([memory_id], target=known.id if known else None)
    stale = [examine(row) for row in rows if filling.is_stale(row, known)]
    if stale and (due := filling.due(stale, filled, refused=memories.refused_updates())):
        _write(filling, due, embed_beside_witness(filling.embedder, due, known), filled)
    return filled


def _write(filling: Filling, due: Sequence[Document], outcomes: Sequence[Outcome], filled: Filled) -> None:
    if found := embedded_of(outcomes):
        with filling.store.transaction() as transaction:
            target = filling.entered(transaction, dim=len(found[0].vector))
        journal = Unrecorded(filling.origin, filling.place(target))
        committer = Committer(filling.store, journal, target, filling.tools)
        committer.commit(Answered(Page(tuple(due)), tuple(outcomes)), {}, in_flight=0)
        filled.count(committer.counters)
        # Those that the database refused are among them.
        filled.set_aside(journal.aside.values())
    else:
        filled.set_aside((each.document, each.reason) for each in outcomes if isinstance(each, Refused))
    filled.give_up(each for each in outcomes if isinstance(each, Unanswered))
