"""`config init`: a configuration file in which every setting is explained and none is made."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ai_memory.config.file import standard_place
from ai_memory.config.template import TEMPLATE
from ai_memory.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from ai_memory.config.settings import Settings
    from ai_memory.show.console import Console


def run_init(named: Path | None, settings: Settings, console: Console) -> int:
    """Write the file that is named, else the one at the standard place.

    Raises:
        UsageError: something stands there already, or no home folder is known.
    """
    path = named or standard_place(settings.environ)
    if path is None:
        raise UsageError("No home folder is known.", tip="Name the file with --config PATH.")
    _write_new(path, TEMPLATE)
    console.result(
        {"config": str(path), "created": True},
        f"Created {path}. Nothing is set yet; edit it, then: ai-memory config check",
    )
    return 0


def _write_new(path: Path, text: str) -> None:
    """Write a file of this user's own where nothing stands; what is written in part is taken away again."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise UsageError(
            f"{path} exists already, and was not changed.",
            tip="Edit it, or name another file with --config PATH; whether it can be obeyed: ai-memory config check",
        ) from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        path.unlink()
        # A write does not say of which file it is.
        raise OSError(error.errno, error.strerror, str(path)) from error
