"""`--stamp-only`: stored vectors are compared with what the embedder gives before any is taken for the target's."""

from __future__ import annotations

import socket
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


def nothing_stamped(path: Path) -> bool:
    return files.execute(path, "SELECT count(*) FROM embedding_provenance") == [(0,)]


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


@pytest.fixture
def nobody(unstamped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address at which nobody listens, once the file is there."""
    del unstamped
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    monkeypatch.setenv("AI_MEMORY_EMBED_BASE_URL", f"http://127.0.0.1:{port}/v1")


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize("quiet", [(), ("-q",)])
def test_where_nobody_is_there_that_is_told_also_in_quiet_and_the_operators_word_is_taken(
    cli: Cli, quiet: tuple[str, ...]
) -> None:
    stamped = cli(*quiet, *STAMP, "--retry-for", "1s")

    assert (stamped.code, stamped.json["stamped"], stamped.json["sampled"]) == (0, ROWS, 0)
    assert "warning: no vector was compared" in stamped.err
    assert "reembed verify --sample 300" in stamped.err
    (note,) = stamped.json["notes"]
    assert note.startswith("no vector was compared: ")
    assert stamped.json["next"] == "ai-memory reembed verify --sample 300"


@pytest.mark.usefixtures("nobody")
def test_where_nobody_was_asked_what_stays_stale_comes_first(unstamped: Path, cli: Cli) -> None:
    files.execute(unstamped, "UPDATE memories SET embedding = NULL WHERE id = 'id-003'")

    stamped = cli(*STAMP, "--retry-for", "1s")

    assert (len(stamped.json["notes"]), stamped.json["next"]) == (1, "ai-memory reembed")


def test_without_undo_nothing_is_kept_of_what_is_stamped_and_that_is_told(unstamped: Path, cli: Cli) -> None:
    kept = "SELECT count(*) FROM embedding_previous JOIN reembed_run USING (run_id) WHERE stamps = 1"
    stamped = cli("reembed", "--stamp-only", "--no-undo")

    assert "Nothing of what stood there is kept (--no-undo)." in stamped.out
    assert files.execute(unstamped, kept) == [(0,)]
    files.execute(unstamped, "DELETE FROM embedding_provenance")
    assert "--no-undo" not in cli("reembed", "--stamp-only").out
    assert files.execute(unstamped, kept) == [(ROWS,)]


@pytest.mark.usefixtures("nobody")
def test_a_sample_that_was_asked_for_needs_an_answer(unstamped: Path, cli: Cli) -> None:
    assert cli("reembed", "--stamp-only", "--sample", "5", "--retry-for", "1s").code == 75
    assert nothing_stamped(unstamped)


@pytest.mark.parametrize("fault", ["server-error", "unavailable", "reset", "close"])
def test_an_endpoint_that_fails_as_long_as_it_is_asked_was_reached_and_nothing_is_stamped(
    unstamped: Path, cli: Cli, endpoint: FakeEndpoint, fault: str
) -> None:
    endpoint.fail(fault, times=FOREVER)

    ended = cli("reembed", "--stamp-only", "--retry-for", "1s")

    assert (ended.code, nothing_stamped(unstamped)) == (75, True)
    assert "no vector was compared" not in ended.err


@pytest.mark.parametrize("fault", ["server-error", "unavailable", "rate", "reset"])
def test_an_endpoint_that_fails_once_is_asked_again_before_a_word_is_taken(
    unstamped: Path, cli: Cli, endpoint: FakeEndpoint, fault: str
) -> None:
    files.execute(unstamped, "UPDATE embedding_fingerprint SET witness = NULL")
    endpoint.change(weights="retrained")
    endpoint.fail(fault)

    assert cli("reembed", "--stamp-only", "--retry-for", "30s").code == 4
    assert nothing_stamped(unstamped)


def test_a_failure_in_the_middle_of_the_comparison_is_retried_no_longer_than_was_asked_for(
    unstamped: Path, cli: Cli, endpoint: FakeEndpoint
) -> None:
    requests = endpoint.seen.requests
    cli("--json", "reembed", "--stamp-only")
    whole = endpoint.seen.requests - requests
    files.execute(unstamped, "DELETE FROM embedding_provenance")
    endpoint.fail("none", times=whole // 2)
    endpoint.fail("server-error", times=FOREVER)

    ended = cli("reembed", "--stamp-only", "--retry-for", "0s")

    assert (ended.code, nothing_stamped(unstamped)) == (75, True)
    # One attempt at most of each request that failed, and of a harmless text.
    assert endpoint.seen.requests - requests <= whole + whole // 2 + 4


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


def test_where_of_all_none_agrees_nothing_is_stamped_and_that_is_told(
    unstamped: Path, cli: Cli, endpoint: FakeEndpoint
) -> None:
    files.execute(unstamped, "UPDATE embedding_fingerprint SET witness = NULL")
    endpoint.change(weights="retrained")

    refused = cli("reembed", "--stamp-only", "--sample", "all")

    assert (refused.code, nothing_stamped(unstamped)) == (4, True)
    assert f"{ROWS} of {ROWS} rows embedded again get another vector" in refused.err
    assert refused.err.rstrip().endswith("Embed them again: ai-memory reembed")


@pytest.mark.parametrize("sample", [(), ("--sample", "all")])
def test_where_no_row_can_be_compared_because_each_is_refused_nothing_is_stamped(
    unstamped: Path, cli: Cli, endpoint: FakeEndpoint, sample: tuple[str, ...]
) -> None:
    endpoint.change(poison="content of")

    refused = cli("reembed", "--stamp-only", *sample)

    assert (refused.code, nothing_stamped(unstamped)) == (4, True)
    assert f"The embedder gives no vector for {ROWS} rows that were to be compared" in refused.err


def test_what_stays_stale_beside_what_was_stamped_is_told_with_the_command_that_embeds_it(
    unstamped: Path, cli: Cli
) -> None:
    files.execute(unstamped, OF_ANOTHER_ROW)
    assert cli("reembed", "pause").code == 0

    stamped = cli("reembed", "--stamp-only", "--sample", "all")
    first, then = "ai-memory reembed unpause", "ai-memory reembed"

    assert stamped.code == 0
    assert stamped.out.rstrip().endswith(f"1 of them differs: id-003. To embed what stays stale: {first}; then: {then}")
    for command in (first, then):
        assert cli(*command.split()[1:]).code == 0
    assert cli("reembed", "verify").code == 0


def test_without_a_vector_a_row_stays_stale_and_the_next_command_is_part_of_the_result(
    unstamped: Path, cli: Cli
) -> None:
    files.execute(unstamped, "UPDATE memories SET embedding = NULL WHERE id = 'id-003'")

    assert cli(*STAMP).json["next"] == "ai-memory reembed"
    assert cli("reembed").code == 0
    files.execute(unstamped, "DELETE FROM embedding_provenance")
    stamped = cli(*STAMP).json
    assert (stamped["next"], stamped["notes"]) == ("", [])


@pytest.mark.usefixtures("unstamped")
@pytest.mark.parametrize(
    ("sample", "to_compare", "words"),
    [
        ((), ROWS, f"First {ROWS} of them are embedded again, where an embedder can be reached"),
        (("--sample", "5"), 5, "First 5 of them are embedded again, which this did not do"),
        (
            ("--sample", "all"),
            ROWS,
            "Each is embedded again first, which this did not do: those that differ stay stale",
        ),
    ],
)
def test_a_dry_run_says_what_would_be_compared_and_asks_for_nothing(
    cli: Cli, endpoint: FakeEndpoint, sample: tuple[str, ...], to_compare: int, words: str
) -> None:
    requests = endpoint.seen.requests

    planned = cli("reembed", "--stamp-only", "--dry-run", *sample)

    assert words in planned.out
    assert cli(*STAMP, "--dry-run", *sample).json["to_compare"] == to_compare
    assert endpoint.seen.requests == requests


@pytest.mark.parametrize(
    "flags",
    [
        ("--max-tokens", "10"),
        ("--backup", "copy.db"),
        ("--max-runtime", "1s"),
        ("--batch", "5"),
        ("--wait", "1s"),
        ("--resume", "--or-start"),
    ],
)
def test_a_flag_that_a_stamp_would_not_obey_is_refused_by_name(
    unstamped: Path, cli: Cli, flags: tuple[str, ...]
) -> None:
    refused = cli("reembed", "--stamp-only", *flags)

    assert (refused.code, flags[0] in refused.err, nothing_stamped(unstamped)) == (64, True, True)
