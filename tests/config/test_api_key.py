"""A key is read from where it is said to be, when it is needed, and from nowhere that others reach."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import pytest

from ai_memory.config.api_key import LONGEST_FILE, ApiKey
from ai_memory.config.settings import Settings
from ai_memory.errors import EmbedderInitFailed
from tests.support.command import Command

KEY = "plain-Key.Value=99"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(f"{KEY}\n", encoding="utf-8")
    path.chmod(0o600)
    return path


def key(tmp_path: Path, line: str, **environ: str) -> ApiKey:
    """Return the key of a config that has this line."""
    config = tmp_path / "my.toml"
    config.write_text(f"[embeddings]\nbackend = 'openai'\n{line}\n", encoding="utf-8")
    found = Settings.gather(argparse.Namespace(config=config), {"HOME": str(tmp_path), **environ}).embedding.api_key
    assert found.value is not None
    return found.value


def of_file(tmp_path: Path, path: Path | str) -> ApiKey:
    return key(tmp_path, f"api_key_file = '{path}'")


def refusal(found: ApiKey) -> str:
    with pytest.raises(EmbedderInitFailed) as caught:
        found.reveal()
    assert KEY not in caught.value.line()
    return caught.value.line()


@pytest.mark.parametrize("content", ["{}", "{}\n", " {} \r\nsecond\n", "\ufeff{}\n"])
def test_the_first_line_of_a_key_file_is_the_key(tmp_path: Path, file: Path, content: str) -> None:
    file.write_text(content.format(KEY), encoding="utf-8", newline="")

    assert of_file(tmp_path, file).reveal() == KEY


def test_a_link_to_a_key_file_is_followed_as_secrets_are_mounted_so(tmp_path: Path, file: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(file)
    assert of_file(tmp_path, link).reveal() == KEY

    file.chmod(0o644)
    assert "has mode 644" in refusal(of_file(tmp_path, link))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601, 0o610, 0o666])
def test_a_key_file_that_others_reach_is_refused_with_the_command_that_ends_it(
    tmp_path: Path, file: Path, mode: int
) -> None:
    file.chmod(mode)

    assert refusal(of_file(tmp_path, file)).endswith(f"Type: chmod 600 {file}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_file_of_somebody_else_is_refused(tmp_path: Path, file: Path) -> None:
    os.chown(file, 4321, 4321)

    assert "belongs to user 4321" in refusal(of_file(tmp_path, file))


def test_the_mode_is_judged_before_a_byte_is_read(tmp_path: Path, file: Path) -> None:
    with file.open("r+b") as stream:
        stream.truncate(1 << 40)
    file.chmod(0o644)
    assert "has mode 644" in refusal(of_file(tmp_path, file))

    file.chmod(0o600)
    assert f"is longer than {LONGEST_FILE:,} bytes" in refusal(of_file(tmp_path, file))


def test_a_fifo_a_folder_and_a_device_are_no_key_files(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo, 0o600)

    for path in (fifo, tmp_path, "/dev/null", "/dev/tty"):
        assert "is not a regular file" in (line := refusal(of_file(tmp_path, path))) or "cannot be read" in line


@pytest.mark.parametrize("content", [b"", b"\n", b" \n" + KEY.encode(), b"\xff\xfe\0", b"\x7fELF" + bytes(60), b"a\0b"])
def test_a_file_without_a_key_in_its_first_line_is_refused(tmp_path: Path, file: Path, content: bytes) -> None:
    file.write_bytes(content)

    line = refusal(of_file(tmp_path, file))
    assert line.isprintable()
    assert "is empty" in line or "characters that no key has" in line


@pytest.mark.parametrize("name", [KEY, "x" * 300, "dGhpcyBpcyBh/b64+key==", "key with blanks", "0123456789abcdef" * 2])
def test_a_key_pasted_in_place_of_its_file_is_not_shown(tmp_path: Path, name: str) -> None:
    found = of_file(tmp_path, name)

    for shown in (refusal(found), found.shown(), repr(found)):
        assert name not in shown
        assert "api_key_file" in shown


@pytest.mark.parametrize("name", [KEY, "1ABC", "A-B", "A B", "A=B", "Ä", "A.B", "$A", "${A}", "dGhpcyBpcyBh/b64+key=="])
def test_what_no_variable_can_be_called_is_refused_unseen(tmp_path: Path, name: str) -> None:
    with pytest.raises(EmbedderInitFailed, match="is not the name of a variable") as caught:
        key(tmp_path, f"api_key_env = '{name}'", **{name: "x"})

    assert name not in caught.value.line().replace("api_key_env", "")


@pytest.mark.parametrize("name", ["a8f5f167f44f4964e6c998dee827110c", "mysecretkey", "aB3dEf6hIj9lMn2p", "x" * 65])
def test_a_variable_that_may_be_the_key_itself_is_not_shown(tmp_path: Path, name: str) -> None:
    found = key(tmp_path, f"api_key_env = '{name}'")

    for shown in (refusal(found), found.shown(), repr(found)):
        assert name not in shown
    assert "[embeddings].api_key_env names" in refusal(found)


def test_a_variable_that_is_set_or_named_as_usual_is_shown(tmp_path: Path) -> None:
    assert refusal(key(tmp_path, "api_key_env = 'MY_KEY'")).startswith("no API key: env MY_KEY is not set.")
    assert key(tmp_path, "api_key_env = 'myKey'", myKey=KEY).shown() == "set (env myKey)"


@pytest.mark.parametrize("field", ["api_key_env", "api_key_file"])
@pytest.mark.parametrize(
    "verb", [["config", "show"], ["config", "show", "--json"], ["doctor"], ["reembed", "--yes"], ["-v", "backfill"]]
)
def test_no_command_shows_a_key_in_the_wrong_field(tmp_path: Path, field: str, verb: list[str]) -> None:
    pasted = "a8f5f167f44f4964e6c998dee827110c"
    config = tmp_path / "my.toml"
    config.write_text(f"[embeddings]\nbackend = 'openai'\nmodel = 'm'\n{field} = '{pasted}'\n", encoding="utf-8")
    command = Command(tmp_path / "m.db")
    assert command.run("store", "-T", "a", "-c", "b", "--no-embed").code == 0

    found = command.run("--config", config, *verb)

    assert pasted not in found.out + found.err
    assert "Traceback" not in found.err or "-v" in verb
