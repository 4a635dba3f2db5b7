"""ONNX files, computed by either library: the vectors are torch's, and what the files do not say is refused by name."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ai_memory.embed.local import engine_onnx, engine_openvino
from ai_memory.embed.local.embedder import LocalEmbedder
from ai_memory.embed.local.engine_file import FileEngine
from ai_memory.embed.local.engine_torch import TorchEngine
from ai_memory.embed.local.model_folder import inspect
from ai_memory.embed.local.onnx_files import read_model
from ai_memory.embed.local.same_texts import COUNT, same_texts
from ai_memory.embed.port import Engine
from ai_memory.errors import EmbedderInitFailed
from ai_memory.vectors.checks import cosines
from ai_memory.vectors.target import Target, Vectors
from tests.embed.conftest import rewrite

LIBRARIES = [engine_onnx, engine_openvino]
SAME = 0.99999


@pytest.fixture(params=LIBRARIES, ids=["onnx", "openvino"])
def library(request: pytest.FixtureRequest) -> ModuleType:
    """Each library that computes ONNX files."""
    found: ModuleType = request.param
    if not found.is_installed():
        pytest.skip("PyPI has no archive of it for this machine")
    return found


def engine(folder: Path, library: ModuleType = engine_onnx) -> FileEngine:
    return FileEngine(partial(read_model, folder), library.open_graph)


def torch(folder: Path) -> TorchEngine:
    return TorchEngine(str(folder), device="cpu", offline=True)


@cache
def computed_by_torch(folder: Path) -> Vectors:
    """Return the vectors of `same_texts`, each computed by itself."""
    return alone(torch(folder), same_texts(torch(folder).facts().max_tokens))


def alone(engine: Engine[Any], texts: Sequence[str]) -> Vectors:
    return np.concatenate([engine.run(engine.tokenize([text])) for text in texts])


def together(engine: Engine[Any], texts: Sequence[str]) -> Vectors:
    return engine.run(engine.tokenize(texts))


@pytest.mark.real_model
def test_minilm_has_the_vectors_of_torch_in_company_and_alone_short_and_cut(
    minilm_onnx: Path, library: ModuleType
) -> None:
    texts, made = same_texts(256), engine(minilm_onnx, library)

    assert len(set(texts)) == len(texts) == COUNT
    assert cosines(together(made, texts), computed_by_torch(minilm_onnx)).min() >= SAME
    assert cosines(alone(made, texts), computed_by_torch(minilm_onnx)).min() >= SAME


def test_a_model_that_was_exported_has_the_vectors_of_torch(tiny_onnx: Path, library: ModuleType) -> None:
    made = engine(tiny_onnx, library)

    assert cosines(together(made, same_texts(24)), computed_by_torch(tiny_onnx)).min() >= SAME


def test_the_files_alone_say_what_the_loaded_model_is(model: Path, library: ModuleType) -> None:
    facts = engine(model, library).facts()

    assert facts.engine.startswith(("onnxruntime ", "openvino "))
    told = inspect(model)
    assert told is not None
    assert (facts.dim, facts.max_tokens, facts.normalized) == (told.dim, told.max_tokens, told.normalized)


POOLINGS: Mapping[str, object] = {
    "cls": "cls",
    "max": "max",
    "mean_sqrt_len": "mean_sqrt_len_tokens",
    "weighted": "weightedmean",
    "last": "lasttoken",
    "joined": ["cls", "mean", "max"],
}


@pytest.mark.parametrize("mode", POOLINGS.values(), ids=POOLINGS.keys())
def test_each_way_to_pool_is_torchs(model: Path, mode: object) -> None:
    rewrite(model / "1_Pooling" / "config.json", pooling_mode=mode)
    texts = same_texts(24)[:12]

    assert cosines(together(engine(model), texts), alone(torch(model), texts)).min() >= SAME


def test_pooling_by_the_switches_of_older_releases_is_torchs(model: Path) -> None:
    switches = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False, "word_embedding_dimension": 32}
    (model / "1_Pooling" / "config.json").write_text(json.dumps(switches), encoding="utf-8")
    texts = same_texts(24)[:12]

    assert cosines(together(engine(model), texts), alone(torch(model), texts)).min() >= SAME


def test_a_model_that_does_not_normalise_keeps_its_lengths(model: Path) -> None:
    steps = json.loads((model / "modules.json").read_text(encoding="utf-8"))
    (model / "modules.json").write_text(json.dumps(steps[:2]), encoding="utf-8")
    texts = same_texts(24)[:5]
    found, expected = together(engine(model), texts), alone(torch(model), texts)

    assert np.allclose(found, expected, atol=1e-5)
    assert not np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-2)


@pytest.mark.parametrize("limit", [3, 12, 24])
def test_a_text_is_cut_where_torch_cuts_it(model: Path, limit: int) -> None:
    rewrite(model / "sentence_bert_config.json", max_seq_length=limit)
    texts = ["tea " * 100, "a tent " * 30, "no"]
    made = engine(model)

    assert [min(len(each), limit - 1) for each in made.tokenize(texts)] == [limit - 1, limit - 1, min(4, limit - 1)]
    assert cosines(together(made, texts), alone(torch(model), texts)).min() >= SAME


def test_lower_case_is_made_where_the_model_asks_for_it(model: Path) -> None:
    rewrite(model / "tokenizer_config.json", do_lower_case=False)
    tokenizer = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer["normalizer"]["lowercase"] = False
    (model / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    texts = ["TEA on a Tent", "tea on a tent"]
    apart = together(engine(model), texts)
    rewrite(model / "sentence_bert_config.json", do_lower_case=True)
    same = together(engine(model), texts)

    assert cosines(apart[:1], apart[1])[0] < SAME <= cosines(same[:1], same[1])[0]
    assert cosines(same, alone(torch(model), texts)).min() >= SAME


def test_a_prompt_that_the_model_brings_is_used_by_no_engine(model: Path, library: ModuleType) -> None:
    before = together(engine(model, library), ["a"])
    rewrite(model / "config_sentence_transformers.json", prompts={"p": "teeth: "}, default_prompt_name="p")

    assert np.array_equal(together(engine(model, library), ["a"]), before)


def test_prefixes_and_a_smaller_width_are_the_embedders_whatever_computes(tiny_onnx: Path, library: ModuleType) -> None:
    target = Target("t", 8, "local", "tiny", document_prefix="tea ", query_prefix="no ", normalized=True, max_tokens=24)
    by_file, by_torch = (LocalEmbedder(target, each) for each in (engine(tiny_onnx, library), torch(tiny_onnx)))
    texts = ["a short one", "tea " * 30, ""]

    assert cosines(by_file.embed_documents(texts), by_torch.embed_documents(texts)).min() >= SAME
    assert cosines(by_file.embed_query("a")[np.newaxis], by_torch.embed_query("a"))[0] >= SAME
    assert by_file.target == by_torch.target


def text(file: str, content: str) -> Callable[[Path], object]:
    return lambda folder: (folder / file).write_text(content, encoding="utf-8")


def without(file: str) -> Callable[[Path], object]:
    return lambda folder: (folder / file).unlink()


def setting(file: str, **changes: object) -> Callable[[Path], object]:
    return lambda folder: rewrite(folder / file, **changes)


def module(kind: str, at: int) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        steps = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
        steps.insert(at, {"type": f"sentence_transformers.models.{kind}", "path": f"9_{kind}"})
        (folder / "modules.json").write_text(json.dumps(steps), encoding="utf-8")

    return change


REFUSED: Mapping[str, tuple[Callable[[Path], object], str]] = {
    "no modules": (without("modules.json"), r"modules\.json does not say"),
    "a module that is not computed": (module("Dense", 2), r"modules\.json names Dense"),
    "a module of the library's own": (module("LayerNorm", 3), r"modules\.json names LayerNorm"),
    "no pooling": (module("Normalize", 1), r"names Transformer, Normalize, Pooling"),
    "two poolings": (module("Pooling", 2), r"names Transformer, Pooling, Pooling"),
    "code": (module("Router", 2), r"a module that is not loaded: Router"),
    "no pooling configuration": (without("1_Pooling/config.json"), r"1_Pooling/config\.json does not say how wide"),
    "no way to pool": (
        text("1_Pooling/config.json", '{"embedding_dimension": 32}'),
        "does not say how tokens are pooled",
    ),
    "an unknown way to pool": (setting("1_Pooling/config.json", pooling_mode="attention"), "pooled by 'attention'"),
    "an empty way to pool": (setting("1_Pooling/config.json", pooling_mode=[]), "pooled by nothing"),
    "another width": (setting("1_Pooling/config.json", embedding_dimension=16), r"a token is 16 wide"),
    "an unknown setting": (setting("sentence_bert_config.json", doc_prompt="x"), r"sets 'doc_prompt'"),
    "another task": (setting("sentence_bert_config.json", transformer_task="fill-mask"), "sets transformer_task"),
    "no token limit": (without("tokenizer_config.json"), "after how many tokens"),
    "no tokenizer": (without("tokenizer.json"), r"tokenizer\.json is not there"),
    "a broken tokenizer": (text("tokenizer.json", "{}"), r"tokenizer\.json cannot be read"),
    "left padding": (setting("tokenizer_config.json", padding_side="left"), "sets padding_side"),
    "left truncation": (setting("tokenizer_config.json", truncation_side="left"), "sets truncation_side"),
    "two opinions on case": (setting("tokenizer_config.json", do_lower_case=False), "differ about do_lower_case"),
    "no padding": (setting("tokenizer_config.json", pad_token=None), "name no pad_token"),
    "padding that is no token": (setting("tokenizer_config.json", pad_token="<none>"), "name no pad_token"),
    "no ONNX file": (without("onnx/model.onnx"), r"has no onnx/model\.onnx.*ai-memory model export"),
    "an empty ONNX file": (text("onnx/model.onnx", ""), r"model\.onnx (cannot be loaded|does not take)"),
    "a broken ONNX file": (text("onnx/model.onnx", "no graph" * 99), r"model\.onnx cannot be loaded"),
    "a cut ONNX file": (lambda folder: os.truncate(folder / "onnx" / "model.onnx", 100_000), r"model\.onnx cannot be"),
}


@pytest.mark.parametrize(("change", "named"), REFUSED.values(), ids=REFUSED.keys())
def test_what_the_files_do_not_say_is_refused_by_name_on_one_line(
    model: Path, library: ModuleType, change: Callable[[Path], object], named: str, capfd: pytest.CaptureFixture[str]
) -> None:
    change(model)
    with pytest.raises(EmbedderInitFailed) as caught:
        engine(model, library).facts()

    line = caught.value.line()
    assert re.search(named, line), line
    assert line.isprintable()
    assert caught.value.tip
    assert len(line) < 900
    assert capfd.readouterr() == ("", "")


def test_an_onnx_file_with_other_inputs_or_outputs_is_refused_by_name(model: Path, library: ModuleType) -> None:
    import onnx

    file = model / "onnx" / "model.onnx"
    graph = onnx.load(file)
    for node in graph.graph.node:
        node.output[:] = ["pooled" if name == "last_hidden_state" else name for name in node.output]
    graph.graph.output[0].name = "pooled"
    onnx.save(graph, file)
    with pytest.raises(EmbedderInitFailed, match=r"gives 'pooled', and not the vectors of the tokens") as caught:
        engine(model, library).facts()
    assert caught.value.tip.endswith(f" type: ai-memory model export {model}")

    graph.graph.input[0].name = "pixels"
    for node in graph.graph.node:
        node.input[:] = ["pixels" if name == "input_ids" else name for name in node.input]
    onnx.save(graph, file)
    with pytest.raises(EmbedderInitFailed, match=r"wants the input 'pixels'"):
        engine(model, library).facts()


def test_a_fifo_in_place_of_the_onnx_file_or_beside_it_is_waited_for_by_nobody(model: Path) -> None:
    os.mkfifo(model / "onnx" / "model.onnx_data")
    with pytest.raises(EmbedderInitFailed, match="is not a regular file"):
        engine(model).facts()


def test_files_that_the_hubs_cache_links_to_are_read(model: Path, tmp_path: Path, library: ModuleType) -> None:
    linked = tmp_path / "snapshot"
    shutil.copytree(model, linked, copy_function=os.symlink)

    assert engine(linked, library).facts().dim == 32


@pytest.mark.parametrize("name", ["onnx", "openvino"])
def test_neither_library_needs_torch_or_tells_its_makers_that_it_was_used(
    tiny_onnx: Path, name: str, tmp_path: Path
) -> None:
    program = f"""
