"""Embeds queries in several spaces at once: all embedders are asked side by side, and waited for ten seconds in all."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ai_memory.actions.compare import QueryVector
from ai_memory.actions.unrelated import unrelated
from ai_memory.commands.embedder_choice import Failure
from ai_memory.commands.embedder_errors import EMBEDDER_ERRORS
from ai_memory.embed.assemble import Make, Queries, assemble
from ai_memory.embed.terms import Ties
from ai_memory.frozen import Frozen

if TYPE_CHECKING:
    from ai_memory.commands.embedder_choice import Choice, Chosen
    from ai_memory.config.embedding import EmbeddingSettings
    from ai_memory.errors import AiMemoryError
    from ai_memory.stores.values import KeptTarget
    from ai_memory.vectors.target import Target, Vectors

RESTS = 30.0
"""Seconds in which an embedder that failed is not asked again: many queries must not wait for it each. A choice."""


class Asked(Frozen):
    """The vectors of a query, that of the configured embedder first, and the embedders that gave none."""

    vectors: tuple[QueryVector, ...]
    failures: tuple[Failure, ...]


@dataclass(slots=True)
class _Member:
    """An embedder that is asked; until `rests_until` its last failure stands for its answer."""

    choice: Choice
    queries: Queries
    in_use: bool
    failed: Failure | None = None
    rests_until: float = 0.0


class QueryEmbedders:
    """The embedders of one invocation; each is made once, when it is first asked."""

    def __init__(
        self,
        chosen: Sequence[Choice],
        failures: Sequence[Failure],
        known: Sequence[KeptTarget] = (),
        ties: Callable[[EmbeddingSettings], Ties] = lambda _: Ties(),
        *,
        make: Make = assemble,
    ) -> None:
        """Ask `chosen`, the one in use first; `known` are targets whose witness the file may have.

        `failures` are known without asking. `ties` are what each embedder is tied to, `make` is what makes it.
        """
        self._members = [
            _Member(each, Queries(each.settings, ties(each.settings), make=make), in_use=number == 0)
            for number, each in enumerate(chosen)
        ]
        self._failures = tuple(failures)
        self._known = known

    @staticmethod
    def of(
        chosen: Chosen, ties: Callable[[EmbeddingSettings], Ties] = lambda _: Ties(), *, make: Make = assemble
    ) -> QueryEmbedders:
        """Return the embedders that were chosen for a file; see `__init__` for `ties` and `make`."""
        return QueryEmbedders(chosen.choices, chosen.refused, chosen.known, ties, make=make)

    def ask(self, text: str) -> Asked:
        """Return the vectors of a query: of endpoints all at the same time, of local models one after the other."""
        begun = [self._begun(each, text) for each in self._members]
        answers = [self._answer(each, answer) for each, answer in zip(self._members, begun, strict=True)]
        failures = [each for each in answers if isinstance(each, Failure)]
        return Asked(tuple(each for each in answers if isinstance(each, QueryVector)), (*failures, *self._failures))

    def _begun(self, member: _Member, text: str) -> Callable[[], tuple[Target, Vectors]] | Failure:
        if member.failed and time.monotonic() < member.rests_until:
            return member.failed
        try:
            return member.queries.begin(text)
        except EMBEDDER_ERRORS as error:
            return _failed(member, error)

    def _answer(self, member: _Member, answer: Callable[[], tuple[Target, Vectors]] | Failure) -> QueryVector | Failure:
        if isinstance(answer, Failure):
            return answer
        choice = member.choice
        try:
            target, vector = answer()
            choice.require_kept(target.space, len(vector))
        except EMBEDDER_ERRORS as error:
            return _failed(member, error)
        known = unrelated(self._known, target.space, vector)
        takes = self._takes_unstamped(member, len(vector))
        return QueryVector(target.space, vector, choice.claims_unstamped, known, takes)

    def _takes_unstamped(self, member: _Member, dim: int) -> bool:
        """Return whether vectors of that width may be of the embedder in use: where no other one claims them.

        Whether that one answers does not matter: they are not compared with a query of another model for it.
        """
        unknown = any(not each.space and not each.in_use for each in self._failures)
        claimed = any(each.choice.may_claim(dim) for each in self._members)
        return member.in_use and not claimed and not unknown


def _failed(member: _Member, error: AiMemoryError) -> Failure:
    member.failed = Failure(member.choice.space, error, member.in_use)
    member.rests_until = time.monotonic() + RESTS
    return member.failed
