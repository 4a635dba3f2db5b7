"""One database under fire: a runner killed again and again, an editor at work, and what must be true at the end."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.campaign.editor import Entry, Text, read_texts
from tests.campaign.points import POINTS, Watch, reached
from tests.conftest import ROOT
from tests.support import files
from tests.support.command import Answer, Command, answer, kill, remote
from tests.support.fake_endpoint import FakeEndpoint

MODELS = ("old", "new")
AT_MOST = re.compile(r"at most ([\d,]+) texts? (?:is|are) sent twice")
CHURN = 75
IN_THE_MIDDLE = ("moment", "request received", "request answered", "log written")
"""Points to choose more often than others: they fall anywhere in a run."""


@dataclass(slots=True)
class Figures:
    """What a campaign, or several, did."""

    databases: int = 0
    starts: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    finished: int = 0
    edits: int = 0
    texts: int = 0
    sent_twice: int = 0
    announced: int = 0
    longest_wait: float = 0.0

    def add(self, other: Figures) -> None:
        """Take another campaign's figures in."""
        self.databases += other.databases
        self.starts += other.starts
        self.kills += other.kills
        self.finished += other.finished
        self.edits += other.edits
        self.texts += other.texts
        self.sent_twice += other.sent_twice
        self.announced += other.announced
        self.longest_wait = max(self.longest_wait, other.longest_wait)

    def line(self) -> str:
        """Return the figures as one line."""
        points = ", ".join(f"{count} {point}" for point, count in sorted(self.kills.items()))
        where = f"{self.kills.total()} kills ({points}) in {self.starts} starts on {self.databases} files"
        others = f"{self.edits:,} edits by another process, which waited {self.longest_wait * 1000:.0f} ms at most"
        twice = f"of {self.texts:,} texts {self.sent_twice:,} sent twice, at most {self.announced:,} announced"
        runs = f"{self.finished} runs finished; every row right at the end, no edit lost"
        return f"SIGKILL campaign: {where}, {runs}; {others}; {twice}"


@dataclass(slots=True)
class Campaign:
    """A database, its endpoint, the random choices of one seed, and the flags that say in what order runs walk."""

    database: Path
    endpoint: FakeEndpoint
    random: random.Random
    figures: Figures = field(default_factory=lambda: Figures(databases=1))
    order: tuple[str, ...] = ()
    _model: int = 0
    _approved: int = -1
    _sent: list[Counter[str]] = field(default_factory=lambda: [Counter()])
    _seen: Counter[str] = field(default_factory=Counter)

    @property
    def command(self) -> Command:
        return Command(self.database, remote(self.endpoint))

    def kill_one(self) -> None:
        """Start a runner and kill it at a point, unless it ends before; then let the next go to the other model."""
        point, number = self.random.choice([*POINTS, *IN_THE_MIDDLE]), self.random.randint(1, 24)
        self._approve()
        process = self.command.start(*self._words())
        self.figures.starts += 1
        if reached(Watch(self.database, process, self.endpoint), point, number):
            self.figures.kills[point] += 1
            self._note(kill(process))
            return
        ended = self._note(answer(process))
        assert ended.code in (0, CHURN), ended
        if ended.code == 0:
            self._go_over_to_the_other_model()

    def finish(self) -> Answer:
        """Start runners until one says that all is done."""
        self._approve()
        for _ in range(3):
            self.figures.starts += 1
            ended = self._note(answer(self.command.start(*self._words())))
            if ended.code != CHURN:
                break
        return ended

    def judge(self, before: dict[str, Text], journal: list[Entry]) -> None:
        """Check the file against the editor's journal and the endpoint's vectors, and the texts sent."""
        expected = require_right(self.database, before, journal, self.endpoint)
        self._count(expected, journal)
        assert self.figures.sent_twice <= self.figures.announced, self.figures

    def _count(self, expected: dict[str, Text], journal: list[Entry]) -> None:
        excused = {entry.again for entry in journal}
        mine = {text.document for text in expected.values()} | {entry.now.document for entry in journal if entry.now}
        counted = [count for sent in self._sent for text, count in sent.items() if text in mine - excused]
        self.figures.texts = sum(counted)
        self.figures.sent_twice = sum(count - 1 for count in counted)
        self.figures.edits = len(journal)
        self.figures.longest_wait = max((entry.waited for entry in journal), default=0.0)

    def _words(self) -> list[str]:
        concurrency = self.random.choice([[], ["--concurrency", "1"], ["--concurrency", "3"]])
        return [
            "reembed",
            "--resume",
            "--or-start",
            "--json",
            "--batch",
            str(self.random.choice([2, 5])),
            *concurrency,
            *self.order,
        ]

    def _note(self, ended: Answer) -> Answer:
        assert "Traceback" not in ended.err, ended
        if found := AT_MOST.search(ended.err):
            self.figures.announced += int(found[1].replace(",", ""))
        self.figures.finished += ended.code == 0
        # In how many starts each text was sent to this model: what one start asks again is no kill's doing.
        sent = Counter(self.endpoint.seen.texts)
        self._sent[-1].update((sent - self._seen).keys())
        self._seen = sent
        return ended

    def _approve(self) -> None:
        if self._approved != self._model:
            assert self.command.run("reembed", "approve").code == 0
            self._approved = self._model

    def _go_over_to_the_other_model(self) -> None:
        self.endpoint.seen.texts, self._seen = Counter(), Counter()
        self._sent.append(Counter())
        self._model = 1 - self._model
        self.endpoint.change(model=MODELS[self._model])


def require_right(
    database: Path, before: dict[str, Text], journal: list[Entry], endpoint: FakeEndpoint
) -> dict[str, Text]:
    """Check that every row has the text that the editor left and the endpoint's vector of it; return the texts."""
    expected = dict(before)
    for entry in journal:
        if entry.now:
            expected[entry.id] = entry.now
        else:
            del expected[entry.id]
    stored = files.vectors(database)
    right = {row_id: b"\x01" + endpoint.vector(text.document).tobytes() for row_id, text in expected.items()}
    assert read_texts(database) == expected
    assert [row_id for row_id in expected if stored[row_id] != right[row_id]] == []
    assert files.integrity(database) == "ok"
    return expected


@contextmanager
def editing(database: Path, journal: Path, *, seed: int, per_second: float, dim: int = 16) -> Iterator[None]:
    """Let another process edit the database inside the block; fails where that process failed."""
    options = ["--seed", str(seed), "--per-second", str(per_second), "--dim", str(dim)]
    line = [sys.executable, "-m", "tests.campaign.editor", str(database), str(journal), *options]
    process = subprocess.Popen(line, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, ""), err
