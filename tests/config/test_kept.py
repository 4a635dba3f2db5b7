"""What a database keeps of the settings of an embedder, and when what it says is believed."""

from __future__ import annotations

import argparse
import json
import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_memory.config.embedding import EmbeddingSettings
from ai_memory.config.keeping import to_keep
from ai_memory.config.kept import KEYS, LONGEST, WHICH, Kept, believed, read_kept
from ai_memory.config.settings import Settings
from ai_memory.errors import EmbedderInitFailed
from tests.config.test_settings import gather

KEY = "sk-kept-0123456789"
ME = frozenset({os.geteuid()})
OWN_URL = "https://mine.example/v1"
OWN = f'backend = "openai-compatible"\nbase_url = "{OWN_URL}"\nmodel = "new"\napi_key_env = "MY_KEY"'


def gather_nothing() -> Settings:
    return Settings.gather(argparse.Namespace(), {"AI_MEMORY_NO_CONFIG": "1"})


def settings(tmp_path: Path, toml: str, **environ: str) -> EmbeddingSettings:
    return gather(tmp_path, f"[embeddings]\n{toml}", **environ).embedding


def kept(tmp_path: Path, **values: str | int) -> Kept:
    """Return what a database says that has kept these values."""
    mine = gather(tmp_path, f"[embeddings]\n{OWN}", MY_KEY=KEY, STOLEN="a-secret-of-mine", OPENAI_API_KEY=KEY)
    return read_kept(json.dumps(values), tmp_path / "m.db", mine.config, mine.environ)


def asked(tmp_path: Path, toml: str = OWN, **values: str | int) -> EmbeddingSettings:
    """Return how a kept embedder is asked by a user with this configuration."""
    return believed(kept(tmp_path, **values), [settings(tmp_path, toml, MY_KEY=KEY)], ME)


def test_what_names_an_embedder_is_kept_and_its_key_by_name_only(tmp_path: Path) -> None:
    found = to_keep(settings(tmp_path, f"{OWN}\ndim = 256", MY_KEY=KEY))

    assert json.loads(found) == {
        "backend": "openai-compatible",
        "base_url": OWN_URL,
        "model": "new",
        "dim": 256,
        "api_key_env": "MY_KEY",
    }


