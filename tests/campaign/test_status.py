"""`reembed status` by real processes: eight lines at most, each end told from the others, an exit code for probes."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ai_memory.text.amounts import money
from tests.support import files, shapes
from tests.support.command import Command, answer, kill, remote, wait_for
from tests.support.fake_endpoint import FOREVER, FakeEndpoint

ROWS = 40
RUN = ["reembed", "--batch", "4", "--retry-for", "0"]
CRON = ["reembed", "--resume", "--or-start"]


@pytest.fixture
def command(tmp_path: Path, endpoint: FakeEndpoint) -> Iterator[Command]:
    command = Command(files.create(tmp_path / "m.db", ROWS), remote(endpoint))
    yield command
    command.end()


def lines(command: Command, *flags: str) -> list[str]:
    shown = command.run("reembed", "status", *flags)
    assert (shown.code, shown.err) == (0, "")
    found = shown.out.splitlines()
    assert len(found) <= 8
    return found


def check(command: Command) -> tuple[int, str]:
    ended = command.run("reembed", "status", "--check")
    assert len(ended.out.splitlines()) == 1
    return ended.code, ended.out


def spend(command: Command, _endpoint: FakeEndpoint) -> None:
    assert command.run(*RUN, "--max-rows", "8").code == 75


def refuse(command: Command, endpoint: FakeEndpoint) -> None:
    endpoint.fail("unauthorized", times=FOREVER)
    for words in (RUN, [*RUN, "--resume"], [*RUN, "--resume"]):
        assert command.run(*words).code == 77


def interrupt(command: Command, endpoint: FakeEndpoint, number: int = signal.SIGTERM) -> None:
    endpoint.change(latency=0.2)
    process = command.start(*RUN)
    wait_for(lambda: any(files.vectors(command.db).values()))
    kill(process, number)


def kill_it(command: Command, endpoint: FakeEndpoint) -> None:
    interrupt(command, endpoint, signal.SIGKILL)


def go_away(command: Command, endpoint: FakeEndpoint) -> None:
    endpoint.fail("server-error", times=FOREVER)
    assert command.run(*RUN).code == 75


ENDS = {
    spend: ("stopped", "--max-rows was used up", 75),
    refuse: ("stopped", "the endpoint refused the key; 3 starts in a row", 1),
    interrupt: ("stopped", "it was stopped by SIGTERM", 75),
    kill_it: ("interrupted", "was killed, or its machine went down; last sign of life ", 75),
    go_away: ("stopped", "the endpoint is in trouble; it is asked again in ", 75),
}


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
def test_every_end_is_told_from_the_others(command: Command, endpoint: FakeEndpoint, end: object) -> None:
    word, why, code = ENDS[end]  # type: ignore[index]
    end(command, endpoint)  # type: ignore[operator]

    shown, checked = lines(command), check(command)

    assert shown[0].startswith(f"{command.db}   ")
    assert shown[1].startswith(word)
    assert why in shown[1]
    assert checked[0] == code
    assert why in checked[1]
    assert shown[-1].startswith("next: ")
    assert shown[-1].endswith(f"ai-memory --db {command.db} reembed --resume")


def test_the_lines_say_from_what_to_what_and_what_was_spent(command: Command, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[embeddings]\nprice_per_million_tokens = 20\n")
    with FakeEndpoint(dim=8, model="old-model") as old:
        assert Command(command.db, remote(old)).run("reembed").code == 0
    assert command.run(*RUN, "--max-rows", "8", "--config", tmp_path / "c.toml").code == 75

    first, _, rows, spent, *_ = lines(command, "--config", str(tmp_path / "c.toml"))

    assert "old-model 8 -> fake 16   run 2, begun" in first
    assert rows.startswith(f"8 of {ROWS} rows (20 %); counted ")
    assert "last row written " in rows
    assert " left" in rows
    told = command.run("reembed", "status", "--json", "--config", tmp_path / "c.toml").json
    sent = f"{told['texts_sent']} texts in {told['requests']} requests, {told['tokens']} tokens"
    assert spent.startswith(f"0 in quarantine; {sent}, {money(told['cost'])} spent; ")
    assert told["cost"] == pytest.approx(told["tokens"] * 20 / 1_000_000)


def test_a_run_at_work_and_a_done_one_are_healthy(command: Command, endpoint: FakeEndpoint) -> None:
    endpoint.change(latency=0.3)
    process = command.start(*RUN, "--concurrency", "1")
    wait_for(lambda: any(files.vectors(command.db).values()))
    at_work, working = lines(command), check(command)
    endpoint.change(latency=0.0)
    assert answer(process).code == 0

    assert at_work[1].startswith(f"running: process {process.pid} on ")
    assert not at_work[-1].startswith("next:")
    assert working[0] == 0
    assert check(command)[0] == 0
    assert lines(command)[1].startswith("done ")


def test_a_pause_is_told_with_who_and_why_with_and_without_a_run(command: Command, endpoint: FakeEndpoint) -> None:
    pause = ["reembed", "pause", "--reason", "a backup"]
    assert command.run(*pause).code == 0
    assert lines(command)[0].startswith("No run has been started here. The file is paused by ")
    assert check(command)[0] == 75
    command.run("reembed", "unpause")
    spend(command, endpoint)
    assert command.run(*pause).code == 0

    shown = lines(command)

    assert shown[1].startswith("paused by ")
    assert shown[1].endswith(": a backup")
    assert shown[-1].endswith("reembed unpause")
    assert check(command)[0] == 75


def test_where_no_run_was_begun_the_check_says_whether_the_next_start_may(command: Command) -> None:
    shown = lines(command)
    assert shown[0] == "No run has been started here."
    assert re.fullmatch(r"next: ai-memory --db .* reembed", shown[1])
    needed = check(command)
    assert command.run(*CRON).code == 12
    assert command.run("reembed", "approve").code == 0

    assert needed[0] == 1
    assert "nobody approved the configured target for this file" in needed[1]
    assert check(command) == (
        75,
        "waiting: no run has been started here; the next start begins a run to the configured target\n",
    )
    assert Command(command.db).run("reembed", "status", "--check").code == 1


def test_a_file_without_rows_or_with_all_of_them_current_needs_no_run(tmp_path: Path, endpoint: FakeEndpoint) -> None:
    empty = Command(files.create(tmp_path / "empty.db", 0), remote(endpoint))
    assert check(empty)[0] == 0
    assert empty.run("store", "-T", "a", "-c", "b").code == 0

    assert empty.run(*CRON).code == 0
    assert check(empty)[0] == 0


def give_up(command: Command, *words: str) -> None:
    assert command.run(*RUN, *words).code != 0
    assert command.run("reembed", "cancel").code == 0


def test_a_cancelled_run_is_judged_by_whether_the_next_start_may_begin_another(command: Command) -> None:
    give_up(command, "--max-rows", "8")
    cancelled = check(command)
    assert command.run("reembed", "approve").code == 0
    approved = check(command)
    assert command.run("reembed", "pause").code == 0
    paused = check(command)

    assert (cancelled[0], "nobody approved" in cancelled[1]) == (1, True)
    assert (approved[0], "the next start begins a run" in approved[1]) == (75, True)
    assert (paused[0], "until somebody lifts it" in paused[1]) == (75, True)
    assert lines(command)[-1].endswith("reembed unpause")


def test_a_run_to_another_model_that_was_given_up_before_it_wrote_leaves_the_file_healthy(
    command: Command, endpoint: FakeEndpoint
) -> None:
    assert command.run(*RUN).code == 0
    endpoint.change(model="other")
    other = Command(command.db, {**command.env, "AI_MEMORY_EMBED_MODEL": "other"})
    endpoint.fail("unauthorized", times=FOREVER)
    give_up(other)

    assert (check(other)[0], check(command)[0]) == (1, 0)
    assert not lines(command)[-1].startswith("next:")


def test_a_start_that_finds_nothing_stale_makes_the_check_healthy(command: Command) -> None:
    assert command.run(*RUN).code == 0
    for row_id in ("id-000", "id-001"):
        files.edit(command.db, row_id, f"new of {row_id}")
    give_up(command, "--max-rows", "1", "--batch", "1")
    assert check(command)[0] == 1
    assert command.run("reembed", "approve").code == 0
    stale = check(command)[0]
    files.execute(command.db, "DELETE FROM memories WHERE id IN ('id-000', 'id-001')")
    assert command.run(*CRON).code == 0

    assert (stale, check(command)[0]) == (75, 0)
    events = files.execute(command.db, "SELECT count(*) FROM reembed_event WHERE kind = 'nothing stale'")
    assert command.run(*CRON).code == 0
    assert (
        files.execute(command.db, "SELECT count(*) FROM reembed_event WHERE kind = 'nothing stale'") == events == [(1,)]
    )


def test_only_an_exact_status_counts_what_was_edited_since(command: Command, endpoint: FakeEndpoint) -> None:
    spend(command, endpoint)
    for row_id in ("id-000", "id-002"):
        files.edit(command.db, row_id, "changed")

    assert lines(command)[2].startswith(f"8 of {ROWS} rows")
    assert lines(command, "--exact")[2].startswith(
        f"6 of {ROWS} rows (15 %), 2 edited since they were embedded; counted"
    )
    plain, exact = (command.run("reembed", "status", "--json", *more).json for more in ((), ("--exact",)))
    assert (plain["remaining"], exact["remaining"], exact["edited"]) == (ROWS - 8, ROWS - 6, 2)
    assert "namespaces" not in plain
    assert [each["namespace"] for each in exact["namespaces"]] == ["a", "b"]


def test_a_broken_configuration_does_not_hide_the_run(command: Command, endpoint: FakeEndpoint, tmp_path: Path) -> None:
    spend(command, endpoint)
    (tmp_path / "c.toml").write_text("[embeddings]\ndim = 'wide'\n")

    shown = lines(command, "--config", str(tmp_path / "c.toml"))
    checked = command.run("reembed", "status", "--check", "--config", tmp_path / "c.toml")

    assert "the configuration gives no embedder: " in shown[1]
    assert shown[-1].startswith("next: correct the configuration, then: ")
    assert checked.code == 1


def test_a_configuration_that_names_another_model_is_told(command: Command, endpoint: FakeEndpoint) -> None:
    spend(command, endpoint)

    shown = lines(Command(command.db, {**command.env, "AI_MEMORY_EMBED_MODEL": "other"}))

    assert "the configuration asks for other (env AI_MEMORY_EMBED_MODEL)" in shown[1]
    assert "put the configuration back, or add --retarget, then: " in shown[-1]


@pytest.mark.parametrize("version", shapes.VERSIONS)
def test_a_file_of_any_release_of_the_other_program_has_a_status(
    tmp_path: Path, endpoint: FakeEndpoint, version: int
) -> None:
    command = Command(shapes.build(tmp_path / "m.db", version).path, remote(endpoint))

    assert lines(command)[0] == "No run has been started here."


def test_the_age_of_the_last_row_is_not_that_of_the_last_sign_of_life(command: Command, endpoint: FakeEndpoint) -> None:
    spend(command, endpoint)
    before = command.run("reembed", "status", "--json").json
    endpoint.fail("server-error", times=FOREVER)
    time.sleep(0.01)
    command.run(*RUN, "--resume")

    after = command.run("reembed", "status", "--json").json

    assert after["last_written_at"] == before["last_written_at"]
    assert after["last_progress_at"] > before["last_progress_at"]
