"""Embedding on this machine: order, width, truth about the model, and silence."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from sentence_transformers import SentenceTransformer

from ai_memory.embed.local.embedder import LocalEmbedder
from ai_memory.embed.local.engine_torch import TorchEngine
from ai_memory.embed.local.features import apart, together
from ai_memory.embed.local.pass_size import sizes_of
from ai_memory.embed.local.tokens import token_count
from ai_memory.embed.port import ModelFacts
from ai_memory.errors import EmbedderInitFailed
from ai_memory.vectors.target import Target, Vectors
from tests.embed.conftest import rewrite

TARGET = Target(space="tiny#none", dim=32, backend="local", model="tiny", normalized=True, max_tokens=24)
UNKNOWN = Target(space="tiny#none", dim=0, backend="local", model="tiny")
TEXTS = ["a short one", "tea " * 30, "", "no note on a tent", "a"]


def local(folder: Path, target: Target = TARGET) -> LocalEmbedder:
    return LocalEmbedder(target, TorchEngine(str(folder), device="cpu", offline=True))


def cosines(a: Vectors, b: Vectors) -> Vectors:
    found: Vectors = (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    return found


def test_vectors_come_in_the_order_of_the_texts_whatever_their_lengths(tiny_model: Path) -> None:
    embedder = local(tiny_model)
    together = embedder.embed_documents(TEXTS)
    alone = np.vstack([embedder.embed_documents([text]) for text in TEXTS])

    assert together.dtype == np.float32
    assert together.shape == (5, 32)
    assert cosines(together, alone).min() > 0.99999


@pytest.mark.parametrize("side", ["right", "left"])
def test_texts_that_were_read_apart_are_filled_up_as_the_library_fills_them(tiny_model: Path, side: str) -> None:
    model = SentenceTransformer(str(tiny_model), device="cpu", local_files_only=True)
    model.tokenizer.padding_side = side
    whole = model.preprocess(TEXTS, prompt="")
    unpadded = {"common": {"return_tensors": None}, "text": {"padding": False}}
    read = apart(TEXTS, dict(model.preprocess(TEXTS, prompt="", processing_kwargs=unpadded)), model.tokenizer)
    batch = together(read, model.tokenizer)

    assert batch
    assert batch.keys() == whole.keys()
    assert [len(each) for each in read] == whole["attention_mask"].sum(axis=1).tolist()
    assert all(np.array_equal(batch[name], whole[name]) for name in whole)


class CountingEngine:
    """An engine that counts letters, one a token, and keeps in mind which texts shared a pass."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.passes: list[list[str]] = []

    def facts(self) -> ModelFacts:
        return ModelFacts(dim=26, max_tokens=24, normalized=False)

    def tokenize(self, texts: Sequence[str]) -> list[str]:
        return list(texts)

    def run(self, texts: Sequence[str]) -> Vectors:
        self.passes.append(list(texts))
        return np.array([[text.count(chr(97 + at)) for at in range(26)] for text in texts], dtype=np.float32)

    def close(self) -> None:
        self.passes.clear()


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_texts_of_about_one_length_share_a_pass_of_any_engine_and_come_back_in_their_order(device: str) -> None:
    engine, (_, most) = CountingEngine(device), sizes_of(device)
    embedder = LocalEmbedder(UNKNOWN, engine)
    texts = ["ab" * (1 + number * 37 % 100) for number in range(300)]
    found = embedder.embed_documents(texts)

    assert found[:, 0].tolist() == found[:, 1].tolist() == [len(text) / 2 for text in texts]
    filled_up = [len(each) * len(each[0]) for each in engine.passes]
    assert max(filled_up) <= most
    assert sum(map(len, texts)) >= 0.95 * sum(filled_up)
    assert [text for each in engine.passes for text in each] == sorted(texts, key=len, reverse=True)
    spent = embedder.meter.spent
    assert spent.tokens == spent.computed == sum(map(len, texts))
    assert spent.filling == sum(filled_up) - spent.computed
    assert spent.seconds > 0


def test_no_texts_are_no_vectors_and_load_nothing() -> None:
    assert local(Path("nowhere")).embed_documents([]).shape == (0, 32)


def test_the_same_call_gives_the_same_bytes(tiny_model: Path) -> None:
    assert local(tiny_model).embed_documents(TEXTS).tobytes() == local(tiny_model).embed_documents(TEXTS).tobytes()


def test_a_smaller_width_is_the_first_components_at_length_one(tiny_model: Path) -> None:
    whole = local(tiny_model).embed_documents(TEXTS)
    short = local(tiny_model, replace(TARGET, dim=8)).embed_documents(TEXTS)

    assert short.shape == (5, 8)
    assert np.allclose(np.linalg.norm(short, axis=1), 1)
    assert cosines(short, whole[:, :8]).min() > 0.99999


def test_a_target_that_the_files_left_open_is_complete_once_loaded(tiny_model: Path) -> None:
    embedder = local(tiny_model, UNKNOWN)
    assert embedder.target.dim == 0
    embedder.embed_query("a")

    assert embedder.target == replace(TARGET, space=UNKNOWN.space)


