"""The stores that the machine runs over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.harness import Harness
from tests.machine.in_files import Files
from tests.machine.on_server import OnServer
from tests.machine.storage import Storage


@pytest.fixture(params=["files", "server"])
def storage(request: pytest.FixtureRequest, fast_folder: Path) -> Iterator[Storage]:
    """A store of each kind."""
    made: Storage = Files(fast_folder) if request.param == "files" else OnServer(request.getfixturevalue("postgres"))
    yield made
    made.close()


@pytest.fixture
def harness(pytestconfig: pytest.Config, figures: list[str], *, long_form: bool) -> Harness:
    """This run of the tests."""
    return Harness(pytestconfig, figures, long_form)
