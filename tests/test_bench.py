"""What scripts/bench measures is whole, and what docs/performance.md shows is what it measured."""

from __future__ import annotations

import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.conftest import ROOT

SCRIPTS, DOCS = ROOT / "scripts", ROOT / "docs"
PAGE = runpy.run_path(str(SCRIPTS / "bench_page.py"))
WORK = runpy.run_path(str(SCRIPTS / "bench_work.py"))
SVG = "{http://www.w3.org/2000/svg}"


def bench(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).with_name("ai-memory")
    line = [SCRIPTS / "bench", *arguments, command]
    return subprocess.run(line, capture_output=True, text=True, timeout=280, check=False)


@pytest.mark.real_model
def test_the_quick_form_measures_all_that_the_page_shows(minilm_onnx: Path, tmp_path: Path) -> None:
    page = Path(shutil.copy(DOCS / "performance.md", tmp_path))
    arguments = ("--json", tmp_path / "found.json", "--svg", tmp_path / "plot.svg", "--page", page)
    done = bench("--quick", "--model", minilm_onnx, "--engines", "onnx", *arguments)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text("utf-8"))
    ours = {"reembed onnx", "engine onnx", "recall onnx"}
    assert found["took"].keys() == {"loop", "encode", "sqlite", "help", *ours}
    assert all(each["median"] == each["seconds"][0] > 0 for each in found["took"].values())
    assert found["ratios"]["reembed onnx"].keys() > {"the loop", "its passes alone", "the matrices"}
    assert done.stdout.strip() in page.read_text("utf-8")
    assert bars(tmp_path / "plot.svg") == len(found["took"]) - 1  # bare UPDATEs have no tokens


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--engines", "abacus"], "no engine abacus"),
        (["--rows", "0"], "at least one row"),
        (["/bin/true"], "/bin/true is not an ai-memory"),
        (["--page", str(ROOT / "README.md")], "README.md has no lines"),
    ],
)
def test_what_it_cannot_do_is_refused_before_anything_is_measured(arguments: list[str], what: str) -> None:
    done = bench(*arguments)
    assert done.returncode == 2
    assert what in done.stderr.splitlines()[-1]


def test_the_page_shows_the_figures_that_were_measured() -> None:
    found = json.loads((DOCS / "performance.json").read_text("utf-8"))
    assert f"{PAGE['MARKS'][0]}\n{PAGE['tables'](found)}{PAGE['MARKS'][1]}" in (DOCS / "performance.md").read_text(
        "utf-8"
    )
    assert (DOCS / "performance.svg").read_text("utf-8") == PAGE["plot"](found)


def test_the_model_costs_what_its_shapes_say(tmp_path: Path) -> None:
    shape = {"num_hidden_layers": 6, "hidden_size": 384, "intermediate_size": 1536}
    (tmp_path / "config.json").write_text(json.dumps(shape))
    assert WORK["flops"]([10, 100], tmp_path) == 110 * 21_233_664 + 9_216 * (10 * 10 + 100 * 100)


@pytest.mark.parametrize("most", [256, 1_024])
def test_each_text_has_its_place_in_one_pass(most: int) -> None:
    texts: list[Any] = ["x" * (1 + number % 37) + f"{number:3}" for number in range(520)]
    passes = list(WORK["passes_of"](texts, most))
    assert sorted(text for each in passes for text in each) == sorted(texts)
    assert max(len(each) * max(map(len, each)) for each in passes) <= most


def bars(plot: Path) -> int:
    """Return how many bars are drawn."""
    root = ET.parse(plot).getroot()
    assert root.tag == f"{SVG}svg"
    return len(root.findall(f"{SVG}rect"))
