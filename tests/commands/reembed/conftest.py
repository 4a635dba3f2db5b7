"""The command with a real model, on a database that takes it some seconds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import files
from tests.support.command import Command

ROWS = 240
WORDS = "Database migrations must survive power cuts, retries, impatient operators and processes that are killed. "


@pytest.fixture
def model(minilm_onnx: Path, tmp_path: Path) -> Path:
    """A copy of the model that a test may change."""
    folder = tmp_path / "model"
    shutil.copytree(minilm_onnx, folder, symlinks=True)
    return folder


@pytest.fixture
def command(model: Path, tmp_path: Path) -> Iterator[Command]:
    """The command on a database whose rows take the model some seconds."""
    config = tmp_path / "config" / "ai-memory" / "config.toml"
    config.parent.mkdir(parents=True)
    named = f'model = "all-MiniLM-L6-v2"\nmodel_path = "{model}"'
    config.write_text(f'[embeddings]\nbackend = "local"\nengine = "onnx"\n{named}\n', "utf-8")
    db = files.create(tmp_path / "m.db", ROWS)
    files.execute(db, f"UPDATE memories SET content = content || ' {WORDS * 3}'")
    made = Command(db, {"XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_CACHE_HOME": str(tmp_path / "cache")})
    yield made
    made.end()
