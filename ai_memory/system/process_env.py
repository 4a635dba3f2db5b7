"""The environment of this process: read whole once, and what the libraries read of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def process_environment() -> Mapping[str, str]:
    """Return a copy of the environment of this process."""
    return dict(os.environ)


def keep_off_model_hub() -> None:
    """Forbid the model libraries every request to their hub; they read this when first imported."""
    os.environ["HF_HUB_OFFLINE"] = "1"


def keep_usage_untold() -> None:
    """Forbid onnxruntime to send word to its makers, and to keep an identifier of the machine for that, as 1.32 does.

    It reads this when first imported.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"


def let_idle_threads_sleep() -> None:
    """Have OpenMP's threads sleep while they wait, unless the user decided; it reads this when first loaded.

    Its default is to spin. Measured with MiniLM on 2 busy cores (2 threads, load 5): 6 rows/s
    spinning, 35 sleeping.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def cache_home() -> Path | None:
    """Return the folder of what programs keep for this user and may make again, None where none is known."""
    named, home = os.environ.get("XDG_CACHE_HOME", ""), os.environ.get("HOME", "")
    if Path(named).is_absolute():
        return Path(named)
    return Path(home) / ".cache" if Path(home).is_absolute() else None
