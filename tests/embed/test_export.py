"""The ONNX file of a model that has none: compared before it is put in place, whole or not at all."""

from __future__ import annotations

import fcntl
import importlib.util
import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ai_memory.embed.local import engine_onnx, engine_openvino, engine_torch
from ai_memory.embed.local.engine_torch import TorchEngine
from ai_memory.embed.local.proofs import Proof
from ai_memory.embed.stack.export import export
from ai_memory.errors import AiMemoryError, EmbedderInitFailed, NotFound, StorageFailed, UsageError
from tests.embed.conftest import rewrite


@pytest.fixture
def bare(model: Path) -> Path:
    """A model without an ONNX file."""
    shutil.rmtree(model / "onnx")
    return model


def unheard(line: str) -> None:
    del line


def refused(folder: Path, kind: type[AiMemoryError] = EmbedderInitFailed) -> str:
    """Return the one line of a refusal."""
    with pytest.raises(kind) as caught:
        export(folder, unheard)
    assert caught.value.tip
    return caught.value.line()


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_it_is_compared_in_each_engine_that_is_there_and_then_remembered(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    before, told = files(bare), list[str]()
    made = export(bare, told.append)

    assert (made.file, made.texts) == (bare / "onnx" / "model.onnx", 100)
    assert files(bare) - before == {"onnx", "onnx/model.onnx"}
    assert {name.split()[0] for name in made.cosines} >= {"onnxruntime"}
    assert min(made.cosines.values()) >= 0.99999
    assert [Proof(bare, name).is_there() for name in made.cosines] == [True] * len(made.cosines)
    assert told


def test_one_that_is_there_is_left_as_it_is(model: Path) -> None:
    (model / "onnx" / "model.onnx").write_text("theirs")

    assert "is there already" in refused(model, UsageError)
    assert (model / "onnx" / "model.onnx").read_text() == "theirs"


def test_one_that_computes_other_vectors_is_not_put_in_place(
    bare: Path, tiny_onnx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewrite(bare / "config.json", hidden_act="relu")
    before = files(bare)
    monkeypatch.setattr(TorchEngine, "write_onnx", lambda _, file: shutil.copy(tiny_onnx / "onnx" / "model.onnx", file))

    assert "gives other vectors than torch in onnxruntime" in refused(bare)
    assert files(bare) == before


def test_a_model_that_cannot_be_exported_is_named_and_leaves_nothing(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("\x1b[96mNext steps\x1b[0m") from ValueError("this layer has no counterpart")

    before = files(bare)
    monkeypatch.setattr(engine_torch, "_write_graph", fail)

    line = refused(bare)
    assert line.startswith(f"the model {bare} cannot be written as an ONNX file: this layer has no counterpart.")
    assert files(bare) == before


def test_a_disk_that_is_full_is_the_disks_fault_and_nothing_is_left(bare: Path) -> None:
    before, (soft, hard) = files(bare), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        line = refused(bare, StorageFailed)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert line.startswith(f"{bare / 'onnx' / 'model.onnx'} cannot be written: File too large. Free some space")
    assert files(bare) == before


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    for name in ("nowhere", "file"):
        assert refused(tmp_path / name, NotFound).startswith(f"There is no folder {tmp_path / name}.")


def missing(module: object, name: str = "is_installed") -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setattr(module, name, lambda *_: False)


def without(library: str) -> Callable[[pytest.MonkeyPatch], None]:
    found = importlib.util.find_spec
    return lambda patch: patch.setattr(
        importlib.util, "find_spec", lambda name: None if name == library else found(name)
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (missing(engine_torch), "needs sentence-transformers, which is not installed. Type: pip install"),
        (without("onnx"), "the export needs onnx, which is not installed. Type: pip install"),
        (without("onnxscript"), "the export needs onnxscript, which is not installed. Type: pip install"),
    ],
)
def test_a_library_that_is_missing_is_named_with_what_to_type(
    bare: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[pytest.MonkeyPatch], None], said: str
) -> None:
    change(monkeypatch)

    assert said in refused(bare)


def test_without_a_library_to_compare_it_in_it_is_not_made(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for each in (engine_onnx, engine_openvino):
        missing(each)(monkeypatch)

    assert "none could be compared. Type: pip install" in refused(bare)


def test_a_model_that_the_engines_do_not_compute_is_refused_before_it_is_loaded(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TorchEngine, "write_onnx", lambda *_: pytest.fail("it was loaded"))
    rewrite(bare / "1_Pooling" / "config.json", pooling_mode="attention")

    assert "pooled by 'attention'" in refused(bare)
    assert "holds no model" in refused(bare.parent) or "modules.json" in refused(bare.parent)


def test_a_folder_that_cannot_be_written_is_named(bare: Path) -> None:
    (bare / "onnx").write_text("a file in the place of the folder")

    assert f"{bare}/onnx/model.onnx cannot be written" in refused(bare, StorageFailed)


def test_what_a_killed_export_left_is_no_obstacle_and_a_living_one_is(
    bare: Path, tiny_onnx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = bare / "onnx" / "model.onnx.part"
    part.parent.mkdir()
    part.write_bytes(b"half a graph" * 100_000)
    monkeypatch.setattr(
        TorchEngine, "write_onnx", lambda _, file: shutil.copyfile(tiny_onnx / "onnx" / "model.onnx", file)
    )
    with part.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "Another process makes" in refused(bare, UsageError)
        assert part.is_file()

    export(bare, unheard)

    assert (bare / "onnx" / "model.onnx").read_bytes() == (tiny_onnx / "onnx" / "model.onnx").read_bytes()
    assert not part.exists()
