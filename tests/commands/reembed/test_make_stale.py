"""`reembed verify --make-stale`: rows whose vector is another than the embedder gives are embedded anew.

By real processes on a real file, against a real server on loopback.
"""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ai_memory.stores.holder import Holder
from ai_memory.stores.sqlite.lock import runner_lock
from ai_memory.vectors.blob import encode
from tests.conftest import ROOT
from tests.support import files
from tests.support.command import Command, plain, remote
from tests.support.fake_endpoint import FakeEndpoint

ROWS = 12
SWAPPED = ("id-001", "id-004")
# The head that the record knows stays: nothing but the embedder can tell.
SWAP = (
    "UPDATE memories SET embedding = CAST(substr(embedding, 1, 17) || (SELECT substr(embedding, 18) FROM memories AS o"
    " WHERE o.id = ?) AS BLOB) WHERE id = ?"
)
VERIFY = ("reembed", "verify", "--sample", "all")
MAKE_STALE = (*VERIFY, "--make-stale")
HINT = "ai-memory reembed verify --sample all --make-stale"
RECORDED = "SELECT memory_id FROM embedding_provenance ORDER BY memory_id"


@pytest.fixture
def command(tmp_path: Path, endpoint: FakeEndpoint) -> Iterator[Command]:
    """The command on a file in which two rows have the vector of another text."""
    command = Command(files.create(tmp_path / "my m.db", ROWS), remote(endpoint))
    assert command.reembed("--yes").code == 0
    spoil(command, *SWAPPED)
    yield command
    command.end()


def spoil(command: Command, *ids: str, by: str = f"id-{ROWS - 1:03}") -> None:
    """Give rows the vector of another one, behind their own first bytes."""
    for each in ids:
        files.execute(command.db, SWAP, by, each)


def of_another_model(command: Command, endpoint: FakeEndpoint) -> Command:
    """Have the endpoint serve another model, and return the command that is configured for that."""
    endpoint.change(model="another")
    return replace(command, env={**command.env, "AI_MEMORY_EMBED_MODEL": "another"})


def wrong(command: Command, endpoint: FakeEndpoint) -> list[str]:
    """Return the rows whose vector is not that of their text."""
    found, texts = files.vectors(command.db), files.texts(command.db)
    return sorted(each for each, text in texts.items() if found[each] != encode(endpoint.vector(text)))


def recorded(command: Command) -> list[str]:
    return [each for (each,) in files.execute(command.db, RECORDED)]


def typed(command: Command, line: str) -> int:
    """Run a command as it was printed, from another folder, and return its exit code."""
    words = [sys.executable, "-m", "ai_memory", *shlex.split(line)[1:]]
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), **command.env}
    return subprocess.run(words, env=env, cwd="/", check=False, stdin=subprocess.DEVNULL).returncode


def followed(command: Command, out: str) -> list[int]:
    """Type the commands of the last line one after the other, as printed; return their exit codes."""
    named = out.rstrip().splitlines()[-1].partition(": ")[2]
    return [typed(command, each) for each in named.split("; then: ")]


def test_verify_names_the_command_that_mends_what_it_found_and_each_works_as_printed(
    command: Command, endpoint: FakeEndpoint
) -> None:
    found = command.run(*VERIFY)
    assert (found.code, wrong(command, endpoint)) == (1, list(SWAPPED))
    assert plain(found.out).rstrip().endswith(f": {HINT}")

    mend = found.out.splitlines()[-1].partition(": ")[2]
    assert typed(command, mend) == 1
    assert typed(command, mend.partition(" verify")[0]) == 0

    assert wrong(command, endpoint) == []
    assert command.run(*VERIFY).code == 0


def test_without_the_flag_no_byte_is_written(command: Command) -> None:
    files.execute(command.db, "PRAGMA wal_checkpoint(TRUNCATE)")
    before = command.db.read_bytes()

    assert command.run(*VERIFY).code == 1

    assert (command.db.read_bytes(), len(recorded(command))) == (before, ROWS)


def test_what_differs_is_stale_and_the_next_run_embeds_nothing_else(command: Command) -> None:
    made = command.run(*MAKE_STALE, "--json")
    census = command.run("reembed", "verify", "--json").json
    ran = command.reembed("--yes")

    assert (made.code, made.json["made_stale"], sorted(made.json["differing"])) == (1, 2, list(SWAPPED))
    assert (census["stale"], census["fresh"]) == (2, ROWS - 2)
    assert (ran.code, ran.json["reembedded"], ran.json["already_current"]) == (0, 2, ROWS - 2)


