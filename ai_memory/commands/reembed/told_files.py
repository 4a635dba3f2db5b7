"""Where a start may write what it tells of itself: not over what it did not write, nor where something else comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from ai_memory.config.settings import Settings

DATABASE = b"SQLite format 3\0"
FIGURES = b"# HELP ai_memory_"
"""How a file for Prometheus begins that we wrote."""
OF_A_DATABASE = ("", "-wal", "-shm", "-journal", ".reembed.lock")
"""What is added to the name of a database for the files that belong to it."""


def require_told_files(args: argparse.Namespace, settings: Settings) -> None:
    """Check the files of --log-file (- is none) and --metrics-file.

    Raises:
        UsageError: one of them is something else, or is to become that.
    """
    log = None if str(args.log_file) == "-" else args.log_file
    used = {"--config": settings.config_path, "--backup": args.backup}
    if log:
        _require_apart("--log-file", log, settings.db.value, used)
        if log.is_fifo():
            # Opening it would wait for a reader, and the run with it.
            raise _refused("--log-file", log, "is a pipe")
    if args.metrics_file:
        if str(args.metrics_file) == "-":
            raise _refused("--metrics-file", args.metrics_file, "is no file")
        _require_apart("--metrics-file", args.metrics_file, settings.db.value, {**used, "--log-file": log})
        if args.metrics_file.exists() and not _is_ours(args.metrics_file):
            raise _refused("--metrics-file", args.metrics_file, "is there, and has no figures of ours")


def _require_apart(flag: str, path: Path, database: Path, used: dict[str, Path | None]) -> None:
    real, of_database = path.resolve(), database.resolve()
    if real in [of_database.with_name(f"{of_database.name}{each}") for each in OF_A_DATABASE]:
        raise _refused(flag, path, "belongs to the database")
    for other, its in used.items():
        if its and its.resolve() == real:
            raise _refused(flag, path, f"is the file of {other}")
    if path.is_file() and _head(path, len(DATABASE)) == DATABASE:
        raise _refused(flag, path, "is a database")


def _is_ours(path: Path) -> bool:
    return path.is_file() and _head(path, len(FIGURES)) in (FIGURES, b"")


def _head(path: Path, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError:
        return b""


def _refused(flag: str, path: Path, why: str) -> UsageError:
    return UsageError(f"{flag}: {path} {why}.", tip=f"Give {flag} another file.")
