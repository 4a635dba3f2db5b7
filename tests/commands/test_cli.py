"""The command line itself: flags, exit codes, one line an error."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ai_memory import __version__
from ai_memory.cli import COMMANDS, main
from ai_memory.commands.parser import EXIT_CODES, OF_ANY_COMMAND, OWN_CODES
from tests.commands.conftest import Cli
from tests.conftest import ROOT

PROGRAM = [sys.executable, "-m", "ai_memory"]


@pytest.mark.parametrize("line", [["--db", "x.db", "--json", "init"], ["init", "--json", "--db", "x.db"]])
def test_global_flags_are_taken_before_and_after_the_command(
    cli: Cli, line: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli(*line).json == {"db": "x.db", "created": True}
    assert (tmp_path / "x.db").exists()


@pytest.mark.parametrize(
    "line",
    [
        ["nonsense"],
        ["init", "--frob"],
        ["help", "nonsense"],
        ["store", "-T", "x"],
        ["list", "--db"],
        ["-q", "-v", "list"],
    ],
)
def test_a_command_line_that_cannot_be_obeyed_exits_64_with_one_line(cli: Cli, line: list[str]) -> None:
    ran = cli(*line)
    lines = [each for each in ran.err.splitlines() if each.startswith("ai-memory: error:")]
    assert (ran.code, ran.out, len(lines)) == (64, "", 1)


def test_a_missing_database_is_named_and_not_created(cli: Cli, db: Path) -> None:
    for command in ("list", "stats", "namespaces", "export", "doctor", "backfill"):
        ran = cli(command)
        assert (ran.code, ran.err.count("\n"), str(db) in ran.err) == (65, 1, True)
    assert not db.exists()


def test_a_file_that_is_no_database_exits_65(cli: Cli, db: Path) -> None:
    db.write_text("not a database, but long enough to be looked at" * 100)
    ran = cli("list")
    assert ran.code == 65
    assert ran.err.startswith(f"ai-memory: error: {db} is not a SQLite database. Name the database file with --db")
    assert ran.err.count("\n") == 1


def test_verbose_adds_the_traceback(cli: Cli) -> None:
    assert "Traceback" in cli("-v", "list").err
    assert "Traceback" not in cli("list").err


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_says_its_exit_codes_in_its_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    out = capsys.readouterr().out
    assert end.value.code == 0
    told = {int(code) for code in re.findall(r"^ +(\d+)  ", out, re.MULTILINE)}
    assert told == set(OWN_CODES.get(command, ()))
    assert "ai-memory help exit-codes" in out


def test_one_place_has_all_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert OF_ANY_COMMAND.union(*OWN_CODES.values()) == set(EXIT_CODES)
    assert shown(capsys, "help", "exit-codes") == "exit status:\n" + "".join(
        f"  {code:>3}  {meaning}\n" for code, meaning in EXIT_CODES.items()
    )


@pytest.mark.parametrize("line", [[], ["help"], ["--json"], ["help", "-q"]])
def test_the_program_alone_shows_its_help(capsys: pytest.CaptureFixture[str], line: list[str]) -> None:
    assert shown(capsys, *line) == shown(capsys, "--help")


@pytest.mark.parametrize("command", [["list"], ["help"], ["reembed"], ["reembed", "verify"], ["config", "show"]])
def test_help_of_a_command_is_what_its_own_flag_shows(capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    assert shown(capsys, "help", *command) == shown(capsys, *command, "--help")


def test_a_broken_configuration_does_not_keep_the_help_away(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[embeddings")
    assert "recall" in shown(capsys, "--config", str(tmp_path / "config.toml"), "help")


def shown(capsys: pytest.CaptureFixture[str], *line: str) -> str:
    """Return what a command line shows that ends with 0 and says nothing else."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(line)
    out, err = capsys.readouterr()
    assert (end.value.code, err) == (0, "")
    return out


def test_help_answers_without_loading_what_is_heavy() -> None:
    heavy = "{'numpy', 'apsw', 'torch', 'requests', 'tenacity', 'sentence_transformers'}"
    code = (
        f"import sys; from ai_memory.cli import main\ntry: main(['--help'])\nfinally: print({heavy} & set(sys.modules))"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "set()"
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "line",
    [
        *("list", "get t", "stats", "namespaces", "export", "delete t"),
        *("reembed status", "reembed history", "reembed pause", "reembed unpause", "reembed cancel"),
    ],
)
def test_what_compares_no_vectors_does_not_load_numpy(cli: Cli, db: Path, line: str) -> None:
    cli("store", "-T", "t", "-c", "c", "--no-embed")
    code = f"""
import sys
from ai_memory.cli import main
try:
    main(["--db", {str(db)!r}, *{line.split()!r}])
finally:
    print("numpy" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.splitlines()[-1] == "False", done.stderr


def test_the_installed_module_says_its_version() -> None:
    done = subprocess.run([*PROGRAM, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"ai-memory {__version__}\n"


def test_a_reader_that_goes_away_ends_the_command_quietly(tmp_path: Path) -> None:
    lines = "\n".join(f'{{"title": "t{n}", "content": "{"x" * 400}"}}' for n in range(1000))
    db = str(tmp_path / "m.db")
    subprocess.run([*PROGRAM, "--db", db, "import", "-", "--no-embed"], input=lines.encode(), check=True)
    with subprocess.Popen([*PROGRAM, "--db", db, "export"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as export:
        assert export.stdout
        assert export.stderr
        export.stdout.read(1)
        export.stdout.close()
        assert (export.stderr.read(), export.wait()) == (b"", 141)


def test_text_is_printed_whatever_the_locale(tmp_path: Path) -> None:
    line = [*PROGRAM, "--db", str(tmp_path / "m.db"), "store", "-T", "日本", "-c", "é", "--no-embed"]
    subprocess.run(line, check=True, capture_output=True)
    shown = subprocess.run([*line[:5], "list"], capture_output=True, env={"LC_ALL": "C", "PYTHONUTF8": "0"}, check=True)
    assert "日本" in shown.stdout.decode()


@pytest.mark.parametrize("library", ["apsw", "numpy", "requests", "tqdm", "json", "sqlite3"])
def test_no_library_is_taken_from_the_current_folder(tmp_path: Path, library: str) -> None:
    (tmp_path / f"{library}.py").write_text("open('executed', 'w')\n", encoding="utf-8")
    command = [sys.executable, "-m", "ai_memory", "--db", "m.db", "store", "-T", "a", "-c", "b", "--no-embed"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}

    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, (tmp_path / "executed").exists()) == (0, False), done.stderr


def test_a_bug_is_shown_without_keys_and_escapes_and_ends_with_1(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> int:
        raise RuntimeError("sk-SECRETSECRET-123456 \x1b]0;owned\x07")

    cli("init")
    monkeypatch.setattr("ai_memory.commands.list.run", broken)

    with pytest.raises(SystemExit) as end:
        cli("list")

    err = capsys.readouterr().err
    assert end.value.code == 1
    assert "RuntimeError: *** \\x1b]0;owned\\x07" in err
