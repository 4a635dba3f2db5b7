"""The embedders of a rehearsal: the target, and those by which the rows of the sample are found now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ai_memory.actions.compare import QueryVector
from ai_memory.actions.rehearse import Question, Titled
from ai_memory.actions.unrelated import unrelated
from ai_memory.commands.embedder_errors import EMBEDDER_ERRORS
from ai_memory.commands.left_out import UNKNOWN_SPACE_TIP
from ai_memory.embed.assemble import QUICK, assemble
from ai_memory.embed.documents import embed_documents
from ai_memory.embed.outcomes import embedded_of
from ai_memory.embed.terms import Terms
from ai_memory.memory.text_codec import printable
from ai_memory.text.amounts import counted

if TYPE_CHECKING:
    from ai_memory.actions.sampled_search import InSpace
    from ai_memory.commands.embedder_choice import Choice, Chosen, Failure
    from ai_memory.commands.query_embedders import QueryEmbedders
    from ai_memory.embed.port import ResilientEmbedder
    from ai_memory.memory.freshness import Document
    from ai_memory.stores.values import KeptTarget
    from ai_memory.vectors.target import Vectors

Place = tuple[str | None, int]
"""Space and width of a vector."""
Asking = Callable[["Sequence[Choice]", "Sequence[Failure]", "Sequence[KeptTarget]"], "QueryEmbedders"]
NO_VECTORS = "No row of the sample has a vector: there is nothing to compare with."
UNSTAMPED = " Name the embedder that made them in [embeddings.previous] of the config file."


@dataclass(slots=True)
class BothEmbedders:
    """Asks the target as a run does, and the others as `recall` does.

    `places` counts the vectors of the sample. `_answering` are the embedders of those that can be searched now, each
    with what it gave for the first query; `_failed` has what others ended with, by the space of their vectors.
    """

    target: ResilientEmbedder
    chosen: Chosen
    places: Counter[Place]
    asking: Asking
    _asked: list[Choice] = field(init=False)
    _queries: QueryEmbedders = field(init=False)
    _answering: list[tuple[Choice, QueryVector]] = field(default_factory=list)
    _failed: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Leave out the embedders of other vectors than those of the sample."""
        self._asked = [each for each in self.chosen.choices[1:] if any(_may_claim(each, at) for at in self.places)]
        self._queries = self.asking(self._asked, self.chosen.refused, self.chosen.known)

    @staticmethod
    def of(target: ResilientEmbedder, chosen: Chosen, stored: Mapping[str, InSpace], asking: Asking) -> BothEmbedders:
        """Return those for the stored vectors of a sample; `asking` makes of those chosen what `recall` asks."""
        return BothEmbedders(target, chosen, Counter(each.place for each in stored.values()), asking)

    def question(self, text: str, namespace: str | None, gains: Mapping[str, int] | None = None) -> Question:
        """Return a query with its vectors.

        Raises:
            EmbedError: the target gives none.
        """
        vector = self.target.embed_query(text)
        space = self.target.target.space
        own = QueryVector(space, vector, unrelated=unrelated(self.chosen.known, space, vector))
        asked = self._queries.ask(text)
        self._failed |= {each.space: each.error.line() for each in asked.failures}
        if len(asked.vectors) < len(self._asked):
            return Question(text, namespace, own, None, gains)
        now = (own, *asked.vectors)
        self._answering = self._answering or list(zip([self.chosen.choices[0], *self._asked], now, strict=True))
        return Question(text, namespace, own, now, gains)

    def titled(
        self, stored: Mapping[str, InSpace], untitled: Sequence[Document], titles: Mapping[str, Question]
    ) -> Titled | None:
        """Return what the embedder of most stored vectors gives for rows without their titles, and for the titles.

        None where no stored vector can be searched, or where that embedder fails.
        """
        main = self._main()
        if main is None:
            return None
        number, (choice, like) = main
        rows = {name: each.vector for name, each in stored.items() if _is_like(each.place, like)}
        given = {name: each.now[number].vector for name, each in titles.items() if each.now}
        contents = self._vectors(choice, untitled, len(like.vector), own=not number)
        return Titled(rows, contents, given) if contents else None

    def _main(self) -> tuple[int, tuple[Choice, QueryVector]] | None:
        """Return the embedder of most vectors of the sample, with its place among a query's vectors."""
        rows = [sum(n for at, n in self.places.items() if _is_like(at, like)) for _, like in self._answering]
        if not any(rows):
            return None
        number = rows.index(max(rows))
        return number, self._answering[number]

    def _vectors(self, choice: Choice, documents: Sequence[Document], dim: int, *, own: bool) -> dict[str, Vectors]:
        try:
            embedder = self.target if own else assemble(choice.settings, Terms(QUICK))
            given = embedded_of(embed_documents(embedder, documents))
        except EMBEDDER_ERRORS as error:
            if own:
                raise
            self._failed[choice.space] = error.line()
            return {}
        return {each.document.id: each.vector for each in given if len(each.vector) == dim}

    def notes(self) -> list[str]:
        """Return why rows of the sample cannot be searched now, and what to do."""
        if not self.places:
            return [NO_VECTORS]
        spaces = {space for space, _ in self.places}
        failed = {space: line for space, line in self._failed.items() if not space or space in spaces}
        told = [f"Of {printable(each) if each else 'the previous embedder'}: {failed[each]}" for each in failed]
        left = [at for at in self.places if not any(_is_like(at, like) for _, like in self._answering)]
        return [*told, *(self._unknown(*at) for at in left if "" not in failed and at[0] not in failed)]

    def _unknown(self, space: str | None, dim: int) -> str:
        rows = counted(self.places[space, dim], "row of the sample cannot", "rows of the sample cannot")
        tip = UNSTAMPED if space is None else UNKNOWN_SPACE_TIP.format(space=printable(space))
        return f"{rows} be searched as they are: {'no stamp' if space is None else printable(space)}, {dim} wide.{tip}"


def _may_claim(choice: Choice, place: Place) -> bool:
    """Return whether an embedder that was not asked yet may be that of vectors."""
    space, dim = place
    return choice.is_of(space, dim) or (space is None and choice.may_claim(dim))


def _is_like(place: Place, query: QueryVector) -> bool:
    """Return whether vectors are compared with the vector of a query."""
    space, dim = place
    return dim == len(query.vector) and (space == query.space or (space is None and query.claims_unstamped))