def test_a_model_that_is_not_what_its_files_said_is_refused(tiny_model: Path) -> None:
    with pytest.raises(EmbedderInitFailed, match="cuts at 24 tokens"):
        local(tiny_model, replace(TARGET, max_tokens=25)).embed_documents(TEXTS)
    with pytest.raises(EmbedderInitFailed, match="gives 32 dimensions, fewer than the 33"):
        local(tiny_model, replace(TARGET, dim=33)).embed_documents(TEXTS)


def test_a_prompt_that_the_model_brings_is_not_used(tiny_model: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_model, tmp_path / "prompted"))
    rewrite(folder / "config_sentence_transformers.json", prompts={"p": "teeth: "}, default_prompt_name="p")

    assert np.array_equal(local(folder).embed_documents(TEXTS), local(tiny_model).embed_documents(TEXTS))


def test_prefixes_of_the_target_stand_before_the_text(tiny_model: Path) -> None:
    prefixed = local(tiny_model, replace(TARGET, document_prefix="tea ", query_prefix="no "))

    assert np.array_equal(prefixed.embed_query("a"), local(tiny_model).embed_query("no a"))
    assert np.array_equal(prefixed.embed_documents(["a"]), local(tiny_model).embed_documents(["tea a"]))


HEADER = b'{"x":{"dtype":"F32","shape":[1,9999999999999],"data_offsets":[0,4]}}'
LYING_WEIGHTS = (
    b"",
    b"no weights",
    (1 << 60).to_bytes(8, "little"),
    b"\xff" * 8 + b"{}",
    len(HEADER).to_bytes(8, "little") + HEADER + bytes(4),
    (200_000).to_bytes(8, "little") + b"[" * 200_000,
)


@pytest.mark.parametrize("weights", LYING_WEIGHTS)
def test_broken_weights_are_one_clear_error(tiny_model: Path, tmp_path: Path, weights: bytes) -> None:
    folder = Path(shutil.copytree(tiny_model, tmp_path / "broken"))
    (folder / "model.safetensors").write_bytes(weights)

    with pytest.raises(EmbedderInitFailed, match="cannot be loaded"):
        local(folder).embed_documents(TEXTS)


@pytest.mark.parametrize("kept", [0, 1, 5])
def test_weights_that_are_missing_are_not_made_up(tiny_model: Path, tmp_path: Path, kept: int) -> None:
    folder = Path(shutil.copytree(tiny_model, tmp_path / "broken"))
    tensors = load_file(folder / "model.safetensors")
    save_file(dict(list(tensors.items())[:kept]), folder / "model.safetensors")

    with pytest.raises(EmbedderInitFailed, match="are not this model's"):
        local(folder).embed_documents(TEXTS)


@pytest.mark.parametrize("content", ["", "{", "{}", "[" * 100_000, '{"model": {"type": "evil"}}', "\0"])
def test_a_broken_tokenizer_is_one_clear_error(tiny_model: Path, tmp_path: Path, content: str) -> None:
    folder = Path(shutil.copytree(tiny_model, tmp_path / "broken"))
    (folder / "tokenizer.json").write_text(content, encoding="utf-8")

    with pytest.raises(EmbedderInitFailed, match="cannot be read"):
        token_count(folder)
    with pytest.raises(EmbedderInitFailed, match="cannot be loaded"):
        local(folder).embed_documents(TEXTS)


def test_a_device_that_is_not_there_is_one_clear_error(tiny_model: Path) -> None:
    with pytest.raises(EmbedderInitFailed, match="cannot be loaded"):
        LocalEmbedder(TARGET, TorchEngine(str(tiny_model), device="warp", offline=True)).embed_query("a")


def test_what_the_libraries_read_when_they_are_first_imported_is_set_before(tiny_model: Path) -> None:
    program = f"""
import os, sys
os.environ.pop("HF_HUB_OFFLINE", None)
os.environ.pop("OMP_WAIT_POLICY", None)
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "huggingface_hub"):
            print(name, os.environ.get("HF_HUB_OFFLINE"), os.environ.get("OMP_WAIT_POLICY"))
sys.meta_path.insert(0, Watch())
from ai_memory.embed.local.engine_torch import TorchEngine
TorchEngine({str(tiny_model)!r}, device="cpu", offline=True).facts()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)

    assert set(done.stdout.splitlines()) == {"huggingface_hub 1 PASSIVE", "torch 1 PASSIVE"}, done


@pytest.mark.real_model
def test_minilm_finds_what_means_the_same_and_says_nothing_on_the_terminal(minilm_folder: Path) -> None:
    program = f"""
from ai_memory.vectors.target import Target
from ai_memory.embed.local.engine_torch import TorchEngine
from ai_memory.embed.local.embedder import LocalEmbedder
target = Target("s", 384, "local", "m", normalized=True, max_tokens=256)
car, auto, cake = LocalEmbedder(target, TorchEngine({str(minilm_folder)!r}, offline=True)).embed_documents(
    ["The car is parked outside.", "An automobile is parked outside.", "Bake the cake for an hour."]
)
assert car @ auto > 0.5 > car @ cake, (car @ auto, car @ cake)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