def test_its_last_line_names_what_embeds_them(command: Command) -> None:
    made = command.run(*MAKE_STALE)

    assert plain(made.out).rstrip().endswith("2 rows were made stale. To embed them anew: ai-memory reembed")


def test_status_tells_of_them_until_they_are_embedded(command: Command) -> None:
    assert command.run("reembed", "status", "--check").code == 0
    command.run(*MAKE_STALE)

    told, checked = command.run("reembed", "status"), command.run("reembed", "status", "--check")
    assert "2 rows are stale" in told.out
    assert plain(told.out).rstrip().endswith("next: ai-memory reembed")
    assert checked.code != 0

    assert command.reembed("--yes").code == 0
    assert command.run("reembed", "status", "--check").code == 0


def test_an_unfinished_run_does_them_when_it_is_resumed(tmp_path: Path, endpoint: FakeEndpoint) -> None:
    command = Command(files.create(tmp_path / "m.db", ROWS), remote(endpoint))
    command.reembed("--yes", "--max-rows", "8", "--batch", "4")
    first, *_, last = recorded(command)
    spoil(command, first, by=last)

    made = command.run(*MAKE_STALE)
    assert plain(made.out).rstrip().endswith("1 row was made stale. To embed them anew: ai-memory reembed --resume")
    assert command.reembed("--resume").code == 0

    assert wrong(command, endpoint) == []


def test_beside_an_unfinished_run_to_another_target_it_names_the_way_back(
    command: Command, endpoint: FakeEndpoint
) -> None:
    another = of_another_model(command, endpoint)
    assert another.reembed("--yes", "--max-rows", "2", "--batch", "2").code == 75
    endpoint.change(model="fake")

    made = command.run(*MAKE_STALE)

    assert plain(made.out).rstrip().endswith("To embed them anew: ai-memory reembed --retarget")
    assert typed(command, made.out.rstrip().rpartition(": ")[2]) == 0
    assert wrong(command, endpoint) == []


@pytest.mark.parametrize("origin", ["store", "import", "backfill", "attested"])
def test_rows_are_mended_whoever_gave_them_their_vector(command: Command, endpoint: FakeEndpoint, origin: str) -> None:
    files.execute(command.db, "UPDATE embedding_provenance SET origin = ?", origin)

    assert command.run(*MAKE_STALE, "--json").json["made_stale"] == 2
    assert command.reembed("--yes").code == 0

    assert wrong(command, endpoint) == []


def test_where_nothing_differs_nothing_is_made_stale(command: Command) -> None:
    command.run(*MAKE_STALE)
    command.reembed("--yes")

    made = command.run(*MAKE_STALE, "--json")

    assert (made.code, made.json["made_stale"], len(recorded(command))) == (0, 0, ROWS)


def test_a_schema_that_wants_every_stamp_loses_the_record_alone(command: Command, endpoint: FakeEndpoint) -> None:
    files.execute(
        command.db,
        "CREATE TRIGGER stamped BEFORE UPDATE OF embedding_space ON memories WHEN NEW.embedding_space IS NULL"
        " BEGIN SELECT RAISE(ABORT, 'a vector needs its space'); END",
    )

    assert command.run(*MAKE_STALE, "--json").json["made_stale"] == 2
    assert command.reembed("--yes").code == 0

    assert wrong(command, endpoint) == []


def test_where_most_rows_differ_none_is_made_stale_and_the_ways_out_are_named(command: Command) -> None:
    spoil(command, *(f"id-{each:03}" for each in range(ROWS - 1)))

    looked, refused = command.run(*VERIFY), command.run(*MAKE_STALE)

    assert (looked.code, refused.code, len(recorded(command))) == (1, 78, ROWS)
    assert HINT not in plain(looked.out)
    assert "ai-memory reembed --retarget" in plain(looked.out).splitlines()[-1]
    assert f"{ROWS - 1} of {ROWS} rows embedded again differ" in refused.error
    assert "no row was made stale" in refused.error
    assert "--retarget" in refused.error


@pytest.mark.parametrize(
    ("lies", "code", "words"),
    [
        ("restless for one", 69, "the same text different vectors"),
        ("restless", 69, "the same text different vectors"),
        ("another witness", 78, "other weights under the same name"),
        ("another witness by now", 78, "other weights under the same name"),
        ("three alike", 69, "different texts the same vector"),
    ],
)
def test_on_the_word_of_an_endpoint_that_lies_no_row_is_made_stale(
    command: Command, endpoint: FakeEndpoint, lies: str, code: int, words: str
) -> None:
    endpoint.seen.requests = 0
    endpoint.change(lies=lies)

    refused = command.run(*MAKE_STALE)

    assert (refused.code, len(recorded(command))) == (code, ROWS)
    assert words in refused.error


