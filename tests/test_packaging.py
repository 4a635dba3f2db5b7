"""What a user installs is what the checkout holds."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from tests.conftest import ROOT

SHIPPED = ("ai_memory", "migrations", "setup.cfg", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")
HEAVY = {"torch", "sentence_transformers", "transformers", "requests", "tenacity", "numpy"}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is packaged, so that a build leaves nothing in the checkout."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in SHIPPED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def wheel(checkout: Path) -> Path:
    return built(checkout, "build_wheel")


@pytest.fixture(scope="module")
def sdist(checkout: Path) -> Path:
    return built(checkout, "build_sdist")


def built(checkout: Path, what: str) -> Path:
    code = f"import setuptools.build_meta as b; b.{what}('dist')"
    subprocess.run([sys.executable, "-c", code], cwd=checkout, check=True, capture_output=True, timeout=120)
    (made,) = (checkout / "dist").glob("*.whl" if what == "build_wheel" else "*.tar.gz")
    return made


def test_the_wheel_holds_every_module_and_migration_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        shipped = {name for name in archive.namelist() if ".dist-info/" not in name}
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "ai_memory").rglob("*.py")}
    migrations = {f"ai_memory/migrations/{path.name}" for path in (ROOT / "migrations").glob("*.sql")}
    assert migrations
    assert shipped == modules | migrations | {"ai_memory/py.typed"}


def test_the_source_archive_holds_every_migration(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        shipped = {Path(name).name for name in archive.getnames() if "/migrations/" in name}
    assert shipped == {path.name for path in (ROOT / "migrations").glob("*.sql")}


def test_an_installed_wheel_finds_its_migrations(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = "from ai_memory.store import migrate as m; print(m.__file__, *(each.name for each in m.available()))"
    found = run_python(code, path=tmp_path).split()
    assert Path(found[0]).is_relative_to(tmp_path)
    assert found[1:] == sorted(path.name for path in (ROOT / "migrations").glob("*.sql"))


def test_a_plain_install_asks_for_no_torch(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        needs = message_from_bytes(archive.read(name)).get_all("Requires-Dist", [])
    assert not [need for need in needs if "extra ==" not in need and need.startswith(("torch", "sentence"))]
    assert [need for need in needs if need.startswith("sentence-transformers") and 'extra == "local"' in need]


def test_help_loads_no_heavy_library() -> None:
    code = "import sys; from ai_memory.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    loaded = run_python(code + "print('modules:', *{name.split('.')[0] for name in sys.modules})", path=ROOT)
    assert not HEAVY & set(loaded.rpartition("modules:")[2].split())


def run_python(code: str, *, path: Path) -> str:
    """Return what `code` prints when `path` is the only place our package can come from."""
    command = [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(path)!r})\n{code}"]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60, cwd="/").stdout
