"""What a user installs is what the checkout holds."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from configparser import ConfigParser
from email import message_from_bytes
from pathlib import Path

import pytest

from ai_memory.commands.completion import SHELLS
from ai_memory.commands.mcp import run
from ai_memory.embed.local import engine_onnx, engine_openvino, engine_torch
from ai_memory.embed.stack import export
from ai_memory.show import metrics, plots
from tests.conftest import ROOT

SHIPPED = ("ai_memory", "migrations", "setup.cfg", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")
HEAVY = {"torch", "sentence_transformers", "transformers", "requests", "tenacity", "numpy", "onnxruntime", "openvino"}


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
    folder = ROOT / "migrations"
    migrations = {f"ai_memory/migrations/{path.relative_to(folder)}" for path in folder.rglob("*.sql")}
    completions = {f"ai_memory/completions/ai-memory.{shell}" for shell in SHELLS}
    assert migrations
    assert shipped == modules | migrations | completions | {"ai_memory/py.typed", "ai_memory/man/ai-memory.1"}


def test_the_source_archive_holds_every_migration(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        shipped = {Path(each).name for each in archive.getnames() if "/migrations/" in each and each.endswith(".sql")}
    assert shipped == {path.name for path in (ROOT / "migrations").rglob("*.sql")}


def test_an_installed_wheel_finds_its_migrations(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    told = "*(each.name for store in ('', 'postgres') for each in m.available(store))"
    code = f"from ai_memory.stores import migrations as m; print(m.__file__, {told})"
    found = run_python(code, path=tmp_path).split()
    assert Path(found[0]).is_relative_to(tmp_path)
    shipped = [sorted(each.glob("*.sql")) for each in (ROOT / "migrations", ROOT / "migrations" / "postgres")]
    assert found[1:] == [path.name for paths in shipped for path in paths]


def test_a_plain_install_asks_for_no_torch(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        needs = message_from_bytes(archive.read(name)).get_all("Requires-Dist", [])
    assert not [need for need in needs if "extra ==" not in need and need.startswith(("torch", "sentence"))]
    assert [need for need in needs if need.startswith("sentence-transformers") and 'extra == "local"' in need]


LOCKS = tuple(f"requirements{kind}.lock" for kind in ("", "-cpu", "-cuda", "-lowest", "-demo"))
PINNED = re.compile(r"([a-z0-9-]+)==(\S+)(?: ; [^\n\\]+)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)")


def locked(name: str) -> dict[str, str]:
    """Return package and version of each paragraph of a lock file; fails where there is anything else in it."""
    text = (ROOT / name).read_text("utf-8")
    head, _, rest = text.partition("\n")
    assert head.startswith("# Made by scripts/lock")
    assert PINNED.sub("", rest) == ""
    return {found[1]: found[2] for found in PINNED.finditer(rest)}


def requirements(*extras: str) -> list[tuple[str, str]]:
    """Return name and versions of each requirement of setup.cfg and of `extras`, of all extras where none is named.

    The versions are the floor, and what else is said of them.
    """
    file = ConfigParser()
    file.read(ROOT / "setup.cfg", encoding="utf-8")
    of_extras = file["options.extras_require"]
    blocks = [file["options"]["install_requires"], *(of_extras[name] for name in extras or of_extras)]
    lines = [line.partition(";")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]
    named = (line.partition(">=") for line in lines)
    return [(name.partition("[")[0].strip(), floor.strip()) for name, _, floor in named]


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_pins_each_package_by_hash_and_names_no_place(name: str) -> None:
    assert locked(name)


def test_the_lock_has_the_versions_of_the_constraints_and_all_that_is_required() -> None:
    lock = locked("requirements.lock") | {"torch": locked("requirements-cuda.lock")["torch"]}
    constraints = (line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    wanted = {name.lower().replace("_", "-"): version for name, version in constraints}

    assert {name: lock.get(name) for name in wanted} == wanted
    assert {name for name, _ in requirements()} <= lock.keys()
    assert locked("requirements-cpu.lock") == {"torch": f"{wanted['torch']}+cpu"}


def test_the_demo_installs_the_onnx_extra_and_no_torch_in_the_versions_of_the_checks() -> None:
    demo = locked("requirements-demo.lock")

    assert demo.items() <= locked("requirements.lock").items()
    assert {name for name, _ in requirements("onnx")} <= demo.keys()
    assert not {"torch", "transformers", "sentence-transformers"} & demo.keys()


def test_the_lowest_versions_that_are_tried_are_those_that_are_allowed() -> None:
    lowest = locked("requirements-lowest.lock")
    floors = {name: floor.partition(",")[0] for name, floor in requirements() if name in lowest}

    assert {name: lowest[name] for name in floors} == floors
    plain = {"apsw", "msgspec", "numpy", "requests", "tenacity", "tqdm", "urllib3"}
    assert {*plain, "sentence-transformers"} <= floors.keys()


def test_the_error_of_a_missing_library_names_the_floors_of_the_local_extra() -> None:
    floors = dict(requirements())

    for name in ("sentence-transformers", "torch"):
        assert f'"{name}>={floors[name]}"' in engine_torch.INSTALL


@pytest.mark.parametrize(
    ("line", "names"),
    [
        (engine_onnx.INSTALL, ("onnxruntime", "tokenizers")),
        (engine_openvino.INSTALL, ("openvino", "tokenizers")),
        (export.INSTALL, ("onnx", "onnxscript")),
        (metrics.INSTALL, ("prometheus-client",)),
        (plots.INSTALL, ("matplotlib",)),
        (run.INSTALL, ("mcp",)),
    ],
)
def test_what_to_type_for_a_missing_library_names_the_floors_of_its_extra(line: str, names: tuple[str, ...]) -> None:
    floors = dict(requirements())

    assert line == "Type: pip install " + " ".join(f'"{name}>={floors[name]}"' for name in names)


def test_help_loads_no_heavy_library() -> None:
    code = "import sys; from ai_memory.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    loaded = run_python(code + "print('modules:', *{name.split('.')[0] for name in sys.modules})", path=ROOT)
    assert not HEAVY & set(loaded.rpartition("modules:")[2].split())


def run_python(code: str, *, path: Path) -> str:
    """Return what `code` prints when `path` is the only place our package can come from."""
    command = [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(path)!r})\n{code}"]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60, cwd="/").stdout
