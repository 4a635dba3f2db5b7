"""What is read from a model's files without loading it, for the forms that are found in the field."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ai_memory.embed.model_folder import ModelFacts, inspect, weights
from ai_memory.errors import EmbedderInitFailed
from tests.embed.conftest import rewrite


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model that a test may change."""
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def test_the_files_of_minilm_say_what_its_card_says(minilm_folder: Path) -> None:
    assert inspect(minilm_folder) == ModelFacts(dim=384, max_tokens=256, normalized=True)


def test_the_form_of_the_newest_library_is_read(model: Path) -> None:
    assert inspect(model) == ModelFacts(dim=32, max_tokens=24, normalized=True)


def test_the_shorter_of_tokenizer_and_positions_cuts_where_nothing_is_configured(model: Path) -> None:
    rewrite(model / "tokenizer_config.json", model_max_length=10**30)

    assert inspect(model) == ModelFacts(dim=32, max_tokens=512, normalized=True)


def test_a_configured_length_goes_before_the_tokenizers(model: Path) -> None:
    rewrite(model / "sentence_bert_config.json", max_seq_length=12)

    assert inspect(model) == ModelFacts(dim=32, max_tokens=12, normalized=True)


def test_joined_poolings_and_dense_layers_change_the_width(model: Path) -> None:
    rewrite(model / "1_Pooling" / "config.json", pooling_mode=["mean", "max"])
    assert inspect(model) == ModelFacts(dim=64, max_tokens=24, normalized=True)

    dense = model / "2_Dense"
    dense.mkdir()
    (dense / "config.json").write_text('{"in_features": 64, "out_features": 8}', encoding="utf-8")
    add_module(model, "sentence_transformers.models.Dense", "2_Dense")
    assert inspect(model) == ModelFacts(dim=8, max_tokens=24, normalized=True)


def test_a_module_of_unknown_kind_leaves_the_answer_to_the_loaded_model(model: Path) -> None:
    add_module(model, "custom.Whitening", "3_Whitening")

    assert inspect(model) is None


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmbedderInitFailed, match="holds no model"):
        inspect(tmp_path)


@pytest.mark.parametrize("broken", ["{", "{}", "[1]"])
def test_broken_files_are_named(model: Path, broken: str) -> None:
    (model / "modules.json").write_text(broken, encoding="utf-8")

    with pytest.raises(EmbedderInitFailed, match=r"modules\.json"):
        inspect(model)


def test_weights_must_be_there(model: Path) -> None:
    assert weights(model) == [model / "model.safetensors"]
    (model / "model.safetensors").unlink()

    with pytest.raises(EmbedderInitFailed, match="holds no weights"):
        weights(model)


def add_module(model: Path, kind: str, path: str) -> None:
    file = model / "modules.json"
    modules = json.loads(file.read_text(encoding="utf-8"))
    modules.append({"idx": len(modules), "name": str(len(modules)), "path": path, "type": kind})
    file.write_text(json.dumps(modules), encoding="utf-8")
