"""Encrypted contents, and why one cannot be had."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from ai_memory.memory.envelope import KeyFolder, recipient_of
from ai_memory.memory.reason import Reason
from ai_memory.stores.sqlite.schema import RECIPIENT
from tests.conftest import ROOT
from tests.support.envelopes import keep_key, sealed, secret_of

CONTENT = "The vault code is kept in the blue folder. — 東京"
WITHOUT_THE_PACKAGE = """
import sys
sys.modules["cryptography"] = None
from pathlib import Path
from ai_memory.memory.envelope import KeyFolder
print(KeyFolder(Path(sys.argv[1])).open(bytes.fromhex(sys.argv[2]), "agent-a").message)
"""


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder with the key of agent-a."""
    return keep_key(tmp_path / "keys", "agent-a").parent


def why(found: str | Reason) -> str:
    assert isinstance(found, Reason)
    assert found.kind == "undecryptable"
    assert "vault" not in found.message
    return found.message


@pytest.mark.parametrize("content", [CONTENT, "", "x" * 100_000, "lines\nand\0nul"])
def test_an_envelope_is_opened_with_the_key_of_its_recipient(keys: Path, content: str) -> None:
    assert KeyFolder(keys).open(sealed(content, "agent-a"), "agent-a") == content


@pytest.mark.parametrize("at", [1, 20, 33, 44, 45, 60, -1])
def test_one_bit_of_an_envelope_is_enough_to_tell_that_it_is_damaged(keys: Path, at: int) -> None:
    envelope = bytearray(sealed(CONTENT, "agent-a"))
    envelope[at] ^= 1
    assert "agent-a does not open the envelope, or the envelope is damaged" in why(
        KeyFolder(keys).open(bytes(envelope), "agent-a")
    )


@pytest.mark.parametrize(
    ("envelope", "told"),
    [
        (b"", "the envelope is nothing; only version 2 is known"),
        (b"\x01" + bytes(80), "the envelope is version 1; only version 2 is known"),
        (b"\x03" + bytes(80), "the envelope is version 3; only version 2 is known"),
        (b"\x02" + bytes(59), "the envelope is damaged: it has 60 bytes, too few"),
        (b"\x02" + bytes(80), "agent-a does not open the envelope, or the envelope is damaged"),
    ],
)
def test_what_is_no_envelope_of_a_known_version_is_told_as_what_it_is(keys: Path, envelope: bytes, told: str) -> None:
    assert told in why(KeyFolder(keys).open(envelope, "agent-a"))


def test_a_key_that_is_missing_wrong_short_or_open_to_others_is_told_as_such(tmp_path: Path) -> None:
    envelope, folder = sealed(CONTENT, "agent-a"), tmp_path / "keys"

    def told() -> str:
        # Each invocation of the program looks anew.
        return why(KeyFolder(folder).open(envelope, "agent-a"))

    assert "there is no key" in told()
    key = keep_key(folder, "agent-a", secret=secret_of("agent-b"))
    assert "does not open the envelope" in told()
    keep_key(folder, "agent-a", secret=b"short")
    assert "has 5 bytes, not 32" in told()
    keep_key(folder, "agent-a", secret=bytes(33))
    assert "longer than 32 bytes" in told()
    for mode in (0o640, 0o604, 0o660):
        keep_key(folder, "agent-a", mode=mode)
        assert f"has mode {mode:03o}: others can" in told()
        assert f"chmod 600 {key}" in told()
    key.unlink()
    key.mkdir()
    assert "is not a regular file" in told()
    assert sorted(folder.iterdir()) == [key]


@pytest.mark.parametrize("recipient", [None, "", "../agent-a", "a/b", "agent a", "agent\n", "a" * 129])
def test_a_recipient_that_is_none_of_theirs_leads_to_no_file(keys: Path, recipient: str | None) -> None:
    assert "names no agent_id" in why(KeyFolder(keys).open(sealed(CONTENT, "agent-a"), recipient))


def test_without_a_folder_and_without_a_home_the_variable_is_named() -> None:
    assert "AI_MEMORY_KEY_DIR" in why(KeyFolder(None).open(sealed(CONTENT, "agent-a"), "agent-a"))


def test_a_content_that_is_not_text_is_undecodable(keys: Path) -> None:
    found = KeyFolder(keys).open(sealed(b"caf\xe9", "agent-a"), "agent-a")
    assert isinstance(found, Reason)
    assert found.kind == "undecodable"


def test_without_the_package_it_is_told_how_to_have_it(keys: Path) -> None:
    line = [sys.executable, "-c", WITHOUT_THE_PACKAGE, str(keys), sealed(CONTENT, "agent-a").hex()]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(line, env=env, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == 'the package cryptography is not installed; type: pip install ".[encrypted]"\n'


def test_the_keys_are_shown_by_no_representation(keys: Path) -> None:
    folder = KeyFolder(keys)
    folder.open(sealed(CONTENT, "agent-a"), "agent-a")
    assert "secret" not in repr(folder)
    assert repr(folder) == f"KeyFolder(folder={keys!r})"


@pytest.mark.parametrize(
    ("metadata", "recipient"),
    [
        ('{"agent_id":"a"}', "a"),
        ('{"agent_id":"a","agent_id":"b"}', "a"),
        ('{"agent_id":1,"agent_id":"b"}', None),
        ('{"x":{"agent_id":"b"},"agent_id":"a"}', "a"),
        ('{"x":1,"x":2,"agent_id":"a"}', "a"),
        ('{"agent\\u005fid":"a"}', "a"),
        (f'{{"agent_id":"a","x":{"9" * 5_000}}}', "a"),
        ('{"agent_id":"a","x":1e999}', "a"),
        ('{"agent_id":"a","x":NaN}', None),
        ('{"agent_id":"a",}', None),
        (f'{{"agent_id":"a","x":{"[" * 100_000}', None),
        ('["agent_id","a"]', None),
        ('{"agent_id":null}', None),
        ("", None),
    ],
)
def test_whose_key_a_memory_takes_is_read_here_as_in_the_database(metadata: str, recipient: str | None) -> None:
    row = "(SELECT ? AS metadata, x'00' AS encrypted_envelope) AS m"
    ((there,),) = apsw.Connection(":memory:").execute(f"SELECT {RECIPIENT} FROM {row}", (metadata,))

    assert (recipient_of(metadata), there) == (recipient, recipient)
