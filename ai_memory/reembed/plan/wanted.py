"""What the configuration asks for now, as far as it tells without a model, a request or a look at big files."""

from __future__ import annotations

from dataclasses import dataclass

from ai_memory.config.embedding import KEYWORD, EmbeddingSettings
from ai_memory.config.vendors import LOCAL, NO_BACKEND
from ai_memory.embed.buildable import require_buildable
from ai_memory.errors import EmbedderInitFailed
from ai_memory.vectors import space


@dataclass(frozen=True, slots=True)
class Wanted:
    """The configured target and price: an empty space or a width of 0 is not known, a price of None not configured.

    `fault` is why no embedder can be had from the configuration, empty where one can. `key_source` says where the key
    comes from, `source` where the model.
    """

    space: str = ""
    dim: int = 0
    price: float | None = None
    fault: str = ""
    source: str = ""
    key_source: str = ""

    @property
    def usable(self) -> bool:
        """Whether the configuration names an embedder."""
        return not self.fault

    def differs_from(self, other_space: str, dim: int) -> bool:
        """Say whether another target is certainly meant."""
        return bool(self.space) and (self.space != other_space or bool(self.dim and dim and self.dim != dim))


UNKNOWN = Wanted()


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
