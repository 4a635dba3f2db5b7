"""A database of our own with ten rows, opened to write."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ai_memory.stores.sqlite.database import writing
from ai_memory.stores.sqlite.store import Store
from tests.support import files


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return files.create(tmp_path / "m.db")


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with writing(path, now_ms=0) as opened:
        yield opened
