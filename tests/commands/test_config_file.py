"""`config init` writes a file that explains itself, `config check` says what is wrong with one and where."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from ai_memory.config.embedding import ADDRESS_KEYS, OTHER_KEYS, OUR_KEYS
from ai_memory.config.template import TEMPLATE
from ai_memory.config.unknown import TOP_KEYS
from tests.commands.conftest import Cli
from tests.support.command import Command
from tests.support.fake_endpoint import FakeEndpoint
from tests.support.small_disk import small_disk

SYNONYMS = {"url"}
"""What is another name of a setting."""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "my.toml"


def test_a_new_file_explains_every_setting_and_makes_none(cli: Cli, config: Path) -> None:
    made = cli("--config", config, "config", "init", "--json").json
    assert made == {"config": str(config), "created": True, "set": {}}
    assert tomllib.loads(config.read_text("utf-8")) == {"embeddings": {}}
    explained = set(re.findall(r"^# (\w+) = ", TEMPLATE, re.MULTILINE))
    assert explained == {*TOP_KEYS, *ADDRESS_KEYS, *OTHER_KEYS, *OUR_KEYS} - SYNONYMS


def test_on_a_full_disk_the_file_is_named_and_nothing_is_left_of_it(cli: Cli, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=4k") as disk:
        (disk / "filler").write_bytes(bytes(4096))

        ran = cli("--config", disk / "my.toml", "config", "init")

        assert (ran.code, [each.name for each in disk.iterdir()]) == (74, ["filler"])
    assert f"{disk / 'my.toml'} cannot be written: No space left on device. Free some space" in ran.err


def test_every_setting_of_a_new_file_can_be_made(cli: Cli, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cli("--config", config, "config", "init")
    made = re.sub(r"^# (?=\w+ = |\[)", "", config.read_text("utf-8"), flags=re.MULTILINE)
    monkeypatch.setenv("MY_API_KEY", "0123456789")
    config.write_text(re.sub("^api_key_file.*", "", made, flags=re.MULTILINE), "utf-8")

    ran = cli("--config", config, "config", "check")
    assert (ran.code, ran.err) == (0, "")
    assert "multilingual-e5-small on openai-compatible" in ran.out


@pytest.mark.usefixtures("endpoint")
def test_where_no_file_is_named_it_is_made_at_the_standard_place_for_this_user_alone(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "new" / "home"))
    assert cli("config", "init").code == 0

    made = tmp_path / "new" / "home" / "ai-memory" / "config.toml"
    assert cli("config", "check", "--json").json["config"] == str(made)
    assert (made.stat().st_mode & 0o777, made.parent.stat().st_mode & 0o077) == (0o600, 0)


@pytest.mark.parametrize("text", ["tier = 'keyword'", "[embeddings"])
def test_a_file_that_is_there_stays_as_it_is(cli: Cli, config: Path, text: str) -> None:
    config.write_text(text, "utf-8")
    ran = cli("--config", config, "config", "init")
    assert (ran.code, ran.out, ran.err.count("\n"), config.read_text("utf-8")) == (64, "", 1, text)
    assert f"{config} exists already, and was not changed." in ran.err


def test_a_link_is_not_followed_to_make_a_file(cli: Cli, config: Path, tmp_path: Path) -> None:
    config.symlink_to(tmp_path / "elsewhere")
    assert cli("--config", config, "config", "init").code == 64
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_that_cannot_be_made_is_told_in_one_line(cli: Cli, config: Path) -> None:
    config.write_text("", "utf-8")
    ran = cli("--config", config / "below.toml", "config", "init")
    assert (ran.code, ran.out, ran.err.count("\n")) == (74, "", 1)


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        ("[embeddings]\n\ndim = -1\n", 3, "{config}, line 3: [embeddings].dim is -1, not an integer"),
        ("[embeddings]\ndim 1\n", 3, "{config} is not valid TOML: look at line 2, column 5"),
        ("\ntier = 'x'\n", 3, "{config}, line 2: tier is 'x' (my.toml tier)"),
        ("[embeddings]\nbackend = 'x'\n", 3, "{config}, line 2: backend is 'x' (my.toml [embeddings].backend)"),
        ("[embeddings]\nbackend = 'openai'\nmodel = 'm'\n", 3, "no API key: env OPENAI_API_KEY is not set"),
        ("[embeddings]\n[embeddings.previous]\ndim = 0\n", 3, "{config}, line 3: [embeddings.previous].dim is 0"),
    ],
)
def test_what_cannot_be_obeyed_is_told_with_its_line_and_key(
    cli: Cli, config: Path, text: str, code: int, told: str
) -> None:
    config.write_text(text, "utf-8")
    ran = cli("--config", config, "config", "check")
    assert (ran.code, ran.out, ran.err.count("\n")) == (code, "", 1)
    assert told.format(config=config) in ran.err


def test_what_is_ignored_is_found_with_its_line(cli: Cli, config: Path) -> None:
    config.write_text("tier = 'keyword'\nmodel = 'm'\n[embeddings]\nmodle = 'm'\n", "utf-8")
    ran = cli("--config", config, "config", "check")
    assert (ran.code, ran.err) == (1, "")
    assert ran.out.splitlines() == [
        f"{config} can be obeyed, but 2 settings are ignored:",
        f"  {config}, line 2: model stands outside of [embeddings] and was ignored; move it below that line.",
        f"  {config}, line 4: [embeddings].modle is not a known key and was ignored.",
        "The embedder: none; memories are found by their words alone.",
    ]


def test_nothing_is_sent_until_that_is_asked_for(cli: Cli, endpoint: FakeEndpoint) -> None:
    quiet = cli("config", "check")
    assert (quiet.code, endpoint.seen.requests) == (0, 0)
    assert "The embedder: fake on openai-compatible. It was not asked" in quiet.out

    asked = cli("config", "check", "--probe", "--json")
    assert (asked.code, asked.json["answered_dim"]) == (0, 16)
    assert endpoint.seen.requests > 0


def test_an_embedder_that_refuses_the_key_is_told_with_what_is_ignored(
    cli: Cli, config: Path, endpoint: FakeEndpoint
) -> None:
    config.write_text("[embeddings]\nmodle = 'm'\n", "utf-8")
    endpoint.fail("unauthorized")
    ran = cli("--config", config, "config", "check", "--probe")
    assert (ran.code, ran.out) == (77, "")
    assert f"warning: {config}, line 2: [embeddings].modle is not a known key" in ran.err


@pytest.mark.usefixtures("quiet_embedder")
def test_where_no_embedder_is_configured_none_can_be_asked(cli: Cli) -> None:
    assert (cli("config", "check").code, cli("config", "check", "--probe").code) == (0, 2)


def test_without_a_file_the_defaults_are_checked(cli: Cli, endpoint: FakeEndpoint) -> None:
    shown = cli("config", "check", "--json").json
    assert (shown["config"], shown["found"], shown["model"]) == (None, [], endpoint.behaviour.model)


def test_flags_make_settings_and_every_other_one_stays_explained(cli: Cli, config: Path) -> None:
    flags = (
        "--backend",
        "openai-compatible",
        "--base-url",
        "http://localhost:9/v1",
        "--model",
        'a "b" \\ é',
        "--dim",
        "8",
    )
    made = cli("--config", config, "config", "init", *flags, "--api-key-file", "~/key")

    text = config.read_text("utf-8")
    assert tomllib.loads(text)["embeddings"] == {
        "backend": "openai-compatible",
        "base_url": "http://localhost:9/v1",
        "model": 'a "b" \\ é',
        "dim": 8,
        "api_key_file": "~/key",
    }
    assert text.count("\n") == TEMPLATE.count("\n")
    assert made.out.endswith(
        f"It sets backend, base_url, model, dim, api_key_file, then: ai-memory --config {config} config check --probe\n"
    )


@pytest.mark.parametrize(
    ("flags", "code", "told"),
    [
        (("--backend", "nosuch"), 3, "backend is 'nosuch'"),
        (("--backend", "openai-compatible"), 3, "needs a base URL"),
        (("--model", ""), 64, "--model is empty"),
        (("--backend", " "), 64, "--backend is empty"),
        (("--backend", "openai", "--base-url", "http://example.com/v1"), 3, "in plain text to another host"),
        (("--backend", "openai", "--api-key-file", "sk-abcdefghijklmnopqrstuvwx"), 3, "looks like an API key"),
        (("--model", "a\x7fb"), 3, "has a control character in it"),
        (("--model", "a\udcffb"), 64, "A setting is not UTF-8"),
        (("--dim", "0"), 64, "'0' is not a whole number"),
    ],
)
def test_a_setting_that_makes_no_sense_is_told_and_nothing_is_written(
    cli: Cli, config: Path, flags: tuple[str, ...], code: int, told: str
) -> None:
    ran = cli("--config", config, "config", "init", *flags)

    assert (ran.code, ran.out, ran.err.count("\n"), config.exists()) == (code, "", 1, False)
    assert told in ran.err
    assert "sk-abc" not in ran.err


@pytest.fixture
def terminal(tmp_path: Path) -> Command:
    return Command(tmp_path / "m.db", {"AI_MEMORY_NO_CONFIG": "1"})


def test_at_a_terminal_it_asks_for_what_no_flag_said(terminal: Command, config: Path) -> None:
    typed = "nothing-like-it\nopenai\n\ntext-embedding-3-small\nwide\n512\n~/openai.key\n"
    shown = terminal.on_terminal("--config", config, "config", "init", typed=typed)

    assert shown.code == 0
    assert "That is none of them." in shown.out
    assert "The address of the endpoint [https://api.openai.com/v1]:" in shown.out
    assert "That is no whole number from 1 to " in shown.out
    assert tomllib.loads(config.read_text("utf-8"))["embeddings"] == {
        "backend": "openai",
        "model": "text-embedding-3-small",
        "dim": 512,
        "api_key_file": "~/openai.key",
    }


def test_a_local_model_is_asked_neither_for_an_address_nor_for_a_key(terminal: Command, config: Path) -> None:
    shown = terminal.on_terminal("--config", config, "config", "init", "--model", "m", typed="\n\n")

    assert shown.code == 0
    assert ("address" in shown.out, "key" in shown.out, "The name of the model" in shown.out) == (False, False, False)
    assert tomllib.loads(config.read_text("utf-8"))["embeddings"] == {"model": "m"}


def test_an_endpoint_that_has_no_usual_address_is_asked_for_it_until_it_is_told(
    terminal: Command, config: Path
) -> None:
    typed = "openai-compatible\n\nhttp://localhost:9/v1\nm\n\nsk-abcdefghijklmnopqrstuvwx\n\n"
    shown = terminal.on_terminal("--config", config, "config", "init", typed=typed)

    assert shown.code == 0
    assert "There is no usual one." in shown.out
    assert "That looks like a key" in shown.out
    assert tomllib.loads(config.read_text("utf-8"))["embeddings"] == {
        "backend": "openai-compatible",
        "base_url": "http://localhost:9/v1",
        "model": "m",
    }


def test_who_gives_no_answer_gets_no_file(terminal: Command, config: Path) -> None:
    shown = terminal.on_terminal("--config", config, "config", "init", typed="openai\n\x04")

    assert (shown.code, config.exists()) == (64, False)
    assert "Nothing was written." in shown.out
