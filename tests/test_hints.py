"""Every command that the program names is one that it takes, and carries the options that were given."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from ai_memory.cli import COMMANDS, _parser
from ai_memory.commands.reembed import VERBS
from ai_memory.hints import Hints, options_of, without_again
from tests.conftest import ROOT

NAMED = re.compile(rf"\bai-memory ((?:{'|'.join(COMMANDS)})\b[^.;,:()'\"…]*)")
WORDS = frozenset({*VERBS, "show", "exit-codes"})


def named_in_the_source() -> Iterator[str]:
    """Yield each command that a text of the program names, without the prose after it."""
    for path in sorted((ROOT / "ai_memory").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" not in node.value:
                for found in NAMED.finditer(node.value):
                    yield " ".join(command_of(found[1].split()))


def command_of(words: list[str]) -> list[str]:
    for number, word in enumerate(words[1:], start=1):
        if not (word.startswith("--") or word in WORDS or word.isupper() or word.isdigit()):
            return words[:number]
    return words


COMMANDS_NAMED = sorted(set(named_in_the_source()) - {"restore"})


@pytest.mark.parametrize("line", COMMANDS_NAMED)
def test_a_command_that_is_named_is_one_that_can_be_typed(line: str) -> None:
    assert "run" in _parser().parse_args(line.split())


def test_there_are_commands_named_in_the_source() -> None:
    assert {"reembed --resume", "reembed approve", "reembed unpause", "init"} <= set(COMMANDS_NAMED)


def test_a_command_that_is_named_carries_the_options_and_no_other_word_changes() -> None:
    hints = Hints(options_of(Path("/a folder/it's.db"), "c.toml"), tuple(COMMANDS))

    told = hints("This ai-memory knows it. Type: ai-memory reembed --resume, or ai-memory reembedding.")

    options = shlex.join(["--db", "/a folder/it's.db", "--config", "c.toml"])
    assert told == f"This ai-memory knows it. Type: ai-memory {options} reembed --resume, or ai-memory reembedding."


def test_without_options_a_command_is_named_as_it_is() -> None:
    assert Hints(options_of(None, None), tuple(COMMANDS))("ai-memory reembed") == "ai-memory reembed"


@pytest.mark.parametrize(
    ("tip", "told"),
    [
        ("Run the same command again.", "Go on: X."),
        ("Run the same command again then.", "Go on then: X."),
        ("Free some space, then run the same command again.", "Free some space, then: X."),
        ("Look at that server, and run the same command again.", "Look at that server, and go on: X."),
        ("Leave it out.", "Leave it out."),
    ],
)
def test_where_the_same_command_would_not_do_another_is_named(tip: str, told: str) -> None:
    assert without_again(tip, "X") == told
