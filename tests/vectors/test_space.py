"""The names of vector spaces, as ai-memory stamps them."""

from __future__ import annotations

import string
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_memory.vectors.space import folder_space, known_dim, local_space, space

MINILM = "sentence-transformers/all-minilm-l6-v2#none"
NOMIC = "nomic-ai/nomic-embed-text-v1.5#nomic-task-v1"


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("mini_lm_l6_v2", MINILM),
        ("all-MiniLM-L6-v2", MINILM),
        ("all-minilm", MINILM),
        ("sentence-transformers/all-MiniLM-L6-v2", MINILM),
        ("  all-MiniLM-L6-v2 (384-dim, local)", MINILM),
        ("nomic_embed_v15", NOMIC),
        ("nomic-embed-text", NOMIC),
        ("Nomic-Embed-Text (768-dim, remote)", NOMIC),
        ("nomic-embed-text-v1.5", NOMIC),
        ("nomic-ai/nomic-embed-text-v1.5", NOMIC),
        ("nomic-embed-text-v2-moe", "nomic-embed-text-v2-moe#nomic-task-v1"),
        ("nomic-embed-text:latest", "nomic-embed-text#nomic-task-v1"),
        ("BGE-M3:latest", "bge-m3#none"),
        ("m:latest:latest", "m:latest#none"),
        ("m:v1.5", "m:v1.5#none"),
        ("text-embedding-3-small", "text-embedding-3-small#none"),
    ],
)
def test_every_spelling_has_one_space(model: str, expected: str) -> None:
    assert space(model) == expected


@given(st.text(alphabet=string.ascii_letters + string.digits + "-_/.", min_size=1), st.sampled_from(["", " (x-dim)"]))
def test_case_and_prose_make_no_other_space(model: str, prose: str) -> None:
    assert space(model.upper() + prose) == space(model.lower())


@given(st.text(min_size=1))
def test_a_stamp_is_never_without_its_scheme(model: str) -> None:
    assert space(model).rpartition("#")[2] in {"none", "nomic-task-v1"}


def test_a_local_nomic_gets_no_prefix_and_says_so() -> None:
    assert local_space("nomic-embed-text-v1.5") == "nomic-ai/nomic-embed-text-v1.5#none"


def test_a_folder_is_named_by_its_weights(tmp_path: Path) -> None:
    spaces = []
    for place, weights in (("a/Model", b"one"), ("b/Model", b"one"), ("c/Model", b"two")):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(weights)
        spaces.append(folder_space(folder, [folder / "model.safetensors"]))

    assert spaces[0] == spaces[1] == f"local/model@{sha256(b'one').hexdigest()[:12]}#none"
    assert spaces[2] != spaces[0]


@pytest.mark.parametrize(
    ("model", "dim"),
    [
        ("all-MiniLM-L6-v2", 384),
        ("bge-small-en-v1.5", 384),
        ("nomic-embed-text", 768),
        ("nomic_embed_v15", 768),
        ("all-mpnet-base-v2", 768),
        ("mxbai-embed-large:335m", 1024),
        ("bge-m3", 1024),
        ("openai/text-embedding-3-small", 1536),
        ("text-embedding-ada-002", 1536),
        ("text-embedding-3-large", 3072),
        ("mystery", 0),
    ],
)
def test_the_width_of_well_known_models_is_known(model: str, dim: int) -> None:
    assert known_dim(model) == dim
