"""`completion`: what a shell offers after the keys that a person types."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ai_memory.commands.completion import SHELLS, script
from tests.conftest import ROOT

OFFERED = """
source {script}
COMP_WORDS=({words}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)) COMP_LINE="${{COMP_WORDS[*]}}" COMP_POINT=${{#COMP_LINE}}
$(complete -p ai-memory | sed 's/.*-F \\([^ ]*\\).*/\\1/')
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
"""What bash does at the key Tab, but for showing it: it calls the function that the script names for the program."""
PROMPT = "prompt> "


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the script as the command prints it, and two files."""
    line = [sys.executable, "-m", "ai_memory", "completion", "bash"]
    printed = subprocess.run(line, capture_output=True, check=True, cwd=ROOT)
    (tmp_path / "script").write_bytes(printed.stdout)
    for name in ("memories.db", "other.toml"):
        (tmp_path / name).touch()
    return tmp_path


def offered(folder: Path, *words: str) -> set[str]:
    """Return what bash offers in `folder` for the last of the words."""
    typed = " ".join(f"'{word}'" for word in ("ai-memory", *words))
    done = subprocess.run(
        ["bash", "--norc", "-c", OFFERED.format(script="./script", words=typed)],
        cwd=folder, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert "command not found" not in done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["rec"], {"recall"}),
        (["re"], {"recall", "restore", "reembed"}),
        (["reembed", "ro"], {"rollback"}),
        (["--json", "--db", "memories.db", "rec"], {"recall"}),
        (["reembed", "--auto"], {"--auto-switch"}),
        (["reembed", "rollback", "--dry"], {"--dry-run"}),
        (["reembed", "--order", "h"], {"hot"}),
        (["completion", ""], set(SHELLS)),
        (["--db", "mem"], {"memories.db"}),
        (["list", "--config", "oth"], {"other.toml"}),
        (["restore", "m"], {"memories.db"}),
        (["list", "rec"], set()),
    ],
)
def test_bash_completes_commands_options_values_and_files(folder: Path, words: list[str], expected: set[str]) -> None:
    assert offered(folder, *words) == expected


def test_an_interactive_bash_completes_a_line_at_the_key_tab(folder: Path) -> None:
    leader, follower = pty.openpty()
    env = {"PATH": os.environ["PATH"], "PS1": PROMPT, "HISTFILE": "", "TERM": "dumb", "HOME": str(folder)}
    shell = subprocess.Popen(
        ["bash", "--norc", "-i"], cwd=folder, stdin=follower, stdout=follower, stderr=follower, env=env,
        start_new_session=True,
    )  # fmt: skip
    os.close(follower)
    try:
        for line in ('ai-memory() { echo "<$*>"; }', "source ./script", "ai-memory reemb\tver\t--db mem\t"):
            _shown(leader)
            os.write(leader, line.encode() + b"\n")
        shown = _shown(leader)
    finally:
        os.close(leader)
        shell.wait(timeout=60)
    assert "<reembed verify --db memories.db>" in shown


def _shown(terminal: int) -> str:
    """Return what a terminal shows until the next prompt."""
    seen = b""
    while PROMPT.encode() not in seen:
        seen += os.read(terminal, 4096)
    return seen.decode()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_that_is_there_takes_its_script(shell: str, tmp_path: Path) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "script").write_text(script(shell), "utf-8")
    subprocess.run([program, "-n", str(tmp_path / "script")], check=True, timeout=60)


def test_a_broken_configuration_does_not_keep_the_script_away(tmp_path: Path) -> None:
    (tmp_path / "ai-memory").mkdir()
    (tmp_path / "ai-memory" / "config.toml").write_text("[embeddings", "utf-8")
    line = [sys.executable, "-m", "ai_memory", "completion", "bash"]
    env = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path)}
    done = subprocess.run(line, capture_output=True, text=True, env=env, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", script("bash"))
