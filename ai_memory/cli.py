"""The command line: finds the command, runs it, turns errors of ours into one line and an exit code."""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from keyword import iskeyword
from pathlib import Path
from typing import Any

from ai_memory import __version__
from ai_memory.commands.flags import Parser, add_global_flags
from ai_memory.console import Console
from ai_memory.errors import AiMemoryError, StorageFailed, UsageError

COMMANDS = {
    "init": "create an empty database",
    "store": "store one memory, or replace the one of the same title and namespace",
    "import": "store the memories of a file, all or none",
    "export": "write all memories as JSON Lines, without vectors",
    "get": "show one memory",
    "list": "list memories",
    "delete": "delete one memory",
    "recall": "search memories by words and by meaning",
    "backfill": "embed the memories that have no vector",
    "reembed": "bring every vector to the configured model, resumably",
    "stats": "show counts, vector spaces and sizes",
    "namespaces": "show the namespaces with their counts",
    "doctor": "examine the database and its embedder",
    "config": "show the resolved settings and where each came from",
}
"""Each command and what it does; its module in `ai_memory.commands` has `add_arguments` and `run`.

`add_arguments(parser)` adds the command's own arguments. `run(args, settings, console)` does the work and
returns the exit code. A module is imported only when its command is the one to run.
"""

EXIT_INTERRUPTED = 130
EXIT_READER_GONE = 141

DISK_FAULTS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})
"""What a disk can do to the output, a backup or the lock file."""


class CommandParser(Parser):
    """The parser of one command, which asks the command's module for its arguments when it is used."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse with the arguments of the command's module."""
        name = self.prog.split()[-1]
        module = import_module(f"ai_memory.commands.{name}{'_' if iskeyword(name) else ''}")
        module.add_arguments(self)
        add_global_flags(self)
        self.set_defaults(run=module.run)
        return super().parse_known_args(args, namespace)

    def add_subparsers(self, **options: Any) -> Any:  # noqa: ANN401 (argparse's own type is private)
        """Add commands below this one; their parsers are plain ones."""
        return super().add_subparsers(**{"parser_class": Parser, **options})


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    _fill_missing_streams()
    _speak_utf8()
    args = argparse.Namespace(json=False, quiet=False, verbose=False)
    try:
        return _run(argv, args)
    except AiMemoryError as error:
        if args.verbose:
            traceback.print_exc()
        Console().error(error.line())
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _silence_stdout()
        return EXIT_READER_GONE
    except OSError as error:
        if error.errno not in DISK_FAULTS:
            raise
        _silence_stdout()
        return _disk_fault(error)


def _disk_fault(error: OSError) -> int:
    what = f"{error.filename or 'The output'} cannot be written: {error.strerror}."
    Console().error(StorageFailed(what, tip="Free some space, then run the same command again.").line())
    return StorageFailed.exit_code


def _run(argv: Sequence[str] | None, args: argparse.Namespace) -> int:
    _parser().parse_args(argv, args)
    if args.quiet and args.verbose:
        raise UsageError("--quiet and --verbose exclude each other.", tip="Leave one of them out.")
    from ai_memory.settings import Settings, process_environment

    console = Console(json=args.json, quiet=args.quiet, verbose=args.verbose)
    settings = Settings.gather(args, process_environment())
    for warning in settings.warnings:
        console.warn(warning)
    code: int = args.run(args, settings, console)
    sys.stdout.flush()
    return code


def _parser() -> Parser:
    parser = Parser(prog="ai-memory", description="Long-term memory of AI agents in one SQLite file.")
    parser.add_argument("--version", action="version", version=f"ai-memory {__version__}")
    add_global_flags(parser)
    commands: Any = parser.add_subparsers(
        title="commands", metavar="COMMAND", required=True, parser_class=CommandParser
    )
    for name, summary in COMMANDS.items():
        commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    return parser


def _fill_missing_streams() -> None:
    # A parent that closed one of them leaves None here; the next file opened would take its place.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 (open to the end)


def _speak_utf8() -> None:
    # Texts of memories are printed whatever the locale; a lone surrogate becomes an escape, valid in JSON too.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _silence_stdout() -> None:
    # The interpreter flushes stdout once more when it ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
