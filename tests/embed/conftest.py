"""A sentence-transformers model of a few thousand random weights: a real one in everything but its size."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ai_memory.embed.stack.export import export
from ai_memory.system.process_env import let_idle_threads_sleep

VOCABULARY = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    *"abcdefghijklmnopqrstuvwxyz",
    *(f"##{c}" for c in "etaoin"),
]


def write_tiny_model(folder: Path, *, seed: int, dim: int = 32, max_tokens: int = 24) -> Path:
    """Write the model's files as the library itself does, and return the folder."""
    let_idle_threads_sleep()
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    torch.manual_seed(seed)
    base = folder.with_name(f"{folder.name}-base")
    base.mkdir(parents=True)
    vocabulary = {token: number for number, token in enumerate(VOCABULARY)}
    BertTokenizerFast(vocab=vocabulary, do_lower_case=True, model_max_length=64).save_pretrained(base)
    config = BertConfig(
        vocab_size=len(VOCABULARY), hidden_size=dim, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64
    )
    BertModel(config).save_pretrained(base)
    transformer = Transformer(str(base), max_seq_length=max_tokens)
    SentenceTransformer(modules=[transformer, Pooling(dim), Normalize()], device="cpu").save(str(folder))
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model: 32 wide, cut at 24 tokens, normalised."""
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny", seed=1)


@pytest.fixture(scope="session")
def tiny_onnx(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model with its ONNX file."""
    folder = tmp_path_factory.mktemp("onnx") / "tiny"
    shutil.copytree(tiny_model, folder)
    export(folder, lambda _: None)
    return folder


@pytest.fixture
def model(tiny_onnx: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model, with its ONNX file, that a test may change."""
    return Path(shutil.copytree(tiny_onnx, tmp_path / "model"))


def rewrite(file: Path, **changes: object) -> None:
    """Change some keys of a JSON file."""
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **changes}), encoding="utf-8")
