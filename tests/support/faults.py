"""Every way an endpoint fails, each met in the middle of a real migration: what became of the rows, what it cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, log2
from pathlib import Path

from ai_memory.reembed.doubt import AT_END
from ai_memory.reembed.sweep.schedule import FIRST, LEAST
from ai_memory.vectors.blob import encode
from ai_memory.vectors.witness import WITNESS_TEXTS
from tests.support import files
from tests.support.command import Command, remote
from tests.support.fake_endpoint import FOREVER, FakeEndpoint

ROWS, BATCH, DIM = 300, 50, 8
POISON = "POISON"
POISONED = "id-123"
RETRIES = 16
"""More attempts than two requests in flight can begin within `--retry-for 2s`."""
FLAGS = ("--batch", str(BATCH), "--concurrency", "2", "--retry-for", "2s")
START = len(WITNESS_TEXTS) + 1
"""Requests before the first page: the witness texts one by one, and a text that base64 is compared with."""
PAGES = ROWS // BATCH
UNDISTURBED = START + PAGES + LEAST + PAGES - 1 + 1 + AT_END + 2
"""The start, a request a page, rows asked again on the way, one of the page before each but the first, those at the
end, together and by themselves, the witness behind the first page and once more."""
MIDDLE = START + 1 + FIRST + 4
"""Requests after which the first page is believed and others are on their way."""
HALVING = 2 * ceil(log2(BATCH)) + 2
BOTH_ENCODINGS = 2
"""A first batch that is refused is asked for as numbers, too, and base64 compared anew with a text of the next one."""
CANARY = 1
"""After three equal failures."""

Act = Callable[[FakeEndpoint], None]


def _fails(kind: str, *, times: int = FOREVER, seconds: float = 0.0, after: int = MIDDLE) -> Act:
    """Return what makes an endpoint answer `after` requests truly and the next `times` with a fault."""

    def act(endpoint: FakeEndpoint) -> None:
        if after:
            endpoint.fail("none", times=after)
        endpoint.fail(kind, times=times, seconds=seconds, location="http://127.0.0.1:1/v1/embeddings")

    return act


def _poisoned(endpoint: FakeEndpoint) -> None:
    """Refuse one text, with every request that it is in."""
    endpoint.change(poison=POISON)


@dataclass(frozen=True, slots=True)
class Case:
    """A fault, the exit code it must end with, and the most requests it may cost beyond an undisturbed run's."""

    name: str
    act: Act
    code: int
    extra: int
    quarantined: int = 0
    long: bool = False

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags of the run; a fault that passes is waited out, as jitter alone can take more than two seconds."""
        return FLAGS if self.code else (*FLAGS, "--retry-for", "60s")


CASES = (
    Case("none", lambda _endpoint: None, 0, 0),
    Case("429, Retry-After in seconds", _fails("rate", times=2, seconds=0.3), 0, 2),
    Case("429, Retry-After as a date", _fails("rate-until", times=1, seconds=1), 0, 2),
    Case("401", _fails("unauthorized"), 77, 2),
    Case("402", _fails("unpaid"), 69, 2),
    Case("429 of quota", _fails("quota"), 69, 2),
    Case("413 above 20 inputs", lambda endpoint: endpoint.change(max_inputs=20), 0, 3 * ROWS // BATCH),
    Case("413 for everything", _fails("too-large"), 69, 4 * HALVING),
    Case("400 for one text", _poisoned, 10, HALVING + BOTH_ENCODINGS, quarantined=1),
    Case("400 for everything", _fails("bad-request"), 69, 2 * HALVING),
    Case("500, a burst", _fails("server-error", times=3), 0, 3 + CANARY),
    Case("reset in mid-body", _fails("reset", times=2), 0, 2),
    Case("connection closed after a second", _fails("hang", times=1, seconds=1), 0, 1),
    Case("hang, until the deadline", _fails("hang", times=1, seconds=90), 0, 6, long=True),
    Case("answer too short", _fails("short"), 69, RETRIES),
    Case("answer in another order", _fails("shuffled"), 0, 0),
    Case("another width", _fails("narrow"), 78, 2),
    Case("NaN", _fails("nan"), 69, RETRIES),
    Case("zero vector", _fails("zero"), 69, RETRIES),
    Case("404, unknown model", _fails("no-model"), 78, 2),
    Case("404 from the start", _fails("no-model", after=0), 3, 0),
    Case("redirect to another host", _fails("redirect"), 78, 2),
    Case("dead from the middle on", _fails("unavailable"), 75, RETRIES),
    Case("dead from the start", _fails("unavailable", after=0), 75, RETRIES),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run through a fault did, and one more after it was mended; rows are counted in the file.

    `code` and `mended` are exit codes; `right` rows have the vector of their text, `wrong` ones another.
    """

    code: int
    right: int
    wrong: int
    quarantined: int
    requests: int
    mended: int
    right_at_last: int


def meet(case: Case, folder: Path) -> Outcome:
    """Migrate a file while the endpoint fails, mend it, go on, and count."""
    path = files.create(folder / "m.db", ROWS, namespaces=("a", "b", "c"))
    files.edit(path, POISONED, f"a text with {POISON} in it")
    with FakeEndpoint(dim=DIM) as endpoint:
        command = Command(path, remote(endpoint))
        case.act(endpoint)
        first = command.reembed(*case.flags)
        requests = endpoint.seen.requests
        right, wrong = count(path, endpoint)
        quarantined = rows_in_quarantine(path)
        mended = _go_on(command, endpoint) if first.code else first.code
        return Outcome(first.code, right, wrong, quarantined, requests, mended, count(path, endpoint)[0])


def _go_on(command: Command, endpoint: FakeEndpoint) -> int:
    """Mend the endpoint and return the exit code of the next start."""
    endpoint.heal()
    endpoint.change(poison="", max_inputs=0)
    close_breaker(command.db)
    return command.reembed("--resume", "--or-start", "--retry-quarantined", *FLAGS).code


def count(path: Path, endpoint: FakeEndpoint) -> tuple[int, int]:
    """Return how many rows have the endpoint's own vector of their text, and how many have another one."""
    texts = files.texts(path)
    stored = {row_id: blob for row_id, blob in files.vectors(path).items() if blob is not None}
    right = sum(blob == encode(endpoint.vector(texts[row_id])) for row_id, blob in stored.items())
    return right, len(stored) - right


def rows_in_quarantine(path: Path) -> int:
    """Return the number of rows marked as bad."""
    return int(files.execute(path, "SELECT count(*) FROM reembed_quarantine")[0][0])


def close_breaker(path: Path) -> None:
    """Let the time of an open breaker be over."""
    files.execute(path, "UPDATE reembed_run SET breaker_until = 0")
