"""The precision of a local model as a user meets it: one decision for all commands, and one line that says why."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection
from pathlib import Path

import pytest

from ai_memory.embed.local.onnx_files import INT8_PLACES, PLACE
from tests.commands.conftest import Cli, Ran

ROWS = 110
TOPICS = ["bread", "engines", "tides", "violins", "glaciers", "harbours", "ladders", "orchards", "comets", "ledgers"]
PLACES = [
    "cellar",
    "garden",
    "attic",
    "valley",
    "market",
    "station",
    "library",
    "chapel",
    "kitchen",
    "workshop",
    "bakery",
    "tower",
]


def quantized(source: Path, folder: Path, matrices: int) -> Path:
    """Copy a model, with a file in int8 in which the last matrices are."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    shutil.copytree(source, folder)
    graph = onnx.load(str(folder / PLACE), load_external_data=False).graph
    names = [node.name for node in graph.node if node.op_type == "MatMul"]
    quantize_dynamic(
        folder / PLACE,
        folder / INT8_PLACES[0],
        nodes_to_quantize=names[-matrices:],
        per_channel=True,
        weight_type=QuantType.QInt8,
    )
    return folder


@pytest.fixture(scope="module")
def partly_int8(minilm_onnx: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real model with two of its matrices in int8: vectors of another precision, and hardly other ones."""
    return quantized(minilm_onnx, tmp_path_factory.mktemp("partly") / "model", 2)


@pytest.fixture(scope="module")
def wholly_int8(minilm_onnx: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real model in int8 as a person makes it with one call."""
    return quantized(minilm_onnx, tmp_path_factory.mktemp("wholly") / "model", 0)


class Home:
    """A user's configuration, cache and processor."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.cache = folder / "cache"
        self._file = folder / "config" / "ai-memory" / "config.toml"
        self._file.parent.mkdir(parents=True)
        self._patch = patch
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        patch.setenv("XDG_CACHE_HOME", str(self.cache))
        self.has("avx512_vnni")

    def has(self, *features: str) -> None:
        """Give the processor these instructions; without them int8 is computed as rightly, and slowly."""
        found: Collection[str] = frozenset(features)
        self._patch.setattr("ai_memory.embed.stack.precision.processor_features", lambda: found)

    def asks(self, model: Path, precision: str, engine: str = "onnx") -> None:
        """Configure a model in a precision."""
        lines = ("[embeddings]", 'backend = "local"', 'model = "all-MiniLM-L6-v2"', f'model_path = "{model}"')
        more = (f'engine = "{engine}"', f'precision = "{precision}"', "")
        self._file.write_text("\n".join((*lines, *more)), encoding="utf-8")

    def measured(self, **others: float) -> None:
        """Have earlier processes measured something else than the last one did."""
        (place,) = (self.cache / "ai-memory" / "precision").iterdir()
        place.write_text(json.dumps(json.loads(place.read_text(encoding="utf-8")) | others), encoding="utf-8")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    return Home(tmp_path / "home", monkeypatch)


def store_rows(cli: Cli, folder: Path, rows: int = ROWS) -> None:
    pairs = [(topic, place) for topic in TOPICS for place in PLACES][:rows]
    lines = [
        {"title": f"{topic} {place}", "content": f"What I know of {topic} in the {place}."} for topic, place in pairs
    ]
    given = folder / "memories.jsonl"
    given.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    assert cli("import", given).code == 0


def decide_for_int8(cli: Cli, home: Home, model: Path, folder: Path) -> Ran:
    """Have a file whose rows are said to be worth it, and return how the run ended that brought them to int8."""
    home.asks(model, "int8")
    store_rows(cli, folder)
    cli("reembed", "--yes")
    home.measured(speed=1.5)
    return cli("reembed", "--yes")


def engine_of_run(cli: Cli) -> str:
    return str(cli("reembed", "status", "--json").json["computing"]["engine"])


@pytest.mark.real_model
def test_a_precision_that_finds_other_rows_is_not_used_and_the_reason_is_one_line(
    cli: Cli, home: Home, wholly_int8: Path, tmp_path: Path
) -> None:
    home.asks(wholly_int8, "int8")
    store_rows(cli, tmp_path)
    first, second = cli("reembed", "--yes"), cli("reembed", "--yes")

    said = "Vectors are computed in float32, not in int8: of the first 10 found 0."
    assert (first.code, second.code) == (0, 0)
    assert first.err.count(said) == second.err.count(said) == 1
    assert "Tries int8 beside float32" in first.err
    assert "Tries int8" not in second.err
    assert cli("reembed", "verify", "--sample", "20").code == 0
    home.asks(wholly_int8, "float32")
    assert cli("reembed", "--dry-run", "--json").json["rows_to_embed"] == 0


@pytest.mark.real_model
def test_a_precision_that_is_worth_it_is_that_of_the_file_for_every_command(
    cli: Cli, home: Home, partly_int8: Path, tmp_path: Path
) -> None:
    done = decide_for_int8(cli, home, partly_int8, tmp_path)

    assert done.code == 0
    assert engine_of_run(cli).endswith(" in int8")
    assert cli("store", "-T", "Late", "-c", "What I know of late bread.").code == 0
    assert cli("reembed", "verify", "--sample", "20").code == 0
    assert cli("reembed", "--resume", "--or-start").code == 0
    assert cli("doctor", "--json").json["engine"].endswith(" in int8")
    assert cli("config", "show", "--json").json["precision"]["value"] == "int8"
    assert "#none, computed in int8\n" in cli("reembed", "--dry-run").err
    home.asks(partly_int8, "float32")
    back = cli("reembed", "--dry-run", "--json").json
    assert (back["rows_to_embed"], back["rows_to_take_again"]) == (1, ROWS)


@pytest.mark.real_model
def test_a_machine_without_the_precision_finds_and_stores_in_float32_and_replaces_nothing(
    cli: Cli, home: Home, partly_int8: Path, tmp_path: Path
) -> None:
    decide_for_int8(cli, home, partly_int8, tmp_path)
    home.has("avx2")
    found, stored, run = cli("recall", "bread in the cellar"), cli("store", "-T", "Late", "-c", "Late."), cli("reembed")

    said = "Vectors are computed in float32, not in int8: this processor has no instructions for int8.\n"
    assert (found.code, found.err) == (0, said)
    assert "bread cellar" in found.out.splitlines()[0]
    assert (stored.code, stored.err) == (0, said)
    assert run.code == 3
    assert "vectors of m.db were computed in int8, and here they cannot be" in run.err
    judged = cli("reembed", "verify", "--json").json
    assert (judged["fresh"], judged["stale"]) == (ROWS, 1)
    home.has("avx512_vnni")
    assert cli("reembed", "--yes", "--json").json["reembedded"] == 1


@pytest.mark.real_model
@pytest.mark.parametrize(
    ("precision", "engine", "features", "why"),
    [
        ("bfloat16", "auto", ["avx2"], "this processor has no instructions for bfloat16"),
        ("bfloat16", "onnx", ["amx_bf16"], "of the engines that are installed and allowed (onnx) none"),
        ("int8", "torch", ["avx_vnni"], "of the engines that are installed and allowed (torch) none"),
        ("int8", "auto", ["avx_vnni"], "10 rows are too few to judge it by, 100 are needed"),
    ],
)
def test_what_cannot_be_computed_or_judged_is_float32_and_says_why(
    cli: Cli,
    home: Home,
    partly_int8: Path,
    tmp_path: Path,
    *,
    precision: str,
    engine: str,
    features: list[str],
    why: str,
) -> None:
    home.asks(partly_int8, "float32", engine="onnx")
    store_rows(cli, tmp_path, 10)
    home.asks(partly_int8, precision, engine)
    home.has(*features)
    done = cli("reembed", "--yes")

    assert done.code == 0
    assert done.err.count(f"Vectors are computed in float32, not in {precision}: {why}") == 1
    told = cli("config", "show", "--json").json["precision"]
    assert told["value"] == "float32"
    assert told["source"].startswith(f"{precision} (config.toml [embeddings].precision): ")
    assert f"Planned in float32, not in {precision}" in cli("reembed", "--dry-run").err


@pytest.mark.real_model
def test_an_unattended_start_tries_nothing(cli: Cli, home: Home, partly_int8: Path, tmp_path: Path) -> None:
    home.asks(partly_int8, "int8")
    store_rows(cli, tmp_path)
    cli("reembed", "approve")
    done = cli("reembed", "--resume", "--or-start")

    assert done.code == 0
    assert "not in int8: not shown to be worth it" in done.err
    assert "Tries int8" not in done.err
    assert not (home.cache / "ai-memory" / "precision").exists()


@pytest.mark.real_model
def test_a_model_without_a_file_in_int8_is_named(cli: Cli, home: Home, minilm_onnx: Path, tmp_path: Path) -> None:
    home.asks(minilm_onnx, "int8")
    store_rows(cli, tmp_path, 2)

    assert f"not in int8: {minilm_onnx} has no onnx/model_int8.onnx." in cli("reembed", "--yes").err


def test_a_precision_that_nobody_knows_is_refused(cli: Cli, home: Home, tmp_path: Path) -> None:
    home.asks(tmp_path, "half")
    refused = cli("config", "show")

    assert refused.code == 3
    assert "precision is 'half' (config.toml [embeddings].precision)." in refused.err
    assert "It must be one of float32, bfloat16, int8." in refused.err
