"""Every store passes one suite: a new adapter is a folder, and a line in `ADAPTERS`."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import ModuleType

import pytest

from ai_memory.stores import port, port_reading, port_writing
from tests.stores import conformance
from tests.stores.conformance import (
    CommitSuite,
    CopySuite,
    FileSubject,
    HotSuite,
    LockSuite,
    NoCopySuite,
    OperatorSuite,
    PlaceSuite,
    ProgressSuite,
    QuarantineSuite,
    ReadingSuite,
    RunSuite,
    StagingSuite,
    Subject,
    TargetSuite,
    TellingSuite,
    UndoSuite,
    WritingSuite,
)
from tests.stores.postgres import subject as postgres
from tests.stores.sqlite import subject as sqlite

Made = tuple[Callable[..., Subject], str]
"""What makes a subject, and the fixture of where."""
FILES: dict[str, tuple[Callable[..., FileSubject], str]] = {
    "SQLite": (sqlite.with_log, "tmp_path"),
    "SQLite without a log": (sqlite.without_log, "tmp_path"),
}
SERVERS: dict[str, Made] = {
    "PostgreSQL with BYTEA": (postgres.with_bytea, "postgres"),
    "PostgreSQL with pgvector": (postgres.with_vectors, "postgres"),
    "PostgreSQL of the system with BYTEA": (postgres.with_bytea, "bare_postgres"),
}
ADAPTERS: dict[str, Made] = {**FILES, **SERVERS}


@pytest.fixture(params=ADAPTERS)
def subject(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Subject:
    """A database of its own for each test, of every adapter in turn."""
    made, place = ADAPTERS[request.param]
    subject = made(request.getfixturevalue(place))
    if subject.width:
        # What is replaced is of the one width, too.
        monkeypatch.setattr(conformance, "OLD", replace(conformance.OLD, dim=subject.width))
    return subject


def test_the_suite_asks_for_every_name_of_the_port() -> None:
    names = names_of(port, port_reading, port_writing)

    assert names >= {"ids_after", "hold", "committed", "unpause"}
    assert names - asked_by(conformance) == set()


def names_of(*ports: ModuleType) -> set[str]:
    """Return the names of the protocols in some modules."""
    classes = (node for each in ports for node in nodes(each) if isinstance(node, ast.ClassDef) and node.bases)
    return {each.name for node in classes for each in node.body if isinstance(each, ast.FunctionDef)}


def asked_by(suite: ModuleType) -> set[str]:
    """Return the names that a suite asks of anything."""
    return {node.attr for node in nodes(suite) if isinstance(node, ast.Attribute)}


def nodes(module: ModuleType) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(inspect.getsource(module)))


class TestReading(ReadingSuite):
    """See the suite."""


class TestTargets(TargetSuite):
    """See the suite."""


class TestWriting(WritingSuite):
    """See the suite."""


class TestUndo(UndoSuite):
    """See the suite."""


class TestStaging(StagingSuite):
    """See the suite."""


class TestRuns(RunSuite):
    """See the suite."""


class TestCommits(CommitSuite):
    """See the suite."""


class TestProgress(ProgressSuite):
    """See the suite."""


class TestHotRows(HotSuite):
    """See the suite."""


class TestQuarantine(QuarantineSuite):
    """See the suite."""


class TestOperator(OperatorSuite):
    """See the suite."""


class TestTellings(TellingSuite):
    """See the suite."""


class TestLock(LockSuite):
    """See the suite."""


class TestPlace(PlaceSuite):
    """See the suite."""


class TestCopies(CopySuite):
    """See the suite."""

    @pytest.fixture(params=FILES)
    def subject(self, request: pytest.FixtureRequest) -> FileSubject:
        """A file of its own for each test."""
        made, place = FILES[request.param]
        return made(request.getfixturevalue(place))


class TestNoCopies(NoCopySuite):
    """See the suite."""

    @pytest.fixture(params=SERVERS)
    def subject(self, request: pytest.FixtureRequest) -> Subject:
        """A database of a server of its own for each test."""
        made, place = SERVERS[request.param]
        return made(request.getfixturevalue(place))
