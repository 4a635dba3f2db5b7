"""What the documents say is what the program does."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ai_memory import errors
from ai_memory.cli import COMMANDS
from ai_memory.commands.completion import SHELLS, script
from ai_memory.commands.help import TOPICS
from ai_memory.commands.parser import EXIT_CODES
from ai_memory.memory.records import OF_VECTOR
from tests.conftest import ROOT

CONFIGURATION = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "CONTRIBUTING.md")


def test_the_reference_is_what_the_program_says_of_itself() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "reference.py"))
    assert (ROOT / "docs" / "reference.md").read_text("utf-8") == "\n".join(script["page"]())


def test_the_man_page_is_what_the_program_says_of_itself() -> None:
    written = runpy.run_path(str(ROOT / "scripts" / "reference.py"))
    assert TOPICS["man"]() == "\n".join(written["man_page"]()), "Type: .venv/bin/python scripts/reference.py"


def test_man_shows_every_command_and_complains_of_nothing() -> None:
    page = ROOT / "ai_memory" / "man" / "ai-memory.1"
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    line = ["groff", "-K", "utf8", "-T", "utf8", "-P", "-cbou", "-man", "-ww", str(page)]
    done = subprocess.run(line, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    shown = re.findall(r"^   (ai-memory [\w -]+)$", done.stdout.replace("\u2010", "-"), re.MULTILINE)
    assert {line.split()[1] for line in shown} == set(COMMANDS)
    assert f" 75 {EXIT_CODES[75]} " in " ".join(done.stdout.split())


@pytest.mark.parametrize("shell", SHELLS)
def test_the_completion_of_a_shell_is_what_the_parsers_take(shell: str) -> None:
    written = runpy.run_path(str(ROOT / "scripts" / "completions.py"))["script"]
    assert script(shell) == written(shell), "Type: .venv/bin/python scripts/completions.py"


def test_every_exit_code_of_an_error_has_its_meaning() -> None:
    classes = [each for each in vars(errors).values() if isinstance(each, type)]
    raised = {each.exit_code for each in classes if issubclass(each, errors.AiMemoryError)}
    assert raised <= set(EXIT_CODES)


def test_the_operator_finds_every_exit_code() -> None:
    page = (ROOT / "docs" / "operating.md").read_text("utf-8")
    rows = re.findall(r"^\| ([\d, ]+) \|", page, re.MULTILINE)
    assert sorted(int(code) for row in rows for code in row.split(",")) == sorted(EXIT_CODES)


def test_the_tree_of_errors_shows_the_codes_they_carry() -> None:
    drawn = dict(re.findall(r"── (\w+) +(\d+) ", errors.__doc__ or ""))
    assert drawn
    assert drawn == {name: str(vars(errors)[name].exit_code) for name in drawn}


def test_a_command_in_the_documents_is_one_of_the_program() -> None:
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    typed = re.findall(r"^(?:\$ )?ai-memory +(?:--\w+ +\S+ +)*([a-z][a-z-]*)", text, re.MULTILINE)
    assert typed
    assert set(typed) <= set(COMMANDS)


def test_a_flag_in_the_documents_is_one_of_the_program() -> None:
    known = set(re.findall(r"--[a-z][a-z-]*", (ROOT / "docs" / "reference.md").read_text("utf-8")))
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    lines = re.findall(r"^(?:\$ )?(ai-memory .*)$", text, re.MULTILINE)
    used = {flag for line in lines for flag in re.findall(r"--[a-z][a-z-]*", line)}
    assert used <= known | {"--help", "--version"}


def test_the_fields_of_an_import_are_those_that_a_memory_has() -> None:
    page = (ROOT / "docs" / "how-to.md").read_text("utf-8").split("## … write a file for import")[1].split("\n## ")[0]
    told = {name for row in re.findall(r"^\| (`.*?) \|", page, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    schema = (ROOT / "migrations" / "0001_memories.sql").read_text("utf-8").split(");")[0]
    columns = set(re.findall(r"^    (\w+) +[A-Z]", schema, re.MULTILINE))
    assert told == columns - {"encrypted_envelope", *OF_VECTOR}


def test_nothing_names_a_package_that_is_nobodys_yet() -> None:
    texts = {each: each.read_text("utf-8") for each in (*PAGES, *(ROOT / "ai_memory").rglob("*.py"))}

    named = r"pip install[^\n]* ['\"]?ai-memory\b(?!-)"
    assert [str(each) for each, text in texts.items() if re.search(named, text)] == []


def test_a_link_between_the_documents_leads_somewhere() -> None:
    link = re.compile(r"\]\((?!https?:)([^)#]+)")
    links = ((page, target) for page in PAGES for target in link.findall(page.read_text("utf-8")))
    assert [(page.name, target) for page, target in links if not (page.parent / target).exists()] == []


def test_a_configuration_in_the_documents_is_taken_as_it_is_printed(tmp_path: Path) -> None:
    blocks = [(page.name, text) for page in PAGES for text in CONFIGURATION.findall(page.read_text("utf-8"))]
    assert len(blocks) >= 10
    for name, text in blocks:
        config = tmp_path / "config.toml"
        config.write_text(text)
        config.chmod(0o600)
        line = [sys.executable, "-m", "ai_memory", "--config", str(config), "config", "check"]
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "OPENAI_API_KEY": "k", "AZURE_OPENAI_API_KEY": "k"}
        done = subprocess.run(line, env=env, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
        assert (name, text, done.returncode, done.stderr) == (name, text, 0, "")


def test_a_module_that_the_documents_name_is_there() -> None:
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    drawn = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    rooms = "|".join(path.parent.name for path in (ROOT / "ai_memory").glob("*/__init__.py"))
    named = set(re.findall(r"\bai_memory/([\w/]+)\.py", text)) | set(re.findall(rf"\b(?:{rooms})(?:/\w+)+", drawn))
    assert len(named) > 20
    paths = {name: ROOT / "ai_memory" / name for name in named}
    assert {name for name, path in paths.items() if not path.is_dir() and not path.with_suffix(".py").exists()} == set()


def test_the_layout_shows_every_folder_of_the_package() -> None:
    layout = (ROOT / "CONTRIBUTING.md").read_text("utf-8").split("```")[3]
    drawn = set(re.findall(r"^ +(\w+)/ ", layout, re.MULTILINE))
    assert drawn == {path.parent.name for path in (ROOT / "ai_memory").rglob("*/__init__.py")}
