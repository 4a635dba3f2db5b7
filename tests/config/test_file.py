"""Whatever stands in a config file, or in its place, is obeyed or refused in one sentence that shows no key."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_memory.config.file import Sourced, expand, locate, read
from ai_memory.config.settings import Settings
from ai_memory.errors import AiMemoryError, ConfigRefused, EmbedderInitFailed

ME = frozenset({os.geteuid()})
KEY = "sk-SECRETSECRET-123456"
ODD_VALUES = (
    "1" * 5000,
    "-" + "1" * 5000,
    "0x" + "f" * 6000,
    "1e400",
    "1e-320",
    "inf",
    "-inf",
    "nan",
    "-0.0",
    "true",
    "2026-11-25",
    "2026-11-25T10:00:00Z",
    "10:00:00",
    "[]",
    "[[1], [2]]",
    "{a = 1}",
    '""',
    "''",
    '"a\\u0000b"',
    '"a\\u001b]0;owned\\u0007"',
    '"' + "x" * 5000 + '"',
    '"""\n\n"""',
)
KEYS = ("backend", "base_url", "url", "model", "model_path", "dim", "api_key_env", "api_key_file", "backfill_batch")
MORE_KEYS = ("device", "price_per_million_tokens", "backfill_on_boot", "api_key")


def settings(tmp_path: Path, text: str | bytes, **environ: str) -> Settings:
    """Return the settings that a config file of these bytes makes."""
    file = tmp_path / "my.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Settings.gather(argparse.Namespace(config=file), {"HOME": str(tmp_path), **environ})


def refusal(tmp_path: Path, text: str | bytes, **environ: str) -> AiMemoryError:
    with pytest.raises(AiMemoryError) as caught:
        _ = settings(tmp_path, text, **environ).embedding
    assert caught.value.exit_code == 3
    return caught.value


def answered(ask: Callable[[], object]) -> str:
    """Return the line of a refusal, nothing where there was none; any other error is the test's."""
    try:
        ask()
    except (ConfigRefused, EmbedderInitFailed) as error:
        return error.line()
    return ""


@pytest.mark.parametrize("value", ODD_VALUES)
@pytest.mark.parametrize("key", [*KEYS, *MORE_KEYS])
def test_an_odd_value_is_obeyed_or_refused_in_a_short_line(tmp_path: Path, key: str, value: str) -> None:
    other = "" if key == "backend" else "backend = 'openai'\n"
    line = answered(lambda: settings(tmp_path, f"[embeddings]\n{other}{key} = {value}").embedding)

    assert len(line) < 500
    assert line.isprintable()


@pytest.mark.parametrize("value", ODD_VALUES)
@pytest.mark.parametrize("key", [*KEYS, *MORE_KEYS])
def test_an_odd_value_of_the_previous_embedder_is_obeyed_or_refused_in_a_short_line(
    tmp_path: Path, key: str, value: str
) -> None:
    other = "" if key == "backend" else "backend = 'openai'\n"
    line = answered(lambda: settings(tmp_path, f"[embeddings.previous]\n{other}{key} = {value}").previous)

    assert len(line) < 500
    assert line.isprintable()


@pytest.mark.parametrize("value", [each for each in ODD_VALUES if not each.startswith(('"x', '""', "''", '"""'))])
@pytest.mark.parametrize("key", ["db", "tier"])
def test_an_odd_path_or_tier_is_refused(tmp_path: Path, key: str, value: str) -> None:
    assert len(refusal(tmp_path, f"{key} = {value}").line()) < 500


@pytest.mark.parametrize("price", ["1e-320", "1e-7", "2e9", "inf", "nan", "-1", "-1e-9", "true", "1" * 400])
def test_a_price_that_no_endpoint_has_is_refused(tmp_path: Path, price: str) -> None:
    line = refusal(tmp_path, f"[embeddings]\nprice_per_million_tokens = {price}").line()

    assert "not 0 or a number from 0.000001 to 1,000,000,000" in line or "not valid TOML" in line


@pytest.mark.parametrize("price", ["0", "0.0", "0.000001", "0.02", "1000000000"])
def test_a_price_that_an_endpoint_may_have_is_taken(tmp_path: Path, price: str) -> None:
    found = settings(tmp_path, f"[embeddings]\nprice_per_million_tokens = {price}").embedding

    assert found.price_per_million_tokens.value == float(price)


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 100_000,
        "a = " + "{a = " * 50_000,
        "a = " + "1" * 5000,
        f"a = 1\na = 2 # {KEY}",
        f'"{KEY}" = 1\n"{KEY}" = 2',
        f'["{KEY}"]\n["{KEY}"]',
        f"{KEY}",
        f"key = {KEY}",
        "a = 2026-13-45",
        "a = 1\0",
        "\0" * 100,
        "a" * 100_000,
        "= 1",
    ],
)
def test_what_is_no_toml_is_refused_and_not_quoted(tmp_path: Path, text: str) -> None:
    line = refusal(tmp_path, text).line()

    assert "is not valid TOML" in line
    assert KEY not in line
    assert len(line) < 300


