"""What is said of `--embedders` before it begins: how many workers there would be, what they need, who reaches them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.config import vendors
from ai_memory.embed.port import LOCAL_RAY
from ai_memory.errors import UsageError
from ai_memory.text.amounts import counted, size, span

if TYPE_CHECKING:
    from ai_memory.config.embedding import EmbeddingSettings
    from ai_memory.embed.assemble import Needs


RAY_BYTES = 600_000_000
"""Of its own processes, beside the workers: resident memory of Ray 2.60 with one of them (ps, 2026-11-27)."""
LOOPBACK = "It listens on loopback alone, and lets in who has its token, which is made for this run."
TRUST = "Whoever reaches its ports and has its token, where it asks for one, can run programs there."


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


def embedders_lines(needs: Needs | None, seconds: float | None = None) -> list[str]:
    """Return what is said of the processes where a person decides whether to begin, nothing where there are none.

    The run would take so many `seconds` (None: nobody knows).
    """
    if needs is None:
        return []
    several = needs.workers > 1
    if needs.ray:
        workers = counted(needs.workers, "worker embeds", "workers embed")
        where = f"at {needs.ray}" if needs.ray != LOCAL_RAY else "in a Ray on this machine"
        threads = f"{where}, on {counted(1, 'core')}{' each' if several else ''}"
    else:
        workers = counted(needs.workers, "process embeds", "processes embed")
        share = f"on {counted(needs.threads, 'thread')}{' each' if several else ''}"
        threads = f"{share} of {counted(needs.cores, 'core')}"
    lines = [f"{workers}, {threads}; the model takes {_room(needs)}."]
    if needs.workers > needs.cores:
        lines.append(f"More processes than the {counted(needs.cores, 'core')} here compute no more at once.")
    return lines + _of_ray(needs) + _of_time(needs, seconds)


def _of_time(needs: Needs, seconds: float | None) -> list[str]:
    """Return how long workers of a cluster are paid for: nobody here knows their price."""
    if not seconds or needs.ray in ("", LOCAL_RAY):
        return []
    together = span(max(seconds * needs.workers, 1) * 1000)
    return [f"All workers together would be at work for about {together}: times their price, that is what it costs."]


def _of_ray(needs: Needs) -> list[str]:
    """Return what is said of a Ray: what it takes, and who can reach it."""
    if not needs.ray:
        return []
    if needs.ray == LOCAL_RAY:
        return [f"Ray itself takes {size(RAY_BYTES)} of memory; it is ended with the run. {LOOPBACK}"]
    return [f"The texts of the rows go to that cluster, which listens beyond loopback. {TRUST}"]


def _room(needs: Needs) -> str:
    if not needs.model_bytes:
        return "memory in each of them that is not known here"
    whole = needs.workers * needs.model_bytes
    return f"{size(needs.model_bytes)} of memory in each, {size(whole)} in all, and what it computes with beside that"


def embedders_values(needs: Needs | None, seconds: float | None = None) -> dict[str, object]:
    """Return what the JSON object of a plan says of the processes, where a run would take so many `seconds`."""
    if needs is None:
        return {"embedders": None}
    return {
        "embedders": {
            "processes": needs.workers,
            "threads": needs.threads,
            "model_bytes": needs.model_bytes,
            "worker_seconds": None if seconds is None else round(seconds * needs.workers, 1),
            **_ray(needs),
        }
    }


def _ray(needs: Needs) -> dict[str, object]:
    return {"ray": needs.ray, "beyond_loopback": needs.ray != LOCAL_RAY} if needs.ray else {}
