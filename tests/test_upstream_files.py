"""`ai-memory reembed` on files that the Rust program made, and on the shapes its other releases leave."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ai_memory.vectors.blob import decode
from tests.support import files, shapes
from tests.support.command import Command, remote
from tests.support.fake_endpoint import FakeEndpoint

TRUTH = {
    "v0.7.0.db": "v0.7.0.rows.json",
    "v0.7.0-upgraded-by-0.10.0.db": "v0.7.0.rows.json",
    "v0.10.0.db": "v0.10.0.rows.json",
}
THEIR_CONFIG = """
tier = "smart"
db = "{db}"
default_namespace = "global"

[llm]
backend = "ollama"
model = "gemma3:4b"

[reranker]
enabled = true

[[hooks]]
event = "post_store"
command = ["notify", "--quiet"]

[embeddings]
backend = "openai-compatible"
url = "{url}"
model = "fake"
backfill_batch = 50
backfill_on_boot = "off"
"""
"""With tables and keys that this program does not know."""
Encode = Callable[[list[str]], npt.NDArray[np.float32]]


@pytest.fixture(scope="module")
def encode(minilm_folder: Path) -> Encode:
    """The vectors of texts by sentence-transformers itself."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(minilm_folder), device="cpu")
    return lambda texts: np.stack([model.encode(text, normalize_embeddings=True) for text in texts])


