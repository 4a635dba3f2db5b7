"""A place for servers, with a light embedder on loopback, named in a config file that can be changed meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.agent import Place
from tests.support.fake_endpoint import FakeEndpoint

OTHER = "other"
"""A second model of the endpoint, of another width."""


@pytest.fixture
def two_models() -> Iterator[FakeEndpoint]:
    with FakeEndpoint(dim=16, also={OTHER: 24}) as server:
        yield server


def configured(endpoint: FakeEndpoint, model: str = "fake", *, boot: str = "off") -> str:
    return (
        f'[embeddings]\nbackend = "openai-compatible"\nbase_url = "{endpoint.url}"\nmodel = "{model}"\n'
        f'backfill_on_boot = "{boot}"\n'
    )


@pytest.fixture
def place(tmp_path: Path, two_models: FakeEndpoint) -> Place:
    found = Place(tmp_path / "memories.db", tmp_path / "config.toml", {})
    found.configure(configured(two_models))
    return found
