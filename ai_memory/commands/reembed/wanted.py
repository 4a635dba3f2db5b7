"""Reads from the configuration what a run would be asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.config.embedding import KEYWORD, EmbeddingSettings
from ai_memory.config.vendors import NO_BACKEND
from ai_memory.embed.buildable import require_buildable
from ai_memory.errors import AiMemoryError, EmbedderInitFailed
from ai_memory.reembed.plan.wanted import Wanted
from ai_memory.vectors import space
from ai_memory.vectors.target import LOCAL

if TYPE_CHECKING:
    from ai_memory.config.settings import Settings


def wanted_if_usable(settings: Settings) -> Wanted:
    """Return what the configuration asks for, or what is wrong with it."""
    try:
        return wanted(settings.embedding)
    except AiMemoryError as error:
        return Wanted(fault=error.what.rstrip("."))


def wanted(settings: EmbeddingSettings) -> Wanted:
    """Return what resolved settings ask for; the space of a model that is given only as a folder is not known."""
    if settings.tier.value == KEYWORD or settings.backend.value == NO_BACKEND:
        return Wanted(fault=f"embeddings are turned off ({settings.backend.source})")
    model, key, local = settings.model.value, settings.api_key.value, settings.backend.value == LOCAL
    try:
        if not local:
            require_buildable(settings)
    except EmbedderInitFailed as error:
        return Wanted(fault=error.what.rstrip("."))
    named = (space.local_space(model) if local else space.space(model)) if model else ""
    return Wanted(
        space=named,
        dim=settings.dim.value or space.known_dim(model),
        price=settings.price_per_million_tokens.value,
        source=settings.model.source,
        key_source=key.origin if key else "",
    )
