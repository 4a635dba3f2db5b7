"""Every store passes one suite for memories, too: a new adapter is a folder, and a line in `ADAPTERS`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ai_memory.stores import memory_port, memory_port_reading, memory_port_writing, place_port
from tests.stores import memory_conformance
from tests.stores.memory_conformance import (
    AboutSuite,
    CountSuite,
    FileMemorySubject,
    LinkSuite,
    ListingSuite,
    MemorySubject,
    MemorySuite,
    MemoryWritingSuite,
    PlaceSuite,
    SearchSuite,
    WholeMemorySuite,
    WordIndexSuite,
)
from tests.stores.postgres import memory_subject as postgres
from tests.stores.sqlite import memory_subject as sqlite
from tests.stores.test_conformance import asked_by, names_of

FILES: dict[str, tuple[Callable[..., FileMemorySubject], str]] = {
    "SQLite": (sqlite.with_log, "tmp_path"),
    "SQLite without a log": (sqlite.without_log, "tmp_path"),
}
VECTORS = "PostgreSQL with pgvector"
SERVERS: dict[str, tuple[Callable[..., MemorySubject], str]] = {
    "PostgreSQL with BYTEA": (postgres.with_bytea, "postgres"),
    VECTORS: (postgres.with_vectors, "postgres"),
    "PostgreSQL of the system with BYTEA": (postgres.with_bytea, "bare_postgres"),
}
"""What makes a subject, and the fixture of where."""
ADAPTERS: dict[str, tuple[Callable[..., MemorySubject], str]] = {**FILES, **SERVERS}


@pytest.fixture(params=ADAPTERS)
def subject(request: pytest.FixtureRequest) -> MemorySubject:
    """A database of its own for each test, of every adapter in turn."""
    if request.param in SERVERS and any(request.node.iter_markers("untyped")):
        pytest.skip("its columns have types")
    if request.param in SERVERS and any(request.node.iter_markers("own")):
        pytest.skip("another program makes it")
    if request.param == VECTORS and any(request.node.iter_markers("widths")):
        pytest.skip("its memories take vectors of one width")
    made, place = ADAPTERS[request.param]
    return made(request.getfixturevalue(place))


def test_the_suite_asks_for_every_name_of_the_ports() -> None:
    names = names_of(memory_port, memory_port_reading, memory_port_writing, place_port)

    assert names >= {"titled", "step", "lacking_vectors", "put_in_place"}
    assert names - asked_by(memory_conformance) == set()


class TestMemories(MemorySuite):
    """See the suite."""


class TestListing(ListingSuite):
    """See the suite."""


class TestLinks(LinkSuite):
    """See the suite."""


class TestMemoryWriting(MemoryWritingSuite):
    """See the suite."""


class TestWholeMemories(WholeMemorySuite):
    """See the suite."""


class TestSearch(SearchSuite):
    """See the suite."""


class TestCounts(CountSuite):
    """See the suite."""


class TestWordIndex(WordIndexSuite):
    """See the suite."""


class TestAbout(AboutSuite):
    """See the suite."""


class TestPlace(PlaceSuite):
    """See the suite."""

    @pytest.fixture(params=FILES)
    def subject(self, request: pytest.FixtureRequest) -> FileMemorySubject:
        """A file of its own for each test."""
        made, place = FILES[request.param]
        return made(request.getfixturevalue(place))