def test_a_local_model_is_kept_by_its_name_and_folder(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    found = to_keep(settings(tmp_path, f'model = "mine"\nmodel_path = "{folder}"'))
    assert json.loads(found) == {"backend": "local", "model": "mine", "model_path": str(folder)}


def test_the_precision_of_a_local_model_is_kept_and_the_environments_is_another_embedders(tmp_path: Path) -> None:
    found = to_keep(settings(tmp_path, 'backend = "local"\nmodel = "mine"\nprecision = "int8"'))
    of_file = kept(tmp_path, **json.loads(found)).settings
    mine = gather(
        tmp_path,
        '[embeddings]\nbackend = "local"\n[embeddings.previous]\nbackend = "local"\n',
        AI_MEMORY_EMBED_PRECISION="bfloat16",
    )

    assert json.loads(found) == {"backend": "local", "model": "mine", "precision": "int8"}
    assert of_file.precision.value == "int8"
    assert mine.embedding.precision.value == "bfloat16"
    assert mine.previous is not None
    assert mine.previous.precision.value == "float32"


@pytest.mark.parametrize(
    "url",
    [
        f"https://gate.example/{KEY}/v1",
        "https://gate.example/a81bc81bdead4e5dabff90865d1e13b1/v1",
        "https://gate.example/my-key-is-this-one/v1",
        "https://gate.example/Zx81Qp0/v1",
    ],
)
def test_an_address_that_may_hold_a_secret_is_not_kept(tmp_path: Path, url: str) -> None:
    configured = f'backend = "openai-compatible"\nbase_url = "{url}"\nmodel = "m"\napi_key_env = "MY_KEY"'
    try:
        found = to_keep(settings(tmp_path, configured, MY_KEY="my-key-is-this-one"))
    except EmbedderInitFailed:
        return  # what looks like a key is no address from the start
    assert json.loads(found)["base_url"] == ""


def test_an_embedder_whose_address_was_not_kept_is_not_asked_elsewhere(tmp_path: Path) -> None:
    own = 'backend = "openai"\nmodel = "new"'
    with pytest.raises(EmbedderInitFailed, match="may hold a secret") as caught:
        asked(tmp_path, own, backend="openai", base_url="", model="old")
    assert 'previous = { backend = "openai", model = "old" }' in caught.value.tip


@pytest.mark.parametrize(
    "url",
    [
        "https://api.openai.com/v1",
        "https://x.example/v1beta/openai",
        "http://[::1]:1234",
        "https://mine.openai.azure.com/openai/deployments/text-embedding-3-small?api-version=2024-02-01",
    ],
)
def test_a_usual_address_is_kept(tmp_path: Path, url: str) -> None:
    configured = f'backend = "openai-compatible"\nbase_url = "{url}"\nmodel = "m"'
    assert json.loads(to_keep(settings(tmp_path, configured)))["base_url"] == url


def test_another_model_at_the_users_own_address_is_asked_with_the_users_own_key(tmp_path: Path) -> None:
    found = asked(tmp_path, backend="openai-compatible", base_url=OWN_URL, model="old", api_key_env="STOLEN")

    assert (found.model.value, found.base_url.value) == ("old", OWN_URL)
    assert found.api_key.value is not None
    assert found.api_key.value.reveal() == KEY


ELSEWHERE: tuple[dict[str, str | int], ...] = (
    {"base_url": "https://evil.example/v1"},
    {"base_url": "https://mine.example/v1/of-another-tenant"},
    {"base_url": "https://mine.example"},
    {"base_url": "https://mine.example:444/v1"},
    {"base_url": "http://localhost:9200/v1"},
    {"base_url": "https://api.openai.com/v1"},
    # Vendors' own addresses, where a key of the user's may happen to be set.
    {"backend": "openai"},
    {"backend": "gemini", "base_url": "https://generativelanguage.googleapis.com/v1beta/openai"},
)
"""What only a database names."""


def check_believed(folder: Path) -> None:
    """Fail where a database that somebody else made is obeyed."""
    for each in ELSEWHERE:
        values = {"backend": "openai-compatible", "model": "old", "api_key_env": "STOLEN", **each}
        assert "named by the database alone" in why_not(folder, values)
    (folder / "of-others").mkdir(mode=0o755)
    (folder / "of-others").chmod(0o777)
    values = {"backend": "local", "model_path": str(folder / "of-others")}
    assert "can be changed by others" in why_not(folder, values)


def why_not(folder: Path, values: dict[str, str | int]) -> str:
    """Return why what a database says is not obeyed, nothing where it is."""
    try:
        believed(kept(folder, **values), [settings(folder, OWN, MY_KEY=KEY)], ME)
    except EmbedderInitFailed as error:
        return error.line()
    return ""


def test_what_only_the_database_names_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for vendor in ("OPENAI", "GEMINI"):
        monkeypatch.setenv(f"{vendor}_API_KEY", KEY)
    check_believed(tmp_path)


def test_the_usual_server_of_this_machine_is_asked_without_a_key(tmp_path: Path) -> None:
    found = asked(tmp_path, backend="ollama", base_url="http://localhost:11434", model="nomic-embed-text")
    assert (found.base_url.value, found.api_key.value) == ("http://localhost:11434", None)


def test_a_local_model_is_taken_from_this_machine_and_never_downloaded(tmp_path: Path) -> None:
    found = asked(tmp_path, backend="local", model="somebodys/model")
    assert (found.model.value, found.offline.value) == ("somebodys/model", True)


def test_a_folder_of_ones_own_is_loaded(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir(mode=0o755)
    assert asked(tmp_path, backend="local", model_path=str(folder)).model_path.value == folder


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(EmbedderInitFailed, match="No such file"):
        asked(tmp_path, backend="local", model_path=str(tmp_path / "gone"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "null",
        '{"model": "x"}',
        '{"backend": ["local"]}',
        "[" * 100_000,
        "[" * LONGEST,
        f'{{"backend": "local", "model": "{"x" * LONGEST}"}}',
        '{"backend": "hal"}',
        '{"backend": "\\ud800"}',
    ],
)
def test_damaged_settings_are_refused_in_a_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(EmbedderInitFailed):
        read_kept(text, tmp_path / "m.db", gather(tmp_path).config, {})


def test_what_is_not_unicode_is_as_if_it_were_not_said(tmp_path: Path) -> None:
    found = read_kept('{"backend": "ollama", "model": "\\ud800"}', tmp_path / "m.db", gather(tmp_path).config, {})
    assert found.values == {"backend": "ollama"}


def refused(values: dict[str, object]) -> str:
    """Return why a user without any configuration does not ask what a file says, nothing where he does."""
    own = gather_nothing()
    try:
        believed(read_kept(json.dumps(values), Path("m.db"), own.config, own.environ), [own.embedding], ME)
    except EmbedderInitFailed as error:
        return error.line()
    return ""


@given(st.dictionaries(st.sampled_from([*WHICH, *KEYS, "x"]), st.text() | st.integers() | st.none() | st.booleans()))
def test_whatever_a_file_says_is_believed_or_refused_in_a_line(values: dict[str, object]) -> None:
    assert len(refused(values).splitlines()) <= 1


@pytest.mark.parametrize(
    ("model", "said"),
    [("./model", "is not a whole path"), ("../x", "is not a whole path"), ("~/model", "No such file or directory")],
)
@pytest.mark.parametrize("key", ["model", "model_path"])
def test_a_folder_that_depends_on_where_one_stands_is_not_loaded(key: str, model: str, said: str) -> None:
    assert said in refused({"backend": "local", key: model})


def test_the_line_to_paste_makes_them_the_users_own(tmp_path: Path) -> None:
    values: dict[str, str | int] = {
        "backend": "openai-compatible",
        "base_url": "https://old.example/v1",
        "model": 'odd "name" \u2028 \\ 🐍',
        "dim": 8,
        "api_key_env": "OLD_KEY",
    }
    line = kept(tmp_path, **values).line
    assert tomllib.loads(f"[embeddings]\n{line}")["embeddings"]["previous"] == values

    pasted = gather(tmp_path, f"[embeddings]\n{line}", OLD_KEY=KEY).previous
    assert pasted is not None
    assert (pasted.base_url.value, pasted.model.value) == (values["base_url"], values["model"])
    assert pasted.api_key.value is not None
    assert pasted.api_key.value.reveal() == KEY
