"""The `dim` that was taken out of the configuration after a run: it is found out, named, and can be left."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.conftest import Cli
from tests.support import files
from tests.support.command import plain
from tests.support.fake_endpoint import FakeEndpoint

WITH_DIM = "[embeddings]\ndim = 16\n"
CHANGED = "dim: 16 -> 32"
ASKING = (
    ("doctor",),
    ("reembed", "verify", "--sample", "3"),
    ("reembed", "--dry-run", "--probe"),
)


@pytest.fixture(autouse=True)
def config(db: Path, endpoint: FakeEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration with `dim`, of a file and of an endpoint that gives 32 numbers where no width is asked for."""
    files.create(db)
    endpoint.change(dim=32)
    path = tmp_path / "ai-memory" / "config.toml"
    path.parent.mkdir()
    path.write_text(WITH_DIM)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return path


def begun(cli: Cli, config: Path, *, whole: bool = False) -> None:
    ran = cli("reembed", *(() if whole else ("--max-rows", "3", "--batch", "3")))
    assert ran.code == (0 if whole else 75), ran
    config.write_text("")


def widths(db: Path) -> set[int]:
    return {len(blob) // 4 for blob in files.vectors(db).values() if blob}


@pytest.mark.parametrize("words", ASKING)
def test_whoever_asks_the_endpoint_finds_that_it_tells_another_width(
    cli: Cli, config: Path, words: tuple[str, ...]
) -> None:
    begun(cli, config, whole=True)

    ran = cli(*words)

    assert ran.code in (1, 78)
    for told in (CHANGED, "[embeddings].dim = 16", "ai-memory reembed --retarget"):
        assert told in plain(ran.out + ran.err)


def test_recall_says_what_to_do_about_vectors_of_another_width(cli: Cli, config: Path) -> None:
    begun(cli, config, whole=True)

    told = cli("recall", "title").err

    assert "vector of another width" in told
    assert "[embeddings].dim" in told
    assert "reembed --retarget" in told


def test_a_resumed_run_names_both_widths_and_retarget_goes_to_the_new_one(cli: Cli, db: Path, config: Path) -> None:
    begun(cli, config)

    resumed = cli("reembed", "--resume")
    assert resumed.code == 78
    assert CHANGED in resumed.err

    assert cli("reembed", "--retarget", "--max-rows", "3", "--batch", "3").code == 75
    assert cli("reembed", "--resume").code == 0
    assert widths(db) == {32}
    assert cli("reembed", "verify").code == 0


def test_retarget_leaves_a_finished_file_for_the_width_that_is_told(cli: Cli, db: Path, config: Path) -> None:
    begun(cli, config, whole=True)

    assert cli("reembed", "--retarget").code == 0
    assert widths(db) == {32}


def test_after_a_cancel_a_run_begins_to_the_width_that_is_told(cli: Cli, db: Path, config: Path) -> None:
    begun(cli, config)
    assert cli("reembed", "cancel").code == 0

    assert cli("reembed").code == 0
    assert widths(db) == {32}


def test_a_width_that_was_left_and_come_back_to_is_the_recorded_one(cli: Cli, db: Path, config: Path) -> None:
    config.write_text("")
    assert cli("reembed").code == 0
    config.write_text(WITH_DIM)
    begun(cli, config, whole=True)

    assert cli("reembed", "--retarget", "--max-rows", "3", "--batch", "3").code == 75
    assert cli("reembed", "--resume").code == 0
    assert cli("reembed", "verify").code == 0
    assert widths(db) == {32}


def test_a_retarget_to_the_same_width_goes_on_with_the_run(cli: Cli, db: Path, config: Path) -> None:
    config.write_text("")
    assert cli("reembed", "--max-rows", "3", "--batch", "3").code == 75

    assert cli("reembed", "--retarget").code == 0
    assert files.execute(db, "SELECT count(*) FROM reembed_run") == [(1,)]


def test_an_unattended_retarget_to_a_width_that_nobody_approved_changes_nothing(
    cli: Cli, db: Path, config: Path
) -> None:
    begun(cli, config, whole=True)

    refused = cli("reembed", "--resume", "--or-start", "--retarget")

    assert refused.code == 12
    assert "32 wide" in refused.err
    assert widths(db) == {16}


def test_a_width_that_nothing_tells_is_not_said_to_be_0(
    cli: Cli, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(cli, config)
    monkeypatch.setenv("AI_MEMORY_EMBED_MODEL", "other")

    resumed = cli("reembed", "--resume")

    assert resumed.code == 78
    assert "dim: 16 -> not configured" in resumed.err


def test_an_unapproved_target_of_another_width_is_told_by_its_width(cli: Cli, config: Path) -> None:
    assert cli("reembed").code == 0
    config.write_text("[embeddings]\ndim = 24\n")

    refused = cli("reembed", "--resume", "--or-start")

    assert refused.code == 12
    for told in ("24 wide", "16 wide", "only the width (dim) differs", "dim from config.toml [embeddings].dim"):
        assert told in refused.err


def test_an_unapproved_target_of_which_the_file_has_vectors_is_not_compared_with_itself(cli: Cli, config: Path) -> None:
    begun(cli, config)
    config.write_text(WITH_DIM)
    assert cli("reembed", "cancel").code == 0

    refused = cli("reembed", "--resume", "--or-start")

    assert refused.code == 12
    assert refused.err.count("16 wide") == 1
    assert "no run to it was completed" in refused.err


@pytest.mark.parametrize("verb", ["store", "import", "backfill"])
@pytest.mark.parametrize("begun_by", ["store", "a part of a run", "a run"])
def test_no_vector_of_another_width_is_written_beside_those_of_the_file(
    cli: Cli, db: Path, config: Path, tmp_path: Path, verb: str, begun_by: str
) -> None:
    if begun_by == "store":
        assert cli("store", "-T", "first", "-c", "text").code == 0
        config.write_text("")
    else:
        begun(cli, config, whole=begun_by == "a run")
    files.add(db, "without")
    (tmp_path / "one.jsonl").write_text('{"title": "new", "content": "text"}')
    words = {"store": ("-T", "new", "-c", "text"), "import": (tmp_path / "one.jsonl",), "backfill": ()}

    ran = cli(verb, *words[verb])

    assert widths(db) == {16}
    assert CHANGED in ran.err


def test_a_memory_stored_in_another_width_does_not_change_the_width_of_the_file(cli: Cli, config: Path) -> None:
    config.write_text("")
    assert cli("reembed").code == 0
    config.write_text("[embeddings]\ndim = 8\n")
    assert cli("store", "-T", "narrow", "-c", "a memory of eight numbers").code == 0
    config.write_text("")

    assert cli("reembed", "--resume", "--or-start").code == 0
    assert cli("reembed", "verify").code == 0
    assert cli("reembed", "status", "--check").code == 0
