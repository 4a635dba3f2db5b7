"""Proves a precision on the rows of one file: what earlier processes measured on this machine, else a probe."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from ai_memory.config.file import Sourced
from ai_memory.embed.local.kept_probe import KeptProbe
from ai_memory.embed.local.precision_probe import FIRST, ROWS, probe_precision
from ai_memory.frozen import Frozen
from ai_memory.vectors.target import FLOAT32

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ai_memory.config.embedding import EmbeddingSettings
    from ai_memory.embed.local.precision_probe import Probed
    from ai_memory.embed.port import Embedder

_PACKAGES = ("onnxruntime", "openvino", "torch")


class Verdict(Frozen):
    """What was measured, in words, and what speaks against the precision; empty where nothing does."""

    measured: str
    fault: str


def proved(
    settings: EmbeddingSettings,
    folder: Path,
    texts: Callable[[int], Sequence[str]],
    of: str,
    made: Callable[[EmbeddingSettings], Embedder],
) -> Verdict:
    """Return what the precision of the settings is worth beside float32 for the model in `folder`.

    `texts` returns so many of the file `of`, `made` an embedder. What is measured is kept, but of too few texts.

    Raises:
        EmbedError, EmbedderInitFailed: the model cannot be computed in one of both.
    """
    releases = ", ".join(f"{name} {_release(name)}" for name in _PACKAGES)
    kept = KeptProbe(folder, f"{settings.precision.value}, {settings.engine.value}: {releases}", of)
    if known := kept.read():
        return _judged(known)
    plain = made(replace(settings, precision=Sourced(FLOAT32, "to compare")))
    with closing(plain), closing(made(settings)) as other:
        found = probe_precision(plain, other, texts(ROWS))
    if found.speed:
        kept.keep(found)
    return _judged(found)


def _judged(found: Probed) -> Verdict:
    same = f"of the first {FIRST} found {found.overlap:.3f} are the same"
    return Verdict(f"on {found.rows} rows {found.speed:.2f} times as fast, {same}", found.fault)


def _release(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "-"
