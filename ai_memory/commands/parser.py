"""What the parsers of all commands share: the global flags, the exit codes, errors of ours."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from ai_memory.commands.arguments import named_database, named_path
from ai_memory.commands.examples import EXAMPLES
from ai_memory.errors import UsageError
from ai_memory.text.hints import PROGRAM

EXIT_CODES = {
    0: "done; verify and doctor: nothing found",
    1: "verify, doctor, config check: found something; status --check: needs somebody; the lock's holder is stuck; "
    "a bug (traceback)",
    2: "no embedder is configured",
    3: "the configuration cannot be obeyed, or the embedder cannot be built",
    4: "the stored vectors are not what the stamp would say",
    10: "complete except for quarantined rows; copy: except for what the target cannot hold",
    11: "another live run holds the lock",
    12: "nothing can be begun or resumed until an operator decides",
    64: "the command line is wrong",
    65: "a database or an input file cannot be used",
    66: "no such memory, namespace or input file",
    69: "the endpoint cannot be used until someone acts",
    74: "input/output error, disk full",
    75: "not finished, run the same command again; status --check: it goes on by itself",
    77: "the endpoint refused the key",
    78: "the target differs from the run's",
    130: "stopped by SIGINT",
    141: "the reader of the output went away",
    143: "stopped by SIGTERM",
}

OF_ANY_COMMAND = frozenset({0, 1, 3, 64, 65, 74, 75, 130, 141, 143})
"""The exit codes that every command may end with."""
OWN_CODES: Mapping[str, Sequence[int]] = {
    "import": (66,),
    "export": (66,),
    "copy": (10, 11, 12),
    "get": (66,),
    "list": (66,),
    "delete": (66,),
    "recall": (66,),
    "evaluate": (66,),
    "backfill": (2, 10, 69, 77, 78),
    "restore": (11, 66),
    "reembed": (2, 4, 10, 11, 12, 66, 69, 77, 78),
    "reembed status": (1, 75),
    "reembed verify": (1, 2, 12, 66, 69, 77, 78),
    "reembed approve": (2, 69, 77, 78),
    "reembed cancel": (11, 12),
    "uninstall-tables": (11, 12),
    "doctor": (1,),
    "config check": (1, 2, 69, 77, 78),
}
"""The other ones that a command may end with, and those that say something else of it."""


def exit_table(codes: Iterable[int]) -> str:
    """Return a line for each exit code with its meaning."""
    return "\n".join(f"  {code:>3}  {EXIT_CODES[code]}" for code in codes)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are ours (exit 64, one line), with the command's own exit codes at the end of its help."""

    def __init__(self, *args: object, **options: object) -> None:
        """Build a parser; `options` are argparse's."""
        options = {
            "epilog": _epilog(str(options.get("prog", "")).removeprefix("ai-memory ")),
            "formatter_class": argparse.RawDescriptionHelpFormatter,
            "allow_abbrev": False,
            **options,
        }
        super().__init__(*args, **options)  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        """Raise the error as one of ours.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"{message.rstrip('.')}.", tip=f"See {self.prog} --help")


def _epilog(command: str) -> str:
    own, example = OWN_CODES.get(command), EXAMPLES.get(command)
    told = ["exit status of every command: ai-memory help exit-codes"]
    if own:
        told.insert(0, f"exit status of this command:\n{exit_table(own)}")
    if example is not None:
        told.insert(0, f"example:\n  {PROGRAM} {command} {example}".rstrip())
    return "\n\n".join(told)


def summed_up(summary: str) -> dict[str, Any]:
    """Return how `add_parser` is told what a command does: in the list of commands, and as a sentence in its help."""
    return {"help": summary, "description": f"{summary[0].upper()}{summary[1:]}."}


def add_global_flags(parser: argparse.ArgumentParser) -> None:
    """Let `parser` take the global flags; one that is not given leaves no attribute, so that none is overruled."""
    group = parser.add_argument_group("global options (before or after the command)")
    for names, options in (
        (["--db"], {"metavar": "PATH", "type": named_database, "help": "the database file, or postgresql://…"}),
        (["--config"], {"metavar": "PATH", "type": named_path, "help": "the configuration file"}),
        (["--json"], {"action": "store_true", "help": "print ONE JSON object on one line"}),
        (["-q", "--quiet"], {"action": "store_true", "help": "show no progress and no notes"}),
        (["-v", "--verbose"], {"action": "store_true", "help": "show more details, and the traceback of an error"}),
    ):
        group.add_argument(*names, default=argparse.SUPPRESS, **options)
