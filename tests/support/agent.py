"""An agent: the SDK's own client, talking to a server of ours that it starts as any client does."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters, stdio_client, types

from tests.conftest import ROOT
from tests.support.command import Answer, Command

Values = dict[str, Any]
WAITS_S = 120.0


@dataclass(frozen=True, slots=True)
class Agent:
    """A client that is connected to the server with the process number `pid`."""

    client: Client
    pid: int

    async def call(self, tool: str, **arguments: object) -> Values:
        """Return what a tool answers; fails where that is an error."""
        answer = await self.answer(tool, **arguments)
        assert not answer.is_error, answer
        return values(answer)

    async def refused(self, tool: str, **arguments: object) -> Values:
        """Return the error that a tool answers with; fails where it is none."""
        answer = await self.answer(tool, **arguments)
        assert answer.is_error, answer
        return values(answer)

    async def answer(self, tool: str, **arguments: object) -> types.CallToolResult:
        return await self.client.call_tool(tool, arguments)

    async def until(self, tool: str, holds: Callable[[Values], object], **arguments: object) -> Values:
        """Call a tool again and again until its answer is such; return that."""
        deadline = time.monotonic() + WAITS_S
        while not holds(found := await self.call(tool, **arguments)):
            assert time.monotonic() < deadline, found
            await asyncio.sleep(0.05)
        return found

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


def values(answer: types.CallToolResult) -> Values:
    """Return the one JSON object of an answer."""
    (content,) = answer.content
    assert isinstance(content, types.TextContent)
    found: Values = json.loads(content.text)
    return found


@dataclass(frozen=True, slots=True)
class Place:
    """Where servers are started: a database, a config file, the environment, and the global options (None: both)."""

    db: Path
    config: Path
    env: Mapping[str, str]
    options: Sequence[str] | None = None

    @property
    def log(self) -> Path:
        return self.db.with_suffix(".log")

    @property
    def named(self) -> list[str]:
        """The global options that name both files."""
        return ["--db", str(self.db), "--config", str(self.config)]

    def configure(self, text: str) -> None:
        self.config.write_text(text, "utf-8")
        self.config.chmod(0o600)

    def run(self, *words: str | Path) -> Answer:
        """Run a command of the program on the same files."""
        return Command(self.db).run("--config", self.config, *words)

    @asynccontextmanager
    async def agent(self) -> AsyncIterator[Agent]:
        """Start a server, and end it as a client does: by closing its stdin."""
        # The shell tells its own number, which is the server's then.
        options = self.named if self.options is None else self.options
        number = self.db.with_suffix(".pid")
        line = 'echo $$ > "$0"; exec "$@"'
        words = ["-c", line, str(number), sys.executable, "-m", "ai_memory", *options, "mcp"]
        env = {**os.environ, "PYTHONPATH": str(ROOT), **self.env}
        with self.log.open("a", encoding="utf-8") as log:
            server = stdio_client(StdioServerParameters(command="/bin/sh", args=words, env=env), errlog=log)
            async with Client(server, read_timeout_seconds=WAITS_S) as client:
                yield Agent(client, int(number.read_text()))

    def converse(self, talk: Callable[[Agent], Awaitable[None]]) -> None:
        """Have one conversation with a new server."""

        async def whole() -> None:
            async with self.agent() as agent:
                await talk(agent)

        run(whole())


def run(talk: Coroutine[Any, Any, None]) -> None:
    """Have a conversation; what fails in it fails as itself, not as one of the client's groups of tasks."""
    try:
        asyncio.run(talk)
    except BaseExceptionGroup as group:
        raise _first(group) from None


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
