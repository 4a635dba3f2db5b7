"""What a search answers: its result for a program, and what is said of how it was searched."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ai_memory.actions.recall import Query, recall
from ai_memory.commands.left_out import tell_left_out, tell_unasked
from ai_memory.frozen import Frozen

if TYPE_CHECKING:
    from ai_memory.actions.kept_vectors import KeptVectors
    from ai_memory.actions.query_lines import QueryLine
    from ai_memory.actions.recall import Found
    from ai_memory.commands.query_embedders import Asked, QueryEmbedders
    from ai_memory.commands.teller import Teller
    from ai_memory.memory.records import Hit
    from ai_memory.stores.memory_port import Library

DEFAULT_LIMIT = 10


class Answer(Frozen):
    """What was found for a query, and with which of its vectors."""

    query: QueryLine
    asked: Asked
    found: Found

    @property
    def by(self) -> str:
        """By what was searched."""
        if not self.asked.vectors:
            return "words"
        return "meaning" if self.found.without_words else "words and meaning"

    def values(self) -> dict[str, object]:
        """Return the result as a program reads it."""
        return {
            "query": self.query.text,
            "by": self.by,
            "memories": [_values(hit) for hit in self.found.hits],
            "left_out": {reason.name.lower(): count for reason, count in self.found.left_out.items()},
            "unproven": self.found.unproven,
        }

    def tell(self, teller: Teller) -> None:
        """Say what was not asked and not compared."""
        tell_unasked(self.asked, teller)
        tell_left_out(self.found, self.asked, teller)
        if self.found.without_words:
            teller.warn(f"searching by meaning alone: {self.found.without_words.line()}")


def answer(library: Library, embedders: QueryEmbedders, query: QueryLine, kept: KeptVectors | None = None) -> Answer:
    """Return what a library has for a query, of one state of it; `kept` are vectors from one query to the next.

    Raises:
        NotFound: the namespace was never seen.
        WordIndexUnusable: the query has no vector, and the words cannot be searched.
    """
    library.listing.require_found(query.namespace)
    asked = embedders.ask(query.text)
    wanted = Query(query.text, asked.vectors, query.namespace, query.limit or DEFAULT_LIMIT)
    return Answer(query, asked, recall(library, wanted, kept))


def _values(hit: Hit) -> dict[str, object]:
    return {**asdict(hit), "score": round(hit.score, 4), "cosine": None if hit.cosine is None else round(hit.cosine, 4)}
