"""Where each setting comes from, which wins, and what is refused."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from ai_memory.config.embedding import EmbeddingSettings
from ai_memory.config.file import Sourced
from ai_memory.config.settings import Settings
from ai_memory.config.vendors import VENDORS
from ai_memory.errors import ConfigRefused, EmbedderInitFailed, UsageError

KEY = "sk-settings-0123456789"


def gather(tmp_path: Path, toml: str = "", **environ: str) -> Settings:
    """Return the settings of a home that holds this config file."""
    file = tmp_path / "ai-memory" / "config.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(toml, encoding="utf-8")
    return Settings.gather(argparse.Namespace(), {"XDG_CONFIG_HOME": str(tmp_path), **environ})


def embedding(tmp_path: Path, toml: str = "", **environ: str) -> EmbeddingSettings:
    return gather(tmp_path, toml and f"[embeddings]\n{toml}", **environ).embedding


def refusal(tmp_path: Path, toml: str = "", **environ: str) -> str:
    with pytest.raises(EmbedderInitFailed) as caught:
        _ = embedding(tmp_path, toml, **environ)
    assert caught.value.exit_code == 3
    return caught.value.line()


def test_the_database_is_the_options_then_the_environments_then_the_files_then_the_default(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path), "AI_MEMORY_DB": "env.db"}
    option = Settings.gather(argparse.Namespace(db=Path("option.db")), environ)

    assert option.db == Sourced(Path("option.db"), "--db")
    assert gather(tmp_path, 'db = "file.db"', AI_MEMORY_DB="env.db").db == Sourced(Path("env.db"), "env AI_MEMORY_DB")
    assert gather(tmp_path, 'db = "file.db"').db == Sourced(Path("file.db"), "config.toml db")
    assert gather(tmp_path).db == Sourced(Path("ai-memory.db"), "default")


def test_a_tilde_in_a_path_is_the_home_folder(tmp_path: Path) -> None:
    assert gather(tmp_path, 'db = "~/a.db"', HOME="/home/me").db.value == Path("/home/me/a.db")


def test_without_anything_the_embedder_is_the_local_minilm(tmp_path: Path) -> None:
    found = embedding(tmp_path)

    assert found.backend == Sourced("local", "default of tier semantic")
    assert found.model == Sourced("all-MiniLM-L6-v2", "default of tier semantic")
    assert (found.batch.value, found.dim.value, found.egress.value) == (100, 0, "allow")


@pytest.mark.parametrize("tier", ["smart", "autonomous"])
def test_the_higher_tiers_are_nomic_on_ollama(tmp_path: Path, tier: str) -> None:
    found = gather(tmp_path, f'tier = "{tier}"').embedding

    assert (found.backend.value, found.model.value) == ("ollama", "nomic-embed-text-v1.5")
    assert found.base_url == Sourced("http://localhost:11434", "default of ollama")


def test_the_environment_wins_over_the_file_field_by_field(tmp_path: Path) -> None:
    toml = 'backend = "openai"\nmodel = "of the file"\nbackfill_batch = 7'
    found = embedding(tmp_path, toml, AI_MEMORY_EMBED_MODEL="of the environment", AI_MEMORY_EMBED_BACKFILL_BATCH="9")

    assert found.backend == Sourced("openai", "config.toml [embeddings].backend")
    assert found.model == Sourced("of the environment", "env AI_MEMORY_EMBED_MODEL")
    assert found.batch == Sourced(9, "env AI_MEMORY_EMBED_BACKFILL_BATCH")


def test_base_url_wins_over_its_synonym(tmp_path: Path) -> None:
    toml = 'backend = "openai-compatible"\nurl = "https://a.example"\n'

    assert embedding(tmp_path, toml).base_url.value == "https://a.example"
    assert embedding(tmp_path, f'{toml}base_url = "https://b.example/v1/"').base_url.value == "https://b.example/v1"


@pytest.mark.parametrize("vendor", [each for each in VENDORS if each.base_url], ids=lambda each: each.name)
def test_a_vendor_brings_its_address_and_its_key(tmp_path: Path, vendor) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    found = embedding(tmp_path, f'backend = "{vendor.name}"', **({vendor.key_env: KEY} if vendor.key_env else {}))

    assert found.base_url.value == vendor.base_url
    assert (found.api_key.value.reveal() if found.api_key.value else "") == (KEY if vendor.key_env else "")


def test_the_key_is_sought_in_the_order_of_the_contract(tmp_path: Path) -> None:
    toml = 'backend = "openai"\napi_key_env = "MINE"'
    every = {"AI_MEMORY_EMBED_API_KEY": "a", "OPENAI_API_KEY": "b", "MINE": "c"}
    found = []
    while every:
        key = embedding(tmp_path, toml, **every).api_key.value
        found.append(key.reveal() if key else "")
        del every[next(iter(every))]

    assert found == ["a", "b", "c"]


def test_an_endpoint_that_takes_no_key_gets_none(tmp_path: Path) -> None:
    environ = {"AI_MEMORY_EMBED_API_KEY": KEY, "OPENAI_API_KEY": KEY}

    assert embedding(tmp_path, 'backend = "ollama"', **environ).api_key.value is None
    compatible = 'backend = "openai-compatible"\nbase_url = "http://localhost:1/v1"'
    assert embedding(tmp_path, compatible, OPENAI_API_KEY=KEY).api_key.value is None


def test_no_form_of_the_settings_shows_a_key(tmp_path: Path) -> None:
    settings = gather(tmp_path, '[embeddings]\nbackend = "openai"', OPENAI_API_KEY=KEY)

    assert KEY not in f"{settings!r} {settings.embedding!r} {settings.embedding.api_key.value}"


def test_a_key_file_is_read_only_when_needed_and_only_when_private(tmp_path: Path) -> None:
    file = tmp_path / "key"
    found = embedding(tmp_path, f'backend = "openai"\napi_key_file = "{file}"').api_key.value
    assert found is not None
    with pytest.raises(EmbedderInitFailed, match="cannot be read"):
        found.reveal()

    file.write_text(f"  {KEY}  \nsecond line\n", encoding="utf-8")
    file.chmod(0o640)
    with pytest.raises(EmbedderInitFailed, match="mode 640"):
        found.reveal()
    file.chmod(0o600)
    assert found.reveal() == KEY


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ('api_key = "sk-inline"', "[embeddings].api_key holds a key"),
        ('api_key_env = "A"\napi_key_file = "b"', "both api_key_env and api_key_file"),
        ('backend = "openai-compatible"\nbase_url = "http://example.org/v1"', "plain text"),
        ('backend = "openai-compatible"\nbase_url = "https://me:pw@example.org"', "password"),
        ('backend = "openai-compatible"\nbase_url = "ftp://example.org"', "not of the form"),
        (
            'backend = "openai-compatible"\nbase_url = "https://example.org/v1?key=sk-1"',
            "after ? or #",
        ),
        ('backend = "openai-compatible"\nbase_url = "http://[::1"', "not of the form"),
        (
            """backend = "openai-compatible"\nbase_url = 'http://example.org\\[::1]'""",
            "characters that do not belong in an address",
        ),
        ('backend = "openai-compatible"\nbase_url = "https://me:sk-1/x@example.org"', "password"),
        ('backend = "openai-compatible"\nbase_url = "http://127.1/v1"', "usual spelling"),
        ('backend = "rust"', "backend is 'rust'"),
        ("dim = 0", "[embeddings].dim is 0"),
        ('dim = "384"', "[embeddings].dim is '384'"),
        ("dim = true", "[embeddings].dim is true"),
        ("backfill_batch = 10001", "[embeddings].backfill_batch is 10001"),
        ("model = 5", "[embeddings].model is 5"),
        ("price_per_million_tokens = -1", "price_per_million_tokens is -1"),
        ("timeout_seconds = 0", "timeout_seconds is 0"),
        ("timeout_seconds = 3601", "timeout_seconds is 3601"),
        ('timeout_seconds = "60"', "timeout_seconds is '60'"),
        ('encoding_format = "bits"', "encoding_format is 'bits'"),
    ],
)
def test_a_value_that_cannot_be_meant_is_named(tmp_path: Path, toml: str, words: str) -> None:
    line = refusal(tmp_path, toml)

    assert words in line
    assert "sk-" not in line
    assert "pw" not in line


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AI_MEMORY_EMBED_BACKFILL_BATCH", "many"),
        ("AI_MEMORY_EMBED_BACKFILL_BATCH", "0"),
        ("AI_MEMORY_EMBED_BACKFILL_BATCH", "99999999999"),
        ("AI_MEMORY_INFERENCE_EGRESS", "denied"),
        ("AI_MEMORY_EMBED_BACKEND", "mystery"),
    ],
)
def test_a_variable_that_cannot_be_meant_is_named_with_its_value(tmp_path: Path, name: str, value: str) -> None:
    line = refusal(tmp_path, **{name: value})

    assert f"env {name}" in line
    assert value in line


def test_how_long_and_in_what_form_to_ask_is_configured_and_no_unknown_key(tmp_path: Path) -> None:
    found = gather(tmp_path, '[embeddings]\ntimeout_seconds = 600\nencoding_format = "Float"')

    assert found.warnings == ()
    assert found.embedding.timeout_seconds == Sourced(600, "config.toml [embeddings].timeout_seconds")
    assert found.embedding.encoding_format == Sourced("float", "config.toml [embeddings].encoding_format")
    assert embedding(tmp_path).encoding_format == Sourced("auto", "default")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1:5", "[::1]:8080"])
def test_plain_http_is_for_loopback(tmp_path: Path, host: str) -> None:
    toml = f'backend = "openai-compatible"\nbase_url = "http://{host}/v1"'

    assert embedding(tmp_path, toml).base_url.value == f"http://{host}/v1"


@pytest.mark.parametrize("host", ["localhost.example.org", "127.0.0.1.example.org", "0.0.0.0", "10.0.0.1"])
def test_what_only_looks_like_loopback_is_not(tmp_path: Path, host: str) -> None:
    assert "plain text" in refusal(tmp_path, f'backend = "openai-compatible"\nbase_url = "http://{host}/v1"')


def test_a_model_given_as_a_path_is_a_folder_without_a_name(tmp_path: Path) -> None:
    found = embedding(tmp_path, 'model = "./weights"')

    assert (found.model.value, found.model_path.value) == ("", Path("weights"))


def test_mistakes_of_the_embedder_wait_until_it_is_asked_for(tmp_path: Path) -> None:
    settings = gather(tmp_path, 'db = "a.db"\n[embeddings]\ndim = 0')

    assert settings.db.value == Path("a.db")
    with pytest.raises(EmbedderInitFailed):
        _ = settings.embedding


def test_an_unknown_key_is_warned_of_and_other_sections_are_not(tmp_path: Path) -> None:
    settings = gather(tmp_path, "[llm]\nfoo = 1\n[embeddings]\nbackfill_on_boot = 'off'\nmodle = 'x'")

    assert [warning.split(": ", 1)[1] for warning in settings.warnings] == [
        "[embeddings].modle is not a known key and was ignored."
    ]


def test_a_broken_file_is_named_with_the_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigRefused, match=r"config\.toml is not valid TOML: .*line 2"):
        gather(tmp_path, "tier = 'smart'\n= 3")


def test_a_named_file_must_exist_and_wins_over_no_config(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml does not exist"):
        Settings.gather(argparse.Namespace(config=tmp_path / "none.toml"), {})

    named = tmp_path / "named.toml"
    named.write_text('db = "named.db"', encoding="utf-8")
    found = Settings.gather(argparse.Namespace(config=named), {"AI_MEMORY_NO_CONFIG": "1"})
    assert found.db.value == Path("named.db")


def test_no_config_skips_the_file(tmp_path: Path) -> None:
    assert gather(tmp_path, 'db = "file.db"', AI_MEMORY_NO_CONFIG="1").config_path is None


def test_offline_may_be_asked_in_two_ways(tmp_path: Path) -> None:
    assert embedding(tmp_path, HF_HUB_OFFLINE="1").offline == Sourced(value=True, source="env HF_HUB_OFFLINE")
    assert embedding(tmp_path, AI_MEMORY_EMBED_OFFLINE="true").offline.value
    assert not embedding(tmp_path, AI_MEMORY_EMBED_OFFLINE="0").offline.value


PREVIOUS = '[embeddings]\nmodel = "new"\n[embeddings.previous]\n'


def previous(tmp_path: Path, toml: str, **environ: str) -> EmbeddingSettings:
    found = gather(tmp_path, PREVIOUS + toml, **environ).previous
    assert found is not None
    return found


def test_without_a_table_of_its_own_there_is_no_previous_embedder(tmp_path: Path) -> None:
    assert gather(tmp_path, '[embeddings]\nmodel = "new"').previous is None
    assert gather(tmp_path).previous is None


def test_the_previous_embedder_is_configured_by_the_same_keys(tmp_path: Path) -> None:
    found = previous(tmp_path, 'backend = "openai"\nmodel = "old"\ndim = 256\napi_key_env = "OLD_KEY"', OLD_KEY=KEY)

    assert found.model == Sourced("old", "config.toml [embeddings.previous].model")
    assert (found.backend.value, found.dim.value) == ("openai", 256)
    assert found.api_key.value is not None
    assert (found.api_key.value.reveal(), found.api_key.value.origin) == (KEY, "env OLD_KEY")


def test_what_the_environment_says_of_the_embedder_is_not_of_the_previous_one(tmp_path: Path) -> None:
    found = previous(
        tmp_path,
        'backend = "openai"\nmodel = "old"',
        AI_MEMORY_EMBED_MODEL="new",
        AI_MEMORY_EMBED_BACKEND="local",
        AI_MEMORY_EMBED_BASE_URL="https://new.example/v1",
        AI_MEMORY_EMBED_API_KEY=KEY,
    )
    assert (found.model.value, found.backend.value, found.base_url.value) == (
        "old",
        "openai",
        "https://api.openai.com/v1",
    )
    assert found.api_key.value is not None
    assert found.api_key.value.shown() == "not set (env OPENAI_API_KEY)"


def test_what_may_be_asked_holds_for_the_previous_embedder_too(tmp_path: Path) -> None:
    found = previous(
        tmp_path,
        'backend = "openai"',
        AI_MEMORY_EMBED_OFFLINE="1",
        AI_MEMORY_INFERENCE_EGRESS="deny",
        OPENAI_API_KEY=KEY,
    )
    assert (found.offline.value, found.egress.value) == (True, "deny")
    assert found.api_key.source == "env OPENAI_API_KEY"


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("dim = -1", "[embeddings.previous].dim is -1"),
        ('backend = "hal"', "backend is 'hal' (config.toml [embeddings.previous].backend)"),
        (f'api_key = "{KEY}"', "[embeddings.previous].api_key holds a key"),
        ('api_key_env = "A"\napi_key_file = "/a"', "[embeddings.previous] has both"),
        ('base_url = "http://other.example"\nbackend = "openai"', "plain text"),
    ],
)
def test_a_mistake_in_the_previous_embedder_is_named_and_is_none_of_the_other(
    tmp_path: Path, toml: str, words: str
) -> None:
    settings = gather(tmp_path, PREVIOUS + toml)
    with pytest.raises(EmbedderInitFailed) as caught:
        _ = settings.previous
    assert words in caught.value.line()
    assert KEY not in caught.value.line()
    assert settings.embedding.model.value == "new"


def test_a_value_in_place_of_the_previous_embedder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmbedderInitFailed, match=r"embeddings\.previous is a value"):
        _ = gather(tmp_path, "[embeddings]\nprevious = 1").previous


def test_an_unknown_key_of_the_previous_embedder_is_warned_of(tmp_path: Path) -> None:
    [warning] = gather(tmp_path, f'{PREVIOUS}modle = "x"').warnings
    assert warning.endswith("[embeddings.previous].modle is not a known key and was ignored.")


def test_the_keys_of_the_previous_embedder_are_secrets(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}-file")
    (tmp_path / "key").chmod(0o600)
    by_name = gather(tmp_path, f'{PREVIOUS}api_key_env = "OLD_KEY"', OLD_KEY=KEY)
    by_file = gather(tmp_path, f'{PREVIOUS}api_key_file = "{tmp_path / "key"}"')
    assert (by_name.secrets(), by_file.secrets()) == ((KEY,), (f"{KEY}-file",))
