"""The engine that is taken: the fastest that is installed and gives the vectors that are known."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Generic

import numpy as np
import pytest

from ai_memory.config.embedding import EmbeddingSettings, resolve
from ai_memory.config.file import Table
from ai_memory.embed.assemble import assemble, engines
from ai_memory.embed.local import engine_onnx, engine_openvino, engine_torch
from ai_memory.embed.local.engine_auto import AutoEngine, Candidate, Knowledge
from ai_memory.embed.local.engine_file import FileEngine
from ai_memory.embed.local.engine_torch import TorchEngine
from ai_memory.embed.local.onnx_files import read_model
from ai_memory.embed.local.proofs import Proof
from ai_memory.embed.port import Engine, ModelFacts, ReadT
from ai_memory.embed.stack import engines as engines_of
from ai_memory.embed.stack.export import export
from ai_memory.embed.terms import Ties
from ai_memory.errors import EmbedderInitFailed
from ai_memory.vectors.checks import cosines
from ai_memory.vectors.target import Target, Vectors
from ai_memory.vectors.witness import WITNESS_TEXTS
from tests.embed.conftest import rewrite, write_tiny_model


@dataclass
class Loads(Generic[ReadT]):
    """An engine that counts how often it was loaded."""

    inner: Engine[ReadT]
    times: int = 0
    device: str = "cpu"
    _open: bool = field(default=False, repr=False)

    def facts(self) -> ModelFacts:
        self.times += not self._open
        self._open = True
        return self.inner.facts()

    def tokenize(self, texts: Sequence[str]) -> Sequence[ReadT]:
        self.facts()
        return self.inner.tokenize(texts)

    def run(self, texts: Sequence[ReadT]) -> Vectors:
        return self.inner.run(texts)

    def close(self) -> None:
        self._open = False
        self.inner.close()


def by_file(folder: Path) -> FileEngine:
    return FileEngine(partial(read_model, folder), engine_onnx.open_graph)


def by_torch(folder: Path) -> TorchEngine:
    return TorchEngine(str(folder), device="cpu", offline=True)


def witness(folder: Path) -> Vectors:
    engine = by_torch(folder)
    return engine.run(engine.tokenize(WITNESS_TEXTS))


def auto(
    folder: Path, *others: Candidate, known: Vectors | None = None, told: list[str] | None = None
) -> tuple[AutoEngine, list[str]]:
    heard: list[str] = [] if told is None else told
    knowledge = Knowledge(lambda: known, partial(Proof, folder), heard.append)
    return AutoEngine([Candidate("onnx", by_file(folder)), *others], knowledge), heard


@pytest.fixture(autouse=True)
def no_proofs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache in which nothing is remembered yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def other(model: Path, tmp_path: Path) -> Path:
    """A model whose ONNX file is that of other weights."""
    weights = write_tiny_model(tmp_path / "weights", seed=2) / "model.safetensors"
    shutil.copy(weights, model / "model.safetensors")
    return model


def test_what_gives_the_databases_witness_its_vectors_is_taken_and_torch_is_not_asked(model: Path) -> None:
    torch = Loads(by_torch(model))
    engine, told = auto(model, Candidate("torch", torch), known=witness(model)[:, :16])

    assert engine.facts().engine.startswith("onnxruntime ")
    assert "agrees with the database's witness texts" in engine.facts().engine
    assert (torch.times, told) == (0, [])


def test_without_a_witness_torch_is_asked_once_and_the_next_process_remembers(model: Path, no_proofs: Path) -> None:
    torch = Loads(by_torch(model))
    first, told = auto(model, Candidate("torch", torch))
    assert "agrees with torch" in first.facts().engine
    assert torch.times == 1
    second, _ = auto(model, Candidate("torch", torch))

    assert second.facts() == first.facts()
    assert (torch.times, told) == (1, [])
    assert len(list((no_proofs / "ai-memory" / "engines").iterdir())) == 1


@pytest.mark.parametrize("file", ["onnx/model.onnx", "model.safetensors", "tokenizer.json", "1_Pooling/config.json"])
def test_what_was_remembered_does_not_hold_for_a_file_that_was_written_since(model: Path, file: str) -> None:
    torch = Loads(by_torch(model))
    auto(model, Candidate("torch", torch))[0].facts()
    content = (model / file).read_bytes()
    (model / file).unlink()
    (model / file).write_bytes(content)
    auto(model, Candidate("torch", torch))[0].facts()

    assert torch.times == 2


def test_nothing_is_remembered_where_the_cache_cannot_be_written(model: Path, no_proofs: Path) -> None:
    no_proofs.write_text("a file in the place of the folder")

    assert "agrees with torch" in auto(model, Candidate("torch", by_torch(model)))[0].facts().engine


@pytest.mark.parametrize("by_witness", [True, False])
def test_other_vectors_are_not_used_and_it_is_said(other: Path, no_proofs: Path, by_witness: bool) -> None:
    known = witness(other)
    engine, told = auto(other, Candidate("torch", by_torch(other)), known=known if by_witness else None)

    assert np.array_equal(engine.run(engine.tokenize(WITNESS_TEXTS)), known)
    assert engine.facts().engine.startswith("torch ")
    [line] = told
    assert line.startswith("The engine onnx is not used: onnx gives other vectors than ")
    assert "a cosine of " in line
    assert not no_proofs.exists()


def test_a_broken_onnx_file_is_not_used_and_it_is_said(model: Path) -> None:
    (model / "onnx" / "model.onnx").write_text("no graph")
    engine, told = auto(model, Candidate("torch", by_torch(model)))

    assert engine.facts().engine.startswith("torch ")
    assert [line.startswith("The engine onnx is not used: ") for line in told] == [True]


def test_where_nothing_agrees_it_is_one_clear_error(other: Path) -> None:
    engine, told = auto(other, known=witness(other))
    with pytest.raises(EmbedderInitFailed, match="onnx gives other vectors than the database knows") as caught:
        engine.facts()

    assert "bring the old ones back" in caught.value.line()
    assert told == []


def test_where_there_is_nothing_to_compare_with_it_says_so(model: Path) -> None:
    engine, told = auto(model)

    assert "compared with nothing" in engine.facts().engine
    assert told == []


def test_a_witness_of_another_width_is_not_what_the_engine_gives(model: Path) -> None:
    engine, _ = auto(model, known=np.ones((3, 64), dtype=np.float32))
    with pytest.raises(EmbedderInitFailed, match="32 wide"):
        engine.facts()


def test_a_closed_one_loads_again_without_another_proof(model: Path) -> None:
    torch = Loads(by_torch(model))
    engine, _ = auto(model, Candidate("torch", torch))
    before = engine.run(engine.tokenize(["a"]))
    engine.close()

    assert np.array_equal(engine.run(engine.tokenize(["a"])), before)
    assert torch.times == 1


def test_a_migration_goes_on_with_torch_where_the_onnx_file_is_that_of_other_weights(
    other: Path, tmp_path: Path
) -> None:
    config, db, given = (tmp_path / name for name in ("c.toml", "m.db", "m.jsonl"))
    config.write_text(f'[embeddings]\nbackend = "local"\nmodel = "tiny"\nmodel_path = "{other}"\n', "utf-8")
    given.write_text('{"title": "tea", "content": "no note on a tent"}\n', "utf-8")
    command = [sys.executable, "-m", "ai_memory", "--db", str(db), "--config", str(config)]
    steps = [["import", "--no-embed", str(given)], ["reembed", "--yes"]]
    _, ran = [subprocess.run([*command, *step], capture_output=True, text=True, check=False) for step in steps]

    assert ran.returncode == 0, ran
    for name in ("openvino", "onnx"):
        assert f"The engine {name} is not used: {name} gives other vectors than torch computes" in ran.stderr


@cache
def models() -> tuple[TemporaryDirectory[str], Path, Path]:
    """Return a tiny model with its ONNX file, and one whose file is that of other weights; made once."""
    kept = TemporaryDirectory(prefix="ai-memory-tests-")
    right, wrong = (write_tiny_model(Path(kept.name) / str(seed), seed=seed) for seed in (1, 2))
    (right / "onnx").mkdir()
    by_torch(right).write_onnx(right / "onnx" / "model.onnx")
    shutil.copytree(right / "onnx", wrong / "onnx")
    return kept, right, wrong


def check_engines(folder: Path) -> None:
    """Check what engines of ONNX files and the choice among them must keep; all that is written lies in `folder`."""
    _, right, wrong = models()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        _check_vectors(right)
        _check_choice(shutil.copytree(right, folder / "right"), wrong)
        bare = shutil.copytree(wrong, folder / "bare", ignore=shutil.ignore_patterns("onnx"))
        patch.setattr(TorchEngine, "write_onnx", lambda _, file: shutil.copy(right / "onnx" / "model.onnx", file))
        with suppress(EmbedderInitFailed):
            export(bare, lambda _: None)
        assert not (bare / "onnx" / "model.onnx").exists()


def _check_vectors(folder: Path) -> None:
    texts = ["tea on a tent", "a", "no note at all " * 9, "the tea " * 30]
    engines: list[Engine[Any]] = [by_file(folder), by_torch(folder)]
    found, expected = (each.run(each.tokenize(texts)) for each in engines)
    assert cosines(found, expected).min() > 0.99999


def _check_choice(right: Path, wrong: Path) -> None:
    engine, told = auto(wrong, Candidate("torch", by_torch(wrong)))
    assert engine.facts().engine.startswith("torch ")
    assert told
    torch = Loads(by_torch(right))
    auto(right, Candidate("torch", torch))[0].facts()
    auto(right, Candidate("torch", torch))[0].facts()
    assert torch.times == 1
    (right / "README.md").write_text("changed", encoding="utf-8")
    auto(right, Candidate("torch", torch))[0].facts()
    assert torch.times == 2


def test_engines_keep_what_the_mutants_do_not(tmp_path: Path) -> None:
    check_engines(tmp_path)


def named(folder: Path | None, **more: object) -> EmbeddingSettings:
    place = {"model_path": str(folder)} if folder else {}
    return resolve(Table(values={"embeddings": {"backend": "local", **place, **more}}), {})


Installed = Callable[..., None]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Installed:
    """Makes only some of the libraries be installed."""
    libraries: Mapping[str, Any] = {"torch": engine_torch, "onnx": engine_onnx, "openvino": engine_openvino}

    def change(*names: str, accelerator: bool = False) -> None:
        for name, library in libraries.items():
            monkeypatch.setattr(library, "is_installed", lambda name=name: name in names)
        monkeypatch.setattr(engines_of, "has_accelerator", lambda: accelerator)

    return change


def test_the_fastest_stands_first_and_torch_last(model: Path, installed: Installed) -> None:
    installed("torch", "onnx", "openvino")
    assert engines(named(model)) == ["openvino", "onnx", "torch"]
    assert engines(named(model, engine="onnx")) == ["onnx"]
    assert engines(named(model, device="cpu")) == ["openvino", "onnx", "torch"]
    assert engines(named(model, device="cuda")) == ["torch"]
    installed("torch", "onnx", "openvino", accelerator=True)
    assert engines(named(model)) == ["torch"]
    assert engines_of.is_accelerated(named(model))
    assert not engines_of.is_accelerated(named(model, device="cpu"))
    installed("onnx", accelerator=True)
    assert not engines_of.is_accelerated(named(model))
    assert engines(named(model)) == ["onnx"]
    installed("torch", "onnx")
    (model / "onnx" / "model.onnx").unlink()
    assert engines(named(model)) == ["torch"]


@pytest.mark.parametrize(
    ("there", "more", "said"),
    [
        ([], {}, "none is installed. Type: pip install"),
        (
            ["torch"],
            {"engine": "onnx"},
            "engine is onnx (config [embeddings].engine), which is not installed. Type: pip",
        ),
        (["torch"], {"engine": "openvino"}, "engine is openvino"),
        (["onnx"], {"engine": "torch"}, "needs sentence-transformers, which is not installed. Type: pip install"),
        (["onnx"], {"engine": "onnx", "device": "cuda"}, "does not compute on cuda"),
        (["onnx"], {"device": "cuda"}, "nothing is installed that computes on cuda"),
    ],
)
def test_an_engine_that_is_not_there_is_one_clear_error(
    model: Path, installed: Installed, there: list[str], more: Mapping[str, object], said: str
) -> None:
    installed(*there)
    with pytest.raises(EmbedderInitFailed) as caught:
        assemble(named(model, **more))

    assert said in caught.value.line()


def test_a_folder_without_an_onnx_file_names_the_command_that_makes_it(model: Path, installed: Installed) -> None:
    installed("onnx")
    (model / "onnx" / "model.onnx").unlink()
    with pytest.raises(EmbedderInitFailed, match=r"has no onnx/model\.onnx") as caught:
        assemble(named(model))

    assert caught.value.line().endswith(f"ai-memory model export {model}")


@pytest.mark.parametrize("engine", ["auto", "onnx"])
def test_a_model_that_is_not_here_is_not_downloaded_by_an_engine_of_files(installed: Installed, engine: str) -> None:
    installed("onnx")
    for environ in ({}, {"HF_HUB_OFFLINE": "1"}):
        settings = resolve(Table(values={"embeddings": {"backend": "local", "engine": engine}}), environ)
        with pytest.raises(EmbedderInitFailed, match="not on this machine, and the engine onnx downloads nothing"):
            assemble(settings)


def test_the_target_is_the_same_whatever_computes_and_says_what_did(model: Path) -> None:
    targets = []
    for engine in ("torch", "onnx", "openvino", "auto"):
        embedder = assemble(named(model, engine=engine), ties=Ties())
        before = embedder.target
        embedder.embed_query("a")
        assert embedder.target == before
        targets.append(embedder.target)

    assert len({(each.space, each.dim, each.max_tokens, each.normalized, each.settings) for each in targets}) == 1
    words = [each.engine.split()[0] for each in targets]
    assert words == ["torch", "onnxruntime", "openvino", "openvino"]


def test_the_witness_is_asked_for_by_the_very_target(model: Path) -> None:
    asked: list[Target] = []

    def known(target: Target) -> bytes:
        asked.append(target)
        return witness(model)[:, :8].astype("<f4").tobytes()

    embedder = assemble(named(model, dim=8), ties=Ties(witness=known))
    embedder.embed_query("a")

    assert [each == embedder.target for each in asked] == [True]
    assert "witness texts" in embedder.target.engine


def test_settings_of_a_name_that_no_engine_has_are_refused(model: Path) -> None:
    with pytest.raises(EmbedderInitFailed, match="engine is 'tensorrt'") as caught:
        named(model, engine="tensorrt")

    assert "one of auto, torch, onnx, openvino" in caught.value.line()
    assert named(model, engine="ONNX").engine.value == "onnx"


def test_a_changed_way_to_pool_disagrees_with_the_witness(model: Path) -> None:
    known = witness(model)
    rewrite(model / "1_Pooling" / "config.json", pooling_mode="cls")
    engine, _ = auto(model, known=known)
    with pytest.raises(EmbedderInitFailed, match="other vectors"):
        engine.facts()
