"""The command line: finds the command, runs it, turns errors of ours into one line and an exit code."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ai_memory import __version__
from ai_memory.commands.failure import failure
from ai_memory.commands.help import TOPICS
from ai_memory.commands.parser import Parser, add_global_flags, summed_up
from ai_memory.errors import WRITE_FAULTS, AiMemoryError, DataRefused, StorageFailed, UsageError
from ai_memory.show.console import Console
from ai_memory.show.streams import EXIT_READER_GONE, standard_streams
from ai_memory.system.signals import observed_signals
from ai_memory.text.hints import MAKE_ROOM, Hints, options_of, program_of

if TYPE_CHECKING:
    from ai_memory.config.settings import Settings

COMMANDS = {
    "init": "create an empty database",
    "store": "store one memory, or replace the one of the same title and namespace",
    "import": "store the memories of a file, all of them or none",
    "export": "write all memories as JSON Lines, without vectors",
    "copy": "copy all memories with their vectors into another database, a file or on a server, resumably",
    "get": "show one memory",
    "list": "list memories",
    "delete": "delete one memory",
    "recall": "search memories by words and by meaning",
    "evaluate": "measure how good search is, by queries whose answers are known",
    "backfill": "embed the memories that have no vector",
    "restore": "put a backup back into the database, also while others have it open",
    "reembed": "bring every vector to the configured model, resumably",
    "uninstall-tables": "take our tables out of a file of the Rust program again",
    "stats": "show counts, vector spaces and sizes",
    "namespaces": "show the namespaces with their counts",
    "doctor": "examine the database and its embedder",
    "model": "make the ONNX file of a local model, which then needs no torch",
    "mcp": "serve memories and migrations to agents, by the Model Context Protocol on stdin and stdout",
    "config": "write, check or show the configuration",
    "completion": "print the script by which a shell completes this program's commands and options",
    "help": "show help on a command or a topic",
}
"""Each command and what it does; its module in `ai_memory.commands` has `add_arguments` and `run`.

`add_arguments(parser)` adds the command's own arguments. `run(args, settings, console)` does the work and
returns the exit code; `help` and `completion` have none, for they need no settings. A module is imported only when its
command is the one to run.
"""

MODULES = {"import": "import_", "mcp": "mcp.run", "reembed": "reembed.run", "uninstall-tables": "uninstall_tables"}
"""The modules of commands that have not their command's name."""
EXIT_INTERRUPTED = 130


class CommandParser(Parser):
    """The parser of one command, which asks the command's module for its arguments when it is used."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse with the arguments of the command's module."""
        self.take_arguments()
        return super().parse_known_args(args, namespace)

    def take_arguments(self) -> None:
        """Load the command's module, and take the arguments that it has; once."""
        name = self.prog.split()[-1]
        module = import_module(f"ai_memory.commands.{MODULES.get(name, name)}")
        module.add_arguments(self)
        add_global_flags(self)
        self.set_defaults(run=getattr(module, "run", None))

    def add_subparsers(self, **options: Any) -> Any:  # noqa: ANN401 (argparse's own type is private)
        """Add commands below this one; their parsers are plain ones."""
        return super().add_subparsers(**{"parser_class": Parser, **options})


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    with standard_streams(), observed_signals():
        return _obeyed(argv)


def _obeyed(argv: Sequence[str] | None) -> int:
    typed = sys.argv[1:] if argv is None else list(argv)
    args = argparse.Namespace(
        json=False,
        quiet=False,
        verbose=False,
        console=Console(hints=Hints(commands=tuple(COMMANDS), program=program_of(sys.argv[0]))),
        typed=typed,
    )
    try:
        return _run(argv, args)
    except AiMemoryError as error:
        return _refused(error, args)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return EXIT_READER_GONE
    except Exception as error:  # noqa: BLE001 (a bug ends the process with 1, as an uncaught one does)
        if ours := _fault_of_the_system(error):
            ours.__cause__ = error
            return _refused(ours, args)
        # A bug: the interpreter would show it with whatever keys and escapes stand in it.
        args.console.traceback(error)
        raise SystemExit(1) from None


def _refused(error: AiMemoryError, args: argparse.Namespace) -> int:
    if args.verbose:
        args.console.traceback(error)
    args.console.error(error.line(), exit_code=error.exit_code)
    if (args.json or "--json" in args.typed) and not args.console.shown.result:
        replace(args.console, json=True).result(failure(error, args.console.hints))
        _flush()
    return error.exit_code


def _flush() -> None:
    with suppress(AiMemoryError, BrokenPipeError):
        sys.stdout.flush()


