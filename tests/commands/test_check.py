"""`status` and its `--check` say what the next start would meet, and agree with how the last one ended."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import files
from tests.support.command import Command, remote
from tests.support.fake_endpoint import FOREVER, FakeEndpoint

CRON = ("-q", "reembed", "--resume", "--or-start", "--batch", "2", "--concurrency", "1")

TAIL_OF_ANOTHER = """
    UPDATE memories SET embedding = CAST(substr(embedding, 1, 17) || (
        SELECT substr(other.embedding, 18) FROM memories AS other WHERE other.id <> memories.id LIMIT 1
    ) AS BLOB)
"""


@pytest.fixture
def command(tmp_path: Path, endpoint: FakeEndpoint) -> Iterator[Command]:
    command = Command(files.create(tmp_path / "m.db"), remote(endpoint))
    assert command.run("reembed", "approve").code == 0
    yield command
    command.end()


def test_a_start_that_nothing_serves_needs_somebody_and_is_no_cancelled_run(
    command: Command, endpoint: FakeEndpoint
) -> None:
    endpoint.fail("no-model", times=FOREVER)
    assert command.run(*CRON).code == 3

    checked = command.run("reembed", "status", "--check")
    shown = command.run("reembed", "status").out

    assert checked.code == 1
    for told in (checked.out, shown):
        assert "the embedder cannot be used as it is configured" in told
        assert "last failure: " in told
        assert "cancelled" not in told
    assert "next: correct the configuration, then: " in shown
    assert command.run("reembed", "pause").code == 0
    assert re.search(r"^next: ai-memory .* unpause$", command.run("reembed", "status").out, re.MULTILINE)


def test_a_run_that_nothing_served_and_that_its_target_no_longer_needs_is_healthy(
    command: Command, endpoint: FakeEndpoint
) -> None:
    endpoint.fail("no-model")
    assert command.run(*CRON).code == 3
    assert command.run(*CRON).code == 0

    assert command.run("reembed", "status", "--check").code == 0


def test_what_nobody_looked_at_is_not_said_to_be_found(command: Command) -> None:
    # A vector of another text behind a head that is recorded: nothing but an embedder tells.
    assert command.run("backfill").code == 0
    files.execute(command.db, TAIL_OF_ANOTHER)

    told = (command.run("reembed", "verify"), command.run("reembed", "status", "--check"), command.run("doctor"))

    assert [each.code for each in told] == [0, 0, 0], told
    assert "stamped and recorded" in told[0].out
    assert "no row was found stale, by what is stamped and recorded" in told[1].out
    assert command.run("reembed", "verify", "--sample", "all").code == 1


def test_what_is_sampled_is_said_of_the_rows_that_are_recorded_alone(command: Command) -> None:
    assert command.run("backfill").code == 0
    files.add(command.db, "without")

    sampled = command.run("reembed", "verify", "--sample", "3")

    assert re.search(r"At most \d+ % of the 10 rows that are recorded can differ", sampled.out)


@pytest.mark.parametrize("wrong", [{"AI_MEMORY_EMBED_MODEL": ""}, {"AI_MEMORY_INFERENCE_EGRESS": "deny"}])
def test_a_configuration_that_no_embedder_can_be_built_from_needs_somebody(
    command: Command, wrong: dict[str, str]
) -> None:
    broken = Command(command.db, {**command.env, **wrong})
    begun = broken.run("reembed", "status", "--check")
    assert command.run("reembed").code == 0
    done = broken.run("reembed", "status", "--check")

    assert broken.run(*CRON).code == 3
    for checked in (begun, done):
        assert checked.code == 1
        assert "the configuration gives no embedder" in checked.out


def test_a_row_that_a_count_finds_stale_behind_a_done_run_waits_for_the_next_start(command: Command) -> None:
    assert command.run("reembed").code == 0
    assert command.run("store", "-T", "later", "-c", "no vector yet", "--no-embed").code == 0

    quick = command.run("reembed", "status", "--check")
    exact = command.run("reembed", "status", "--check", "--exact")

    assert (quick.code, exact.code) == (0, 75)
    assert "1 row is stale; the next start begins a run" in exact.out


def test_a_start_behind_which_rows_of_other_namespaces_are_stale_is_not_healthy(command: Command) -> None:
    assert command.run("reembed", "--namespace", "a", "--batch", "2", "--max-rows", "2").code == 75
    assert command.run(*CRON).code == 75

    waits = command.run("reembed", "status", "--check")
    assert waits.code == 75
    assert "only in a; rows of other namespaces are stale" in waits.out

    assert command.run(*CRON).code == 0
    assert command.run("reembed", "status", "--check").code == 0


def test_a_done_run_of_some_namespaces_says_of_which(command: Command) -> None:
    assert command.run("reembed", "--namespace", "a").code == 0

    checked = command.run("reembed", "status", "--check")

    assert (checked.code, "only in a" in checked.out) == (0, True)


def test_a_configuration_that_was_changed_behind_a_done_run_is_not_begun_with_without_a_word(command: Command) -> None:
    assert command.run("reembed").code == 0
    elsewhere = Command(command.db, {**command.env, "AI_MEMORY_EMBED_MODEL": "another"})

    shown = elsewhere.run("reembed", "status").out

    assert "next: put the configuration back; if its change is meant: ai-memory --db " in shown


def test_behind_other_weights_no_retarget_is_named_that_the_same_name_refuses(
    command: Command, endpoint: FakeEndpoint
) -> None:
    assert command.run("reembed", "--batch", "2", "--max-rows", "2").code == 75
    endpoint.change(weights="other")
    assert command.run("reembed", "--resume", "--retarget").code == 78

    shown = command.run("reembed", "status").out

    assert "next: put the model back, or configure another one and add --retarget, then: " in shown


def test_a_run_that_no_start_goes_on_with_says_for_how_long(command: Command) -> None:
    assert command.run("reembed", "--batch", "2", "--max-rows", "2").code == 75
    files.execute(command.db, "UPDATE reembed_run SET started_at = 0, last_written_at = 0")

    checked = command.run("reembed", "status", "--check")

    assert checked.code == 1
    assert re.search(r"; no row was written for [\d,]+ days$", checked.out.strip())


def test_a_file_without_rows_is_not_to_be_sampled(command: Command) -> None:
    files.execute(command.db, "DELETE FROM memories")

    verified = command.run("reembed", "verify")

    assert (verified.code, "--sample" in verified.out) == (0, False)
