"""The examples in the help of commands: each command has one, and it can be typed."""

from __future__ import annotations

import argparse
import runpy
import shlex

import pytest

from ai_memory.cli import _parser, whole_parser
from ai_memory.commands.examples import EXAMPLES
from tests.conftest import ROOT


def parsers() -> dict[str, argparse.ArgumentParser]:
    """Return those of all commands that do something by themselves."""
    below = runpy.run_path(str(ROOT / "scripts" / "reference.py"))["below"]
    found = [each for command in whole_parser()[1].values() for each in (command, *below(command))]
    return {
        each.prog.removeprefix("ai-memory "): each
        for each in found
        if each.prog.split()[1:] not in (["model"], ["config"])
    }


def test_each_command_has_an_example_in_its_help() -> None:
    told = parsers()

    assert told.keys() == EXAMPLES.keys()
    for name, parser in told.items():
        line = f"ai-memory {name} {EXAMPLES[name]}".rstrip()
        assert f"example:\n  {line}\n" in parser.format_help()


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_can_be_typed(name: str) -> None:
    words = shlex.split(EXAMPLES[name].partition(" > ")[0])

    assert "run" in _parser().parse_args([*name.split(), *words])
