"""`--stamp-only`: stored vectors are compared with what the embedder gives before any is taken for the target's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.conftest import Cli
from tests.support import files
from tests.support.fake_endpoint import FOREVER, FakeEndpoint

ROWS = 12
OF_ANOTHER_ROW = (
    "UPDATE memories SET embedding = (SELECT embedding FROM memories WHERE id = 'id-000') WHERE id = 'id-003'"
)
STAMP = ("--json", "reembed", "--stamp-only")


@pytest.fixture
def unstamped(db: Path, cli: Cli, endpoint: FakeEndpoint) -> Path:
    """A file whose vectors are the endpoint's, of which nothing records that any more."""
    del endpoint
    files.create(db, ROWS)
    assert cli("reembed", "--yes", "-q").code == 0
    files.execute(db, "DELETE FROM embedding_provenance")
    return db


def main_file(path: Path) -> bytes:
    files.execute(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    return path.read_bytes()


@pytest.mark.usefixtures("unstamped")
def test_vectors_are_stamped_once_some_were_compared(cli: Cli) -> None:
    stamped = cli(*STAMP, "--sample", "5").json

    assert (stamped["stamped"], stamped["sampled"], stamped["differing"]) == (ROWS, 5, 0)
    assert cli("reembed", "verify").code == 0


def test_where_one_differs_nothing_is_stamped_and_no_byte_changes(unstamped: Path, cli: Cli) -> None:
    files.execute(unstamped, OF_ANOTHER_ROW)
    before = main_file(unstamped)

    refused = cli("reembed", "--stamp-only")

    assert refused.code == 4
    assert f"1 of {ROWS} rows embedded again get another vector than the stored one, id-003 among them" in refused.err
    assert "--stamp-only --sample all" in refused.err
    assert main_file(unstamped) == before


def test_of_all_those_that_agree_are_stamped_and_the_others_stay_stale(unstamped: Path, cli: Cli) -> None:
    files.execute(unstamped, OF_ANOTHER_ROW)

    stamped = cli(*STAMP, "--sample", "all").json
    ran = cli("--json", "reembed", "--yes").json

    assert (stamped["stamped"], stamped["differing"], stamped["unstamped"]) == (ROWS - 1, 1, 0)
    assert (ran["reembedded"], ran["already_current"]) == (1, ROWS - 1)


@pytest.mark.usefixtures("unstamped")
def test_where_no_endpoint_answers_that_is_told_and_the_operators_word_is_taken(
    cli: Cli, endpoint: FakeEndpoint
) -> None:
    endpoint.fail("server-error", times=FOREVER)

    stamped = cli(*STAMP)

    assert (stamped.json["stamped"], stamped.json["sampled"]) == (ROWS, 0)
    assert "no vector was compared" in stamped.err
    assert "reembed verify --sample 300" in stamped.err


def test_a_sample_that_was_asked_for_needs_an_answer(unstamped: Path, cli: Cli, endpoint: FakeEndpoint) -> None:
    endpoint.fail("server-error", times=FOREVER)

    assert cli("reembed", "--stamp-only", "--sample", "5").code == 75
    assert files.execute(unstamped, "SELECT count(*) FROM embedding_provenance") == [(0,)]


def test_an_endpoint_that_refuses_the_key_is_not_away(unstamped: Path, cli: Cli, endpoint: FakeEndpoint) -> None:
    endpoint.fail("unauthorized", times=FOREVER)

    assert cli("reembed", "--stamp-only").code == 77
    assert files.execute(unstamped, "SELECT count(*) FROM embedding_provenance") == [(0,)]


def test_other_weights_under_the_name_stamp_nothing(unstamped: Path, cli: Cli, endpoint: FakeEndpoint) -> None:
    files.execute(unstamped, "UPDATE embedding_fingerprint SET witness = NULL")
    endpoint.change(weights="retrained")

    refused = cli("reembed", "--stamp-only")

    assert (refused.code, f"{ROWS} of {ROWS} rows embedded again" in refused.err) == (4, True)


def test_where_there_is_nothing_to_stamp_nobody_is_asked(db: Path, cli: Cli, endpoint: FakeEndpoint) -> None:
    files.create(db, ROWS)
    assert cli("reembed", "--yes", "-q").code == 0
    requests = endpoint.seen.requests

    assert cli(*STAMP).json["already_current"] == ROWS
    assert endpoint.seen.requests == requests


@pytest.mark.usefixtures("unstamped")
def test_a_sample_is_only_of_a_stamp(cli: Cli) -> None:
    assert cli("reembed", "--sample", "5").code == 64
