"""The scripts that people start by hand."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.conftest import ROOT

SCRIPTS = ROOT / "scripts"


def corpus(rows: int) -> bytes:
    command = [sys.executable, str(SCRIPTS / "stdlib_corpus.py"), str(rows)]
    return subprocess.run(command, check=True, capture_output=True, timeout=60).stdout


def test_the_corpus_is_the_same_bytes_every_time() -> None:
    assert corpus(300) == corpus(300)


def test_no_two_memories_of_the_corpus_have_one_title_in_one_namespace() -> None:
    memories = [json.loads(line) for line in corpus(10_000).splitlines()]
    keys = {(memory["namespace"], memory["title"]) for memory in memories}
    assert len(memories) > 6000
    assert len(keys) == len(memories)


@pytest.mark.parametrize("arguments", [["--rows"], ["--rows", "0"], ["--rows", "many"], ["now"]])
def test_the_demo_refuses_what_it_cannot_do_in_one_line(arguments: list[str]) -> None:
    done = subprocess.run([SCRIPTS / "demo", *arguments], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("scripts/demo: ")
    assert done.stderr.count("\n") == 1


def test_a_recording_plays_what_the_command_wrote_and_names_no_place(tmp_path: Path) -> None:
    shown, asked = (
        tmp_path / "a.svg",
        "printf '10%%\\r'; sleep 0.5; printf '99%% <b>\\n'; pwd; seq 40; printf '\\033[1mlast\\033[0m'",
    )
    done = subprocess.run([SCRIPTS / "record", shown, "sh", "-c", asked], cwd=ROOT, check=False, timeout=60)

    assert done.returncode == 0
    page = ET.parse(shown).getroot()
    lines = list(page.iter("{http://www.w3.org/2000/svg}text"))
    texts = [each.text for each in lines]
    assert texts == ["10%", "99% <b>", "…", *map(str, range(1, 41)), "last"]
    first, second = (each[0].attrib for each in lines[:2])
    assert (first["end"], "end" in second) == (second["begin"], False)
    assert len([each for each in page.iter() if each.tag.endswith("animateTransform")]) >= 1
    assert str(ROOT) not in shown.read_text("utf-8")


def test_without_a_python_that_is_new_enough_the_way_out_is_named(tmp_path: Path) -> None:
    for tool in ("sh", "dirname"):
        (tmp_path / tool).symlink_to(Path("/bin") / tool if tool == "sh" else Path("/usr/bin") / tool)
    command = [str(tmp_path / "sh"), str(SCRIPTS / "venv")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False, env={"PATH": str(tmp_path)})
    assert done.returncode == 1
    assert "apt-get install python3" in done.stderr


@pytest.mark.parametrize(
    ("script", "arguments", "last"),
    [
        ("bench-undo", ["--rows", "200", "--dim", "8", "--runs", "1"], "file after vacuum"),
        ("bench-switch", ["--rows", "200", "--dim", "8"], "putting back"),
        ("bench-postgres", ["--rows", "200", "--dim", "8"], "switch back among others"),
        ("bench-reads", ["--rows", "200"], ""),
        ("bench-namespaces", ["--rows", "4000", "--namespaces", "20"], "  killed after"),
        ("bench-recall", ["--sizes", "200x8", "--runs", "1"], ""),
        ("bench-mcp", ["--size", "200x8", "--calls", "3"], "the query's embedding"),
        ("bench-endpoint", ["--rows", "200", "--windows", "2", "--pairs", "1", "--only", "loop"], ""),
    ],
)
def test_what_measures_a_part_measures_it_to_the_end(script: str, arguments: list[str], last: str) -> None:
    line = [sys.executable, str(SCRIPTS / script), *arguments]
    done = subprocess.run(line, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith(last)
