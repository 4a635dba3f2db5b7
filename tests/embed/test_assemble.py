"""From settings to the embedder that commands use: what is known and refused before anything heavy, and how it asks."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ai_memory.config.embedding import EmbeddingSettings, resolve
from ai_memory.config.file import Table
from ai_memory.config.settings import Settings
from ai_memory.embed.assemble import assemble, token_counter
from ai_memory.embed.flow.splitting import SplittingEmbedder
from ai_memory.embed.local.embedder import AT_ONCE, AT_ONCE_ACCELERATED
from ai_memory.embed.local.tokens import token_count
from ai_memory.embed.port import Embedder
from ai_memory.embed.terms import Terms
from ai_memory.errors import EmbedderInitFailed, NoEmbedder
from ai_memory.vectors.checks import cosines
from ai_memory.vectors.target import Target
from tests.support.command import remote
from tests.support.fake_endpoint import FakeEndpoint

TEXTS = [f"text {number}" for number in range(40)]


def settings(tmp_path: Path, toml: str, **environ: str) -> EmbeddingSettings:
    file = tmp_path / "config.toml"
    file.write_text(toml, encoding="utf-8")
    return Settings.gather(argparse.Namespace(config=file), environ).embedding


def built(tmp_path: Path, toml: str, **environ: str) -> Embedder:
    return assemble(settings(tmp_path, toml, **environ))


def refused(tmp_path: Path, toml: str, **environ: str) -> str:
    with pytest.raises(EmbedderInitFailed) as caught:
        built(tmp_path, toml, **environ)
    return caught.value.line()


def compatible(url: str = "http://127.0.0.1:9/v1", model: str = "fake", more: str = "") -> str:
    return f'[embeddings]\nbackend = "openai-compatible"\nbase_url = "{url}"\nmodel = "{model}"\n{more}'


@pytest.mark.parametrize("more", ["", '[embeddings]\nbackend = "openai"\nmodel = "x"\n'])
def test_the_keyword_tier_has_no_embedder(tmp_path: Path, more: str) -> None:
    with pytest.raises(NoEmbedder) as caught:
        built(tmp_path, f'tier = "keyword"\n{more}')

    assert caught.value.exit_code == 2


def test_a_named_model_with_a_folder_keeps_its_name(tmp_path: Path, tiny_model: Path) -> None:
    found = built(tmp_path, f'[embeddings]\nmodel = "all-MiniLM-L6-v2"\nmodel_path = "{tiny_model}"\n').target

    assert found == Target(
        space="sentence-transformers/all-minilm-l6-v2#none",
        dim=32,
        backend="local",
        model="all-MiniLM-L6-v2",
        normalized=True,
        max_tokens=24,
    )


@pytest.mark.parametrize("key", ["model", "model_path"])
def test_a_model_given_only_as_a_folder_is_named_by_its_weights(tmp_path: Path, tiny_model: Path, key: str) -> None:
    found = built(tmp_path, f'[embeddings]\n{key} = "{tiny_model}"\ndim = 8').target

    assert found.space.startswith("local/tiny@")
    assert str(tiny_model) not in repr(found)
    assert (found.dim, found.normalized) == (8, True)


def test_what_it_says_before_loading_is_what_it_is(tmp_path: Path, tiny_model: Path) -> None:
    embedder = built(tmp_path, f'[embeddings]\nmodel_path = "{tiny_model}"')
    before = embedder.target

    assert embedder.embed_documents(["a", "tea"]).shape == (2, before.dim)
    assert embedder.target == before


def test_tokens_are_counted_uncut_by_the_models_own_tokenizer(tmp_path: Path, tiny_model: Path) -> None:
    count = token_counter(settings(tmp_path, f'[embeddings]\nmodel_path = "{tiny_model}"'))

    assert count is not None
    assert [count("a"), count("a b c"), count("a " * 1000)] == [3, 5, 1002]
    assert token_counter(settings(tmp_path, compatible())) is None


@pytest.mark.parametrize(("model", "sent"), [("fake", "a b"), ("nomic-embed-text", "search_document: a b")])
def test_tokens_of_a_remote_model_are_counted_by_the_tokenizer_in_its_model_path(
    tmp_path: Path, tiny_model: Path, model: str, sent: str
) -> None:
    count = token_counter(settings(tmp_path, compatible(model=model, more=f'model_path = "{tiny_model}"')))

    whole = token_count(tiny_model)
    assert count is not None
    assert whole is not None
    assert count("a b") == whole(sent)


def test_a_width_beyond_the_models_is_refused(tmp_path: Path, tiny_model: Path) -> None:
    assert "the model gives 32" in refused(tmp_path, f'[embeddings]\nmodel_path = "{tiny_model}"\ndim = 33')
    assert "gives 1536 at most" in refused(tmp_path, compatible(model="text-embedding-3-small", more="dim = 2000"))


def test_a_model_that_is_not_here_is_refused_by_name_when_offline(tmp_path: Path) -> None:
    for name in ("AI_MEMORY_EMBED_OFFLINE", "HF_HUB_OFFLINE"):
        line = refused(tmp_path, '[embeddings]\nmodel = "owner/no-such-model"', **{name: "1"})

        assert "owner/no-such-model" in line
        assert "not on this machine" in line
        assert line.endswith(f"or download it once without {name}.")


def test_a_folder_without_weights_names_no_model_by_itself(tmp_path: Path, tiny_model: Path) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    for weights in folder.glob("*.safetensors"):
        weights.unlink()

    line = refused(tmp_path, f'[embeddings]\nmodel_path = "{folder}"')
    assert f"{folder} has no model.safetensors, by which a model is known that has no name." in line
    assert "Name it in [embeddings].model" in line


@pytest.mark.parametrize("policy", ["loopback-only", "deny"])
def test_a_restricted_egress_covers_the_model_hub(tmp_path: Path, policy: str) -> None:
    line = refused(tmp_path, '[embeddings]\nmodel = "owner/no-such-model"', AI_MEMORY_INFERENCE_EGRESS=policy)

    assert "not on this machine" in line
    assert line.endswith("or download it once without AI_MEMORY_INFERENCE_EGRESS.")


@pytest.mark.parametrize("model", ["no such model!", "a/b/c", "/nowhere/model"])
def test_what_is_no_model_is_refused_by_name(tmp_path: Path, model: str) -> None:
    assert model in refused(tmp_path, f'[embeddings]\nmodel = "{model}"')


@pytest.mark.parametrize(
    ("policy", "url", "allowed"),
    [
        ("allow", "https://api.example/v1", True),
        ("loopback-only", "https://api.example/v1", False),
        ("loopback-only", "http://127.0.0.1:9/v1", True),
        ("deny", "http://127.0.0.1:9/v1", False),
    ],
)
def test_the_egress_policy_refuses_before_any_request(tmp_path: Path, policy: str, url: str, *, allowed: bool) -> None:
    if allowed:
        assert built(tmp_path, compatible(url), AI_MEMORY_INFERENCE_EGRESS=policy).meter.spent.requests == 0
    else:
        assert url in refused(tmp_path, compatible(url), AI_MEMORY_INFERENCE_EGRESS=policy)


def test_a_nomic_model_behind_an_endpoint_gets_its_prefixes(tmp_path: Path) -> None:
    with FakeEndpoint(model="nomic-embed-text", dim=768) as server:
        toml = f'[embeddings]\nbackend = "ollama"\nbase_url = "{server.ollama_url}"\nmodel = "nomic_embed_v15"'
        embedder = built(tmp_path, toml)
        embedder.embed_documents(["text"])
        embedder.embed_query("question")

        assert set(server.seen.texts) == {"search_document: text", "search_query: question"}
        assert embedder.target.space == "nomic-ai/nomic-embed-text-v1.5#nomic-task-v1"


def test_known_models_have_their_width_before_the_first_answer(tmp_path: Path) -> None:
    assert built(tmp_path, compatible(model="text-embedding-3-large")).target.dim == 3072
    assert built(tmp_path, compatible(model="text-embedding-3-large", more="dim = 256")).target.dim == 256
    assert built(tmp_path, compatible(model="fake")).target.dim == 0


def test_requests_carry_no_more_than_the_vendor_takes(tmp_path: Path) -> None:
    toml = '[embeddings]\nbackend = "qwen"\nmodel = "text-embedding-v4"'

    assert built(tmp_path, toml, DASHSCOPE_API_KEY="k-1").max_batch == 10
    assert built(tmp_path, compatible()).max_batch == 2048


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ('[embeddings]\nbackend = "openai-compatible"\nmodel = "m"', "needs a base URL"),
        ('[embeddings]\nbackend = "mistral"', "needs the name of a model"),
        ('[embeddings]\nbackend = "mistral"\nmodel = "m"', "env MISTRAL_API_KEY is not set"),
        ('[embeddings]\nbackend = "mistral"\nmodel = "m"\napi_key_env = "MINE"', "env MINE is not set"),
        ('[embeddings]\nbackend = "mistral"\nmodel = "m"\napi_key_file = "/nowhere"', "/nowhere cannot be read"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, toml: str, words: str) -> None:
    assert words in refused(tmp_path, toml)


def test_building_an_embedder_for_an_endpoint_loads_nothing_heavy() -> None:
    program = """
