"""`reembed rollback` and `prune` as a user types them, by real processes against a real server on loopback."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from hashlib import sha256
from itertools import product
from pathlib import Path

import pytest

from tests.support import files
from tests.support.command import Command, plain, remote
from tests.support.fake_endpoint import FakeEndpoint
from tests.support.small_disk import remount, small_disk

ROWS = 12
KEPT = "SELECT count(*) FROM embedding_previous"


@pytest.fixture
def command(tmp_path: Path, endpoint: FakeEndpoint) -> Iterator[Command]:
    """A file whose vectors are those of another model."""
    endpoint.change(model="old")
    path = files.create(tmp_path / "m.db", ROWS)
    assert Command(path, remote(endpoint)).run("reembed", "--no-undo").code == 0
    endpoint.change(model="new", weights="new")
    command = Command(path, remote(endpoint))
    yield command
    command.end()


@pytest.fixture
def alone(command: Command, tmp_path: Path) -> Command:
    """The same file, and no embedder."""
    return Command(command.db, {"XDG_CONFIG_HOME": str(tmp_path)})


def test_the_latest_run_is_undone_without_an_embedder_and_its_approval_is_withdrawn(
    command: Command, alone: Command
) -> None:
    before = files.vectors(command.db)
    assert command.run("reembed").code == 0
    assert files.vectors(command.db) != before

    undone = alone.run("reembed", "rollback", "--json")

    assert (undone.code, undone.json["put_back"], undone.json["undoes"], undone.json["state"]) == (
        0,
        ROWS,
        [2, 2],
        "done",
    )
    assert files.vectors(command.db) == before
    assert command.run("reembed", "--resume", "--or-start").code == 12


def test_a_plan_of_a_rollback_changes_nothing(command: Command, alone: Command) -> None:
    command.run("reembed")
    files.execute(command.db, "PRAGMA wal_checkpoint(TRUNCATE)")
    before = sha256(command.db.read_bytes()).hexdigest()

    planned = alone.run("reembed", "rollback", "--dry-run")

    assert (planned.code, f"will be undone: {ROWS} vectors that were replaced." in planned.out) == (0, True)
    assert sha256(command.db.read_bytes()).hexdigest() == before


def test_resume_goes_on_with_a_rollback_and_status_tells_of_it(command: Command, alone: Command) -> None:
    before = files.vectors(command.db)
    command.run("reembed")

    first = alone.run("reembed", "rollback", "--max-rows", "5")
    status = alone.run("reembed", "status")
    rest = alone.run("reembed", "--resume")

    assert (first.code, rest.code) == (75, 0)
    assert "next: ai-memory --db" in first.err
    assert "reembed --resume" in first.err
    assert "back from new" in status.out
    assert "of run 2" in status.out
    assert "configuration" not in status.out
    assert files.vectors(command.db) == before


def test_a_row_that_the_database_refuses_is_named_and_put_back_by_the_command_that_is_printed(
    command: Command, alone: Command
) -> None:
    before = files.vectors(command.db)
    command.run("reembed")
    held = "BEFORE UPDATE OF embedding ON memories WHEN old.id = 'id-003'"
    files.execute(command.db, f"CREATE TRIGGER held {held} BEGIN SELECT RAISE(ABORT, 'legal hold'); END")

    refused = alone.run("reembed", "rollback", "--yes")

    assert refused.code == 12
    assert "first is id-003: legal hold." in refused.error
    assert "put back the rest: ai-memory reembed rollback (" in refused.error
    assert "legal hold" in alone.run("-q", "reembed", "rollback", "--yes").err
    told = alone.run("reembed", "status")
    assert "1 refused by the database" in told.out
    assert alone.run("reembed", "status", "--check").code == 1
    files.execute(command.db, "DROP TRIGGER held")
    assert alone.run("reembed", "rollback").code == 0
    assert files.vectors(command.db) == before


def test_while_a_rollback_is_unfinished_what_gives_vectors_comes_after_it(command: Command, alone: Command) -> None:
    command.run("reembed")
    assert alone.run("reembed", "rollback", "--yes", "--max-rows", "5").code == 75

    told = command.run("reembed", "verify")

    assert "To embed what is stale: ai-memory reembed --resume; then: ai-memory reembed" in plain(told.out + told.err)


def test_with_q_a_rollback_that_ends_well_says_nothing(command: Command, alone: Command) -> None:
    command.run("reembed")

    for words in (("--max-rows", "5"), ()):
        ended = alone.run("-q", "reembed", "rollback", *words)
        assert (ended.out, ended.err) == ("", "")


def test_a_person_at_a_terminal_is_asked(command: Command, alone: Command) -> None:
    command.run("reembed")
    after = files.vectors(command.db)

    refused = alone.on_terminal("reembed", "rollback", typed="n\n")

    assert (refused.code, "Put back what was there? [y/N]" in refused.out) == (64, True)
    assert files.vectors(command.db) == after
    assert alone.on_terminal("reembed", "prune", typed="n\n").code == 64
    assert files.execute(command.db, KEPT) == [(ROWS,)]
    assert alone.on_terminal("reembed", "rollback", typed="y\n").code == 0


def test_status_names_the_way_back_and_its_room(command: Command, alone: Command) -> None:
    command.run("reembed")

    status = command.run("reembed", "status")

    assert f"way back: what run 2 replaced ({ROWS} rows, about" in status.out
    found = command.run("reembed", "status", "--json").json
    assert (found["kept_rows"], found["way_back"]) == (ROWS, {"first": 2, "last": 2})
    alone.run("reembed", "rollback")
    assert "way back" not in command.run("reembed", "status").out


def test_status_tells_what_is_kept_of_the_latest_run_apart_from_that_of_all(command: Command) -> None:
    command.run("reembed")
    files.execute(
        command.db, "UPDATE memories SET content = content || ' edited' WHERE id IN (SELECT id FROM memories LIMIT 2)"
    )
    command.run("reembed")

    status = command.run("reembed", "status").out

    assert f"way back: what run 3 replaced (2 rows; in all {ROWS + 2} rows, about" in status


def test_after_a_rollback_somebody_has_to_say_what_comes_next(command: Command, alone: Command) -> None:
    command.run("reembed")
    assert command.run("reembed", "status", "--check").code == 0
    alone.run("reembed", "rollback")

    assert command.run("reembed", "status", "--check").code == 1
    assert command.run("reembed", "--resume", "--or-start").code == 12


def test_with_no_undo_nothing_is_kept_and_the_plan_says_so(command: Command, alone: Command) -> None:
    planned = command.run("reembed", "--dry-run", "--json", "--no-undo").json["undo_bytes"]
    kept = command.run("reembed", "--dry-run", "--json").json["undo_bytes"]

    ran = command.run("reembed", "--no-undo")

    assert (planned, kept > 0) == (0, True)
    assert "Nothing of it is kept (--no-undo)" in ran.err
    assert files.execute(command.db, KEPT) == [(0,)]
    refused = alone.run("reembed", "rollback")
    assert (refused.code, "was not kept (--no-undo)" in refused.error) == (12, True)
    # What is configured now made the new vectors: only another one makes those of before.
    assert refused.error.endswith("; or configure the embedder of before run 2, then: ai-memory reembed")


def test_a_resumed_run_keeps_what_it_replaces_as_it_was_begun(command: Command) -> None:
    assert command.run("reembed", "--no-undo", "--max-rows", "4", "--batch", "4").code == 75
    assert command.run("reembed", "--resume").code == 0
    assert files.execute(command.db, KEPT) == [(0,)]
    assert command.run("reembed", "--resume", "--no-undo").code == 64


def test_where_the_disk_has_not_the_room_nothing_begins(tmp_path: Path, endpoint: FakeEndpoint) -> None:
    made = files.create(tmp_path / "made.db", ROWS)
    files.execute(made, "UPDATE memories SET embedding = zeroblob(30000)")
    files.execute(made, "PRAGMA wal_checkpoint(TRUNCATE)")
    with small_disk(tmp_path / "disk", f"size={made.stat().st_size // 1024 + 700}k") as disk:
        command = Command(Path(shutil.copy(made, disk / "m.db")), remote(endpoint))

        refused = command.run("reembed")
        planned = command.run("reembed", "--dry-run", "--json").json

        assert (refused.code, "Free some room, or keep nothing: ai-memory reembed --no-undo" in refused.error) == (
            74,
            True,
        )
        assert ("prune" in refused.error, refused.error.count("ai-memory reembed")) == (False, 1)
        assert (planned["refused_with"], endpoint.seen.requests) == (74, 0)
        assert command.run("reembed", "--no-undo").code == 0


def test_no_run_begins_that_a_full_disk_ends(tmp_path: Path, endpoint: FakeEndpoint) -> None:
    endpoint.change(model="old")
    made = files.create(tmp_path / "made.db", 300)
    assert Command(made, remote(endpoint)).run("reembed", "--no-undo", "--batch", "300").code == 0
    files.execute(made, "PRAGMA wal_checkpoint(TRUNCATE)")
    endpoint.change(model="new", weights="new")
    ends = []
    for room, flags in product((100, 400, 700, 1000, 1300, 2600), ((), ("--no-undo",))):
        with small_disk(tmp_path / f"disk-{room}-{len(flags)}", f"size={made.stat().st_size // 1024 + room}k") as disk:
            command, asked = Command(Path(shutil.copy(made, disk / "m.db")), remote(endpoint)), endpoint.seen.requests

            planned = command.run("reembed", "--dry-run", "--json", *flags).json["refused_with"]
            ended = command.run("reembed", "--batch", "20", *flags)

        ends.append((room, flags, ended.code))
        assert ended.code in (0, 74)
        assert (ended.code == 74) == (endpoint.seen.requests == asked), ended
        if ended.code:
            assert "for its log" in ended.error
            assert ("then: ai-memory reembed --no-undo --batch 20" in ended.error) == bool(flags)
        assert ended.code == 74 or planned is None
    assert {code for _, _, code in ends} == {0, 74}


def test_where_something_is_kept_a_full_disk_names_prune_alone(tmp_path: Path, endpoint: FakeEndpoint) -> None:
    endpoint.change(model="old")
    made = files.create(tmp_path / "made.db", 300)
    assert Command(made, remote(endpoint)).run("reembed", "--no-undo").code == 0
    endpoint.change(model="new", weights="new")
    assert Command(made, remote(endpoint)).run("reembed").code == 0
    endpoint.change(model="third", weights="third")
    files.execute(made, "PRAGMA wal_checkpoint(TRUNCATE)")
    with small_disk(tmp_path / "disk", f"size={made.stat().st_size // 1024 + 100}k") as disk:
        refused = Command(Path(shutil.copy(made, disk / "m.db")), remote(endpoint)).run("reembed")

    assert (refused.code, "drop what earlier runs left: ai-memory reembed prune" in refused.error) == (74, True)
    assert refused.error.count("ai-memory reembed") == 1


def test_a_rollback_that_a_full_disk_ends_names_one_next_command(tmp_path: Path, endpoint: FakeEndpoint) -> None:
    endpoint.change(model="old")
    made = files.create(tmp_path / "made.db", 1_500)
    assert Command(made, remote(endpoint)).run("reembed", "--no-undo", "--batch", "500").code == 0
    endpoint.change(model="new", weights="new")
    assert Command(made, remote(endpoint)).run("reembed", "--batch", "500").code == 0
    files.execute(made, "PRAGMA wal_checkpoint(TRUNCATE)")
    with small_disk(tmp_path / "disk", f"size={made.stat().st_size // 1024 + 500}k") as disk:
        command = Command(Path(shutil.copy(made, disk / "m.db")), remote(endpoint))

        ended = command.run("reembed", "rollback")

        assert (ended.code, "Free some space, then: ai-memory reembed --resume" in ended.error) == (74, True)
        assert ("same command" in ended.error, ended.error.count("ai-memory reembed")) == (False, 1)
        remount(disk, "size=60m")
        assert command.run("reembed", "--resume").code == 0


def test_prune_drops_the_way_back_and_gives_the_room_back(command: Command, alone: Command) -> None:
    command.run("reembed")
    files.execute(command.db, "UPDATE embedding_previous SET embedding = zeroblob(40000)")
    after, size = files.vectors(command.db), command.db.stat().st_size

    pruned = alone.run("reembed", "prune", "--vacuum", "--yes", "--json")

    assert (pruned.code, pruned.json["rows"], pruned.json["given_back_bytes"] > 300_000) == (0, ROWS, True)
    assert files.vectors(command.db) == after
    assert command.db.stat().st_size <= size
    assert files.integrity(command.db) == "ok"
    refused = alone.run("reembed", "rollback")
    assert (refused.code, "was pruned" in refused.error) == (12, True)
    assert "nothing to prune" in alone.run("reembed", "prune").out


def test_where_nobody_can_be_asked_prune_wants_to_be_told_yes(command: Command, alone: Command) -> None:
    command.run("reembed")

    refused = alone.run("reembed", "prune")

    assert (refused.code, "what is dropped cannot be had again" in refused.error) == (64, True)
    assert "add --yes" in refused.error
    assert files.execute(command.db, KEPT) == [(ROWS,)]
    assert alone.run("reembed", "prune", "--yes").code == 0
    assert files.execute(command.db, KEPT) == [(0,)]


def test_prune_leaves_what_an_unfinished_run_may_be_undone_to(command: Command, alone: Command) -> None:
    command.run("reembed", "--max-rows", "5", "--batch", "5")

    pruned = alone.run("reembed", "prune")

    assert (pruned.code, "run 2 stays: it is unfinished (5 rows)" in pruned.out) == (0, True)
    assert files.execute(command.db, KEPT) == [(5,)]


def test_a_deleted_memory_leaves_no_vector_behind(command: Command, alone: Command) -> None:
    command.run("reembed")

    assert alone.run("delete", min(files.texts(command.db))).code == 0

    assert files.execute(command.db, KEPT) == [(ROWS - 1,)]
    assert files.execute(command.db, "SELECT sum(kept_rows) FROM reembed_run") == [(ROWS - 1,)]


def test_stamps_that_an_operator_gave_are_taken_back(
    command: Command, alone: Command, endpoint: FakeEndpoint, tmp_path: Path
) -> None:
    before = records(command)
    config = tmp_path / "ai-memory" / "config.toml"
    config.parent.mkdir()
    config.write_text("[embeddings]\ndim = 16\n", "utf-8")
    nobody_answers = {"AI_MEMORY_EMBED_BASE_URL": "http://127.0.0.1:9", "XDG_CONFIG_HOME": str(tmp_path)}
    stamped = Command(command.db, {**remote(endpoint), **nobody_answers}).run(
        "reembed", "--stamp-only", "--retry-for", "0"
    )
    assert (stamped.code, records(command) != before) == (0, True)

    assert alone.run("reembed", "status", "--json").json["run_id"] == 1
    undone = alone.run("reembed", "rollback", "--json")

    assert (undone.code, undone.json["put_back"]) == (0, ROWS)
    assert records(command) == before


def records(command: Command) -> object:
    sql = "SELECT memory_id, fingerprint_id, src, head, origin, embedding_space FROM embedding_provenance JOIN memories"
    return files.execute(command.db, f"{sql} ON id = memory_id ORDER BY 1")


@pytest.fixture
def half(command: Command, alone: Command) -> Command:
    """The same file, of which a rollback is unfinished."""
    assert command.run("reembed").code == 0
    assert alone.run("reembed", "rollback", "--max-rows", "5").code == 75
    return command


@pytest.mark.parametrize("words", [("--resume",), ("--resume", "--or-start"), ("rollback",)])
def test_the_plan_of_a_start_that_finishes_a_rollback_says_so(half: Command, words: tuple[str, ...]) -> None:
    flags = ("reembed", *words, "--dry-run") if "rollback" in words else ("reembed", "--dry-run", *words)

    shown, told = half.run(*flags), half.run(*flags, "--json").json
    started = half.run("reembed", *words)

    assert f"Run 3, the rollback of run 2, is unfinished: it will be finished, {ROWS - 5} rows are left." in shown.out
    assert "Nothing was changed." in shown.out
    assert ("embed" in shown.out.replace("reembed", ""), "--no-undo" in shown.out + shown.err) == (False, False)
    assert (told["rows"], told["refused_with"]) == (ROWS - 5, None)
    assert (started.code, f"{ROWS - 5} rows have what was there" in started.out) == (0, True)


def test_the_plan_of_a_rollback_says_what_stands_in_its_way(half: Command) -> None:
    half.run("reembed", "pause", "--reason", "the disk is moved")

    for words in (("reembed", "--resume", "--dry-run"), ("reembed", "rollback", "--dry-run")):
        assert "Now such a start would do nothing and end with 12: " in half.run(*words).out
        assert half.run(*words, "--json").json["refused_with"] == 12
    assert half.run("reembed", "--resume").code == 12


def test_a_plain_start_beside_an_unfinished_rollback_is_planned_as_it_was_asked_for(half: Command) -> None:
    planned = half.run("reembed", "--dry-run")

    assert ("Nothing of it is kept" in planned.err, "What is replaced is kept" in planned.err) == (False, True)
    assert "would do nothing and end with 12: Run 3, a rollback, is unfinished." in planned.out
    assert half.run("reembed").code == 12


REFUSED = (
    ("--namespace", "never-seen"),
    ("--order", "hot"),
    ("--sleep-ms", "5"),
    ("--retry-quarantined",),
    ("--skip-current-space",),
    ("--same-vectors",),
    ("--backup", "copy.db"),
    ("--or-start", "--no-undo"),
    ("--dry-run", "--probe"),
)


def test_flags_that_a_rollback_cannot_obey_are_refused_where_it_would_be_finished(
    half: Command, tmp_path: Path
) -> None:
    for flags in REFUSED:
        refused = half.run("reembed", "--resume", *flags)
        assert (refused.code, "A rollback is unfinished: --resume finishes it, and takes no --" in refused.error) == (
            64,
            True,
        ), flags
    assert not (tmp_path / "copy.db").exists()
    limits = ("--max-tokens", "5", "--concurrency", "2", "--retry-for", "1s", "--wait", "1s", "--max-runtime", "1h")

    some = half.run("reembed", "--resume", "--or-start", *limits, "--batch", "2", "--max-rows", "3")
    rest = half.run("reembed", "--resume", *limits)

    assert (some.code, rest.code, f"{ROWS - 8} rows have" in rest.out) == (75, 0, True)
