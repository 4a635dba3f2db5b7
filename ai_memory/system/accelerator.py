"""Whether this machine has a processor for models beside its own, as far as that is told without loading anything."""

from __future__ import annotations

from pathlib import Path

_CONTROL = (Path("/dev/nvidiactl"), Path("/dev/kfd"))
"""What the drivers of NVIDIA's and AMD's accelerators put there."""


def has_accelerator() -> bool:
    """Return whether the driver of an accelerator runs here."""
    return any(each.exists() for each in _CONTROL)