import argparse, sys
from ai_memory.embed.assemble import assemble, token_counter
from ai_memory.embed.local.embedder import AT_ONCE
from ai_memory.embed.local.tokens import token_count
from ai_memory.config.embedding import EmbeddingSettings
from ai_memory.config.settings import Settings
environ = {"AI_MEMORY_NO_CONFIG": "1", "AI_MEMORY_EMBED_BACKEND": "openai", "OPENAI_API_KEY": "k",
           "AI_MEMORY_EMBED_MODEL": "text-embedding-3-small"}
assert assemble(Settings.gather(argparse.Namespace(), environ).embedding).target.dim == 1536
print(*{"torch", "transformers", "sentence_transformers", "requests", "tenacity"} & sys.modules.keys())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")


def assembled(endpoint: FakeEndpoint, *, concurrency: int | None = None) -> SplittingEmbedder:
    return assemble(resolve(Table(), remote(endpoint)), Terms(concurrency=concurrency))


@pytest.mark.parametrize(("concurrency", "expected"), [(None, 4), (5, 5)])
def test_requests_in_flight_are_those_asked_for_else_found_by_trial(concurrency: int | None, expected: int) -> None:
    with FakeEndpoint() as endpoint:
        assert assembled(endpoint, concurrency=concurrency).concurrency == expected


