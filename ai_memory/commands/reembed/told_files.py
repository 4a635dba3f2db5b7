"""Where a start may write what it tells of itself: not over what it did not write, nor where something else comes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ai_memory.errors import UsageError
from ai_memory.stores.opening import database

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from pathlib import Path

    from ai_memory.config.settings import Settings


def require_told_files(args: argparse.Namespace, settings: Settings) -> None:
    """Check the files of --log-file (- is none) and --metrics-file.

    Raises:
        UsageError: one of them is something else, or is to become that.
    """
    log = None if str(args.log_file) == "-" else args.log_file
    used = {"--config": settings.config_path, "--backup": args.backup}
    if log:
        _require_apart("--log-file", log, settings, used)
        if log.is_fifo():
            # Opening it would wait for a reader, and the run with it.
            raise _refused("--log-file", log, "is a pipe")
    if args.metrics_file:
        from ai_memory.show.metrics import has_figures

        if str(args.metrics_file) == "-":
            raise _refused("--metrics-file", args.metrics_file, "is no file")
        _require_apart("--metrics-file", args.metrics_file, settings, {**used, "--log-file": log})
        if args.metrics_file.exists() and not has_figures(args.metrics_file):
            raise _refused("--metrics-file", args.metrics_file, "is there, and has no figures of ours")


def require_report_file(path: Path, settings: Settings) -> None:
    """Check the file of --html, and that a report can be made.

    Raises:
        UsageError: it is something else than a report of ours, or has no folder, or matplotlib is missing.
    """
    from ai_memory.show.page import is_ours
    from ai_memory.show.plots import require_installed

    if str(path) == "-":
        raise _refused("--html", path, "is no file")
    _require_apart("--html", path, settings, {"--config": settings.config_path})
    if not path.parent.is_dir():
        raise _refused("--html", path, "has no folder")
    if os.path.lexists(path) and not is_ours(path):
        raise _refused("--html", path, "is there, and is no report of ours")
    require_installed()


def _require_apart(flag: str, path: Path, settings: Settings, used: Mapping[str, Path | None]) -> None:
    if why := database(settings.db.value).occupied(path):
        raise _refused(flag, path, why)
    for other, its in used.items():
        if its and its.resolve() == path.resolve():
            raise _refused(flag, path, f"is the file of {other}")


def _refused(flag: str, path: Path, why: str) -> UsageError:
    return UsageError(f"{flag}: {path} {why}.", tip=f"Give {flag} another file.")
