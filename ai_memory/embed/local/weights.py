"""The files of a model's weights: where they lie, and how many numbers are in them."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from pathlib import Path

from ai_memory.embed.local.model_files import is_file, modules
from ai_memory.errors import EmbedderInitFailed

_PATTERNS = ("model*.safetensors", "pytorch_model*.bin")


def weights(folder: Path) -> list[Path]:
    """Return the weight files of a model, its transformer's first, sorted by their path within the folder.

    Raises:
        EmbedderInitFailed: there are none.
    """
    if found := weights_if_any(folder):
        return found
    raise EmbedderInitFailed(f"{folder} holds no weights.", tip="It must hold model.safetensors.")


def weights_if_any(folder: Path) -> list[Path]:
    """Return the weight files of a model as `weights` does, none where there are none."""
    places = [folder] + [step.place for step in modules(folder) if step.place != folder]
    return [file for place in places for file in _weights_in(place)]


def has_weights(folder: Path) -> bool:
    """Return whether the transformer's weights lie in `folder`."""
    return bool(_weights_in(folder))


def tensor_elements(files: Iterable[Path]) -> int:
    """Return how many numbers the tensors in some safetensors files have, as their headers say."""
    from safetensors import safe_open

    total = 0
    for file in files:
        with safe_open(file, "np") as opened:
            total += sum(prod(opened.get_slice(name).get_shape()) for name in opened.keys())  # noqa: SIM118
    return total


def _weights_in(place: Path) -> list[Path]:
    for pattern in _PATTERNS:
        if found := sorted(filter(is_file, place.glob(pattern))):
            return found
    return []