def test_where_the_endpoint_gives_the_stored_vector_when_it_is_asked_again_that_is_told_as_a_reason(
    tmp_path: Path, endpoint: FakeEndpoint
) -> None:
    command = Command(files.create(tmp_path / "m.db", ROWS), remote(endpoint))
    assert command.reembed("--yes").code == 0
    endpoint.fail("none", times=3)
    endpoint.fail("constant")

    looked = command.run(*MAKE_STALE)

    assert (looked.code, len(recorded(command))) == (1, ROWS)
    assert f"1 of {ROWS} rows embedded again differ: " in looked.out
    assert "None of them was made stale: asked for again they got the stored vector, or " in looked.out


def test_in_a_paused_file_each_command_that_is_named_works_as_printed(command: Command, endpoint: FakeEndpoint) -> None:
    assert command.run("reembed", "pause").code == 0

    made = command.run(*MAKE_STALE)

    assert plain(made.out).rstrip().endswith(": ai-memory reembed unpause; then: ai-memory reembed")
    assert followed(command, made.out) == [0, 0]
    assert wrong(command, endpoint) == []


def test_beside_an_unfinished_run_of_one_namespace_what_is_named_mends_the_rows_of_all(
    command: Command, endpoint: FakeEndpoint
) -> None:
    another = of_another_model(command, endpoint)
    assert another.reembed("--yes").code == 0
    assert another.reembed("--yes", "--namespace", "b").code == 0
    files.execute(command.db, "DELETE FROM embedding_provenance WHERE memory_id IN ('id-005', 'id-007', 'id-009')")
    spoil(command, *SWAPPED)
    assert another.reembed("--yes", "--namespace", "b", "--max-rows", "1", "--batch", "1").code == 75

    made = another.run(*MAKE_STALE)

    assert "; then: " in made.out
    assert followed(another, made.out) == [0, 0]
    assert wrong(another, endpoint) == []


@pytest.mark.parametrize("sample", [(), ("--sample", "all"), ("--sample", "all", "--make-stale")])
def test_what_is_stale_is_told_with_the_command_that_embeds_it(
    tmp_path: Path, endpoint: FakeEndpoint, sample: tuple[str, ...]
) -> None:
    command = Command(files.create(tmp_path / "m.db", ROWS), remote(endpoint))

    found = command.run("reembed", "verify", *sample)
    asked = command.run("--json", "reembed", "verify", *sample)

    assert (found.code, plain(asked.json["next"])) == (1, "ai-memory reembed")
    assert plain(found.out).rstrip().endswith("To embed what is stale: ai-memory reembed")
    assert followed(command, found.out) == [0]
    again = command.run("--json", "reembed", "verify", *sample)
    assert (again.code, again.json["next"]) == (0, "")


def test_of_a_run_to_another_target_than_is_configured_no_command_is_named(
    command: Command, endpoint: FakeEndpoint
) -> None:
    another = of_another_model(command, endpoint)
    assert another.reembed("--yes", "--max-rows", "2", "--batch", "2").code == 75

    asked = command.run("--json", "reembed", "verify", "--run")

    assert (asked.code, asked.json["next"]) == (1, "")
    assert plain(another.run("--json", "reembed", "verify", "--run").json["next"]) == "ai-memory reembed --resume"


def test_rows_in_quarantine_are_told_with_the_command_that_says_why(tmp_path: Path, endpoint: FakeEndpoint) -> None:
    endpoint.change(poison="POISON")
    command = Command(files.create(tmp_path / "m.db", ROWS), remote(endpoint))
    files.edit(command.db, "id-001", "POISON")
    assert command.reembed("--yes").code == 10

    found = command.run("reembed", "verify")

    assert (found.code, followed(command, found.out)) == (1, [0])


def test_without_a_sample_it_is_usage_and_names_the_line(command: Command) -> None:
    refused = command.run("reembed", "verify", "--make-stale")

    assert refused.code == 64
    assert HINT in refused.error


def test_beside_a_run_nothing_is_asked(command: Command, endpoint: FakeEndpoint) -> None:
    before = endpoint.seen.requests
    with runner_lock(command.db, Holder(os.getpid(), socket.gethostname(), 0)):
        refused = command.run(*MAKE_STALE)

    assert (refused.code, endpoint.seen.requests, len(recorded(command))) == (11, before, ROWS)
