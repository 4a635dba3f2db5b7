"""Agents on a PostgreSQL server: what is started for them finds its way, and no password stands where others see it."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from tests.commands.mcp.conftest import configured
from tests.support import postgres_shapes
from tests.support.agent import Agent, Place
from tests.support.command import Command
from tests.support.fake_endpoint import FakeEndpoint
from tests.support.postgres_server import Server

SECRET = "s3cret-word"


def test_a_migration_that_an_agent_starts_works_on_the_server_and_shows_nobody_the_password(
    postgres: Server, place: Place, two_models: FakeEndpoint
) -> None:
    url = postgres.fresh(*postgres_shapes.statements(), *postgres_shapes.memories(20))
    url = url.replace("app@", f"app:{SECRET}@")
    command = Command(url)  # type: ignore[arg-type]
    place.configure(f"{configured(two_models)}backfill_batch = 1\n")
    assert command.run("--config", place.config, "reembed", "approve").code == 0
    there = replace(place, options=["--db", url, "--config", str(place.config)])
    begun: list[int] = []

    async def talk(agent: Agent) -> None:
        two_models.change(latency=0.15)
        started = await agent.call("reembed_start")
        begun.append(started["pid"])
        await agent.until("reembed_status", lambda found: found.get("done"))
        process = Path(f"/proc/{begun[0]}")
        told = [SECRET.encode() in (process / each).read_bytes() for each in ("cmdline", "environ")]
        assert told == [False, True]
        two_models.change(latency=0)
        await agent.until("reembed_status", lambda found: found.get("state") == "done")
        found = await agent.call("memory_recall", query="title id-007", limit=1, fields=["cosine"])
        assert [each["cosine"] is None for each in found["memories"]] == [False]

    try:
        there.converse(talk)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(begun[0], signal.SIGKILL)
    assert SECRET not in there.log.read_text("utf-8")