def test_each_request_of_a_divided_batch_is_retried_by_itself() -> None:
    with FakeEndpoint(max_inputs=16) as endpoint:
        embedder = assembled(endpoint)
        embedder.embed_documents(TEXTS[:2])
        endpoint.seen.bodies.clear()
        endpoint.fail("none", times=2)
        endpoint.fail("server-error")

        found = embedder.embed_documents(TEXTS)

        assert np.array_equal(found, [endpoint.vector(text) for text in TEXTS])
        assert [len(body["input"]) for body in endpoint.seen.bodies] == [40, 16, 16, 16, 8]


def test_a_rate_refusal_is_waited_for_by_everyone() -> None:
    with FakeEndpoint() as endpoint:
        embedder = assembled(endpoint, concurrency=4)
        endpoint.fail("rate", seconds=0.5)
        threads = [threading.Thread(target=embedder.embed_query, args=(text,)) for text in TEXTS[:4]]
        threads[0].start()
        while not endpoint.seen.requests:
            threads[0].join(0.01)
        threads[0].join(0.1)
        for thread in threads[1:]:
            thread.start()
        for thread in threads:
            thread.join()

        first, *others = endpoint.seen.at
        assert len(others) == 4
        assert min(others) - first >= 0.45


def test_more_calls_share_the_passes_of_an_accelerator(tmp_path: Path, tiny_model: Path) -> None:
    embedder = built(tmp_path, f'[embeddings]\nmodel_path = "{tiny_model}"\ndevice = "cuda"\n')

    assert embedder.concurrency == AT_ONCE_ACCELERATED


def test_as_many_calls_of_a_local_model_share_its_passes_however_long_they_take(
    tmp_path: Path, tiny_model: Path
) -> None:
    embedder = built(tmp_path, f'[embeddings]\nmodel_path = "{tiny_model}"\nengine = "torch"\ndevice = "cpu"\n')
    at_first = embedder.concurrency
    for texts in (1, 40, 1, 40, 1):
        embedder.embed_documents(TEXTS[:texts])

    assert embedder.concurrency == at_first == AT_ONCE
    with ThreadPoolExecutor(AT_ONCE) as threads:
        found = list(threads.map(embedder.embed_documents, [TEXTS[:20], TEXTS[20:], TEXTS[:1]]))
    assert cosines(np.concatenate(found[:2]), embedder.embed_documents(TEXTS)).min() > 0.99999
    assert cosines(found[2], found[0][:1]).min() > 0.99999
