"""`config show`: every field with its source, and never a key."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.conftest import Cli
from tests.support.fake_endpoint import FakeEndpoint

KEY = "sk-config-0123456789"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    file = tmp_path / "my.toml"
    file.write_text('[embeddings]\nbackend = "openai"\nmodel = "text-embedding-3-small"\ndim = 512\n', encoding="utf-8")
    return file


def test_each_field_is_shown_with_its_value_and_source(cli: Cli, config: Path, db: Path) -> None:
    shown = cli("config", "show", "--json", "--config", config).json

    assert shown["config"] == str(config)
    assert shown["db"] == {"value": str(db), "source": "env AI_MEMORY_DB"}
    assert shown["dim"] == {"value": 512, "source": "my.toml [embeddings].dim"}
    assert shown["base_url"] == {"value": "https://api.openai.com/v1", "source": "default of openai"}
    assert shown["api_key"] == {"value": "set (env OPENAI_API_KEY)", "source": "env OPENAI_API_KEY"}


def test_people_get_the_same_as_a_table(cli: Cli, config: Path) -> None:
    ran = cli("--config", config, "config", "show")

    assert (ran.code, ran.err) == (0, "")
    rows = {line.split()[0]: line for line in ran.out.splitlines()}
    assert rows["model"].split() == ["model", "text-embedding-3-small", "my.toml", "[embeddings].model"]
    assert rows["offline"].split()[:2] == ["offline", "yes"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "from the cache of the model hub, 92 MB; nothing is downloaded (env HF_HUB_OFFLINE)"),
        ('tier = "smart"', "on the Ollama server, 274 MB; get it there with: ollama pull nomic-embed-text-v1.5"),
        ('tier = "keyword"', None),
        ('[embeddings]\nmodel_path = "/models/mine"', "the files in /models/mine; nothing is downloaded"),
        ('[embeddings]\nbackend = "openai"\nmodel = "m"', "on the endpoint"),
    ],
)
def test_where_the_models_files_come_from_is_told(cli: Cli, tmp_path: Path, text: str, told: str | None) -> None:
    (tmp_path / "some.toml").write_text(text, encoding="utf-8")
    assert cli("config", "show", "--json", "--config", tmp_path / "some.toml").json["model_files"] == told


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_key_is_never_shown(cli: Cli, config: Path, more: list[str]) -> None:
    ran = cli("--config", config, "config", "show", *more)

    assert KEY not in ran.out + ran.err


def test_a_mistake_in_the_file_exits_3_and_names_it(cli: Cli, config: Path) -> None:
    config.write_text("[embeddings]\ndim = -1\n", encoding="utf-8")
    ran = cli("--config", config, "config", "show")

    assert (ran.code, ran.out) == (3, "")
    assert f"{config}: [embeddings].dim is -1" in ran.err


def test_the_previous_embedder_is_shown_with_the_sources_of_its_fields(cli: Cli, config: Path) -> None:
    config.write_text(config.read_text() + '[embeddings.previous]\nbackend = "ollama"\nmodel = "older"\n')

    shown = cli("--config", config, "config", "show", "--json").json["previous"]
    lines = cli("--config", config, "config", "show").out

    assert shown["model"] == {"value": "older", "source": "my.toml [embeddings.previous].model"}
    assert shown["base_url"] == {"value": "http://localhost:11434", "source": "default of ollama"}
    [line] = [each for each in lines.splitlines() if each.startswith("previous.model ")]
    assert line.split() == ["previous.model", "older", "my.toml", "[embeddings.previous].model"]


def test_without_a_previous_embedder_none_is_shown(cli: Cli, config: Path) -> None:
    shown = cli("--config", config, "config", "show", "--json").json
    assert (shown["previous"], shown["kept"]) == (None, [])


def test_what_the_database_has_kept_is_shown_and_whether_it_is_believed(
    cli: Cli, config: Path, endpoint: FakeEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("store", "-T", "Tea", "-c", "green", "--json").json["embedded"]
    assert cli("config", "show", "--json").json["kept"] == []
    monkeypatch.setenv("AI_MEMORY_EMBED_MODEL", "other")

    [same_place] = cli("config", "show", "--json").json["kept"]
    for name in ("BACKEND", "BASE_URL", "MODEL"):
        monkeypatch.delenv(f"AI_MEMORY_EMBED_{name}")
    [elsewhere] = cli("--config", config, "config", "show", "--json").json["kept"]

    assert same_place["settings"] == {"backend": "openai-compatible", "base_url": endpoint.url, "model": "fake"}
    assert (same_place["space"], same_place["dim"]) == ("fake#none", 16)
    assert same_place["used"].startswith("asked by recall")
    assert elsewhere["used"].startswith("not asked: ")
    assert "named by the database alone" in elsewhere["used"]


def test_a_database_that_cannot_be_read_does_not_hide_the_settings(cli: Cli, config: Path, db: Path) -> None:
    db.write_bytes(b"not a database" * 100)
    ran = cli("--config", config, "config", "show", "--json")
    assert (ran.code, ran.json["kept"], ran.err.count("\n")) == (0, [], 1)
