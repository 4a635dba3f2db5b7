"""Whom a text that is stored is sent to: the configured embedder, and while a file goes from one space to another both.

Until a staged run is switched to, a memory with a vector of one model alone is left to its words, before the switch or
after it; from then on, on the way back. So each memory is given a vector of the space from which the file goes and one
of that to which it goes, whichever model is configured, as far as their embedders are known and answer:

| the unfinished run            | in the memory          | beside it, or over it  |
| ----------------------------- | ---------------------- | ---------------------- |
| staged, running or ready      | of before: it is served| of the target          |
| staged, switched              | of before: it is kept  | of the target: served  |
| a rollback, or a switch back  | of before              | none                   |
| another, or none              | of who is configured   | none                   |

Whoever is configured and gives neither is asked where a memory got no vector that is served.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.commands.embedder_choice import ANY, Wanted
from ai_memory.commands.embedder_errors import EMBEDDER_ERRORS
from ai_memory.embed.assemble import configured_target
from ai_memory.errors import EmbedderInitFailed
from ai_memory.frozen import Frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from ai_memory.commands.embedder_choice import Choice
    from ai_memory.config.embedding import EmbeddingSettings
    from ai_memory.config.settings import Settings
    from ai_memory.errors import AiMemoryError
    from ai_memory.stores.port import Reader
    from ai_memory.stores.values import Run
    from ai_memory.vectors.target import Fingerprint


class Writer(Frozen):
    """An embedder that is asked for what is `wanted`; `choice` is as which it was found."""

    settings: EmbeddingSettings
    wanted: Wanted = ANY
    choice: Choice | None = None

    def require(self, target: Fingerprint) -> None:
        """Check that vectors are those that are wanted.

        Raises:
            EmbedderInitFailed: they are of another target.
        """
        if self.choice:
            self.choice.require_kept(target.space, target.dim)
        if self.wanted.target not in (None, target.id):
            raise EmbedderInitFailed(f"what gave vectors of {target.space} gives others now.", tip="Bring it back.")


class Writers(Frozen):
    """The embedders that are asked, in order, and what nobody is asked for as its embedder is not known or believed."""

    asked: tuple[Writer, ...]
    unknown: tuple[tuple[Wanted, AiMemoryError], ...] = ()


def choose_writers(
    store: Reader,
    settings: Settings,
    choose_for: Callable[[Reader, Settings, str, int | None], Choice],
    namespaces: Callable[[], Collection[str]],
) -> Writers:
    """Return the embedders that are asked for the vectors of memories in these namespaces.

    `choose_for` returns that of a space, or raises one of EMBEDDER_ERRORS.
    """
    alone, found = Writer(settings.embedding), list[Writer]()
    unknown: list[tuple[Wanted, AiMemoryError]] = []
    wanted = _wanted(store, store.runs.unfinished(), namespaces)
    if not wanted or not _is_usable(settings.embedding):
        return Writers((alone,))
    for each in wanted:
        try:
            choice = choose_for(store, settings, each.space, each.dim)
            found.append(Writer(choice.settings, each, choice))
        except EMBEDDER_ERRORS as error:
            unknown.append((each, error))
    if not any(each.settings is settings.embedding for each in found):
        found.append(alone)
    return Writers(tuple(found), tuple(unknown))


def _is_usable(configured: EmbeddingSettings) -> bool:
    """Return whether what is configured makes sense: who is asked in its place, too, is a choice of the user's."""
    try:
        configured_target(configured)
    except EMBEDDER_ERRORS:
        return False
    return True


def _wanted(store: Reader, run: Run | None, namespaces: Callable[[], Collection[str]]) -> list[Wanted]:
    """Return of which spaces a memory is to get a vector while a run is unfinished; none where that is not special."""
    if run is None or not (run.staged or run.undoes):
        return []
    if run.undoes:
        return _before(store, store.runs.read(run.undoes.first))
    target = store.targets.read(run.target)
    if run.scope is not None and not {*namespaces()} <= {*run.scope}:
        return _before(store, run)
    before = _before(store, run, only_back=not run.beside) if run.beside or run.keeps_previous else []
    return [*before, Wanted(target.space, target.dim, target=target.id)]


def _before(store: Reader, run: Run, *, only_back: bool = False) -> list[Wanted]:
    """Return the space of most vectors that stood there when the run began, and that are not its own."""
    target = store.targets.read(run.target)
    stood = [(space, dim) for space, dim, _ in store.runs.course(run).replaced() if space]
    others = [each for each in stood if each != (target.space, target.dim)]
    return [Wanted(space, dim, only_back=only_back) for space, dim in others[:1]]
