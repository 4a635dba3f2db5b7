"""The flags of `reembed`, by real processes against a real server on loopback."""

from __future__ import annotations

import re
import shlex
import signal
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from ai_memory.reembed.doubt import AT_END
from ai_memory.reembed.sweep.schedule import FIRST
from tests.reembed.inspect.test_report import KEYS
from tests.support import files, shapes
from tests.support.command import Answer, Command, kill, remote, wait_for
from tests.support.fake_endpoint import FakeEndpoint

ROWS = 12
COMPARED = 1
"""The first text of the first batch goes alone before it: base64 is compared with its numbers."""
PLAN_KEYS = {
    "total_rows", "rows_with_embeddings", "rows_missing_embeddings", "rows_to_embed", "target_model", "target_dim",
    "target_space", "backend", "stored", "estimated_tokens", "truncated_rows", "oversize_rows",
}  # fmt: skip
STAMP_KEYS = {"stamped", "active_space", "target_dim"}


@pytest.fixture
def config(tmp_path: Path) -> dict[str, str]:
    """The environment of a config file that tells the width."""
    path = tmp_path / "ai-memory" / "config.toml"
    path.parent.mkdir()
    path.write_text("[embeddings]\ndim = 16\n", "utf-8")
    return {"XDG_CONFIG_HOME": str(tmp_path)}


@pytest.fixture
def command(tmp_path: Path, endpoint: FakeEndpoint, config: dict[str, str]) -> Iterator[Command]:
    command = Command(files.create(tmp_path / "m.db", ROWS), remote(endpoint, **config))
    yield command
    command.end()


def done(command: Command) -> list[str]:
    return sorted(each for each, blob in files.vectors(command.db).items() if blob)


