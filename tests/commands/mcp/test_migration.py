"""Agents plan, start, watch, pause and give up migrations, and search meanwhile; the work outlives their server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from ai_memory.commands.mcp.reembed_tools import MORE_STATUS, STATUS
from ai_memory.system.person import who
from tests.commands.mcp.conftest import OTHER, configured
from tests.support import files
from tests.support.agent import Agent, Place, Values, run, values
from tests.support.fake_endpoint import FakeEndpoint

ROWS = 40


def content(number: int) -> str:
    return f"the heron of pond {number}"


@dataclass(slots=True)
class Migration:
    """A file of `ROWS` memories with vectors of one model, and a configuration that names the other one."""

    place: Place
    endpoint: FakeEndpoint
    begun: list[int] = field(default_factory=list)

    async def start(self, agent: Agent) -> int:
        """Have the migration started, slowly, and return the number of its process once it has written something."""
        self.endpoint.change(latency=0.15)
        started = await agent.call("reembed_start")
        self.begun.append(started["pid"])
        await agent.until("reembed_status", lambda found: found.get("done"))
        return int(started["pid"])

    def approve(self) -> None:
        assert self.place.run("reembed", "approve").code == 0


@pytest.fixture
def migration(place: Place, two_models: FakeEndpoint) -> Iterator[Migration]:
    lines = [json.dumps({"title": f"pond {number}", "content": content(number)}) for number in range(ROWS)]
    exported = place.db.with_suffix(".jsonl")
    exported.write_text("\n".join(lines))
    assert place.run("import", exported).code == 0
    place.configure(f"{configured(two_models, OTHER)}backfill_batch = 1\n")
    found = Migration(place, two_models)
    yield found
    for pid in found.begun:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


async def found_by_meaning(agent: Agent, number: int) -> None:
    found = await agent.call(
        "memory_recall", query=f"pond {number} {content(number)}", limit=1, fields=["title", "cosine"]
    )
    assert found["memories"] == [{"title": f"pond {number}", "cosine": 1.0}], found


def widths(place: Place) -> set[object]:
    return {dim for (dim,) in files.execute(place.db, "SELECT embedding_dim FROM memories")}


def test_nothing_starts_before_a_person_approved_and_the_plan_says_so(migration: Migration) -> None:
    async def talk(agent: Agent) -> None:
        plan = await agent.call("reembed_plan")
        assert (plan["rows_to_embed"], plan["target_model"], plan["refused_with"]) == (ROWS, OTHER, 12)
        assert any(f"{ROWS} of {ROWS} rows will be embedded" in note for note in plan["notes"])
        refused = await agent.refused("reembed_start")
        assert refused["exit_code"] == 12
        assert refused["error"].startswith("Nobody approved the configured target for this file")
        assert refused["next"] == f"ai-memory {' '.join(migration.place.named)} reembed approve"

    seen = migration.endpoint.seen.requests
    migration.place.converse(talk)
    assert (migration.endpoint.seen.requests, widths(migration.place)) == (seen, {16})


def test_a_conversation_migrates_while_it_recalls_is_killed_and_comes_back_to_the_end_of_it(
    migration: Migration,
) -> None:
    place = migration.place
    migration.approve()

    async def until_killed(agent: Agent) -> None:
        await found_by_meaning(agent, 3)
        runner = await migration.start(agent)
        again = await agent.refused("reembed_start")
        assert (again["exit_code"], str(runner) in again["error"]) == (11, True)
        for number in range(5):
            await found_by_meaning(agent, number)
        agent.kill()

    async def afterwards(agent: Agent) -> None:
        found = await agent.until("reembed_status", lambda found: found["state"] == "done", fields=[], exact=True)
        assert {*found} <= {*STATUS, *MORE_STATUS.split()}
        assert (found["done"], found["remaining"], found["check"]) == (ROWS, 0, 0)
        for number in range(ROWS):
            await found_by_meaning(agent, number)

    place.converse(until_killed)
    migration.endpoint.change(latency=0.0)
    place.converse(afterwards)
    assert widths(place) == {24}
    assert place.run("reembed", "verify").code == 0


def test_what_is_stored_while_a_migration_works_has_a_vector_of_its_target_in_the_end(migration: Migration) -> None:
    migration.approve()

    async def talk(agent: Agent) -> None:
        await migration.start(agent)
        await agent.call("memory_store", title="late", content="a swan")
        migration.endpoint.change(latency=0.0)
        await agent.until("reembed_status", lambda found: found["state"] == "done")
        found = await agent.call("memory_recall", query="late a swan", limit=1, fields=["title", "cosine"])
        assert found["memories"] == [{"title": "late", "cosine": 1.0}]

    migration.place.converse(talk)
    assert migration.place.run("reembed", "verify").code == 0


def test_a_pause_ends_the_run_within_a_batch_and_keeps_others_from_beginning(migration: Migration) -> None:
    migration.approve()

    async def talk(agent: Agent) -> None:
        await migration.start(agent)
        paused = await agent.call("reembed_pause", reason="the disk is needed")
        assert paused["paused"] is True
        ended = await agent.until("reembed_status", lambda found: found["started_here"]["exit_code"] is not None)
        assert ended["started_here"]["exit_code"] == 12
        assert "the disk is needed" in ended["started_here"]["said"]
        assert (ended["condition"], ended["pause"]["reason"]) == ("paused", "the disk is needed")
        assert paused["by"] == f"an agent of {who()} (through mcp)"
        assert 0 < ended["done"] < ROWS
        refused = await agent.refused("reembed_start")
        assert (refused["exit_code"], "the disk is needed" in refused["error"]) == (12, True)

    migration.place.converse(talk)


def test_a_pause_that_lasts_is_not_cut_short_by_an_agent(migration: Migration) -> None:
    assert migration.place.run("reembed", "pause", "--reason", "a person's").code == 0

    async def talk(agent: Agent) -> None:
        paused = await agent.call("reembed_pause", until="2099-01-01T00:00:00Z")
        assert (paused["until"], paused["reason"]) == (None, "a person's")
        assert "that pause stands" in paused["notes"][0]
        assert (await agent.refused("reembed_pause", until="2001-01-01T00:00:00Z"))["exit_code"] == 64
        assert "is not a time" in (await agent.refused("reembed_pause", until="soon"))["error"]

    migration.place.converse(talk)


def test_an_unfinished_rollback_is_left_to_a_person(migration: Migration) -> None:
    place = migration.place
    assert place.run("reembed", "--yes").code == 0
    assert place.run("reembed", "rollback", "--yes", "--max-rows", "10").code == 75
    assert place.run("reembed", "approve").code == 0
    before = [widths(place), place.run("reembed", "status", "--json").json["done"]]

    async def talk(agent: Agent) -> None:
        refused = await agent.refused("reembed_start")
        assert (refused["exit_code"], "a rollback, is unfinished" in refused["error"]) == (12, True)
        assert refused["next"] == f"ai-memory {' '.join(place.named)} reembed --resume"

    place.converse(talk)
    assert [widths(place), place.run("reembed", "status", "--json").json["done"]] == before


def test_of_starts_that_are_asked_for_at_once_one_begins(migration: Migration) -> None:
    migration.approve()
    migration.endpoint.change(latency=0.15)

    async def talk(agent: Agent) -> None:
        answers = await asyncio.gather(*(agent.answer("reembed_start") for _ in range(4)))
        migration.begun.extend(values(each)["pid"] for each in answers if not each.is_error)
        refused = [values(each)["exit_code"] for each in answers if each.is_error]
        assert refused == [11, 11, 11]

    migration.place.converse(talk)


def test_a_run_that_is_given_up_needs_a_new_approval(migration: Migration) -> None:
    migration.approve()

    async def talk(agent: Agent) -> None:
        await migration.start(agent)
        cancelled = await agent.call("reembed_cancel")
        assert cancelled["state"] == "cancelled"
        await agent.until("reembed_status", lambda found: found["started_here"]["exit_code"] is not None)
        assert (await agent.refused("reembed_start"))["exit_code"] == 12
        assert (await agent.refused("reembed_cancel"))["error"].startswith("There is no unfinished run to cancel.")

    migration.place.converse(talk)


def test_a_start_that_cannot_embed_is_refused_at_once_and_one_that_fails_later_says_why(migration: Migration) -> None:
    place, endpoint = migration.place, migration.endpoint
    migration.approve()

    async def talk(agent: Agent) -> None:
        place.configure('tier = "keyword"\n')
        assert (await agent.refused("reembed_start"))["exit_code"] == 2
        place.configure('[embeddings]\nbackend = "nonsense"\n')
        assert (await agent.refused("reembed_start"))["exit_code"] == 3
        place.configure(configured(endpoint, OTHER))
        endpoint.fail("told-401", times=-1)
        await agent.call("reembed_start")
        ended = await agent.until("reembed_status", lambda found: found["started_here"]["exit_code"] is not None)
        assert (ended["started_here"]["exit_code"], str(place.db) in ended["started_here"]["said"]) == (77, True)

    place.converse(talk)


def test_two_servers_on_one_file_see_what_the_other_stores_and_one_migration_works(migration: Migration) -> None:
    place = migration.place
    migration.approve()

    async def stores(agent: Agent, name: str) -> list[Values]:
        calls = (agent.call("memory_store", title=f"{name} {n}", content=f"crane {name} {n}") for n in range(10))
        return await asyncio.gather(*calls)

    async def both() -> None:
        async with place.agent() as one, place.agent() as two:
            assert one.pid != two.pid
            stored = await asyncio.gather(stores(one, "one"), stores(two, "two"))
            assert {each["outcome"] for each in (*stored[0], *stored[1])} == {"created"}
            for reader, name in ((one, "two"), (two, "one")):
                found = await reader.call("memory_recall", query=f"{name} 7 crane {name} 7", limit=1, fields=["title"])
                assert found["memories"] == [{"title": f"{name} 7"}]

            answers = await asyncio.gather(one.answer("reembed_start"), two.answer("reembed_start"))
            assert not all(each.is_error for each in answers)
            await one.until("reembed_status", lambda found: found["state"] == "done")
            for each in (one, two):
                ended = await each.until("reembed_status", lambda found: _over(found.get("started_here")))
                assert ended.get("started_here", {"exit_code": 11})["exit_code"] in (0, 11)

    run(both())
    assert widths(place) == {24}
    assert len(place.run("reembed", "history", "--json").json["runs"]) == 1
    assert place.run("reembed", "verify").code == 0


def test_the_database_that_is_configured_now_is_named_and_migrated(migration: Migration) -> None:
    at_first = migration.place.db
    now = at_first.with_name("now.db")
    assert Place(now, migration.place.config, {}).run("import", at_first.with_suffix(".jsonl")).code == 0
    text = migration.place.config.read_text()
    place = Place(now, migration.place.config, {}, ("--config", str(migration.place.config)))
    place.configure(f'db = "{at_first}"\n{text}')

    async def talk(agent: Agent) -> None:
        place.configure(f'db = "{now}"\n{configured(migration.endpoint)}')
        refused = await agent.refused("memory_forget", id="none")
        assert refused["next"] == f"ai-memory {' '.join(place.named)} list"
        await agent.call("memory_store", title="T", content="x", embed=False)
        assert place.run("reembed", "approve").code == 0
        await agent.call("reembed_start")
        await agent.until("reembed_status", lambda found: _over(found.get("started_here")))

    place.converse(talk)
    assert (widths(migration.place), widths(place)) == ({16}, {16})


def _over(started: Values | None) -> bool:
    return started is None or started["exit_code"] is not None
