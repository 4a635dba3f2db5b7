"""The command line as a function, and an endpoint that it is configured for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ai_memory.cli import main
from tests.support.command import plain
from tests.support.fake_endpoint import FakeEndpoint


@dataclass(frozen=True, slots=True)
class Ran:
    """What one command line gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        (line,) = self.out.splitlines()
        found: dict[str, Any] = json.loads(line)
        return found


Cli = Callable[..., Ran]
Use = Callable[..., None]


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """The path of a database that is not there yet."""
    return tmp_path / "m.db"


@pytest.fixture
def cli(db: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs one command line on `db` in this process; commands that it names are without the database, see `plain`."""
    monkeypatch.setenv("AI_MEMORY_DB", str(db))
    # On a busy machine the signals of a test are heard later, and the process that would be ended is that of all tests.
    monkeypatch.setattr("ai_memory.system.signals.GRACE_S", 30.0)

    def run(*arguments: object) -> Ran:
        capsys.readouterr()
        code = main([str(each) for each in arguments])
        return Ran(code, *map(plain, capsys.readouterr()))

    return run


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEndpoint]:
    """A real server on loopback that the environment names as the embedder."""
    with FakeEndpoint(dim=16) as server:
        monkeypatch.setenv("AI_MEMORY_EMBED_BACKEND", "openai-compatible")
        monkeypatch.setenv("AI_MEMORY_EMBED_BASE_URL", server.url)
        monkeypatch.setenv("AI_MEMORY_EMBED_MODEL", "fake")
        yield server


@pytest.fixture
def old() -> Iterator[FakeEndpoint]:
    """The endpoint of the model that gave a file its vectors before."""
    with FakeEndpoint(dim=8, model="old") as server:
        yield server


@pytest.fixture
def new() -> Iterator[FakeEndpoint]:
    """The endpoint of the model that a file goes to."""
    with FakeEndpoint(dim=16, model="new") as server:
        yield server


@pytest.fixture
def use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Use:
    """Writes the configuration: an endpoint, its model where it is another than the server's, and more lines."""
    folder = tmp_path / "home" / "ai-memory"
    folder.mkdir(parents=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder.parent))

    def write(endpoint: FakeEndpoint, more: str = "", *, model: str = "") -> None:
        table = f"[embeddings]\n{_keys(endpoint, model)}{more}\n"
        (folder / "config.toml").write_text(table, encoding="utf-8")

    return write


def previous(endpoint: FakeEndpoint, model: str = "") -> str:
    """Return the lines that make an endpoint, with its own model or another, the previous embedder."""
    return f"[embeddings.previous]\n{_keys(endpoint, model)}"


def _keys(endpoint: FakeEndpoint, model: str = "") -> str:
    named = model or endpoint.behaviour.model
    return f'backend = "openai-compatible"\nbase_url = "{endpoint.url}"\nmodel = "{named}"\n'


@pytest.fixture
def quiet_embedder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A configuration with embeddings off."""
    folder = tmp_path / "config" / "ai-memory"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text('tier = "keyword"\n')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder.parent))