def main_file(path: Path) -> str:
    """Return the hash of the main file's bytes, all that was ever written in it."""
    files.execute(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    return sha256(path.read_bytes()).hexdigest()


def test_a_run_prints_one_json_object_with_the_keys_of_the_contract(command: Command) -> None:
    ended = command.reembed()

    assert ended.json.keys() >= KEYS
    expected = {"state": "done", "exit_code": 0, "reason": "complete", "total": ROWS, "reembedded": ROWS}
    assert ended.json.items() >= expected.items()
    assert (ended.json["remaining"], ended.json["passes"], ended.json["resumed"]) == (0, 1, False)
    assert (ended.json["model"], ended.json["dim"], ended.json["space"]) == ("fake", 16, "fake#none")


def test_what_is_replaced_is_told_on_stderr_before_the_first_request(tmp_path: Path, config: dict[str, str]) -> None:
    shape = shapes.build(tmp_path / "m.db", 101, kinds={shapes.PLAIN})
    with FakeEndpoint() as gone:
        env = remote(gone, **config)

    told = Command(shape.path, env).run("reembed", "--retry-for", "0").err

    assert f"6 rows, 384 wide, {shapes.SPACE}" in told
    assert "Target: fake on openai-compatible, 16 wide, fake#none" in told
    assert "12 of 12 rows will be embedded; the vectors of 6 of them will be REPLACED" in told
    assert re.search(r"To put it back: ai-memory .*reembed rollback\n", told)
    assert told.index("REPLACED") < told.index("no answer")


def test_a_dry_run_prints_the_plan_and_writes_and_sends_nothing(command: Command, endpoint: FakeEndpoint) -> None:
    before = main_file(command.db)

    planned = command.reembed("--dry-run")

    assert planned.json.keys() >= PLAN_KEYS
    assert (planned.json["total_rows"], planned.json["rows_to_embed"], planned.json["target_dim"]) == (ROWS, ROWS, 16)
    assert (planned.code, endpoint.seen.requests) == (0, 0)
    assert main_file(command.db) == before


def test_a_dry_run_of_a_foreign_file_adds_no_table_to_it(tmp_path: Path, endpoint: FakeEndpoint) -> None:
    shape = shapes.build(tmp_path / "m.db", 80)
    before = main_file(shape.path)
    command = Command(shape.path, remote(endpoint))

    for words in (["reembed", "--dry-run"], ["reembed", "status"], ["reembed", "verify"]):
        assert "Traceback" not in command.run(*words).err

    assert main_file(shape.path) == before
    assert sorted(each.name for each in tmp_path.iterdir() if each.name.endswith(".lock")) == []


def test_plan_and_run_agree_on_what_is_to_be_embedded(tmp_path: Path, endpoint: FakeEndpoint) -> None:
    shape = shapes.build(tmp_path / "m.db", 101)
    command = Command(shape.path, remote(endpoint))

    planned = command.reembed("--dry-run").json

    ran = command.reembed().json
    assert (planned["rows_to_embed"], planned["total_rows"]) == (ran["reembedded"], ran["total"])
    assert planned["oversize_rows"] == 1


def test_the_pre_flight_promises_no_vector_to_a_row_that_cannot_be_embedded(
    tmp_path: Path, endpoint: FakeEndpoint
) -> None:
    shape = shapes.build(tmp_path / "m.db", 101)
    command = Command(shape.path, remote(endpoint))

    ran = command.reembed()

    assert ran.json["skipped"] > 0
    assert f"{ran.json['reembedded']} of {ran.json['total']} rows will be embedded" in ran.err


def test_rows_in_quarantine_that_are_tried_again_are_planned(command: Command, endpoint: FakeEndpoint) -> None:
    endpoint.change(poison="POISON")
    files.edit(command.db, "id-001", "POISON")
    command.reembed()
    endpoint.change(poison="")

    assert command.reembed("--dry-run").json["rows_to_embed"] == 0
    assert command.reembed("--dry-run", "--retry-quarantined").json["rows_to_embed"] == 1
    ran = command.reembed("--retry-quarantined")

    assert (ran.code, ran.json["reembedded"]) == (0, 1)
    assert f"1 of {ROWS} rows will be embedded" in ran.err


def test_rows_taken_on_their_stamps_word_are_not_planned_to_be_embedded(command: Command) -> None:
    command.reembed()
    files.execute(command.db, "DELETE FROM embedding_provenance WHERE memory_id <> 'id-001'")

    planned = command.reembed("--dry-run", "--skip-current-space")
    ran = command.reembed("--skip-current-space")

    assert (ran.json["reembedded"], ran.json["attested"]) == (0, ROWS - 1)
    assert planned.json["rows_to_embed"] == 0
    for told in (planned.err, ran.err):
        assert f"0 of {ROWS} rows will be embedded" in told


def test_a_dry_run_of_stamp_only_writes_nothing(command: Command) -> None:
    command.reembed()
    files.execute(command.db, "DELETE FROM embedding_provenance")
    before = main_file(command.db)

    told = command.reembed("--stamp-only", "--dry-run")

    assert (told.code, told.json["stamped"], told.json["dry_run"]) == (0, ROWS, True)
    assert "REPLACED" not in told.err
    assert main_file(command.db) == before


def test_stamp_only_takes_the_stored_vectors_on_the_operators_word(command: Command, endpoint: FakeEndpoint) -> None:
    command.reembed()
    files.execute(command.db, "DELETE FROM embedding_provenance")
    files.execute(command.db, "UPDATE memories SET embedding_space = NULL, embedding_dim = NULL")
    before, requests = files.vectors(command.db), endpoint.seen.requests

    stamped = command.reembed("--stamp-only")

    assert stamped.json.items() >= {"stamped": ROWS, "active_space": "fake#none", "target_dim": 16}.items()
    assert stamped.json.keys() >= STAMP_KEYS
    assert files.vectors(command.db) == before
    # Three witness texts in one request, and each row by itself.
    assert endpoint.seen.requests <= requests + 3 + ROWS
    assert files.execute(command.db, "SELECT DISTINCT origin FROM embedding_provenance") == [("attested",)]
    assert command.run("reembed", "verify", "--json").json["attested"] == ROWS


def test_stamped_rows_whose_text_changes_are_embedded_again(command: Command) -> None:
    command.reembed()
    files.execute(command.db, "DELETE FROM embedding_provenance")
    command.reembed("--stamp-only")
    files.edit(command.db, "id-003", "another content")

    ran = command.reembed()

    assert (ran.json["reembedded"], ran.json["already_current"]) == (1, ROWS - 1)


def test_skip_current_space_leaves_rows_with_the_targets_stamp_as_they_are(command: Command) -> None:
    command.reembed()
    files.execute(command.db, "DELETE FROM embedding_provenance")
    files.execute(command.db, "UPDATE memories SET embedding_space = 'other#none' WHERE id < 'id-004'")

    ran = command.reembed("--skip-current-space", "--same-vectors")

    assert (ran.code, ran.json["attested"], ran.json["reembedded"]) == (0, ROWS - 4, 4)


def test_skip_current_space_believes_no_stamp_after_a_change_of_width_alone(
    command: Command, endpoint: FakeEndpoint, config: dict[str, str]
) -> None:
    command.reembed()
    files.execute(command.db, "DELETE FROM embedding_provenance")
    endpoint.change(dim=8)
    path = Path(config["XDG_CONFIG_HOME"]) / "ai-memory" / "config.toml"
    path.write_text("[embeddings]\ndim = 8\n", "utf-8")

    ran = command.reembed("--skip-current-space")

    assert (ran.code, ran.json["attested"], ran.json["reembedded"]) == (0, 0, ROWS)


def test_max_rows_stops_unfinished_and_the_next_starts_go_on(command: Command, endpoint: FakeEndpoint) -> None:
    command.run("reembed", "approve")
    runs = [command.reembed("--resume", "--or-start", "--max-rows", "5", "--batch", "2") for _ in range(3)]

    assert [each.code for each in runs] == [75, 75, 0]
    assert [each.json["reembedded"] for each in runs] == [5, 5, 2]
    assert [each.json["reason"] for each in runs] == ["max-rows", "max-rows", "complete"]
    assert [each.json["remaining"] for each in runs] == [7, 2, 0]
    asked_again = sum(each.json["asked_again"] for each in runs)
    sent = sum(endpoint.seen.texts[text] for text in files.texts(command.db).values())
    # A row of each page goes along once more at an end, and some are asked again twice.
    assert ROWS + asked_again + COMPARED <= sent <= 4 * ROWS


def test_max_rows_that_are_enough_end_complete(command: Command) -> None:
    ended = command.reembed("--max-rows", str(ROWS))

    assert (ended.code, ended.json["reason"]) == (0, "complete")


def test_max_rows_from_cron_do_not_starve_behind_bad_rows(command: Command, endpoint: FakeEndpoint) -> None:
    endpoint.change(poison="POISON")
    for number in range(4):
        files.edit(command.db, f"id-00{number}", "POISON")

    command.run("reembed", "approve")
    runs = [command.reembed("--resume", "--or-start", "--max-rows", "3", "--batch", "3") for _ in range(4)]

    assert [each.code for each in runs] == [75, 75, 75, 10]
    assert runs[-1].json["quarantined"] == 4
    assert len(done(command)) == ROWS - 4


def test_max_runtime_stops_unfinished_with_a_clean_save(command: Command, endpoint: FakeEndpoint) -> None:
    endpoint.change(latency=0.3)

    ended = command.reembed("--max-runtime", "3s", "--batch", "1", "--concurrency", "1")

    assert (ended.code, ended.json["reason"], ended.json["state"]) == (75, "max-runtime", "running")
    assert 0 < ended.json["reembedded"] == len(done(command)) < ROWS
    endpoint.change(latency=0.0)
    again = command.reembed("--resume")
    assert (again.code, again.json["texts_sent_twice"]) == (0, 0)


@pytest.mark.parametrize("batch", [1, 5, 100])
def test_no_request_carries_more_texts_than_the_batch(command: Command, endpoint: FakeEndpoint, batch: int) -> None:
    ended = command.reembed("--batch", str(batch))

    memories = set(files.texts(command.db).values())
    sizes = [len(body["input"]) for body in endpoint.seen.bodies if memories & set(body["input"])]
    assert ended.code == 0
    compared = COMPARED if batch > 1 else 0
    assert max(sizes) == min(batch, ROWS)
    # A row of each page goes along once more at the end, and some are asked again twice.
    assert ROWS + ended.json["asked_again"] + compared <= sum(sizes) <= 5 * ROWS


def test_batches_cross_namespaces(tmp_path: Path, endpoint: FakeEndpoint) -> None:
    path = files.create(tmp_path / "m.db", 30, namespaces=[f"n/{number}" for number in range(30)])

    ended = Command(path, remote(endpoint)).reembed("--batch", "10")

    assert (ended.code, ended.json["reembedded"]) == (0, 30)
    memories = set(files.texts(path).values())
    sizes = [len(body["input"]) for body in endpoint.seen.bodies if memories & set(body["input"])]
    assert sizes.count(10) == 3
    # Three of the first page, one of each other and of the one before it; at the end together and by themselves.
    assert len(sizes) == 3 + FIRST + 2 + 2 + 1 + AT_END + COMPARED


def test_sleep_ms_pauses_after_each_commit_and_a_signal_ends_the_pause(command: Command) -> None:
    process = command.start("reembed", "--json", "--batch", "4", "--concurrency", "1", "--sleep-ms", "60000")
    wait_for(lambda: len(done(command)) == 4)
    time.sleep(0.5)
    assert len(done(command)) == 4

    began = time.monotonic()
    stopped = kill(process, signal.SIGTERM)

    assert (stopped.code, time.monotonic() - began < 5) == (143, True)


def test_only_the_named_namespaces_are_swept(command: Command) -> None:
    files.add(command.db, "below", "a/below")

    ended = command.reembed("--namespace", "a")

    assert (ended.code, ended.json["total"]) == (0, ROWS // 2)
    in_a = files.execute(command.db, "SELECT id FROM memories WHERE namespace = 'a' ORDER BY id")
    assert done(command) == [row[0] for row in in_a]


def test_a_substrate_namespace_is_swept_only_when_named(command: Command) -> None:
    files.add(command.db, "agent", "_agents")
    assert command.reembed().json["total"] == ROWS

    named = command.reembed("--namespace", "_agents")

    assert (named.json["reembedded"], done(command)[0]) == (1, "agent")


def test_a_backup_is_the_file_before_the_first_write(command: Command, tmp_path: Path) -> None:
    before = files.everything_else(command.db)
    copy = tmp_path / "copy.db"

    assert command.reembed("--backup", copy).code == 0

    assert files.everything_else(copy) == before
    assert set(files.vectors(copy).values()) == {None}
    assert files.integrity(copy) == "ok"


def test_retarget_supersedes_the_run_and_keeps_what_is_at_the_new_target(
    command: Command, endpoint: FakeEndpoint
) -> None:
    command.reembed("--max-rows", "4", "--batch", "4")
    endpoint.change(model="next")
    other = Command(command.db, {**command.env, **remote(endpoint)})
    assert other.reembed("--resume").code == 78

    ended = other.reembed("--resume", "--retarget")

    assert (ended.code, ended.json["reembedded"], ended.json["space"]) == (0, ROWS, "next#none")
    states = files.execute(command.db, "SELECT state FROM reembed_run ORDER BY run_id")
    assert states == [("superseded",), ("done",)]


def test_a_resume_with_nothing_to_go_on_with_names_the_start_that_was_meant(command: Command) -> None:
    flags = ("--namespace", "a", "--retry-quarantined", "--batch", "7")
    refused = command.run("reembed", "--resume", *flags)

    assert refused.code == 12
    assert "There is no run to resume" in refused.error
    named = refused.error.partition("Start one: ")[2].partition(" (")[0].removesuffix(".")
    assert named.split() == ["ai-memory", "reembed", "--retry-quarantined", "--namespace", "a", "--batch", "7"]


def test_cancel_ends_the_run_and_keeps_its_vectors(command: Command) -> None:
    command.reembed("--max-rows", "4", "--batch", "4")

    assert command.run("reembed", "cancel", "--json").json == {"run_id": 1, "state": "cancelled", "dropped": 0}

    assert len(done(command)) == 4
    assert command.run("reembed", "--resume").code == 12
    ended = command.reembed()
    assert (ended.json["reembedded"], ended.json["already_current"]) == (ROWS - 4, 4)


def test_verify_answers_for_the_file_whatever_namespaces_the_last_run_had(command: Command) -> None:
    command.run("reembed", "--namespace", "a")

    found = command.run("reembed", "verify", "--json")
    assert (found.code, found.json["scope"], found.json["stale"]) == (1, None, ROWS // 2)
    of_run = command.run("reembed", "verify", "--run", "--json")
    assert (of_run.code, of_run.json["scope"], of_run.json["stale"]) == (0, ["a"], 0)
    assert "live rows in a, the run's namespaces, are" in command.run("reembed", "verify", "--run").out


def test_verify_of_a_run_that_never_was_names_the_other_question(command: Command) -> None:
    refused = command.run("reembed", "verify", "--run")

    assert (refused.code, "ai-memory reembed verify" in refused.error) == (12, True)


def test_verify_finds_an_edit_after_the_run(command: Command) -> None:
    command.reembed()
    assert command.run("reembed", "verify").code == 0
    files.edit(command.db, "id-001", "changed by somebody else")

    found = command.run("reembed", "verify", "--json")

    assert (found.code, found.json["stale"], found.json["ok"]) == (1, 1, False)


def test_rows_in_quarantine_are_tried_again_when_their_text_changes_or_on_request(
    command: Command, endpoint: FakeEndpoint
) -> None:
    endpoint.change(poison="POISON")
    for row_id in ("id-001", "id-002"):
        files.edit(command.db, row_id, "POISON")
    assert command.reembed().code == 10
    files.edit(command.db, "id-001", "harmless now")
    assert command.reembed().json.items() >= {"exit_code": 10, "reembedded": 1, "quarantined": 1}.items()
    endpoint.change(poison="")

    ended = command.reembed("--retry-quarantined")

    assert ended.json.items() >= {"exit_code": 0, "reembedded": 1, "quarantined": 0}.items()


def test_quiet_drops_everything_of_a_good_end_but_the_object_that_was_asked_for(command: Command) -> None:
    ended = command.run("-q", "reembed", "--json")

    assert (ended.code, ended.json["reembedded"], ended.err) == (0, ROWS, "")


@pytest.mark.parametrize(
    ("typed", "code", "rows"), [("n\n", 64, 0), ("\n", 64, 0), ("y\n", 0, ROWS), ("YES\n", 0, ROWS)]
)
def test_a_person_is_asked_before_vectors_are_replaced(
    command: Command, endpoint: FakeEndpoint, typed: str, code: int, rows: int
) -> None:
    found = command.on_terminal("reembed", typed=typed)

    assert "Replace these vectors? [y/N]" in found.out
    assert (found.code, len(done(command)), endpoint.seen.requests > 0) == (code, rows, rows > 0)


def test_with_yes_nobody_is_asked_and_a_bar_is_shown(command: Command) -> None:
    found = command.on_terminal("reembed", "--yes", typed="")

    assert (found.code, "[y/N]" in found.out, "to fake:" in found.out) == (0, False, True)


def test_a_resume_asks_nobody_again(command: Command) -> None:
    command.reembed("--max-rows", "4", "--batch", "4")

    found = command.on_terminal("reembed", "--resume", typed="")

    assert (found.code, "[y/N]" in found.out) == (0, False)


def test_rows_in_quarantine_are_listed_with_their_reasons(command: Command, endpoint: FakeEndpoint) -> None:
    endpoint.change(poison="POISON")
    files.edit(command.db, "id-001", "POISON")
    command.reembed()

    listed = command.run("reembed", "quarantine", "--json")

    (row,) = listed.json["rows"]
    assert (listed.json["quarantined"], row["id"], row["kind"], row["http_status"]) == (1, "id-001", "refused", 400)
    assert 'id-001 "title id-001" in b: refused' in command.run("reembed", "quarantine").out


@pytest.mark.parametrize(("flag", "value"), [("max-tokens", "1000"), ("max-cost", "0.01")])
def test_a_limit_of_tokens_or_money_ends_the_run_before_it_is_crossed(
    tmp_path: Path, endpoint: FakeEndpoint, flag: str, value: str
) -> None:
    limited = priced(tmp_path, endpoint, rows=200)

    ended = limited.reembed(f"--{flag}", value, "--batch", "1").json
    again = [ended]
    while again[-1]["exit_code"] and len(again) < 12:
        again.append(limited.reembed("--resume", f"--{flag}", value, "--batch", "1").json)

    assert (ended["exit_code"], ended["reason"], ended["state"]) == (75, flag, "running")
    # Much of so small a limit is kept back for the rows to be asked again.
    assert 200 <= ended["tokens"] <= 1000
    assert ended["cost"] == pytest.approx(ended["tokens"] * 10 / 1e6)
    assert all(each["tokens"] <= 1000 and each["reembedded"] for each in again)
    assert sum(each["reembedded"] for each in again) == 200


@pytest.mark.parametrize("density", [0.25, 1.0])
def test_whatever_texts_cost_the_limit_is_used_and_not_crossed(
    tmp_path: Path, endpoint: FakeEndpoint, density: float
) -> None:
    endpoint.change(tokens_a_byte=density, latency=0.01)
    limited = priced(tmp_path, endpoint, rows=300)

    ended = limited.reembed("--max-tokens", "3000", "--batch", "20", "--concurrency", "4").json

    assert (ended["exit_code"], ended["reason"]) == (75, "max-tokens")
    # What is to be asked again at the end is kept back: here a third of the limit at most.
    assert 2000 <= ended["tokens"] <= 3000


@pytest.mark.parametrize("flag", [("--max-tokens", "240"), ("--max-cost", "0.0024")])
def test_a_limit_of_tokens_that_can_let_no_row_through_is_refused_before_the_first_request(
    tmp_path: Path, endpoint: FakeEndpoint, flag: tuple[str, str]
) -> None:
    limited = priced(tmp_path, endpoint, rows=10)

    ended = limited.reembed(*flag)

    assert (ended.code, endpoint.seen.requests) == (64, 0)
    assert "too few for one row" in ended.error
    assert limited.reembed().code == 0
    assert limited.reembed(*flag).code == 0


def test_what_is_named_is_enough_also_where_a_start_asks_for_the_width_first(
    tmp_path: Path, endpoint: FakeEndpoint
) -> None:
    endpoint.change(tokens_a_byte=1.0)
    limited = priced(tmp_path, endpoint, rows=12)
    assert limited.reembed("--max-rows", "4", "--batch", "2").code == 75
    assert limited.run("reembed", "cancel").code == 0

    named = re.search(r"Give --max-tokens (\d+) or more", limited.reembed("--max-tokens", "1", "--batch", "2").error)
    assert named
    ended = limited.reembed("--max-tokens", named[1], "--batch", "2").json

    assert (ended["exit_code"] in (0, 75), ended["reembedded"] > 0) == (True, True)
    assert ended["tokens"] <= int(named[1])


def test_a_limit_of_tokens_that_lets_no_row_of_this_file_through_is_told_in_quiet_and_by_the_check(
    tmp_path: Path, endpoint: FakeEndpoint
) -> None:
    limited = priced(tmp_path, endpoint, rows=3)
    files.execute(limited.db, "UPDATE memories SET content = printf('%.2000c', 'x') WHERE rowid < 3")

    ended = limited.run("-q", "reembed", "--max-tokens", "1000")

    assert (ended.code, endpoint.seen.requests > 0) == (75, True)
    assert "--max-tokens lets no row through" in ended.error
    assert limited.run("reembed", "status", "--check").code == 1
    assert limited.reembed("--resume").code == 0


@pytest.mark.parametrize("flag", ["--max-tokens", "--max-cost"])
@pytest.mark.parametrize("batch", ["1", "100"])
def test_whatever_the_limit_it_is_refused_unsent_or_lets_a_row_through_or_names_one_that_does(
    tmp_path: Path, endpoint: FakeEndpoint, flag: str, batch: str
) -> None:
    for most in (100, 290, 330, 400, 500, 600):
        (tmp_path / str(most)).mkdir()
        limited, before = priced(tmp_path / str(most), endpoint, rows=30), endpoint.seen.requests
        amount = str(most) if flag == "--max-tokens" else f"{most / 1e5:g}"

        ended = limited.reembed(flag, amount, "--batch", batch)

        if ended.code == 64:
            assert endpoint.seen.requests == before
            enough = re.search(rf"Give {flag} ([0-9.]+) or more", ended.error)
            assert enough
            ended = limited.reembed(flag, enough[1], "--batch", batch)
        elif not ended.json["reembedded"]:
            assert (ended.code, ended.json["reason"]) == (75, "budget too small")
            ended = as_printed(limited, ended.json["next"])
        assert ended.code in (0, 75), (most, ended)
        assert ended.json["reembedded"] > 0, (most, ended)


@pytest.mark.parametrize("flags", [("--max-tokens", "1000"), ("--max-cost", "0.01", "--max-tokens", "1100")])
def test_a_limit_too_small_for_the_next_row_says_what_it_needs_and_the_printed_command_passes_it(
    tmp_path: Path, endpoint: FakeEndpoint, flags: tuple[str, ...]
) -> None:
    limited = priced(tmp_path, endpoint, rows=4)
    files.execute(limited.db, "UPDATE memories SET content = printf('%.2000c', 'x') WHERE rowid < 3")

    ended = limited.reembed(*flags, "--batch", "2")

    assert (ended.code, ended.json["reason"], ended.json["reembedded"]) == (75, "budget too small", 0)
    assert f"the next row needs {ended.json['tokens_needed']:,}" in ended.error
    assert f"{flags[0]} " in ended.json["next"]
    assert "--batch 2" in ended.json["next"]
    again = as_printed(limited, ended.json["next"])
    assert again.code in (0, 75), again
    assert again.json["reembedded"] > 0


LENGTHS = {"growing": "400 * rowid", "shrinking": "400 * (7 - rowid)", "equal": "800"}


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize(("flag", "batch"), [("--max-tokens", "1"), ("--max-cost", "500")])
def test_each_command_that_an_end_by_a_limit_names_does_the_next_row_as_printed(
    tmp_path: Path, endpoint: FakeEndpoint, lengths: str, flag: str, batch: str
) -> None:
    limited = priced(tmp_path, endpoint, rows=6)
    files.execute(limited.db, f"UPDATE memories SET content = printf('%.*c', {LENGTHS[lengths]}, 'x')")

    refused = limited.reembed(flag, "300" if flag == "--max-tokens" else "0.003", "--batch", batch)
    enough = re.search(rf"Give {flag} ([0-9.]+) or more", refused.error)
    assert (refused.code, bool(enough)) == (64, True)
    assert enough
    ended = limited.reembed(flag, enough[1], "--batch", batch)
    done = [ended]
    while done[-1].code:
        done.append(as_printed(limited, done[-1].json["next"]))

    assert all(each.code in (0, 75) and each.json["reembedded"] for each in done)
    assert sum(each.json["reembedded"] for each in done) == 6


def test_that_the_next_row_is_too_large_for_the_limit_is_told_at_once_also_in_quiet(
    tmp_path: Path, endpoint: FakeEndpoint
) -> None:
    limited = priced(tmp_path, endpoint, rows=2)
    files.execute(limited.db, "UPDATE memories SET content = printf('%.3000c', 'x') WHERE rowid = 2")

    ended = limited.run("-q", "reembed", "--max-tokens", "1000", "--batch", "1")

    assert (ended.code, "--max-tokens was used up" in ended.err) == (75, True)
    assert re.search("its limit is too small for the next row, which needs [0-9,]+ tokens; next: ", ended.err)


def as_printed(command: Command, printed: str) -> Answer:
    """Run a command as it was printed, but for the name of the program."""
    return command.run("--json", *shlex.split(printed)[1:])


def test_the_plan_says_what_the_run_will_cost(tmp_path: Path, endpoint: FakeEndpoint) -> None:
    plan = priced(tmp_path, endpoint, rows=10).reembed("--dry-run")

    assert plan.json["estimated_cost"] == pytest.approx(plan.json["estimated_tokens"] * 10 / 1e6)
    assert plan.json["estimated_tokens"] > 10


def priced(tmp_path: Path, endpoint: FakeEndpoint, *, rows: int) -> Command:
    """Return the command on a file of so many rows, where a million tokens cost 10."""
    config = tmp_path / "priced" / "ai-memory" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("[embeddings]\nprice_per_million_tokens = 10\n", "utf-8")
    environ = remote(endpoint) | {"XDG_CONFIG_HOME": str(config.parent.parent)}
    return Command(files.create(tmp_path / "priced.db", rows), environ)


def test_a_cost_without_a_price_is_usage(command: Command) -> None:
    assert "price_per_million_tokens" in command.run("reembed", "--max-cost", "1").error


def test_a_sample_of_verify_finds_a_vector_of_another_text(command: Command) -> None:
    command.reembed()
    assert command.run("reembed", "verify", "--sample", "all", "--json").json.items() >= {"sampled": ROWS}.items()
    files.execute(
        command.db,
        "UPDATE memories SET embedding = CAST(substr(embedding, 1, 17) || (SELECT substr(embedding, 18) FROM memories"
        " WHERE id = 'id-001') AS BLOB) WHERE id = 'id-000'",
    )

    found = command.run("reembed", "verify", "--sample", "all", "--json")

    assert (found.code, found.json["stale"], found.json["differing"]) == (1, 0, ["id-000"])


def test_verbose_tells_of_the_requests_and_of_what_holds_them_back(command: Command, endpoint: FakeEndpoint) -> None:
    endpoint.fail("rate", times=1, seconds=1)

    plain = command.run("reembed", "--dry-run")
    ran = command.run("reembed", "-v", "--batch", "4")

    assert "Request" not in plain.err
    assert "Request of 1 text (" in ran.err
    assert "The next request waits 1" in ran.err
    assert " side by side." in ran.err
    assert ran.code == 0
