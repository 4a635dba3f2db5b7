"""What a server does at its start for memories without a vector, and what it does not load before it is asked."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest

from ai_memory.commands.mcp.boot import BLOCKS_S, Boot
from ai_memory.commands.mcp.run import INSTALL
from ai_memory.config.settings import Settings
from ai_memory.stores.holder import LockState
from ai_memory.stores.opening import database
from tests.commands.mcp.conftest import OTHER, configured
from tests.conftest import ROOT
from tests.support import files
from tests.support.agent import Agent, Place
from tests.support.command import Command, answer, kill, wait_for
from tests.support.envelopes import keep_key, sealed
from tests.support.fake_endpoint import FakeEndpoint
from tests.test_packaging import HEAVY

ROWS = 30
WITH_VECTOR = "SELECT count(*) FROM memories WHERE embedding IS NOT NULL"


@pytest.fixture
def lacking(place: Place) -> Place:
    """A file of memories that have no vector."""
    exported = place.db.with_suffix(".jsonl")
    exported.write_text("\n".join(f'{{"title": "t{number}", "content": "c{number}"}}' for number in range(ROWS)))
    assert place.run("import", "--no-embed", exported).code == 0
    return place


def settings_of(place: Place) -> Settings:
    return Settings.gather(Namespace(db=str(place.db), config=str(place.config)), {"HOME": str(place.db.parent)})


def with_vector(place: Place) -> int:
    ((count,),) = files.execute(place.db, WITH_VECTOR)
    return int(count)


def test_missing_vectors_are_filled_in_beside_the_conversation(lacking: Place, two_models: FakeEndpoint) -> None:
    lacking.configure(configured(two_models, boot="background"))

    async def talk(agent: Agent) -> None:
        await agent.until("memory_stats", lambda found: found["with_vector"] == ROWS)

    lacking.converse(talk)


def test_where_it_blocks_the_first_answer_comes_after_it(lacking: Place, two_models: FakeEndpoint) -> None:
    lacking.configure(configured(two_models, boot="blocking"))

    async def talk(agent: Agent) -> None:
        assert (await agent.call("memory_stats"))["with_vector"] == ROWS

    lacking.converse(talk)


def test_where_it_blocks_and_nothing_comes_back_the_server_answers_after_a_while(
    lacking: Place, two_models: FakeEndpoint
) -> None:
    lacking.configure(configured(two_models, boot="blocking"))
    two_models.fail("hang", times=-1)
    boot = Boot(lacking.named, {}, print)

    boot.begin(settings_of(lacking), blocks_s=0.1)

    # What it was to wait for goes on, until the server ends.
    wait_for(lambda: database(lacking.db).lock().state is LockState.RUNNER)
    boot.end()
    wait_for(lambda: not boot.works)
    assert with_vector(lacking) == 0


def test_where_it_blocks_the_server_ends_with_its_stdin(lacking: Place, two_models: FakeEndpoint) -> None:
    lacking.configure(configured(two_models, boot="blocking"))
    two_models.fail("hang", times=-1)
    server = Command(lacking.db).start("--config", lacking.config, "mcp")
    wait_for(lambda: database(lacking.db).lock().state is LockState.RUNNER)

    assert answer(server, timeout_s=BLOCKS_S / 2).code == 0
    wait_for(lambda: database(lacking.db).lock().state is LockState.FREE)


def test_it_ends_with_the_server_and_what_it_did_is_kept(lacking: Place, two_models: FakeEndpoint) -> None:
    lacking.configure(f"{configured(two_models, boot='background')}backfill_batch = 20\n")
    two_models.change(latency=1.0)

    async def talk(agent: Agent) -> None:
        await agent.until("memory_stats", lambda found: found["with_vector"])

    lacking.converse(talk)
    wait_for(lambda: database(lacking.db).lock().state is LockState.FREE)
    assert 0 < with_vector(lacking) < ROWS


def test_what_stands_in_the_folder_where_the_server_was_started_is_not_run(
    lacking: Place, two_models: FakeEndpoint, tmp_path: Path
) -> None:
    lacking.configure(configured(two_models, boot="blocking"))
    project = tmp_path / "project"
    (project / "ai_memory").mkdir(parents=True)
    (project / "ai_memory" / "__init__.py").touch()
    (project / "ai_memory" / "__main__.py").write_text("open('ran', 'w')")
    (project / "signal.py").write_text("open('ran', 'w'); from _signal import *")
    # As a script that was installed: its own folder comes first where modules are looked for.
    installed = tmp_path / "bin" / "ai-memory"
    installed.parent.mkdir()
    installed.write_text("from ai_memory.__main__ import start; start()")
    env = {**os.environ, "PYTHONPATH": str(ROOT)}

    line = [sys.executable, str(installed), *lacking.named, "mcp"]
    subprocess.run(line, env=env, cwd=project, stdin=subprocess.DEVNULL, capture_output=True, check=True)

    assert not (project / "ran").exists()
    assert with_vector(lacking) == ROWS


def test_texts_of_encrypted_memories_are_left_to_a_person_and_one_answer_notes_it(
    lacking: Place, two_models: FakeEndpoint, tmp_path: Path
) -> None:
    lacking.configure(configured(two_models, boot="blocking"))
    keys = tmp_path / "keys"
    keep_key(keys, "a")
    seal = "UPDATE memories SET content = '', encrypted_envelope = ?, metadata = ? WHERE title = 't3'"
    files.execute(lacking.db, seal, sealed("a zebra", "a"), '{"agent_id": "a"}')

    async def talk(agent: Agent) -> None:
        counts = await agent.call("memory_stats")
        assert counts["with_vector"] == ROWS - 1
        (note,) = counts["notes"]
        assert note.startswith("1 encrypted memory has no vector.")
        assert note.endswith(f" A person decides that: ai-memory {' '.join(lacking.named)} backfill")
        assert "notes" not in await agent.call("memory_stats")

    env = {"AI_MEMORY_KEY_DIR": str(keys)}
    replace(lacking, env=env).converse(talk)
    assert not any("zebra" in text for text in two_models.seen.texts)
    by_hand = Command(lacking.db, env).run("--config", str(lacking.config), "backfill")
    assert by_hand.code == 0, by_hand
    assert any("zebra" in text for text in two_models.seen.texts)


def test_a_backfill_by_hand_obeys_a_pause(lacking: Place, two_models: FakeEndpoint) -> None:
    lacking.configure(configured(two_models))
    assert lacking.run("reembed", "pause", "--reason", "the disk is needed").code == 0

    refused = lacking.run("backfill")

    assert (refused.code, "the disk is needed" in refused.error) == (12, True)
    assert with_vector(lacking) == 0
    assert two_models.seen.requests == 0


def test_it_ends_with_a_server_that_is_killed(lacking: Place, two_models: FakeEndpoint) -> None:
    lacking.configure(f"{configured(two_models, boot='background')}backfill_batch = 20\n")
    two_models.change(latency=1.0)

    async def talk(agent: Agent) -> None:
        await agent.until("memory_stats", lambda found: found["with_vector"])
        agent.kill()

    lacking.converse(talk)
    wait_for(lambda: database(lacking.db).lock().state is LockState.FREE)
    assert 0 < with_vector(lacking) < ROWS


def test_where_it_is_off_nothing_is_begun(lacking: Place) -> None:
    Boot(lacking.named, {}, print).begin(settings_of(lacking))

    assert "boot" not in {each.name for each in threading.enumerate()}


@pytest.mark.parametrize("hinders", ["other space", "keyword", "nothing lacks", "no file", "pause"])
def test_nothing_is_sent_where_there_is_nothing_to_do_or_something_in_the_way(
    lacking: Place, two_models: FakeEndpoint, hinders: str
) -> None:
    lacking.configure(configured(two_models, boot="blocking"))
    if hinders == "other space":
        assert lacking.run("store", "-T", "T", "-c", "x").code == 0
        lacking.configure(configured(two_models, OTHER, boot="blocking"))
    elif hinders == "keyword":
        lacking.configure('tier = "keyword"\n[embeddings]\nbackfill_on_boot = "blocking"\n')
    elif hinders == "pause":
        assert lacking.run("reembed", "pause").code == 0
    elif hinders == "nothing lacks":
        assert lacking.run("backfill").code == 0
    else:
        lacking.db.unlink()
    seen = two_models.seen.requests

    Boot(lacking.named, {}, print).begin(settings_of(lacking))

    assert two_models.seen.requests == seen


def test_a_word_that_means_nothing_ends_the_server_before_it_serves(place: Place) -> None:
    place.configure('[embeddings]\nbackfill_on_boot = "sometimes"\n')

    refused = place.run("mcp")

    assert refused.code == 3
    assert "backfill_on_boot is 'sometimes'" in refused.error
    assert refused.error.endswith("It must be one of background, blocking, off.")


def test_without_the_library_the_command_says_what_to_install(place: Place, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text("import sys; sys.modules['mcp'] = None\n")

    refused = Command(place.db, {"PYTHONPATH": f"{hidden}:{ROOT}"}).run("mcp")

    assert refused.code == 64
    assert refused.error == f"The server for agents needs a library that is not installed: mcp. {INSTALL}"


def test_a_library_that_cannot_be_loaded_is_told_in_one_line(place: Place, tmp_path: Path) -> None:
    (tmp_path / "mcp.py").write_text("raise AttributeError('no such thing here')\n")

    refused = Command(place.db, {"PYTHONPATH": f"{tmp_path}:{ROOT}"}).run("mcp")

    assert (refused.code, refused.err.count("\n")) == (64, 1)
    assert "needs mcp, which is installed and cannot be loaded (AttributeError: no such thing here)" in refused.error


def test_nothing_heavy_is_loaded_before_a_call_needs_it(place: Place) -> None:
    line = [sys.executable, "-X", "importtime", "-m", "ai_memory", *place.named, "mcp"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}

    served = subprocess.run(line, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)

    loaded = {name.split(".")[0] for name in re.findall(r"\| +([\w.]+)$", served.stderr, re.MULTILINE)}
    assert "mcp" in loaded
    assert not loaded & {*HEAVY, "apsw"}
    assert served.stdout == ""


def test_a_server_that_is_named_no_file_serves_those_of_its_environment(place: Place, two_models: FakeEndpoint) -> None:
    standard = place.db.parent / "xdg" / "ai-memory"
    standard.mkdir(parents=True)
    (standard / "config.toml").symlink_to(place.config)
    env = {"AI_MEMORY_DB": str(place.db), "XDG_CONFIG_HOME": str(standard.parent)}

    async def talk(agent: Agent) -> None:
        assert (await agent.call("memory_store", title="T", content="x"))["embedded"] is True
        assert (await agent.call("memory_stats"))["db"] == str(place.db)
        place.configure(configured(two_models, OTHER))
        refused = await agent.refused("reembed_start")
        assert refused["next"] == f"ai-memory --db {place.db} reembed approve"

    Place(place.db, place.config, env, options=()).converse(talk)


def test_a_signal_ends_a_server_that_waits_for_its_client_at_once(place: Place) -> None:
    server = Command(place.db).start("--config", place.config, "mcp")
    assert server.stdin
    assert server.stdout
    server.stdin.write('{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n')
    server.stdin.flush()
    assert '"id":1' in server.stdout.readline()

    assert kill(server, signal.SIGTERM).code == 143
