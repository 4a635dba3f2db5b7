"""A local model is loaded once, whoever asks for it."""

from __future__ import annotations

import shutil
from argparse import Namespace
from pathlib import Path

import pytest

from ai_memory.commands.mcp.models import MOST, Models
from ai_memory.config.embedding import EmbeddingSettings
from ai_memory.config.settings import Settings
from ai_memory.embed.terms import Terms, Ties
from tests.commands.mcp.conftest import configured
from tests.support.agent import Agent, Place
from tests.support.fake_endpoint import FakeEndpoint

LOCAL = """[embeddings]
backend = "local"
engine = "onnx"
model = "sentence-transformers/all-MiniLM-L6-v2"
model_path = "{folder}"
dim = {dim}
backfill_on_boot = "off"
"""


def settings(place: Place, text: str) -> EmbeddingSettings:
    place.configure(text)
    return Settings.gather(Namespace(db=str(place.db), config=str(place.config)), {}).embedding


def test_the_same_settings_get_the_same_embedder_and_an_endpoint_gets_one_for_each_who_waits(
    place: Place, two_models: FakeEndpoint, minilm_onnx: Path
) -> None:
    models, terms, ties = Models(), Terms(), Ties()
    local = [settings(place, LOCAL.format(folder=minilm_onnx, dim=dim)) for dim in range(128, 129 + MOST)]
    remote = settings(place, configured(two_models))

    first = models.make(local[0], terms, ties)
    assert models.make(local[0], terms, ties) is models.for_person(local[0], ties) is first
    assert models.make(remote, terms, ties) is not models.make(remote, terms, ties)
    for each in local[1:]:
        assert models.make(each, terms, ties) is not first
    assert models.make(local[-1], terms, ties) is models.make(local[-1], terms, ties)
    # What was not used for longest was let go.
    assert models.make(local[0], terms, ties) is not first


@pytest.mark.real_model
def test_once_it_is_loaded_nothing_of_its_weights_is_read_again(
    place: Place, minilm_onnx: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(minilm_onnx, folder)
    place.configure(LOCAL.format(folder=folder, dim=384))

    async def talk(agent: Agent) -> None:
        stored = await agent.call("memory_store", title="Backups", content="Nightly, to the machine in the cellar.")
        assert stored["embedded"] is True
        (folder / "onnx" / "model.onnx").rename(tmp_path / "away.onnx")
        second = await agent.call("memory_store", title="Lunch", content="Soup on Mondays.")
        assert second["embedded"] is True
        found = await agent.call("memory_recall", query="where do copies of our data go", limit=1, fields=["title"])
        assert found == {"by": "words and meaning", "memories": [{"title": "Backups"}]}

    place.converse(talk)
