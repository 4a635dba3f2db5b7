"""The command line as a process of its own, and what it answered."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.support import files
from tests.support.fake_endpoint import FakeEndpoint
from tests.support.prepared import PREPARED, Split

ERROR = "ai-memory: error: "
TIMEOUT_S = 120

TEXTS = "SELECT title || ' ' || content FROM memories ORDER BY namespace, id"


def plain(text: str) -> str:
    """Return a text with the commands in it named without the database that the test gave."""
    return re.sub(r"\bai-memory --db ('[^']*'|\S+) ", "ai-memory ", text)


@dataclass(frozen=True, slots=True)
class Answer:
    """Exit code and both streams of a process that ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        lines = self.out.splitlines()
        assert len(lines) == 1, self
        found: dict[str, Any] = json.loads(lines[0])
        return found

    @property
    def error(self) -> str:
        """The one line of the error, without its prefix; fails where there is not exactly one, or a traceback.

        Commands in it are named without the database, see `plain`.
        """
        assert "Traceback" not in self.err, self.err
        lines = [line for line in self.err.splitlines() if line.startswith(ERROR)]
        assert len(lines) == 1, self
        return plain(lines[0].removeprefix(ERROR))


@dataclass(frozen=True, slots=True)
class Command:
    """`ai-memory` on one database, with the environment that names its embedder; `prefix` starts the process.

    A run to the end that takes longer than `timeout_s` is killed, and the test with it.
    """

    db: Path
    env: Mapping[str, str] = field(default_factory=dict)
    prefix: Sequence[str] = ()
    timeout_s: float = TIMEOUT_S
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def having(self, **env: str) -> Command:
        """Return it with more in its environment; what either starts, `end` of either kills."""
        return replace(self, env={**self.env, **env})

    def run(self, *words: str | Path, stdin: str = "") -> Answer:
        """Run to the end."""
        process = self.start(*words)
        return answer(process, stdin, timeout_s=self.timeout_s)

    def start(self, *words: str | Path) -> subprocess.Popen[str]:
        """Begin and return at once."""
        return self._start(words, subprocess.PIPE)

    def on_terminal(self, *words: str | Path, typed: str = "", columns: int = 80) -> Answer:
        """Run to the end on a terminal of its own at which somebody typed; what it shows is `out`."""
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (25, columns))
        process = self._start(words, theirs)
        os.close(theirs)
        os.write(ours, typed.encode())
        shown = b""
        with suppress(OSError), open(ours, "rb", buffering=0) as screen:  # noqa: PTH123 - a descriptor
            while read := screen.read(4096):
                shown += read
        return Answer(process.wait(TIMEOUT_S), shown.decode(), "")

    def _start(self, words: Sequence[str | Path], stream: int) -> subprocess.Popen[str]:
        line = [*self.prefix, sys.executable, "-m", "ai_memory", "--db", str(self.db), *map(str, words)]
        env = {**os.environ, "PYTHONPATH": str(ROOT), **self.env}
        if stream == subprocess.PIPE and not self.prefix and PREPARED.fits(env):
            process: subprocess.Popen[str] = Split(line, line[-len(words) - 2 :], env)
        else:
            process = subprocess.Popen(
                line, env=env, stdin=stream, stdout=stream, stderr=stream, text=True, encoding="utf-8"
            )
        self.started.append(process)
        return process

    def end(self) -> None:
        """Kill whatever still runs, so that a test that fails leaves nothing behind."""
        for process in self.started:
            if process.poll() is None:
                kill(process)
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream:
                    stream.close()

    def reembed(self, *words: str | Path) -> Answer:
        """Run `reembed`, with its result as JSON."""
        return self.run("reembed", "--json", *words)


def answer(process: subprocess.Popen[str], stdin: str = "", *, timeout_s: float = TIMEOUT_S) -> Answer:
    """Wait for a process and return its answer."""
    try:
        out, err = process.communicate(stdin, timeout=timeout_s)
    finally:
        process.kill()
    return Answer(process.returncode, out, err)


def kill(process: subprocess.Popen[str], number: int = signal.SIGKILL) -> Answer:
    """Send a signal and wait for the end."""
    process.send_signal(number)
    return answer(process)


def wait_for(condition: Callable[[], object], *, seconds: float = 20) -> None:
    """Return as soon as the condition holds; fail when it never does."""
    deadline, pause = time.monotonic() + seconds, 0.01
    while not condition():
        assert time.monotonic() < deadline, "what was waited for never came"
        time.sleep(pause)
        # What takes long is looked at less often: looking takes the processor from what is waited for.
        pause = min(pause * 1.1, 0.1)


def wait_while_running(
    process: subprocess.Popen[str], condition: Callable[[], object], *, seconds: float = 120
) -> None:
    """Return as soon as the condition holds; fail with what the process said where it ends before, or it takes long."""
    with suppress(AssertionError):
        wait_for(lambda: process.poll() is not None or condition(), seconds=seconds)
    if not condition():
        raise AssertionError(kill(process))


def remote(endpoint: FakeEndpoint, **more: str) -> dict[str, str]:
    """Return the environment in which `endpoint` is the embedder."""
    return {**remote_at(endpoint.url, endpoint.behaviour.model), **more}


def remote_at(url: str, model: str = "fake") -> dict[str, str]:
    """Return the environment in which the OpenAI-compatible server at `url` is the embedder."""
    return {
        "AI_MEMORY_EMBED_BACKEND": "openai-compatible",
        "AI_MEMORY_EMBED_BASE_URL": url,
        "AI_MEMORY_EMBED_MODEL": model,
    }


def sent_again(command: Command, endpoint: FakeEndpoint, batch: int) -> int:
    """Return how many texts of memories the server saw again in their page of `batch` rows.

    What is asked again goes by itself, or with rows of other pages.
    """
    texts = [text for (text,) in files.execute(command.db, TEXTS)]
    pages = [tuple(texts[start : start + batch]) for start in range(0, len(texts), batch)]
    seen = Counter(tuple(body["input"]) for body in endpoint.seen.bodies)
    assert all(seen[page] for page in pages)
    return sum(len(page) * (seen[page] - 1) for page in pages)
