"""Every run ends with one line on stderr, or with -q with none where all is well."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support import files
from tests.support.command import Answer, Command, answer, plain, remote
from tests.support.fake_endpoint import FOREVER, FakeEndpoint
from tests.support.faults import close_breaker

CRON = ("-q", "reembed", "--resume", "--or-start", "--batch", "2", "--concurrency", "1")
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


@pytest.fixture
def command(tmp_path: Path, endpoint: FakeEndpoint) -> Iterator[Command]:
    (tmp_path / "a folder").mkdir()
    command = Command(files.create(tmp_path / "a folder" / "m.db"), remote(endpoint))
    yield command
    command.end()


def last_line(ended: Answer) -> str:
    return ended.err.splitlines()[-1]


def typed(command: Command, line: str) -> Answer:
    """Type the command that a line names as its next, as it is printed."""
    found = re.search(r"next: (ai-memory .*?)\)?$", line)
    assert found, line
    words = shlex.split(found[1])
    assert words[1:3] == ["--db", str(command.db)]
    return command.run(*words[3:])


def test_a_budget_that_is_spent_ends_with_where_it_got_to_and_the_command_that_goes_on(
    command: Command, tmp_path: Path
) -> None:
    ended = command.run("reembed", "--max-rows", "4", "--batch", "2", "--backup", tmp_path / "before.db")

    line = last_line(ended)
    assert ended.code == 75
    assert re.match(rf"ai-memory: {TIME} .*m.db, run 1: 4 of 10 rows done; --max-rows was used up; next: ", line)
    assert "--backup" not in line
    assert typed(command, line).code == 75
    assert typed(command, line).code == 0


def test_the_line_of_an_error_carries_the_facts(command: Command, endpoint: FakeEndpoint) -> None:
    endpoint.fail("none", times=3)
    endpoint.fail("unauthorized", times=FOREVER)

    ended = command.run("reembed", "--batch", "2", "--concurrency", "1")

    assert ended.code == 77
    assert plain(last_line(ended)) == f"ai-memory: error: {ended.error}"
    assert re.search(rf"\({TIME} .*m.db, run 1: \d of 10 rows done; the endpoint refused the key", ended.error)
    endpoint.heal()
    assert typed(command, last_line(ended)).code == 0


def test_what_is_complete_says_so_in_one_line(command: Command) -> None:
    done, nothing = command.run("reembed"), command.run("reembed")

    assert re.fullmatch(rf"ai-memory: {TIME} .*: 10 of 10 rows done; complete", last_line(done))
    assert len(nothing.err.splitlines()) == 1
    assert "10 of 10 rows done; nothing stale" in nothing.err


def test_an_outage_behind_a_budget_is_told_even_to_who_wants_quiet(command: Command, endpoint: FakeEndpoint) -> None:
    command.run("reembed", "--max-rows", "2", "--batch", "2")
    endpoint.fail("none", times=1)
    endpoint.fail("unavailable", times=FOREVER)

    ended = command.run(*CRON, "--max-runtime", "3s", "--retry-for", "60s")

    assert (ended.code, ended.out, len(ended.err.splitlines())) == (75, "", 1)
    assert "--max-runtime was used up; last failure: " in ended.err
    assert "Overloaded" in ended.err


def test_with_q_a_healthy_night_says_nothing(command: Command, tmp_path: Path) -> None:
    command.run("reembed", "approve")

    ended = [command.run(*CRON, "--max-rows", "6", "--backup", tmp_path / f"{night}.db") for night in range(3)]

    assert [(each.code, each.out, each.err) for each in ended] == [(75, "", ""), (0, "", ""), (0, "", "")]


def test_with_q_a_start_beside_a_live_runner_says_nothing(command: Command, endpoint: FakeEndpoint) -> None:
    endpoint.change(latency=0.5)
    running = command.start("reembed", "--batch", "1", "--concurrency", "1")
    while not endpoint.seen.requests:
        pass

    ended = command.run(*CRON)

    assert (ended.code, ended.out, ended.err) == (11, "", "")
    running.kill()
    answer(running)


def test_with_q_an_operators_decision_is_asked_for_once_until_there_is_something_new(command: Command) -> None:
    told = [command.run(*CRON) for _ in range(2)]
    command.run("reembed", "pause", "--reason", "moving")
    told += [command.run(*CRON) for _ in range(2)]
    command.run("reembed", "unpause")
    assert command.run("-q", "reembed").code == 0
    files.edit(command.db, "id-000", "new")
    assert command.run("-q", "reembed", "--max-rows", "1", "--batch", "1").code == 0
    command.run("reembed", "pause", "--reason", "moving")

    told.append(command.run(*CRON))

    assert [each.code for each in told] == [12] * 5
    assert [len(each.err.splitlines()) for each in told] == [1, 0, 1, 0, 1]


def test_with_q_rows_in_quarantine_are_told_once_until_there_are_others(
    command: Command, endpoint: FakeEndpoint
) -> None:
    endpoint.change(poison="POISON")
    files.edit(command.db, "id-001", "POISON")
    command.run("reembed", "approve")

    told = [command.run(*CRON) for _ in range(2)]
    files.edit(command.db, "id-002", "POISON")
    told += [command.run(*CRON) for _ in range(2)]

    assert [each.code for each in told] == [10] * 4
    assert [len(each.err.splitlines()) for each in told] == [1, 0, 1, 0]
    assert "next: ai-memory" in told[0].err


def test_with_q_what_cannot_be_kept_is_told_each_time(command: Command) -> None:
    files.execute(command.db, "CREATE TRIGGER t BEFORE INSERT ON reembed_told BEGIN SELECT RAISE(ABORT, 'no'); END")

    assert [len(command.run(*CRON).err.splitlines()) for _ in range(2)] == [1, 1]


def test_an_error_under_json_is_an_object_on_stdout_beside_the_line(command: Command, endpoint: FakeEndpoint) -> None:
    refused = command.run("--json", "reembed", "--resume")
    missing = command.run("get", "nothing", "--json")
    usage = command.run("list", "--frob", "--json")
    endpoint.fail("unauthorized", times=FOREVER)
    failed = command.run("reembed", "--json")

    assert [each.code for each in (refused, missing, usage, failed)] == [12, 66, 64, 77]
    for each in (refused, missing, usage):
        assert each.json.keys() == {"error", "exit_code", "next"}
        assert each.json["exit_code"] == each.code
        assert plain(each.json["error"]) in each.error
    assert (failed.json["exit_code"], failed.json["state"]) == (77, "running")
    assert failed.json["next"].startswith(f"ai-memory --db {shlex.quote(str(command.db))} reembed --resume")
    assert failed.json["error"]


def test_what_will_be_replaced_is_told_once_and_only_where_something_is(
    command: Command, endpoint: FakeEndpoint
) -> None:
    fresh = command.run("reembed")
    endpoint.change(model="other")
    other = Command(command.db, remote(endpoint))
    begun = other.run("reembed", "--max-rows", "2", "--batch", "2")
    resumed = other.run("reembed", "--resume")

    assert ["REPLACED" in each.err for each in (fresh, begun, resumed)] == [False, True, False]
    assert ["Stored vectors" in each.err for each in (fresh, begun, resumed)] == [True, True, False]


def test_after_an_outage_the_printed_command_goes_on_once_the_breaker_allows(
    command: Command, endpoint: FakeEndpoint
) -> None:
    endpoint.fail("unavailable", times=FOREVER)
    command.run("reembed", "--retry-for", "0s", "--backup", command.db.with_name("b.db"))
    early = command.run("reembed", "--resume", "--retry-for", "0s")
    endpoint.heal()
    close_breaker(command.db)

    found = re.search(r"Go on then: (ai-memory .*?) \(", last_line(early))

    assert early.code == 75
    assert found, early.error
    assert command.run(*shlex.split(found[1])[3:]).code == 0


def other(command: Command, endpoint: FakeEndpoint) -> Command:
    """Return the command with another model than the one it has; the endpoint serves it."""
    endpoint.change(model="other")
    return Command(command.db, remote(endpoint))


def commands_in(ended: Answer) -> list[str]:
    return re.findall(r"next: (ai-memory .*?)\)?$", plain(last_line(ended)))


@pytest.mark.parametrize(
    ("words", "code", "next_command"),
    [
        (("--resume", "--or-start", "--max-rows", "2"), 78, "ai-memory reembed --resume --retarget"),
        (("--resume", "--max-tokens", "100"), 78, "ai-memory reembed --resume --retarget"),
        ((), 12, "ai-memory reembed --resume --retarget"),
        (("--resume", "--namespace", "a"), 64, ""),
    ],
)
def test_an_unfinished_run_to_another_target_has_one_next_and_it_is_taken(
    command: Command, endpoint: FakeEndpoint, words: tuple[str, ...], code: int, next_command: str
) -> None:
    command.run("reembed", "--max-rows", "2", "--batch", "2")
    changed = other(command, endpoint)

    ended = changed.reembed(*words)

    assert (ended.code, plain(ended.json["next"]), commands_in(ended)) == (code, next_command, [])
    if next_command:
        assert changed.run(*shlex.split(next_command)[1:]).code == 0


def test_without_a_run_the_next_of_resume_is_a_start_that_is_taken(command: Command) -> None:
    ended = command.reembed("--resume")

    assert (ended.code, plain(ended.json["next"]), commands_in(ended)) == (12, "ai-memory reembed", [])
    assert "--or-start" not in ended.err


def test_a_runner_whose_run_is_cancelled_names_a_start(command: Command, endpoint: FakeEndpoint) -> None:
    command.run("reembed", "approve")
    endpoint.change(latency=0.3)
    running = command.start("--json", *CRON[1:])
    while endpoint.seen.requests < 6:
        pass
    assert command.run("reembed", "cancel").code == 0

    ended = answer(running)

    assert (ended.code, plain(ended.json["next"]), commands_in(ended)) == (12, "ai-memory reembed", [])
    assert "Run 1 was cancelled meanwhile" in ended.error


def test_no_database_and_no_namespace_name_their_own_next(command: Command) -> None:
    missing = Command(command.db.with_name("none.db"), command.env).reembed()
    unseen = command.reembed("--namespace", "nosuch")

    assert (missing.code, plain(missing.json["next"]), commands_in(missing)) == (65, "ai-memory init", [])
    assert (unseen.code, plain(unseen.json["next"]), commands_in(unseen)) == (66, "ai-memory namespaces", [])


def test_a_limit_into_which_nothing_fits_is_not_named_again(command: Command) -> None:
    ended = command.reembed("--max-tokens", "1")

    assert (ended.code, ended.json["next"], commands_in(ended)) == (64, "", [])
    assert "--max-tokens" in ended.error


def test_a_limit_of_tokens_is_kept_by_what_goes_on(command: Command) -> None:
    ended = command.reembed("--max-tokens", "400", "--batch", "1", "--concurrency", "1")

    assert (ended.code, ended.json["reembedded"] > 0) == (75, True)
    assert plain(ended.json["next"]) == "ai-memory reembed --resume --batch 1 --max-tokens 400 --concurrency 1"


def test_a_copy_is_neither_made_for_a_start_that_is_refused_nor_left_out_of_the_next(
    command: Command, endpoint: FakeEndpoint, tmp_path: Path
) -> None:
    there, new = tmp_path / "there.db", tmp_path / "new.db"
    there.touch()
    taken = command.reembed("--backup", there)
    command.run("reembed", "--max-rows", "2", "--batch", "2")

    refused = other(command, endpoint).reembed("--backup", new)

    assert (taken.code, taken.json["next"], commands_in(taken)) == (64, "", [])
    assert (refused.code, new.exists()) == (12, False)


def test_a_live_runner_is_watched(command: Command, endpoint: FakeEndpoint) -> None:
    endpoint.change(latency=0.5)
    running = command.start("reembed", "--batch", "1", "--concurrency", "1")
    while not endpoint.seen.requests:
        pass

    ended = command.reembed("--resume")

    assert (ended.code, plain(ended.json["next"]), commands_in(ended)) == (11, "ai-memory reembed status", [])
    running.kill()
    answer(running)


def test_an_endpoint_that_is_away_is_told_without_a_doubled_mark(command: Command, endpoint: FakeEndpoint) -> None:
    endpoint.fail("unavailable", times=FOREVER)
    command.run("reembed", "--retry-for", "0s")

    early = command.run("reembed", "--resume")

    assert not re.search(r"\.\)|\.\.(?!\.)|\);? ?\.", early.error.split(" (20")[0]), early.error


def test_behind_a_pause_the_status_of_an_ended_run_names_its_end(command: Command, endpoint: FakeEndpoint) -> None:
    command.run("reembed", "--max-rows", "2", "--batch", "2")
    command.run("reembed", "cancel")
    command.run("reembed", "pause")
    cancelled = command.run("reembed", "status", "--json")
    command.run("reembed", "unpause")
    command.run("reembed")
    command.run("reembed", "pause")
    done = other(command, endpoint).run("reembed", "status", "--json")

    assert [plain(each.json["next"]) for each in (cancelled, done)] == ["ai-memory reembed unpause"] * 2


def test_during_a_run_the_doctor_names_what_goes_on(command: Command) -> None:
    command.run("reembed", "--max-rows", "2", "--batch", "2")

    found = plain(command.run("doctor").out)

    assert "ai-memory reembed --resume" in found
    assert not re.search(r"ai-memory reembed$", found, re.MULTILINE)


def test_a_sample_of_the_run_is_of_the_run(command: Command) -> None:
    command.run("reembed")

    found = command.run("reembed", "verify", "--run")

    assert plain(found.out).rstrip().endswith("ai-memory reembed verify --run --sample 300")


def test_a_database_of_the_environment_is_named_for_another_shell(command: Command, tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT), **command.env, "AI_MEMORY_DB": str(command.db)}

    told = subprocess.run(
        [sys.executable, "-m", "ai_memory", "reembed", "--resume", "--json"],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert json.loads(told.stdout)["next"] == f"ai-memory --db {shlex.quote(str(command.db))} reembed"


def test_a_width_that_only_the_endpoint_could_tell_is_said_to_be_unknown(
    command: Command, endpoint: FakeEndpoint
) -> None:
    endpoint.fail("unauthorized", times=FOREVER)

    ended = command.run("reembed")

    assert (ended.code, "unknown wide" in ended.out, " 0 wide" in ended.out) == (77, True, False)
