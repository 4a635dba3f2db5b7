"""Engines in another precision than float32: real weights, and what each engine makes of them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ai_memory.embed.local import engine_openvino
from ai_memory.embed.local.engine_file import FileEngine
from ai_memory.embed.local.engine_torch import TorchEngine
from ai_memory.embed.local.onnx_files import PLACE, read_model
from ai_memory.embed.port import Engine
from ai_memory.vectors.checks import SAME_COSINE, cosines
from ai_memory.vectors.target import BFLOAT16, Vectors
from ai_memory.vectors.witness import WITNESS_TEXTS


def computed(engine: Engine[Any]) -> Vectors:
    return engine.run(engine.tokenize(WITNESS_TEXTS))


@pytest.mark.real_model
def test_torch_in_bfloat16_gives_other_vectors_of_the_same_space_and_says_so(minilm_folder: Path) -> None:
    plain = TorchEngine(str(minilm_folder), device="cpu", offline=True)
    other = TorchEngine(str(minilm_folder), device="cpu", offline=True, precision=BFLOAT16)
    known, found = computed(plain), computed(other)

    assert (known != found).any()
    assert found.dtype == known.dtype
    assert cosines(known, found).min() >= SAME_COSINE
    assert other.facts().engine == f"{plain.facts().engine} in bfloat16"


@pytest.mark.real_model
def test_openvino_in_bfloat16_stays_in_the_space_of_float32(minilm_onnx: Path) -> None:
    opened = partial(engine_openvino.open_graph, number_format=engine_openvino.IN_BFLOAT16)
    plain = FileEngine(partial(read_model, minilm_onnx), engine_openvino.open_graph)
    other = FileEngine(partial(read_model, minilm_onnx), opened, BFLOAT16)

    assert cosines(computed(plain), computed(other)).min() >= SAME_COSINE
    assert other.facts().engine == f"{plain.facts().engine} in bfloat16"
    assert other.facts().library != plain.facts().library
    # Not every processor computes other vectors then; that the library hears of it shows where it cannot obey.
    with pytest.raises(RuntimeError):
        engine_openvino.open_graph(minilm_onnx / PLACE, "no number format")
