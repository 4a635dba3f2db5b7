"""A database with ten rows in two namespaces, and a job on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ai_memory.stores.sqlite.store import Store
from tests.reembed.work import Work
from tests.support import files


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(files.create(tmp_path / "m.db"))


@pytest.fixture
def store(work: Work) -> Iterator[Store]:
    with work.store() as opened:
        yield opened
