"""What is said of `--embedders N` before it begins: how many processes there would be, and what they need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.config import vendors
from ai_memory.errors import UsageError
from ai_memory.text.amounts import counted, size

if TYPE_CHECKING:
    from ai_memory.config.embedding import EmbeddingSettings
    from ai_memory.embed.assemble import Needs


def require_local(settings: EmbeddingSettings) -> None:
    """Refuse processes for an endpoint.

    Raises:
        UsageError: the configured embedder is one.
    """
    backend = settings.backend
    if not settings.is_local and backend.value != vendors.NO_BACKEND:
        raise UsageError(
            f"--embedders is for a model on this machine, and backend is {backend.value} ({backend.source}).",
            tip="Leave it out; how many requests an endpoint gets at once is said by --concurrency.",
        )


def embedders_lines(needs: Needs | None) -> list[str]:
    """Return what is said of the processes where a person decides whether to begin, nothing where there are none."""
    if needs is None:
        return []
    several = needs.processes > 1
    processes = counted(needs.processes, "process embeds", "processes embed")
    threads = f"on {counted(needs.threads, 'thread')}{' each' if several else ''} of {counted(needs.cores, 'core')}"
    lines = [f"{processes}, {threads}; the model takes {_room(needs)}."]
    if needs.processes > needs.cores:
        lines.append(f"More processes than the {counted(needs.cores, 'core')} here compute no more at once.")
    return lines


def _room(needs: Needs) -> str:
    if not needs.model_bytes:
        return "memory in each of them that is not known here"
    whole = needs.processes * needs.model_bytes
    return f"{size(needs.model_bytes)} of memory in each, {size(whole)} in all, and what it computes with beside that"


def embedders_values(needs: Needs | None) -> dict[str, object]:
    """Return what the JSON object of a plan says of the processes."""
    if needs is None:
        return {"embedders": None}
    return {"embedders": {"processes": needs.processes, "threads": needs.threads, "model_bytes": needs.model_bytes}}
