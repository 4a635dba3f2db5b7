"""A night of cron with everything that happens in one: which starts send mail, and can the mail be acted on?

cron mails whatever a command prints. A mail can be acted on where something is wrong, and it is one line that names
what to type or to correct.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw

from tests.campaign.bystander import Bystander
from tests.support import files
from tests.support.command import Answer, Command, answer, kill, remote, wait_for
from tests.support.fake_endpoint import FOREVER, FakeEndpoint
from tests.support.faults import close_breaker

ROWS = 120
CRON = ("-q", "reembed", "--resume", "--or-start", "--batch", "2", "--concurrency", "1")
LONG, SHORT = "25m", "2s"
STUCK = "UPDATE reembed_run SET last_progress_at = last_progress_at - 700000"
FULL = ("sh", "-c", 'ulimit -f 8; exec "$@"', "sh")
"""A process that may write no file beyond a few kilobytes: what a full disk is to it."""


@dataclass(frozen=True, slots=True)
class Start:
    """One start: what was the matter (empty: nothing), whether that is new to the operator, and the answer."""

    matter: str
    news: bool
    answer: Answer

    @property
    def mail(self) -> str:
        """What cron sends."""
        return self.answer.out + self.answer.err

    @property
    def can_be_acted_on(self) -> bool:
        """Whether the mail is of use to who reads it."""
        return bool(self.matter) and len(self.mail.splitlines()) == 1 and "ai-memory --" in self.mail


@dataclass(slots=True)
class Night:
    """A database, its endpoint and the starts of one night."""

    command: Command
    endpoint: FakeEndpoint
    metrics: Path
    log: Path
    starts: list[Start] = field(default_factory=list)

    @property
    def line(self) -> tuple[str | Path, ...]:
        """What cron types, up to how long it may take."""
        told = ("--metrics-file", self.metrics, "--log-file", self.log, "--log-format", "json")
        return (*CRON, *told, "--max-runtime")

    def cron(self, matter: str = "", *, times: int = 1, news: bool = True, runtime: str = LONG) -> None:
        """Start as cron does; what is told once is no news the second time."""
        for time in range(times):
            ended = self.command.run(*self.line, runtime)
            self.starts.append(Start(matter, bool(matter) and (news or time == 0), ended))

    def by_hand(self, *words: str) -> None:
        """Type a command of `reembed`."""
        ended = self.command.run("reembed", *words)
        assert ended.code == 0, ended

    def edit(self, rows: int, text: str) -> None:
        """Let another program edit some rows."""
        for number in range(rows):
            files.edit(self.command.db, f"id-{number:03}", f"{text} {number}")

    @contextmanager
    def otherwise(self, **changes: object) -> Iterator[None]:
        """Have the command started otherwise inside the block."""
        before = self.command
        self.command = replace(before, **changes)  # type: ignore[arg-type]
        yield
        self.command = before

    @contextmanager
    def failing(self, kind: str) -> Iterator[None]:
        """Have the endpoint fail inside the block."""
        self.endpoint.fail("none", times=2)
        self.endpoint.fail(kind, times=FOREVER)
        yield
        self.endpoint.heal()
        close_breaker(self.command.db)


def not_approved(night: Night) -> None:
    night.cron("nobody approved the target", times=2, news=False)
    night.by_hand("approve")


def budget(night: Night) -> None:
    night.endpoint.change(latency=0.2)
    night.cron(times=3, runtime=SHORT)


def outage(night: Night) -> None:
    with night.failing("unavailable"):
        night.cron("the endpoint is away", times=3, runtime=SHORT)


def wrong_key(night: Night) -> None:
    with night.failing("unauthorized"):
        night.cron("the key is refused", times=2)


def killed(night: Night) -> None:
    process = night.command.start(*night.line, LONG)
    requests = night.endpoint.seen.requests
    wait_for(lambda: night.endpoint.seen.requests > requests + 5)
    night.starts.append(Start("", news=False, answer=kill(process)))
    night.cron(runtime=SHORT)


def stop_between_commits(night: Night, process: subprocess.Popen[str]) -> None:
    """Stop the runner where it holds nobody up: in a commit every writer would wait for it."""
    while True:
        process.send_signal(signal.SIGSTOP)
        try:
            files.execute(night.command.db, "BEGIN IMMEDIATE; ROLLBACK")
        except apsw.BusyError:
            process.send_signal(signal.SIGCONT)
        else:
            return


def stopped(night: Night) -> None:
    process = night.command.start(*night.line, LONG)
    requests = night.endpoint.seen.requests
    wait_for(lambda: night.endpoint.seen.requests > requests + 5)
    stop_between_commits(night, process)
    night.cron(times=2)
    files.execute(night.command.db, STUCK)
    night.cron("the runner hangs")
    night.endpoint.change(latency=0.0)
    process.send_signal(signal.SIGCONT)
    night.starts.append(Start("", news=False, answer=answer(process)))


def writer(night: Night) -> None:
    for text in ("one edit", "another edit"):
        night.edit(10, text)
        night.cron()


def full_disk(night: Night) -> None:
    night.edit(10, "an edit before the disk is full")
    with night.otherwise(prefix=FULL):
        night.cron("the disk is full", times=2)
    night.cron()


def other_model(night: Night) -> None:
    night.edit(10, "an edit before the configuration changes")
    with night.otherwise(env={**night.command.env, "AI_MEMORY_EMBED_MODEL": "other"}):
        night.cron("another model is configured", times=2, news=False)
    night.cron()


def broken_file(night: Night) -> None:
    path = night.command.db.with_name("config.toml")
    named = {**night.command.env, "XDG_CONFIG_HOME": str(path.parent.parent)}
    path.write_text("[embeddings\n", "utf-8")
    with night.otherwise(env=named):
        night.cron("the configuration cannot be read", times=2)


def paused(night: Night) -> None:
    night.by_hand("pause", "--reason", "the disk is being moved")
    night.cron("somebody paused it", times=2, news=False)
    night.by_hand("unpause")


def bad_row(night: Night) -> None:
    night.endpoint.change(poison="POISON")
    files.edit(night.command.db, "id-007", "POISON")
    night.cron("a row is in quarantine", times=2, news=False)
    files.edit(night.command.db, "id-007", "harmless now")


def healthy(night: Night) -> None:
    night.cron(times=3)


CHAPTERS: tuple[Callable[[Night], None], ...] = (
    not_approved, budget, outage, wrong_key, killed, stopped, writer, full_disk, other_model, broken_file, paused,
    bad_row, healthy,
)  # fmt: skip


def spend(folder: Path, *, look_every: float = 5.0) -> tuple[list[Start], Bystander]:
    """Live through the night and return its starts, and who looked on; every row must be right at its end."""
    home = folder / "ai-memory"
    home.mkdir()
    with FakeEndpoint(dim=16) as endpoint:
        command = Command(files.create(home / "m.db", ROWS), remote(endpoint))
        night = Night(command, endpoint, home / "m.prom", home / "m.log")
        bystander = Bystander(command, endpoint, look_every, night.metrics, night.log)
        try:
            with bystander.looking():
                for chapter in CHAPTERS:
                    chapter(night)
            texts = files.texts(command.db)
            right = {row: b"\x01" + endpoint.vector(text).tobytes() for row, text in texts.items()}
            assert files.vectors(command.db) == right
        finally:
            command.end()
    return night.starts, bystander


def summary(starts: list[Start]) -> str:
    """Return the figures of a night in a line."""
    mails = [each for each in starts if each.mail]
    lines = sum(len(each.mail.splitlines()) for each in mails)
    useful = sum(each.can_be_acted_on for each in mails)
    return f"{len(starts)} starts, {len(mails)} mails of {lines} lines, {useful} can be acted on"


def told_wrong(bystander: Bystander) -> str:
    """Return how often status, metrics and log were read, and what was wrong of them."""
    return "\n".join([f"{bystander.looks} looks, {len(bystander.wrong)} wrong figures", *bystander.wrong])


def main() -> int:
    """Print every start of a night, and the figures; 1 where a mail was of no use or missing, or a figure wrong."""
    with TemporaryDirectory() as folder:
        starts, bystander = spend(Path(folder))
    for each in starts:
        sys.stdout.write(f"{each.answer.code:>4}  {each.matter or 'nothing is wrong'}\n")
        sys.stdout.writelines(f"      | {line}\n" for line in each.mail.splitlines())
    sys.stdout.write(f"{summary(starts)}\n{told_wrong(bystander)}\n")
    return int(
        bool(bystander.wrong)
        or any(bool(each.mail) != each.news or (each.mail and not each.can_be_acted_on) for each in starts)
    )


if __name__ == "__main__":
    os.environ.pop("AI_MEMORY_DB", None)
    sys.exit(main())
