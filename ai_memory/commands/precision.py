"""In which precision a local model's vectors are in a database: one answer for all commands, read from the file.

It is decided once, by the start of a run that a person types (`commands.reembed.precision`), and the record of the
run's target is the decision. So a query, a stored text and a resumed run never come to another one (docs/adr/0009).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from ai_memory.vectors.target import FLOAT32

if TYPE_CHECKING:
    from pathlib import Path

    from ai_memory.config.embedding import EmbeddingSettings
    from ai_memory.config.settings import Settings
    from ai_memory.show.console import Console

UNDECIDED = "not shown to be worth it on the rows of this database; a start tries it (ai-memory reembed)"


def as_decided(asked: EmbeddingSettings, path: Path) -> EmbeddingSettings:
    """Return the embedder as it is used in a database: in its precision only where the file has a target of it."""
    if asked.precision.value == FLOAT32 or not asked.is_local or is_decided(asked, path):
        return asked
    from ai_memory.config.file import Sourced

    why = f"{asked.precision.value} ({asked.precision.source}): {_why_not(asked)}"
    return replace(asked, precision=Sourced(FLOAT32, why))


def tell_planned(settings: Settings, console: Console) -> None:
    """Say where a plan is for another precision than the configured one: what a start would measure is not known."""
    wanted, used = settings.asked.precision.value, settings.embedding.precision.value
    if wanted != used:
        console.note(f"Planned in {used}, not in {wanted}: {_why_not(settings.asked)}.")


def _why_not(asked: EmbeddingSettings) -> str:
    from ai_memory.embed.assemble import why_float32
    from ai_memory.errors import AiMemoryError

    with suppress(AiMemoryError):
        return why_float32(asked) or UNDECIDED
    return UNDECIDED


def is_decided(asked: EmbeddingSettings, path: Path) -> bool:
    """Return whether a file has a target of that precision; not so where it, or the model's files, cannot be read."""
    from ai_memory.embed.assemble import configured_target
    from ai_memory.errors import AiMemoryError
    from ai_memory.reembed.plan.targets import known_fingerprint, recorded_target
    from ai_memory.stores.opening import database

    with suppress(AiMemoryError):
        target = configured_target(asked)
        with database(path).read() as store:
            return known_fingerprint(store, recorded_target(store, target)) is not None
    return False
