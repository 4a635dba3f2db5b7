"""`reembed --embedders N` as a user meets it: processes that die, a driver that dies, and what is said beforehand."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.conftest import Cli
from tests.commands.reembed.conftest import ROWS
from tests.support import files
from tests.support.command import Answer, Command, answer, kill, remote, wait_for
from tests.support.fake_endpoint import FakeEndpoint

pytestmark = pytest.mark.real_model


def started(command: Command, *words: str) -> subprocess.Popen[str]:
    """Begin a run, and return once it has written its first vectors with both processes at work."""
    process = command.start("reembed", "--json", "--yes", "--embedders", "2", "--batch", "10", *words)
    wait_for(lambda: files.embedded(command.db) > 20 and len(children(process.pid)) == 2, seconds=60)
    return process


def children(pid: int) -> list[int]:
    """Return the processes that a process has started and that have not been waited for."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = status.read_text("utf-8").rpartition(")")[2].split()[1]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parent) == pid:
            found.append(int(status.parent.name))
    return found


def runs(pid: int) -> bool:
    try:
        return "pools.in_process" in Path(f"/proc/{pid}/cmdline").read_text("utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False


def complete(command: Command, ended: Answer) -> bool:
    return (ended.code, ended.json["reason"], files.embedded(command.db)) == (0, "complete", ROWS)


def test_a_killed_process_costs_no_row_and_only_what_it_had_in_flight_is_sent_again(command: Command) -> None:
    process = started(command)
    for pid in children(process.pid):
        os.kill(pid, signal.SIGKILL)
    ended = answer(process)

    assert complete(command, ended)
    found = ended.json
    assert found["quarantined"] == 0
    assert found["retries"] >= 1
    # Three batches of each process, and of few texts: the witness of each process, and what links a page to the next.
    assert ROWS + found["retries"] <= found["texts_sent"] <= ROWS + 6 * 10 + 120
    assert "A process that embeds ended by SIGKILL; another one takes its place." in ended.err
    assert command.run("reembed", "verify", "--sample", "all").code == 0


def test_a_killed_driver_leaves_no_process_and_the_run_goes_on(command: Command) -> None:
    process = started(command)
    workers = children(process.pid)
    # Also who reads what the driver wrote sees the end.
    kill(process)

    wait_for(lambda: not any(map(runs, workers)), seconds=30)
    assert complete(command, command.reembed("--resume", "--embedders", "1"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_processes_ends_the_run_after_what_is_in_flight(command: Command, number: int) -> None:
    process = started(command)
    workers = children(process.pid)
    for pid in (*workers, process.pid):
        os.kill(pid, number)
    ended = answer(process)

    assert ended.code == 128 + number
    assert "Traceback" not in ended.err
    # What was in flight was answered.
    assert ended.json["retries"] == 0
    assert "takes its place" not in ended.err
    assert not any(map(runs, workers))


def test_a_process_of_other_weights_writes_no_vector_and_ends_the_run(command: Command, model: Path) -> None:
    graph = model / "onnx" / "model.onnx"
    good = shutil.copy(graph, model / "good")
    process = started(command)
    spoil(graph)
    for pid in children(process.pid):
        os.kill(pid, signal.SIGKILL)
    ended = answer(process)

    assert ended.code == 78
    what = "A process that was started to embed has other weights of all-MiniLM-L6-v2 than were there before."
    assert what in ended.err
    Path(good).replace(graph)
    assert complete(command, command.reembed("--resume", "--embedders", "2"))
    assert command.run("reembed", "verify", "--sample", "all").code == 0


def spoil(graph: Path) -> None:
    """Give an ONNX file other weights, in one step, as who downloads another release does."""
    import onnx
    from onnx import numpy_helper

    read = onnx.load(graph)
    words = max(read.graph.initializer, key=lambda each: each.ByteSize())
    words.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(words)[::-1].copy(), words.name))
    part = graph.with_name("part")
    onnx.save(read, part)
    part.replace(graph)


def test_the_plan_says_processes_threads_and_memory(command: Command) -> None:
    planned = command.run("reembed", "--dry-run", "--json", "--embedders", "999")
    assert planned.code == 64
    planned = command.run("reembed", "--dry-run", "--json", "--embedders", "200")

    told = planned.json["embedders"]
    assert (told["processes"], told["threads"]) == (200, 1)
    assert 80_000_000 < told["model_bytes"] < 100_000_000
    assert "200 processes embed, on 1 thread each of " in planned.err
    assert "; the model takes 90 MB of memory in each, 18 GB in all," in planned.err
    assert "compute no more at once." in planned.err
    assert command.run("reembed", "--dry-run", "--json").json["embedders"] is None


@pytest.mark.parametrize("workers", [None, 2])
def test_a_probe_measures_the_workers_on_texts_of_the_file_and_writes_nothing(
    command: Command, workers: int | None
) -> None:
    flags = ["--embedders", str(workers)] if workers else []
    planned = command.run("reembed", "--dry-run", "--probe", "--json", *flags)

    assert planned.code == 0, planned.err
    told = re.fullmatch(r"at the rate of the probe, ([\d.,]+) rows/s by (\d) workers?", planned.json["estimated_by"])
    assert told, planned.json["estimated_by"]
    assert int(told[2]) == (workers or 1)
    rows_per_second = float(told[1].replace(",", ""))
    assert planned.json["estimated_seconds"] == pytest.approx(ROWS / rows_per_second, rel=0.02, abs=0.1)
    if workers:
        in_all = planned.json["embedders"]["worker_seconds"]
        assert in_all == pytest.approx(workers * planned.json["estimated_seconds"], rel=0.02, abs=0.2)
    assert files.embedded(command.db) == 0


def test_a_probe_with_nothing_to_send_measures_nothing(command: Command) -> None:
    assert command.reembed().code == 0

    planned = command.run("reembed", "--dry-run", "--probe", "--json", "--embedders", "2")

    assert (planned.code, planned.json["rows_to_embed"], planned.json["probed"]) == (0, 0, True)


def test_processes_are_for_a_local_model(tmp_path: Path, endpoint: FakeEndpoint) -> None:
    command = Command(files.create(tmp_path / "m.db", 1), remote(endpoint))
    for words in ([], ["--dry-run"], ["--resume", "--or-start"]):
        refused = command.run("reembed", "--embedders", "2", *words)
        assert refused.code == 64
        assert refused.error == (
            "--embedders is for a model on this machine, and backend is openai-compatible "
            "(env AI_MEMORY_EMBED_BACKEND). Leave it out; how many requests an endpoint gets at once is said by "
            "--concurrency."
        )
    assert endpoint.seen.requests == 0


def test_a_run_without_processes_loads_nothing_of_them(cli: Cli, db: Path, endpoint: FakeEndpoint) -> None:
    files.create(db, 1)
    del cli, endpoint
    program = f"""
import sys
from ai_memory.cli import main
code = main(["--db", {str(db)!r}, "reembed"])
pools = "ai_memory.embed.pools."
print(code, sorted(name.removeprefix(pools) for name in sys.modules if name.startswith(pools)))
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert found.stdout.splitlines()[-1] == "0 ['in_turn', 'threads']"