@pytest.fixture(scope="module")
def local(minilm_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The environment in which real all-MiniLM-L6-v2 is the embedder."""
    home = tmp_path_factory.mktemp("config")
    config = home / "ai-memory" / "config.toml"
    config.parent.mkdir()
    config.write_text(
        '[embeddings]\nbackend = "local"\nmodel = "all-MiniLM-L6-v2"\n' + f'model_path = "{minilm_folder}"\n', "utf-8"
    )
    return {"XDG_CONFIG_HOME": str(home)}


@pytest.mark.real_model
@pytest.mark.parametrize("name", TRUTH)
def test_every_live_row_of_a_real_file_gets_the_vector_of_its_text(
    upstream_dir: Path, local: Mapping[str, str], encode: Encode, name: str
) -> None:
    path, truth = upstream_dir / name, _truth(upstream_dir, name)
    before, vectors = files.everything_else(path), files.vectors(path)
    encrypted = sum(row["kind"] == "encrypted" for row in truth)

    answer = Command(path, local).reembed()

    assert answer.code == (10 if encrypted else 0), answer.err
    assert (answer.json["quarantined"], answer.json["remaining"]) == (encrypted, 0)
    live = {row["id"]: f"{row['title']} {row['content']}" for row in truth if row["kind"] == "plain"}
    after = files.vectors(path)
    found = np.stack([decode(after[each] or b"") for each in live])
    assert np.abs(found - encode(list(live.values()))).max() < 1e-5
    assert {each: after[each] for each in after if each not in live} == {
        each: vectors[each] for each in vectors if each not in live
    }
    assert files.everything_else(path) == before
    assert files.integrity(path) == "ok"
    (naming,) = (row["id"] for row in truth if row["vector_is_of_older_text"])
    assert float(decode(vectors[naming] or b"") @ decode(after[naming] or b"")) < 0.9
    assert "daemon serves its old index until it is restarted" in answer.err


@pytest.mark.real_model
@pytest.mark.parametrize("name", TRUTH)
def test_the_one_row_whose_vector_is_of_an_older_text_is_named_and_the_others_are_attested(
    upstream_dir: Path, local: Mapping[str, str], name: str
) -> None:
    path, truth = upstream_dir / name, _truth(upstream_dir, name)
    run = Command(path, {**local, "AI_MEMORY_KEY_DIR": str(upstream_dir / "keys-v0.10.0")})
    before, vectors = files.everything_else(path), files.vectors(path)
    (naming,) = (row["id"] for row in truth if row["vector_is_of_older_text"])
    of_the_model = [row for row in truth if row["kind"] in ("plain", "encrypted") and row["stored_dim"] == 384]

    looked = run.run("reembed", "verify", "--sample", "all", "--json")
    assert (looked.code, looked.json["sampled"], looked.json["differing"]) == (1, len(of_the_model), [naming])
    assert run.run("reembed", "--stamp-only").code == 4
    stamped = run.reembed("--stamp-only", "--sample", "all")

    assert (stamped.code, stamped.json["stamped"]) == (0, len(of_the_model) - 1)
    assert stamped.json["differing_rows"] == [naming]
    after = run.run("reembed", "verify", "--sample", "all", "--json").json
    assert (after["fresh"], after["attested"], after["sampled"], after["differing"]) == (14, 14, 14, [])
    assert (files.vectors(path), files.everything_else(path)) == (vectors, before)


def test_their_configuration_is_read_with_what_is_not_known_in_it_and_never_written(
    tmp_path: Path, endpoint: FakeEndpoint
) -> None:
    path = shapes.build(tmp_path / "m.db", 80, kinds={shapes.PLAIN}).path
    config = tmp_path / "ai-memory" / "config.toml"
    config.parent.mkdir()
    config.write_text(THEIR_CONFIG.format(db=path, url=endpoint.url), "utf-8")
    before, stat = config.read_bytes(), config.stat()

    answer = Command(path, {"XDG_CONFIG_HOME": str(tmp_path)}).reembed()

    assert (answer.code, answer.json["model"]) == (0, "fake")
    assert "warning" not in answer.err
    assert (config.read_bytes(), config.stat().st_mtime_ns) == (before, stat.st_mtime_ns)
    assert list(config.parent.iterdir()) == [config]


def test_what_another_program_embedded_is_attested_without_sending_a_text_twice(
    tmp_path: Path, endpoint: FakeEndpoint
) -> None:
    path = shapes.build(tmp_path / "m.db", 57, kinds={shapes.PLAIN}).path
    texts = files.texts(path)
    older, wide, *_ = sorted(texts)
    for each, text in texts.items():
        vector = endpoint.vector(f"{text} as it was" if each == older else text)
        blob = b"\x01" + (vector.tobytes() * 2 if each == wide else vector.tobytes())
        files.execute(path, "UPDATE memories SET embedding = ?, embedding_dim = NULL WHERE id = ?", blob, each)
    config = tmp_path / "ai-memory" / "config.toml"
    config.parent.mkdir()
    config.write_text("[embeddings]\ndim = 16\n", "utf-8")
    run = Command(path, remote(endpoint, XDG_CONFIG_HOME=str(tmp_path)))

    answer = run.reembed("--stamp-only", "--sample", "all")

    assert (answer.code, answer.json["stamped"], answer.json["differing_rows"]) == (0, len(texts) - 2, [older])
    sent = {text: endpoint.seen.texts[text] for each, text in texts.items() if each not in (older, wide)}
    assert set(sent.values()) == {1}
    assert endpoint.seen.texts[texts[wide]] == 0


@pytest.mark.parametrize("version", shapes.VERSIONS)
def test_every_embeddable_row_of_a_shape_gets_its_vector_and_nothing_else_changes(
    tmp_path: Path, endpoint: FakeEndpoint, version: int
) -> None:
    shape = shapes.build(tmp_path / "m.db", version)
    before, vectors = files.everything_else(shape.path), _vectors_by_title(shape)

    answer = Command(shape.path, remote(endpoint)).reembed("--batch", "5")

    assert answer.code == 10, answer.err
    assert _vectors_by_title(shape) == vectors | {
        _bytes(row.title): _expected_blob(endpoint, row) for row in shape.of_kind(*shapes.EMBEDDABLE)
    }
    assert files.everything_else(shape.path) == before
    assert files.integrity(shape.path) == "ok"
    assert answer.json["unaddressable"] == 1
    assert answer.json["quarantined"] == len(
        shape.of_kind(shapes.ENCRYPTED, shapes.UNDECODABLE, shapes.EMPTY, shapes.OVERSIZE)
    )


@pytest.mark.parametrize("version", [84, 101])
def test_a_shape_with_stamps_has_the_targets_space_and_width_on_every_row_done(
    tmp_path: Path, endpoint: FakeEndpoint, version: int
) -> None:
    shape = shapes.build(tmp_path / "m.db", version, kinds=shapes.EMBEDDABLE)

    assert Command(shape.path, remote(endpoint)).reembed().code == 0

    stamps = files.execute(shape.path, "SELECT DISTINCT embedding_space, embedding_dim FROM memories")
    assert stamps == [("fake#none", 16)]


def test_rows_that_cannot_be_embedded_are_named_with_their_reason(tmp_path: Path, endpoint: FakeEndpoint) -> None:
    shape = shapes.build(tmp_path / "m.db", 101)

    answer = Command(shape.path, remote(endpoint)).reembed()

    listed = Command(shape.path, remote(endpoint)).run("reembed", "quarantine").out
    assert f"{answer.json['quarantined']} rows went into quarantine: " in answer.err
    for kind in ("undecryptable", "undecodable", "empty", "oversize"):
        assert f": {kind}, " in listed
    again = Command(shape.path, remote(endpoint)).reembed("--resume")
    assert (again.code, again.json["reason"], again.json["requests"]) == (10, "nothing stale", 0)


def _truth(folder: Path, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / TRUTH[name]).read_text("utf-8"))
    return found


def _vectors_by_title(shape: shapes.Shape) -> dict[bytes, bytes | None]:
    return dict(files.execute(shape.path, "SELECT CAST(title AS BLOB), embedding FROM memories"))


def _expected_blob(endpoint: FakeEndpoint, row: shapes.Row) -> bytes:
    text = b" ".join((_bytes(row.title), _bytes(row.content))).decode()
    return b"\x01" + endpoint.vector(text).tobytes()


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()
