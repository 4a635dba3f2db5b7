"""What is read from a model's files without loading it, for the forms that are found in the field."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from ai_memory.embed.local.model_folder import inspect
from ai_memory.embed.local.weights import weights
from ai_memory.embed.port import ModelFacts
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


def test_a_module_of_another_width_leaves_the_answer_to_the_loaded_model(model: Path) -> None:
    add_module(model, "sentence_transformers.models.LayerNorm", "3_LayerNorm")

    assert inspect(model) is None


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmbedderInitFailed, match="holds no model"):
        inspect(tmp_path)


@pytest.mark.parametrize(
    "broken",
    [
        *("{", "{}", "[1]", "[" * 100_000, "[" + "1" * 5000 + "]", "\xff", "", "[" + "{}," * 100 + "{}]"),
        *('[{"path": 1}]', '[{"path": "/etc"}]', '[{"path": "a/../../b"}]', '[{"path": "a\\u0000b"}]'),
        '[{"path": "' + "x" * 5000 + '"}]',
    ],
)
def test_broken_files_are_named(model: Path, broken: str) -> None:
    (model / "modules.json").write_text(broken, encoding="latin-1")

    with pytest.raises(EmbedderInitFailed, match=r"modules\.json") as caught:
        inspect(model)
    assert len(caught.value.line()) < 700


@pytest.mark.parametrize("name", ["modules.json", "config.json", "tokenizer_config.json", "1_Pooling/config.json"])
def test_a_fifo_a_folder_or_terabytes_in_place_of_a_file_are_read_by_nobody(model: Path, name: str) -> None:
    file = model / name
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(EmbedderInitFailed, match="is not a regular file"):
        inspect(model)
    file.unlink()
    file.mkdir()
    inspect(model)
    file.rmdir()
    with file.open("wb") as stream:
        stream.truncate(1 << 40)

    with pytest.raises(EmbedderInitFailed, match="is longer than"):
        inspect(model)


@pytest.mark.parametrize("width", [10**30, 65_537, -1, 0, True, "32", None, [32], 1e400, 32.0])
def test_a_width_that_no_model_has_is_refused_or_left_to_the_loaded_model(model: Path, width: object) -> None:
    rewrite(model / "1_Pooling" / "config.json", embedding_dimension=width, word_embedding_dimension=width)
    if isinstance(width, int) and width > 65_536:
        with pytest.raises(EmbedderInitFailed, match="wider than 65,536"):
            inspect(model)
    else:
        assert inspect(model) is None


def test_a_limit_of_tokens_without_end_is_none(model: Path) -> None:
    rewrite(model / "sentence_bert_config.json", max_seq_length=10**30)

    assert inspect(model) is None


@pytest.mark.parametrize(
    "kind",
    [
        "evil.Evil",
        "evil",
        "",
        "custom.Whitening",
        "os.system",
        "sentence_transformers_evil.Dense",
        "evil.sentence_transformers.Dense",
        "sentence_transformers.models.Router",
        "sentence_transformers.models.Asym",
        "sentence_transformers.models.WordEmbeddings",
        "sentence_transformers.util.import_from_string",
        "sentence_transformers.models.Evil\x1b[31m",
    ],
)
def test_a_module_that_is_not_the_librarys_own_is_refused(model: Path, kind: str) -> None:
    add_module(model, kind, "")

    with pytest.raises(EmbedderInitFailed, match="names a module that is not loaded") as caught:
        inspect(model)
    assert caught.value.line().isprintable()


@pytest.mark.parametrize("name", ["evil.run", "torch.hub.load", "torch.nn.functional.relu", "torch.nn.x", 5, {}])
def test_an_activation_that_is_no_layer_of_torch_is_refused(model: Path, name: object) -> None:
    dense(model, name)

    with pytest.raises(EmbedderInitFailed, match="names an activation"):
        inspect(model)


@pytest.mark.parametrize("name", ["torch.nn.modules.activation.Tanh", "torch.nn.modules.linear.Identity"])
def test_an_activation_of_torch_is_taken(model: Path, name: str) -> None:
    dense(model, name)

    assert inspect(model) is not None


@pytest.mark.parametrize("mapped", [{"AutoModel": "evil.Evil"}, {"AutoTokenizer": ["e.E", None]}, "e.E", 5, ["x"]])
@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "1_Pooling/config.json"])
def test_code_of_the_folders_own_in_an_auto_map_is_refused(model: Path, name: str, mapped: object) -> None:
    rewrite(model / name, auto_map=mapped)

    with pytest.raises(EmbedderInitFailed, match="code of its own"):
        inspect(model)


def test_code_of_another_repository_is_never_asked_for_and_refuses_nothing(model: Path) -> None:
    rewrite(model / "config.json", auto_map={"AutoModel": "nomic-ai/nomic-bert-2048--modeling.NomicBertModel"})

    assert inspect(model) is not None


def test_weights_that_are_pickles_alone_are_refused(model: Path) -> None:
    (model / "pytorch_model.bin").write_bytes(b"pickle")
    assert inspect(model) is not None
    (model / "model.safetensors").unlink()

    with pytest.raises(EmbedderInitFailed, match="only as a pickle"):
        inspect(model)


@pytest.mark.parametrize("name", ["model.pkl", "a.pickle", "1_Pooling/b.joblib"])
def test_a_pickle_beside_the_weights_is_refused(model: Path, name: str) -> None:
    (model / name).write_bytes(b"pickle")

    with pytest.raises(EmbedderInitFailed, match="is a pickle"):
        inspect(model)


def test_a_folder_in_place_of_the_weights_is_none(model: Path) -> None:
    (model / "model.safetensors").unlink()
    (model / "model.safetensors").mkdir()

    with pytest.raises(EmbedderInitFailed, match="holds no weights"):
        weights(model)


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


def dense(model: Path, activation: object) -> None:
    folder = model / "2_Dense"
    folder.mkdir()
    config = {"in_features": 32, "out_features": 8, "activation_function": activation}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    add_module(model, "sentence_transformers.models.Dense", "2_Dense")