import sys
from functools import partial
from pathlib import Path
from ai_memory.embed.local import engine_{name}
from ai_memory.embed.local.engine_file import FileEngine
from ai_memory.embed.local.onnx_files import read_model
engine = FileEngine(partial(read_model, Path({str(tiny_onnx)!r})), engine_{name}.open_graph)
engine.run(engine.tokenize(["a text"]))
heavy = ("torch", "transformers", "sentence_transformers", "huggingface_hub", "openvino_telemetry")
print([each for each in heavy if each in sys.modules])
"""
    home = tmp_path / "home"
    home.mkdir()
    line, env = [sys.executable, "-c", program], {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": ""}
    done = subprocess.run(line, env=env, capture_output=True, text=True, check=False, timeout=120)

    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
    assert list(home.rglob("*")) == []


def test_a_signal_is_heard_after_models_were_let_go_in_any_order(tiny_onnx: Path, library: ModuleType) -> None:
    name = library.__name__.rpartition(".")[2]
    program = f"""
import signal
from pathlib import Path
from ai_memory.embed.local import {name}
heard = []
signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
file = Path({str(tiny_onnx / "onnx" / "model.onnx")!r})
first, second = {name}.open_graph(file), {name}.open_graph(file)
del first
del second
signal.raise_signal(signal.SIGINT)
print(heard)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)

    assert (done.returncode, done.stdout, done.stderr) == (0, "[2]\n", "")
