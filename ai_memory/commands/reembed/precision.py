"""Decides, as a run starts, in which precision a local model computes: the configured one if it is worth it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.actions.sample import draw
from ai_memory.commands.precision import UNDECIDED
from ai_memory.embed.assemble import prove_precision, why_float32
from ai_memory.errors import AiMemoryError, EmbedderInitFailed
from ai_memory.stores.holder import LockState
from ai_memory.stores.opening import database, reading
from ai_memory.vectors.target import FLOAT32

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ai_memory.config.embedding import EmbeddingSettings
    from ai_memory.config.settings import Settings


def decided(settings: Settings, *, may_probe: bool, over_run: bool, tell: Callable[[str], None]) -> EmbeddingSettings:
    """Return the embedder of a run, in a precision that the file has a target of, or that `may_probe` and passes.

    Beside a run that is at work nothing is probed; nor where one is unfinished, unless the start goes `over_run`.
    `tell` hears in one line what was measured, or why the precision is not the configured one.

    Raises:
        EmbedderInitFailed: the file has a target of that precision, which this machine cannot compute.
    """
    asked, used, path = settings.asked, settings.embedding, settings.db.value
    wanted, why = asked.precision.value, why_float32(asked)
    if used.precision.value == wanted:
        _require_possible(path, wanted, why)
        return used
    shown = ""
    if may_probe and not why:
        if not _is_free(path, over_run=over_run):
            return used
        why, shown = _judged(asked, path, tell)
    if shown and not why:
        tell(f"Vectors are computed in {wanted}: {shown}.")
        return asked
    tell(f"Vectors are computed in {FLOAT32}, not in {wanted}: {why or UNDECIDED}.")
    return used


def _require_possible(path: Path, precision: str, why: str) -> None:
    """Refuse to replace all vectors of a file because this machine is another than the one that made them."""
    if why:
        raise EmbedderInitFailed(
            f"vectors of {path.name} were computed in {precision}, and here they cannot be: {why}.",
            tip=f'Run it where they can; or have all of them computed in {FLOAT32}: set precision = "{FLOAT32}".',
        )


def _is_free(path: Path, *, over_run: bool) -> bool:
    """Return whether a run could begin; what is wrong with the file is told later."""
    file = database(path)
    try:
        if file.lock().state is not LockState.FREE:
            return False
        with file.read() as store:
            return over_run or store.runs.unfinished() is None
    except AiMemoryError:
        return False


def _judged(asked: EmbeddingSettings, path: Path, tell: Callable[[str], None]) -> tuple[str, str]:
    """Return what speaks against the precision, empty where nothing does, and what was measured."""

    def texts(rows: int) -> list[str]:
        tell(f"Tries {asked.precision.value} beside {FLOAT32} on up to {rows} rows.")
        with reading(path) as library:
            return [each.text for each in draw(library, rows).documents]

    try:
        found = prove_precision(asked, texts, str(path.absolute()))
    except AiMemoryError as error:
        return error.what.rstrip("."), ""
    return found.fault, found.measured
