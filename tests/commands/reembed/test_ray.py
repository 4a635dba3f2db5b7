"""`reembed --embedders ray` as a user meets it: actors, Rays and drivers that die, and what is said beforehand."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commands.conftest import Cli
from tests.commands.reembed.conftest import ROWS, WORDS
from tests.support import files
from tests.support.command import Answer, Command, answer, kill, wait_for, wait_while_running
from tests.support.processes import all_processes, below, runs
from tests.support.ray_head import Head, ray_head

pytestmark = pytest.mark.real_model
pytest.importorskip("ray", reason="Ray is not installed: pip install ray[client]")
MANY = 1_000
"""Rows more than a cluster takes to start another node."""
WORKERS = 2
"""Of each a core: as many as this machine has, or fewer."""


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    """A cluster of others; it takes seconds to start."""
    with ray_head(cores=WORKERS) as started_head:
        yield started_head


def started(command: Command, where: str = "ray") -> subprocess.Popen[str]:
    """Begin a run, and return once it has written vectors."""
    process = command.start("reembed", "--json", "--yes", "--embedders", where, "--batch", "5")
    wait_while_running(process, lambda: files.embedded(command.db) > 20)
    return process


def wait_for_words(process: subprocess.Popen[str], words: str) -> None:
    """Return once a process has said them; what it says before is read away."""
    assert process.stderr is not None
    said: list[str] = []
    while words not in "".join(said):
        said.append(process.stderr.readline())
        assert said[-1], said


def named(words: str, pid: int) -> list[int]:
    """Return the processes below one whose command line has these words."""
    return [each for each, line in below(pid) if words in line]


def complete(command: Command, ended: Answer) -> bool:
    return (ended.code, ended.json["reason"], files.embedded(command.db)) == (0, "complete", ROWS)


def test_killed_actors_and_a_killed_ray_cost_no_row_and_what_is_sent_again_is_counted(command: Command) -> None:
    process = started(command)
    for pid in named("ray::Actor", process.pid):
        os.kill(pid, signal.SIGKILL)
    written = files.embedded(command.db)
    wait_for(lambda: files.embedded(command.db) > written + 20, seconds=120)
    for pid in named("raylet/raylet", process.pid):
        os.kill(pid, signal.SIGKILL)
    ended = answer(process)

    assert complete(command, ended)
    found = ended.json
    assert found["quarantined"] == 0
    assert found["retries"] >= 2
    # Three batches of each actor, twice; and of few texts: the witness of each, and what links a page to the next.
    workers = os.cpu_count() or 1
    assert ROWS + found["retries"] <= found["texts_sent"] <= ROWS + workers * (2 * 3 * 5 + 4 * 20) + 120
    assert "A worker that embeds ended unexpectedly; another one takes its place." in ended.err
    assert "The Ray that the actors belonged to is gone; it is joined anew." in ended.err
    assert command.run("reembed", "verify", "--sample", "all").code == 0


def test_a_killed_driver_leaves_no_process_and_the_run_goes_on(command: Command) -> None:
    process = started(command)
    ours = [pid for pid, _ in below(process.pid)]
    assert len(ours) > 5
    kill(process)

    wait_for(lambda: not any(map(runs, ours)), seconds=30)
    assert complete(command, command.reembed("--resume", "--embedders", "1"))


def test_a_signal_to_all_processes_ends_the_run_and_leaves_none_of_them(command: Command) -> None:
    process = started(command)
    ours = [pid for pid, _ in below(process.pid)]
    for pid in (*ours, process.pid):
        os.kill(pid, signal.SIGTERM)
    ended = answer(process)

    assert ended.code == 128 + signal.SIGTERM
    assert "Traceback" not in ended.err
    wait_for(lambda: not any(map(runs, ours)), seconds=30)
    assert complete(command, command.reembed("--resume"))


def test_a_cluster_is_connected_to_and_left_as_it_was_also_by_a_driver_that_is_killed(
    command: Command, head: Head
) -> None:
    def actors() -> list[int]:
        return [pid for pid, (_, line) in all_processes().items() if line.startswith("ray::Actor")]

    before = set(actors())
    there = command.having(**head.env)
    told = there.run("reembed", "--dry-run", "--json", "--embedders", head.address)
    assert told.code == 0, told.err
    assert told.json["embedders"]["processes"] == WORKERS
    assert told.json["embedders"]["beyond_loopback"] is True
    assert f"2 workers embed, at {head.address}, on 1 core each; the model takes 90 MB" in told.err
    assert "The texts of the rows go to that cluster, which listens beyond loopback." in told.err

    probed = there.run("reembed", "--dry-run", "--probe", "--json", "--embedders", head.address)
    assert probed.code == 0, probed.err
    assert probed.json["estimated_by"].endswith(f"rows/s by {WORKERS} workers")
    in_all = WORKERS * probed.json["estimated_seconds"]
    assert probed.json["embedders"]["worker_seconds"] == pytest.approx(in_all, abs=0.2)
    assert "All workers together would be at work for about" in probed.err
    assert files.embedded(there.db) == 0
    wait_for(lambda: set(actors()) <= before, seconds=30)

    kill(started(there, head.address))
    wait_for(lambda: set(actors()) <= before, seconds=30)
    assert complete(there, there.reembed("--resume", "--embedders", head.address))
    wait_for(lambda: set(actors()) <= before, seconds=30)


def test_a_node_that_comes_is_used_and_one_that_goes_costs_no_row(command: Command) -> None:
    def actors() -> list[int]:
        return [pid for pid, (_, line) in all_processes().items() if line.startswith("ray::Actor")]

    before = set(actors())
    for each in range(MANY):
        files.add(command.db, f"more-{each:04}", content=f"{each} {WORDS * 3}")
    with ray_head(cores=1) as head:
        there = command.having(**head.env)
        process = started(there, head.address)
        assert len(set(actors()) - before) == 1
        with head.another_node(cores=1):
            wait_for(lambda: len(set(actors()) - before) == 2, seconds=120)
            wait_for_words(process, "One more worker embeds from now on: there are 2.")
            written = files.embedded(command.db)
            wait_for(lambda: files.embedded(command.db) > written + 20, seconds=120)
        written = files.embedded(command.db)
        wait_for(lambda: files.embedded(command.db) > written + 20, seconds=120)
        process.terminate()
        ended = answer(process)

    assert ended.json["quarantined"] == 0
    done = files.execute(command.db, "SELECT embedding IS NOT NULL FROM memories WHERE namespace = 'a' ORDER BY id")
    assert done == sorted(done, reverse=True), "a row before the cursor has no vector"


def test_a_cluster_that_asks_for_another_token_is_told_as_that(command: Command, head: Head) -> None:
    stranger = command.having(**{**head.env, "RAY_AUTH_TOKEN": "of-another-cluster-altogether"})
    refused = stranger.run("reembed", "--embedders", head.address)

    assert refused.code == 3
    assert "it asks for a token, and that of here is not its own" in refused.error
    assert "RAY_AUTH_TOKEN" in refused.err


def test_the_plan_says_workers_memory_and_who_reaches_them_and_starts_no_ray(command: Command) -> None:
    planned = command.run("reembed", "--dry-run", "--json", "--embedders", "ray")

    told: dict[str, Any] = planned.json["embedders"]
    assert (told["threads"], told["ray"], told["beyond_loopback"]) == (1, "ray", False)
    assert 80_000_000 < told["model_bytes"] < 100_000_000
    assert "in a Ray on this machine, on 1 core" in planned.err
    assert "Ray itself takes 600 MB of memory; it is ended with the run. It listens on loopback alone" in planned.err


def test_where_no_cluster_answers_one_line_says_so(command: Command) -> None:
    for words in ([], ["--dry-run"]):
        refused = command.run("reembed", "--embedders", "ray://127.0.0.1:1", *words)
        assert refused.code == 3
        assert "no Ray cluster can be used at ray://127.0.0.1:1: [Errno 111] Connection refused" in refused.error
        assert "like ray://head:10001" in refused.error


@pytest.mark.parametrize("policy", ["deny", "loopback-only"])
def test_where_no_text_may_leave_this_machine_no_cluster_is_asked(command: Command, policy: str) -> None:
    there = command.having(AI_MEMORY_INFERENCE_EGRESS=policy)
    for words in ([], ["--dry-run"]):
        refused = there.run("reembed", "--embedders", "ray://127.0.0.1:1", *words)
        assert refused.code == 3
        forbids = f"AI_MEMORY_INFERENCE_EGRESS={policy} forbids to send texts to the cluster at ray://127.0.0.1:1."
        assert forbids in refused.error


@pytest.mark.parametrize("word", ["rays", "ray://", "ray://head", "ray://head:", "ray://a b:1", "0", "257", "-1", ""])
def test_what_is_neither_a_number_nor_a_ray_is_refused(cli: Cli, db: Path, word: str) -> None:
    files.create(db, 1)
    assert cli("reembed", f"--embedders={word}").code == 64


def test_where_ray_is_not_installed_one_line_says_how_it_is(
    command: Command, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "ray" else real(name, *more))
    for name, value in command.env.items():
        monkeypatch.setenv(name, value)
    refused = cli("--db", str(command.db), "reembed", "--embedders", "ray")
    assert refused.code == 3
    assert 'needs ray, which is not installed. Type: pip install "ray[client]>=2.60.0"' in refused.err