def test_bytes_that_are_no_utf_8_are_named_by_their_place(tmp_path: Path) -> None:
    assert "is not UTF-8 at byte 6" in refusal(tmp_path, b"db = '\xff'").line()


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    assert settings(tmp_path, b"\xef\xbb\xbfdb = 'a.db'\r\n").db.value == Path("a.db")


def test_a_config_of_megabytes_is_refused_unread(tmp_path: Path) -> None:
    file = tmp_path / "big.toml"
    with file.open("wb") as stream:
        stream.truncate(1 << 40)

    with pytest.raises(ConfigRefused, match="longer than"):
        read(file, ME)


@given(st.text(alphabet="[]{}=\"'\\\n.,#eE+-_0123456789abinft \t\r\0é", max_size=80))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "fuzzed.toml"
    file.write_text(text, encoding="utf-8", newline="")
    assert answered(lambda: read(file, ME))[:1] in ("", "/")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "[embedding]\nmodel = 'x'",
            "there is a table [embedding], which means nothing here; did you mean [embeddings]?",
        ),
        ("[Embeddings]\nmodel = 'x'", "did you mean [embeddings]?"),
        ("[embedder]\nmodel = 'x'", "did you mean [embeddings]?"),
        ("teir = 'smart'", "did you mean tier?"),
        ("model = 'x'", "model stands outside of [embeddings] and was ignored"),
        ("api_key_env = 'X'", "api_key_env stands outside of [embeddings]"),
        ("[embeddings]\nmodle = 'x'", "[embeddings].modle is not a known key"),
        (f"[embeddings]\n{KEY} = 'x'", "[embeddings].a name that is not shown"),
        ("[embeddings]\n'a\\u001b[31m' = 'x'", "[embeddings].a name that is not shown"),
    ],
)
def test_what_is_ignored_is_warned_of(tmp_path: Path, text: str, words: str) -> None:
    (warning,) = settings(tmp_path, text).warnings

    assert words in warning
    assert KEY not in warning


def test_tables_of_the_rust_program_are_not_warned_of(tmp_path: Path) -> None:
    text = "ttl = 1\n[llm]\nmodel = 'x'\n[reranker]\n[storage]\n[permissions]\n[mcp]\n[logging]\n[audit]\n"

    assert settings(tmp_path, text).warnings == ()


def test_a_thousand_unknown_keys_are_twenty_one_lines(tmp_path: Path) -> None:
    text = "[embeddings]\n" + "".join(f"k{number} = 1\n" for number in range(1000))

    assert len(settings(tmp_path, text).warnings) == 21


def test_a_folder_or_a_fifo_in_place_of_the_config_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "ai-memory" / "config.toml"
    place.mkdir(parents=True)
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    with pytest.raises(ConfigRefused, match="is not a regular file"):
        Settings.gather(argparse.Namespace(), environ)

    place.rmdir()
    os.mkfifo(place)
    with pytest.raises(ConfigRefused, match="is not a regular file"):
        Settings.gather(argparse.Namespace(), environ)


def test_a_link_to_nowhere_is_refused_and_not_taken_for_no_config(tmp_path: Path) -> None:
    place = tmp_path / "ai-memory" / "config.toml"
    place.parent.mkdir()
    place.symlink_to("nowhere")

    with pytest.raises(ConfigRefused, match="No such file"):
        Settings.gather(argparse.Namespace(), {"XDG_CONFIG_HOME": str(tmp_path)})