def _fault_of_the_system(error: Exception) -> AiMemoryError | None:
    """Return what the file system did where nobody looked for it, None where it is a bug."""
    if not isinstance(error, OSError):
        return None
    if isinstance(error, FileNotFoundError) and not error.filename and not _has_folder():
        return DataRefused("The current folder no longer exists.", tip="Change to another folder.")
    if error.errno in WRITE_FAULTS:
        what = f"{error.filename or 'A file'} cannot be written: {error.strerror}."
        return StorageFailed(what, tip=MAKE_ROOM)
    if error.filename:
        return StorageFailed(f"{error.filename} cannot be used: {error.strerror}.", tip="Check the path.")
    return None


def _has_folder() -> bool:
    try:
        return bool(Path.cwd())
    except FileNotFoundError:
        return False


def _run(argv: Sequence[str] | None, args: argparse.Namespace) -> int:
    try:
        _parser().parse_args(argv, args)
        if args.run is None:
            _show_without_settings(args)
    except SystemExit:
        # The help was shown.
        sys.stdout.flush()
        raise
    _read_as_utf8(args)
    hints = _hints(args, getattr(args, "db", None))
    from ai_memory.show.screen import look_of
    from ai_memory.system.process_env import process_environment

    environ = process_environment()
    look = look_of(environ)
    args.console = Console(json=args.json, quiet=args.quiet, verbose=args.verbose, hints=hints, look=look)
    if args.quiet and args.verbose:
        raise UsageError("--quiet and --verbose cannot be used together.", tip="Leave one of them out.")
    from ai_memory.commands.precision import as_decided
    from ai_memory.config.settings import Settings

    settings = Settings.gather(args, environ, as_decided)
    unheard = settings.warnings if args.quiet else ()
    if settings.db.source.startswith("env "):
        # Another shell has not this environment.
        hints = _hints(args, settings.db.value)
    args.console = replace(args.console, keys=settings.secrets, hints=hints, unheard=unheard)
    for warning in () if args.quiet or getattr(args, "shows_warnings", False) else settings.warnings:
        args.console.warn(warning)
    code = _done(args, settings)
    sys.stdout.flush()
    return code


def _done(args: argparse.Namespace, settings: Settings) -> int:
    """Run the command; what is wrong with the config file is told once: by whoever needed it, else as a warning."""
    fault, console = settings.fault, args.console
    try:
        code: int = args.run(args, settings, console)
    except AiMemoryError as error:
        if fault and not args.quiet and fault.what not in error.what:
            console.warn(fault.line())
        raise
    if fault and not args.quiet and not console.shown.names(fault.what):
        console.warn(fault.line())
    return code


def _hints(args: argparse.Namespace, db: Path | None) -> Hints:
    """Return the hints of an invocation on the database `db` (None: nothing names it)."""
    console: Console = args.console
    return replace(console.hints, options=options_of(db, getattr(args, "config", None)))


def _show_without_settings(args: argparse.Namespace) -> NoReturn:
    topic = args.topic
    if args.shell:
        from ai_memory.commands.completion import script

        text = script(args.shell)
    elif topic and topic[0] in TOPICS:
        text = TOPICS[topic[0]]()
    else:
        parser = _parser()
        if topic:
            parser.parse_args([*topic, "--help"])
        text = parser.format_help()
    sys.stdout.write(text)
    raise SystemExit(0)


def _read_as_utf8(args: argparse.Namespace) -> None:
    """Read the arguments as UTF-8 whatever the locale; paths stay as the system has them.

    A byte that is not UTF-8 stays a lone surrogate: an id or a namespace of a file may have it.
    """
    for name, value in vars(args).items():
        if isinstance(value, str):
            setattr(args, name, _utf8(value))
        elif isinstance(value, list):
            setattr(args, name, [_utf8(each) if isinstance(each, str) else each for each in value])


def _utf8(argument: str) -> str:
    try:
        return os.fsencode(argument).decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return argument


def whole_parser() -> tuple[Parser, dict[str, CommandParser]]:
    """Return the parser, and those of the commands with all their arguments: every command's module is loaded."""
    parser, commands = _parsers()
    for each in commands.values():
        each.take_arguments()
    return parser, commands


def _parser() -> Parser:
    return _parsers()[0]


def _parsers() -> tuple[Parser, dict[str, CommandParser]]:
    parser = Parser(prog="ai-memory", description="Long-term memory of AI agents in one SQLite file.")
    parser.add_argument("--version", action="version", version=f"ai-memory {__version__}")
    add_global_flags(parser)
    parser.set_defaults(run=None, topic=[], shell=None)
    commands: Any = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=CommandParser)
    return parser, {name: commands.add_parser(name, **summed_up(summary)) for name, summary in COMMANDS.items()}
