"""Every command that the program names is one that it takes, and carries the options that were given."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from ai_memory.cli import COMMANDS, _parser
from ai_memory.commands.reembed.flags import VERBS
from ai_memory.text.hints import GO_ON, Hints, changes_flag, options_of, program_of, without_again
from tests.conftest import ROOT

NAMED = re.compile(rf"\bai-memory ((?:{'|'.join(COMMANDS)})\b[^.;,:()'\"…]*)")
WORDS = frozenset({*VERBS, "show", "check", "exit-codes", "export"})
PUT_IN = "7"
"""What stands for whatever is put into a text: a name or a number."""


def named_in_the_source() -> Iterator[str]:
    """Yield each command that a text of the program names, without the prose after it."""
    for path in sorted((ROOT / "ai_memory").rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in inside:
                parts = node.values if isinstance(node, ast.JoinedStr) else [node]
                text = "".join(str(part.value) if isinstance(part, ast.Constant) else PUT_IN for part in parts)
                for found in NAMED.finditer("" if "\n" in text else text):
                    yield " ".join(command_of(found[1].split()))


def command_of(words: list[str]) -> list[str]:
    for number, word in enumerate(words[1:], start=1):
        if not (word.startswith("--") or word in WORDS or word.isupper() or word.isdigit()):
            return words[:number]
    return words


def texts_of_the_source() -> Iterator[tuple[str, str]]:
    """Yield each text of one line that names a command, as it is printed, with where it stands; no docstring."""
    for path in sorted((ROOT / "ai_memory").rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            if id(node) in told | inside or not isinstance(node, ast.Constant | ast.JoinedStr):
                continue
            text = written(node)
            if "\n" not in text and (NAMED.search(text) or "{self.prog} " in text):
                yield f"{path.name}:{node.lineno}", text


def written(node: ast.Constant | ast.JoinedStr) -> str:
    """Return a text with what is put into it as X; a program's name as itself."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    return "".join(
        str(part.value) if isinstance(part, ast.Constant) else f"{{{ast.unparse(part).strip('{}f')}}}"
        for part in node.values
    )


TEXTS = dict(texts_of_the_source())
ARGUMENTS = rf"(?:--[a-z-]+|[A-Z]+|\d+|{'|'.join(WORDS)})"
PASTED = re.compile(
    rf"(?:\bai-memory|\{{self\.prog\}}) (?:(?:{'|'.join(COMMANDS)})\b|(?=--))(?: ?{ARGUMENTS}(?![\w-]))*"
)
FOLLOWS = re.compile(r"$|;|\)| \(|\{| \{quote\(")


@pytest.mark.parametrize("where", sorted(TEXTS))
def test_behind_a_command_that_is_named_comes_nothing_that_would_be_pasted_with_it(where: str) -> None:
    for found in PASTED.finditer(TEXTS[where]):
        assert FOLLOWS.match(TEXTS[where], found.end()), TEXTS[where]


@pytest.mark.parametrize(
    "text", ["See ai-memory list.", "Type ai-memory reembed, then wait.", "Later: ai-memory reembed --resume later"]
)
def test_what_would_be_pasted_with_a_command_is_seen(text: str) -> None:
    assert any(not FOLLOWS.match(text, found.end()) for found in PASTED.finditer(text))


@pytest.mark.parametrize(
    ("tip", "command"),
    [
        ("Continue it: ai-memory reembed --resume; give it up: ai-memory reembed cancel", "ai-memory reembed --resume"),
        (
            "Go on: ai-memory reembed --namespace 'a; (b' --batch 2 (or not)",
            "ai-memory reembed --namespace 'a; (b' --batch 2",
        ),
        ("Check the key, and where it comes from: ai-memory config show", ""),
        ("The ai-memory daemon is not told.", ""),
    ],
)
def test_the_command_that_a_tip_names_is_found(tip: str, command: str) -> None:
    assert Hints(commands=tuple(COMMANDS)).command(tip) == command


def test_plainly_going_on_keeps_the_flags_and_another_way_of_going_on_stays() -> None:
    tip = f"Mend it, then: {GO_ON}; or: {GO_ON} --retarget"

    assert without_again(tip, f"{GO_ON} --max-rows 3") == f"Mend it, then: {GO_ON} --max-rows 3; or: {GO_ON} --retarget"
    assert without_again(tip, "ai-memory reembed") == tip


def test_a_tip_that_changes_a_flag_of_a_command_is_known() -> None:
    assert changes_flag("Raise --max-tokens.", "ai-memory reembed --max-tokens 3")
    assert not changes_flag("Raise --max-tokens.", "ai-memory reembed --max-rows 3")


def test_a_file_whose_name_looks_like_an_option_is_named_as_a_file() -> None:
    assert options_of(Path("./-x.db"), "-c.toml") == "--db ./-x.db --config ./-c.toml"


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
        ("Run the same command again.", "Go on: X"),
        ("Run the same command again then.", "Go on then: X"),
        ("Run the same command again later.", "Go on later: X"),
        ("Run the same command again then; or wait.", "Go on then: X; or wait."),
        ("Free some space, then run the same command again.", "Free some space, then: X"),
        ("Look at that server, and run the same command again.", "Look at that server, and go on: X"),
        ("Leave it out.", "Leave it out."),
    ],
)
def test_where_the_same_command_would_not_do_another_is_named(tip: str, told: str) -> None:
    assert without_again(tip, "X") == told


def test_a_program_that_no_path_leads_to_is_named_as_it_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "on path" / "ai-memory", tmp_path / "a venv" / "ai-memory"
    for each in (here, there):
        each.parent.mkdir()
        each.write_text("#!/bin/sh\n")
        each.chmod(0o755)
    monkeypatch.setenv("PATH", str(here.parent))

    assert program_of(str(here)) == program_of("ai-memory") == program_of("/x/ai_memory/__main__.py") == "ai-memory"
    assert program_of(str(there)) == f"'{there}'"


def test_a_command_is_named_by_the_path_of_the_program_once() -> None:
    hints = Hints("--db m.db", tuple(COMMANDS), "/opt/venv/bin/ai-memory")
    bare = Hints("", tuple(COMMANDS), "/opt/venv/bin/ai-memory")

    for each, named in (
        (hints, "/opt/venv/bin/ai-memory --db m.db reembed"),
        (bare, "/opt/venv/bin/ai-memory reembed"),
    ):
        assert each(each("Go on: ai-memory reembed")) == f"Go on: {named}"