@pytest.mark.parametrize(
    "environ",
    [
        {"HOME": "/nowhere/at/all"},
        {"HOME": ""},
        {"HOME": "."},
        {"HOME": "relative/home"},
        {"HOME": "/dev/null"},
        {"HOME": "/nowhere", "XDG_CONFIG_HOME": "relative"},
        {"HOME": "/nowhere", "XDG_CONFIG_HOME": "~/config"},
        {"XDG_CONFIG_HOME": "/dev/null"},
    ],
)
def test_an_odd_home_has_no_config(environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (tmp_path / ".config", tmp_path / "relative" / "home" / ".config", tmp_path / "relative"):
        (folder / "ai-memory").mkdir(parents=True)
        (folder / "ai-memory" / "config.toml").write_text("db = 'of the current folder'")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ai_memory.config.file.pwd.getpwuid", lambda _: _none())

    found = Settings.gather(argparse.Namespace(), environ)

    assert (found.config_path, found.db.source) == (None, "default")


def _none() -> object:
    raise KeyError


def test_a_home_name_that_is_too_long_is_refused() -> None:
    with pytest.raises(ConfigRefused, match="too long"):
        locate(None, {"XDG_CONFIG_HOME": "/" + "x" * 5000})


@pytest.mark.parametrize("path", ["~nobody/m.db", "~root", "~../m.db"])
def test_the_home_of_somebody_else_is_not_guessed(tmp_path: Path, path: str) -> None:
    with pytest.raises(ConfigRefused, match="is not known"):
        settings(tmp_path, f"db = '{path}'")


def test_without_any_home_a_path_in_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ai_memory.config.file.pwd.getpwuid", lambda _: _none())

    with pytest.raises(ConfigRefused, match="~ stands for in the setting is not known"):
        expand(Sourced("~/m.db", "the setting"), {})


@pytest.mark.parametrize("mode", [0o602, 0o620, 0o666, 0o777])
def test_a_config_that_others_can_change_is_refused_with_the_command_that_ends_it(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "my.toml"
    file.write_text("db = 'a.db'")
    file.chmod(mode)
    if mode == 0o620:
        if os.geteuid() != 0:
            pytest.skip("only root can give a file to any group")
        os.chown(file, -1, 12345)

    with pytest.raises(ConfigRefused, match="others can change it") as caught:
        read(file, ME)

    assert caught.value.tip == f"Type: chmod {mode & ~0o022:03o} {file}"
    file.chmod(mode & ~0o022)
    assert read(file, ME).text("db") is not None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize(("owner", "trusted"), [(0, True), (1234, True), (4321, False)])
def test_a_config_is_ones_own_or_roots(tmp_path: Path, owner: int, trusted: bool) -> None:
    file = tmp_path / "my.toml"
    file.write_text("db = 'a.db'")
    os.chown(file, owner, owner)
    users = frozenset({0, 1234})
    if trusted:
        assert read(file, users).text("db") is not None
    else:
        with pytest.raises(ConfigRefused, match="belongs to user 4321"):
            read(file, users)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_under_sudo_the_callers_own_config_is_obeyed(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text("db = 'a.db'")
    os.chown(file, 4321, 4321)
    args = argparse.Namespace(config=file)

    assert Settings.gather(args, {"SUDO_UID": "4321"}).db.value == Path("a.db")
    for caller in ("", "1", "4321 ", "٤٣٢١", "9" * 5000):
        with pytest.raises(ConfigRefused, match="belongs to user 4321"):
            Settings.gather(args, {"SUDO_UID": caller})


@pytest.mark.parametrize("name", [*KEYS, "device"])
@pytest.mark.parametrize("key", [KEY, "hf_abcDEF0123456789abcDEF", "Bearer abc123def456", "gsk_a8d7s6f5", "xai-0a9s8d"])
def test_a_key_in_the_wrong_place_is_not_shown(tmp_path: Path, name: str, key: str) -> None:
    other = "" if name == "backend" else "backend = 'openai'\n"
    line = refusal(tmp_path, f"[embeddings]\n{other}{name} = '{key}'").line()

    assert key not in line
    assert key[4:] not in line


@pytest.mark.parametrize("variable", ["BACKEND", "BASE_URL", "MODEL", "BACKFILL_BATCH"])
def test_a_key_in_the_wrong_variable_is_not_shown(tmp_path: Path, variable: str) -> None:
    environ = {"AI_MEMORY_EMBED_BACKEND": "openai", f"AI_MEMORY_EMBED_{variable}": KEY}

    assert KEY not in refusal(tmp_path, "", **environ).line()


@pytest.mark.parametrize("variable", ["AI_MEMORY_DB", "AI_MEMORY_KEY_DIR", "AI_MEMORY_INFERENCE_EGRESS"])
def test_a_key_in_the_place_of_a_path_or_policy_is_not_shown(tmp_path: Path, variable: str) -> None:
    assert KEY not in refusal(tmp_path, "", **{variable: KEY}).line()


@pytest.mark.parametrize("name", ["text-embedding-3-small", "BAAI/bge-m3", "hf_all_minilm_l6_v2", "pa-bge-2"])
def test_the_name_of_a_model_is_taken_for_one(tmp_path: Path, name: str) -> None:
    assert settings(tmp_path, f"[embeddings]\nbackend = 'openai'\nmodel = '{name}'").embedding.model.value == name


@pytest.mark.parametrize("path", ["/srv/sk-models-2024/minilm", "./hf_ABCdef123456789012345", "~/sk-0123456789/x"])
def test_what_is_written_as_a_path_is_one(tmp_path: Path, path: str) -> None:
    assert settings(tmp_path, f"[embeddings]\nmodel_path = '{path}'").embedding.model_path.value is not None
