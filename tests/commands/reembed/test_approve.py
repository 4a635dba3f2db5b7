"""`reembed approve`, and what takes an approval back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.conftest import Cli
from tests.support import files
from tests.support.fake_endpoint import FOREVER, FakeEndpoint

CRON = ("reembed", "--resume", "--or-start", "--retry-for", "0s")
APPROVED = "SELECT space, dim, how FROM reembed_approval"


@pytest.fixture(autouse=True)
def ten_rows(db: Path) -> Path:
    return files.create(db)


def test_an_unattended_start_says_what_is_there_what_is_configured_from_where_and_what_approves_it(
    cli: Cli, endpoint: FakeEndpoint
) -> None:
    assert cli("reembed").code == 0
    endpoint.change(model="other")
    requests = endpoint.seen.requests
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AI_MEMORY_EMBED_MODEL", "other")
        refused = cli(*CRON)

    assert refused.code == 12
    assert endpoint.seen.requests == requests
    for words in ("fake", "other", "16 wide", "model from env AI_MEMORY_EMBED_MODEL", "reembed approve"):
        assert words in refused.err


def test_what_approve_approved_is_what_the_next_unattended_start_goes_to(cli: Cli, endpoint: FakeEndpoint) -> None:
    assert cli(*CRON, "--yes").code == 12

    approved = cli("--json", "reembed", "approve")

    assert (approved.code, approved.json["dim"], approved.json["approved"]) == (0, 16, True)
    assert endpoint.seen.requests > 0
    assert cli(*CRON).code == 0


@pytest.mark.usefixtures("endpoint")
def test_approve_asks_nobody_where_the_width_is_known(cli: Cli, endpoint: FakeEndpoint) -> None:
    assert cli("reembed").code == 0
    endpoint.fail("unavailable", times=FOREVER)
    requests = endpoint.seen.requests

    assert cli("reembed", "approve").code == 0
    assert endpoint.seen.requests == requests


def test_an_endpoint_that_tells_no_width_is_not_approved(cli: Cli, db: Path, endpoint: FakeEndpoint) -> None:
    endpoint.fail("unauthorized", times=FOREVER)

    assert cli("reembed", "approve").code == 77
    assert cli(*CRON).code == 12
    assert files.execute(db, APPROVED) == []


@pytest.mark.usefixtures("quiet_embedder")
def test_where_no_embedder_is_configured_there_is_nothing_to_approve(cli: Cli) -> None:
    assert cli("reembed", "approve").code == 2


@pytest.mark.usefixtures("endpoint")
def test_a_cancelled_target_needs_an_approval_again(cli: Cli, db: Path) -> None:
    assert cli("reembed", "--max-rows", "3", "--batch", "3").code == 75
    assert cli("reembed", "cancel").code == 0

    assert cli(*CRON).code == 12
    assert files.execute(db, APPROVED) == []


DAMAGE = (
    "UPDATE embedding_fingerprint SET space = 'another'",
    "UPDATE embedding_fingerprint SET spec_json = '{}'",
    "DELETE FROM embedding_fingerprint",
    "UPDATE reembed_run SET target = 99",
    "UPDATE reembed_run SET scope_json = 'no'",
)


@pytest.mark.usefixtures("endpoint")
@pytest.mark.parametrize("damage", DAMAGE)
def test_the_target_of_a_run_that_cannot_be_read_is_not_gone_on_to_after_its_end(
    cli: Cli, db: Path, damage: str
) -> None:
    cli("reembed", "--max-rows", "3", "--batch", "3")
    files.execute(db, f"PRAGMA foreign_keys = OFF; {damage}")

    assert cli("reembed", "cancel").code == 0
    assert files.execute(db, APPROVED) == []


@pytest.mark.usefixtures("endpoint")
def test_a_backup_put_back_brings_back_only_its_own_approvals(cli: Cli, db: Path, tmp_path: Path) -> None:
    cli("reembed", "--backup", tmp_path / "before.db")
    assert len(files.execute(db, APPROVED)) == 1

    assert cli("restore", tmp_path / "before.db", "--yes").code == 0

    assert cli(*CRON).code == 12


def test_an_unattended_start_asks_for_the_approval_before_it_looks_for_a_local_model(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AI_MEMORY_EMBED_BACKEND", "local")
    monkeypatch.setenv("AI_MEMORY_EMBED_MODEL", "someone/no-such-model")
    monkeypatch.setenv("AI_MEMORY_EMBED_OFFLINE", "1")

    refused, by_hand = cli(*CRON), cli("reembed")

    assert (refused.code, by_hand.code) == (12, 3)
    assert "reembed approve" in refused.err


@pytest.mark.usefixtures("endpoint")
@pytest.mark.parametrize(("words", "without", "code"), [(CRON, "DIM", 12), (("reembed", "approve"), "BASE_URL", 3)])
def test_in_quiet_the_line_of_an_error_names_the_table_that_was_ignored(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], without: str, code: int
) -> None:
    monkeypatch.delenv(f"AI_MEMORY_EMBED_{without}", raising=False)
    (tmp_path / "c.toml").write_text("[embedding]\nmodel = 'x'\n")

    refused = cli("-q", "--config", tmp_path / "c.toml", *words)

    assert (refused.code, len(refused.err.splitlines())) == (code, 1)
    assert "c.toml: there is a table [embedding], which means nothing here; did you mean [embeddings]?" in refused.err
