"""What needs no embedder works whatever stands in the configuration; what needs one says what is wrong there."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_memory.cli import main
from tests.support import files
from tests.support.command import Command

BROKEN = {
    "no TOML": "[embeddings\n",
    "no table": "embeddings = 3\n",
    "values": '[embeddings]\nbackend = "nosuch"\ndim = "x"\n',
    "a key": '[embeddings]\napi_key = "sk-abcdefghijklmnop"\n',
    "no UTF-8": "[embeddings]\nmodel = '\udcff'\n",
}
WITHOUT_EMBEDDER = (
    ("reembed", "status"), ("reembed", "quarantine"), ("reembed", "cancel"), ("reembed", "pause"),
    ("reembed", "unpause"), ("list",), ("stats",), ("export",), ("namespaces",), ("get", "id-001"),
    ("delete", "id-000"),
)  # fmt: skip


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(files.create(tmp_path / "m.db"))


@pytest.fixture(params=list(BROKEN.values()), ids=list(BROKEN))
def broken(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(request.param, "utf-8", "surrogateescape")
    return path


def test_what_needs_no_embedder_works_with_a_broken_configuration(command: Command, broken: Path) -> None:
    ended = {words: command.run("--config", broken, *words) for words in WITHOUT_EMBEDDER}

    codes = {words: each.code for words, each in ended.items() if words != ("reembed", "cancel")}
    assert set(codes.values()) == {0}, codes
    assert ended["reembed", "cancel"].code == 12
    assert all(len(each.err.splitlines()) <= 1 for words, each in ended.items() if words != ("reembed", "cancel"))
    assert all("sk-abc" not in each.err for each in ended.values())


def test_what_needs_an_embedder_says_what_is_wrong_and_where(command: Command, broken: Path) -> None:
    for words in ((), ("--resume", "--or-start"), ("approve",), ("--dry-run",)):
        ended = command.run("--config", broken, "reembed", *words)
        assert ended.code == 3
        assert str(broken) in ended.error or "[embeddings].backend" in ended.error


def test_a_file_that_may_name_the_database_must_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "config.toml"
    broken.write_text("db = /var/lib\n", "utf-8")

    assert main(["--config", str(broken), "stats"]) == 3
    assert "not valid TOML" in capsys.readouterr().err


def test_nothing_is_stored_with_a_broken_configuration_but_without_vectors(command: Command, broken: Path) -> None:
    line = '{"title": "t", "content": "c"}'
    before = files.texts(command.db)

    assert command.run("--config", broken, "import", "-", stdin=line).code == 3
    assert command.run("--config", broken, "store", "-T", "t", "-c", "c").code == 3
    assert command.run("--config", broken, "backfill").code == 3
    assert files.texts(command.db) == before
    assert command.run("--config", broken, "import", "--no-embed", "-", stdin=line).code == 0
    assert command.run("--config", broken, "store", "--no-embed", "-T", "u", "-c", "c").code == 0
    assert len(files.texts(command.db)) == len(before) + 2
