"""`config`: write, check or show the configuration."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ai_memory.commands.arguments import whole_number
from ai_memory.commands.parser import add_global_flags, summed_up
from ai_memory.vectors.target import MAX_DIM

if TYPE_CHECKING:
    from ai_memory.config.settings import Settings
    from ai_memory.show.console import Console

ACTIONS = {
    "show": "show each setting and where it came from",
    "check": "tell what is wrong with the configuration file and where; exit 1 where something in it is ignored",
    "init": "write a configuration file with every setting explained, where there is none; at a terminal it asks",
}


SETTINGS = ("backend", "base_url", "model", "dim", "api_key_file")
"""The settings of [embeddings] that a new file may have, by the flags that make them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what can be done with the configuration."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for name, summary in ACTIONS.items():
        below = actions.add_parser(name, **summed_up(summary))
        # What is ignored is what a check shows; a file that is to be written is not read.
        below.set_defaults(action=name, shows_warnings=name == "check", writes_config=name == "init")
        if name == "check":
            below.add_argument("--probe", action="store_true", help="also ask the embedder for some short texts")
        if name == "init":
            _add_settings(below)
        add_global_flags(below)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--backend", metavar="NAME", help="what gives texts their vectors: local, ollama, openai-compatible, a vendor")
    add("--base-url", metavar="URL", help="the address of the endpoint")
    add("--model", metavar="NAME", help="the name of the model")
    add("--dim", type=whole_number(1, MAX_DIM), metavar="N", help="the width of the vectors")
    add("--api-key-file", metavar="FILE", help="a file with the key in its first line; the key itself stands nowhere")


def run(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Do what the action says."""
    if args.action == "init":
        from ai_memory.commands.config_init import run_init

        given = {name: value for name in SETTINGS if (value := getattr(args, name)) is not None}
        return run_init(getattr(args, "config", None), given, settings, console)
    if args.action == "check":
        from ai_memory.commands.config_check import run_check

        return run_check(settings, console, ask=args.probe)
    from ai_memory.commands.config_show import run_show

    return run_show(settings, console)
