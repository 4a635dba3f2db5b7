"""What an unattended start takes from the configuration, and whether it may go there."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, TypedDict

from ai_memory.clock import SystemClock
from ai_memory.commands.reembed.wanted import wanted
from ai_memory.errors import DataRefused, NotFinished, NotFound, StorageFailed
from ai_memory.reembed.plan.approval import require_approved_name
from ai_memory.stores.holder import LockState
from ai_memory.stores.opening import database

if TYPE_CHECKING:
    from ai_memory.config.embedding import EmbeddingSettings
    from ai_memory.config.file import Sourced
    from ai_memory.config.settings import Settings
    from ai_memory.reembed.options import Options


class OfSettings(TypedDict):
    """The fields of `Options` that the configuration decides."""

    price: float | None
    claims_unstamped: bool
    configured: str


def of_settings(settings: Settings) -> OfSettings:
    """Return what the configuration says of a start."""
    configured = settings.embedding
    return {
        "price": configured.price_per_million_tokens.value,
        "claims_unstamped": settings.previous is not None,
        "configured": ", ".join(f"{name} from {setting.source}" for name, setting in _named(configured).items()),
    }


def _named(configured: EmbeddingSettings) -> dict[str, Sourced[str] | Sourced[int]]:
    """Return the settings that name the target."""
    named: dict[str, Sourced[str] | Sourced[int]] = {"backend": configured.backend, "model": configured.model}
    return {**named, "dim": configured.dim} if configured.dim.value else named


def require_approved(settings: Settings, options: Options) -> None:
    """Ask for the approval of an unattended start before anybody looks for a model.

    Raises:
        OperatorNeeded: nobody approved the configured target, or the file is paused.
    """
    asked, file = wanted(settings.embedding), database(settings.db.value)
    # What is wrong with the file is told by the start, in its own order; beside a live run nothing is asked.
    with suppress(DataRefused, StorageFailed, NotFinished, NotFound):
        if asked.usable and file.lock().state is LockState.FREE:
            with file.read() as store:
                require_approved_name(store, asked, options, now_ms=SystemClock().now_ms())
