"""Local engines as a user meets them: what is shown of them, and that a command without torch loads none of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.conftest import Cli

CAR, CAKE = "The car is parked outside.", "Bake the cake for an hour."


@pytest.fixture
def configured(minilm_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration whose model has its ONNX file; returns the file."""
    file = tmp_path / "config" / "ai-memory" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(
        f'[embeddings]\nbackend = "local"\nmodel = "all-MiniLM-L6-v2"\nmodel_path = "{minilm_onnx}"\n', encoding="utf-8"
    )
    monkeypatch.setenv("XDG_CONFIG_HOME", str(file.parent.parent))
    return file


@pytest.fixture
def filled(cli: Cli, configured: Path) -> Path:
    """The same with a database of two memories, whose vectors onnxruntime made."""
    configured.write_text(f"{configured.read_text(encoding='utf-8')}engine = 'onnx'\n", encoding="utf-8")
    lines = "".join(f'{{"title": "{text[:7]}", "content": "{text}"}}\n' for text in (CAR, CAKE))
    given = configured.with_name("memories.jsonl")
    given.write_text(lines, encoding="utf-8")
    assert cli("import", given).code == 0
    return configured


@pytest.mark.real_model
def test_config_show_tells_the_engine_its_source_and_what_it_comes_to(cli: Cli, configured: Path) -> None:
    shown = cli("config", "show", "--json").json

    assert shown["engine"] == {"value": "auto", "source": "default"}
    assert shown["engines"] == "openvino if its vectors agree, else onnx, else torch"
    assert "The engine: openvino if its vectors agree" in cli("config", "show").out
    configured.write_text(f"{configured.read_text(encoding='utf-8')}engine = 'onnx'\n", encoding="utf-8")
    shown = cli("config", "show", "--json").json
    assert shown["engine"] == {"value": "onnx", "source": "config.toml [embeddings].engine"}
    assert shown["engines"] == "onnx"


@pytest.mark.real_model
def test_the_variable_goes_before_the_file(cli: Cli, configured: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del configured
    monkeypatch.setenv("AI_MEMORY_EMBED_ENGINE", "torch")
    shown = cli("config", "show", "--json").json

    assert shown["engine"] == {"value": "torch", "source": "env AI_MEMORY_EMBED_ENGINE"}
    monkeypatch.setenv("AI_MEMORY_EMBED_ENGINE", "tensor")
    assert "engine is 'tensor' (env AI_MEMORY_EMBED_ENGINE). It must be one of auto, torch" in cli("config", "show").err


@pytest.mark.real_model
def test_doctor_tells_the_engine_and_another_one_takes_the_vectors_over(cli: Cli, filled: Path) -> None:
    assert cli("doctor", "--json").json["engine"].startswith("onnxruntime ")
    filled.write_text(filled.read_text(encoding="utf-8").replace("engine = 'onnx'", "engine = 'torch'"), "utf-8")
    found = cli("doctor")

    assert (found.code, found.err) == (0, "")
    assert "\nengine: torch " in found.out
    assert cli("reembed", "--dry-run", "--json").json["rows_to_embed"] == 0


@pytest.mark.real_model
def test_recall_by_meaning_loads_nothing_of_torch(cli: Cli, filled: Path, db: Path) -> None:
    del filled
    program = f"""
import sys
from ai_memory.cli import main
code = main(["--db", {str(db)!r}, "recall", "automobile", "--limit", "1"])
heavy = ("torch", "transformers", "sentence_transformers", "huggingface_hub", "openvino")
print(code, [each for each in heavy if each in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)

    assert done.stderr == ""
    assert CAR in done.stdout
    assert done.stdout.splitlines()[-1] == "0 []"
    assert cli("recall", "automobile", "--limit", "1").code == 0


@pytest.mark.real_model
def test_model_export_says_what_stands_in_its_way(cli: Cli, minilm_onnx: Path, tmp_path: Path) -> None:
    there = cli("model", "export", minilm_onnx)
    nothing = cli("model", "export", tmp_path)

    assert f"{minilm_onnx}/onnx/model.onnx is there already. To make it anew, move it away first." in there.err
    assert (there.code, nothing.code) == (64, 3)
    assert f"{tmp_path}/modules.json does not say what the model is made of" in nothing.err


@pytest.mark.real_model
def test_a_run_tells_what_computed_it_and_how_fast_and_so_does_its_status(cli: Cli, filled: Path) -> None:
    filled.write_text(f"{filled.read_text(encoding='utf-8')}dim = 128\n", encoding="utf-8")
    told = cli("reembed", "--yes", "--json").json["computing"]

    assert told["engine"].startswith("onnxruntime ")
    assert told["threads"] >= 1
    assert told["tokens_per_second"] > 0
    assert 0 <= told["padding"] < 1
    kept = cli("reembed", "status", "--json").json["computing"]
    assert (kept["engine"], kept["threads"]) == (told["engine"], told["threads"])
    assert f"\n{told['engine']} on {told['threads']} thread" in cli("reembed", "status").out
