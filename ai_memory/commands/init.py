"""`init`: create an empty database."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from ai_memory.errors import UsageError
from ai_memory.stores.opening import place, writing

if TYPE_CHECKING:
    from ai_memory.config.settings import Settings
    from ai_memory.show.console import Console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add no argument: the path is `--db`."""
    del parser


def run(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Create the database; one that is there already is refused.

    Raises:
        UsageError: the file exists and is not empty.
        DataRefused: the path leads to something that is not a file.
    """
    del args
    path = settings.db.value
    if not place(path).is_new():
        raise UsageError(f"{path} exists already.", tip="Name another file with --db PATH.")
    with writing(path, now_ms=time.time_ns() // 1_000_000, create=True):
        console.result({"db": str(path), "created": True}, f"Created {path}.")
    return 0
