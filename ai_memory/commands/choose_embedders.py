"""Who embeds in the spaces of a file: the configured embedder, and those by which its other vectors were made.

While a migration works, and in any file of mixed spaces, a query has a vector in each space that is there and whose
embedder answers. `[embeddings.previous]` names one of them; of the others the file itself knows how they were
configured, which is believed as far as `config.kept` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from ai_memory.commands.embedder_choice import Choice, Chosen, Failure
from ai_memory.commands.embedder_errors import EMBEDDER_ERRORS
from ai_memory.config.kept import believed, read_kept
from ai_memory.embed.assemble import configured_target
from ai_memory.errors import EmbedderInitFailed
from ai_memory.reembed.plan.targets import recorded_target
from ai_memory.stores.values import KeptTarget
from ai_memory.system.trusted_file import trusted_users

if TYPE_CHECKING:
    from ai_memory.config.embedding import EmbeddingSettings
    from ai_memory.config.settings import Settings
    from ai_memory.stores.port import Reader

MOST = 4
"""Other spaces that are searched at most, the latest ones; a file that names more is an odd one. A choice."""
NOT_KEPT = "Say by which embedder in [embeddings.previous] of the config file."


def choose(store: Reader, settings: Settings) -> Chosen:
    """Return the embedders that a query of this file is sent to; nothing is loaded or sent yet."""
    try:
        own = settings.embedding
        target = recorded_target(store, configured_target(own))
    except EMBEDDER_ERRORS as error:
        return Chosen(refused=(Failure("", error, in_use=True),))
    known = store.targets.kept()
    in_use = Choice(target.space, target.dim, own)
    others, refused = _others(store, settings, in_use, known)
    return Chosen((in_use, *others), tuple(refused), tuple(known))


def choose_for(store: Reader, settings: Settings, space: str, dim: int | None) -> Choice:
    """Return the embedder of a space: as the user configured it, else as the file has kept it; nothing is sent yet.

    Raises:
        NoEmbedder: embeddings are turned off.
        EmbedderInitFailed: nothing says who gives such vectors, or what says so makes no sense or is not believed.
    """
    own = settings.embedding
    target = recorded_target(store, configured_target(own))
    configured = [Choice(target.space, target.dim, own)]
    with suppress(*EMBEDDER_ERRORS):
        configured += filter(None, [_previous(store, settings)])
    if found := next((each for each in configured if each.is_of(space, dim)), None):
        return found
    known = store.targets.kept_as(space, dim or 0) or KeptTarget(space, dim or 0, "", None)
    return _kept(known, settings, [each.settings for each in configured])


def _others(
    store: Reader, settings: Settings, in_use: Choice, known: Sequence[KeptTarget]
) -> tuple[list[Choice], list[Failure]]:
    """Return the other embedders of vectors in the file, and the spaces whose embedder cannot be asked."""
    chosen: list[Choice] = []
    refused: list[Failure] = []
    own = [in_use.settings]
    try:
        if previous := _previous(store, settings):
            own.append(previous.settings)
            if not previous.is_of(in_use.space, in_use.dim) and _is_there(store, previous):
                chosen.append(previous)
    except EMBEDDER_ERRORS as error:
        refused.append(Failure("", error))
    for target in _of_others(known, [in_use, *chosen])[:MOST]:
        try:
            chosen.append(_kept(target, settings, own))
        except EMBEDDER_ERRORS as error:
            refused.append(Failure(target.space, error))
    return chosen, refused


def _previous(store: Reader, settings: Settings) -> Choice | None:
    """Return the embedder of `[embeddings.previous]`.

    Raises:
        NoEmbedder, EmbedderInitFailed: it makes no sense.
    """
    configured = settings.previous
    if configured is None:
        return None
    target = recorded_target(store, configured_target(configured))
    return Choice(target.space, target.dim, configured, claims_unstamped=True)


def _is_there(store: Reader, previous: Choice) -> bool:
    """Return whether the file has vectors of a configured embedder, or such as it may claim."""
    stored = store.consistently(lambda snapshot: snapshot.stored_spaces())
    return any(space is None or previous.is_of(space, dim) for space, dim, _ in stored)


def _of_others(known: Sequence[KeptTarget], chosen: Sequence[Choice]) -> list[KeptTarget]:
    """Return one target for each space and width that none of `chosen` serves, with settings where there are any."""
    found: dict[tuple[str, int], KeptTarget] = {}
    for each in known:
        named = (each.space, each.dim)
        if not any(one.is_of(*named) for one in chosen) and not (named in found and found[named].settings):
            found[named] = each
    return list(found.values())


def _kept(target: KeptTarget, settings: Settings, own: Sequence[EmbeddingSettings]) -> Choice:
    """Return the embedder of a target as the file has kept it.

    Raises:
        EmbedderInitFailed: it has not, or what it says is not believed.
    """
    if not target.settings:
        raise EmbedderInitFailed("how it was configured is not known.", tip=NOT_KEPT)
    kept = read_kept(target.settings, settings.db.value, settings.config, settings.environ)
    trusted = believed(kept, own, trusted_users(settings.environ))
    return Choice(target.space, target.dim, trusted, of_file=True)
