"""What happens in an invocation, as frozen values: whoever observes it makes words, bars, or figures of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ai_memory.embed.usage import Usage
from ai_memory.frozen import Frozen, field

if TYPE_CHECKING:
    from ai_memory.embed.usage import RequestClass
    from ai_memory.errors import AiMemoryError
    from ai_memory.memory.freshness import Unfit
    from ai_memory.reembed.work import Sizes


class RunTakenOver(Frozen):
    """A run of a runner that was killed, or gave up what it had in flight: at most so many texts are sent twice."""

    texts_sent_twice: int


class RunBegan(Frozen):
    """The endpoint answered as it should: `rows` are brought to a model; also when a wait for it is over.

    None: they are being counted yet, see `RowsCounted`.
    """

    model: str
    rows: int | None


class RowsCounted(Frozen):
    """The census is over beside which pages were written: so many rows are left to bring to a model."""

    model: str
    rows: int


class PassBegan(Frozen):
    """A walk over what is stale begins, the first one is number 1."""

    number: int


class Spell(Frozen):
    """How the thread that commits spent some `seconds`, and what the requests used whose answers came in them.

    So many of them it waited for answers, and so many it wrote.
    """

    seconds: float = 0.0
    awaiting: float = 0.0
    writing: float = 0.0
    used: Usage = field(default_factory=Usage)


class PageCommitted(Frozen):
    """A page was committed: so many rows that were stale are not any more, or were raced.

    `spell` is the time since the page before it, None where nobody took it.
    """

    rows: int
    spell: Spell | None = None


class RowsQuarantined(Frozen):
    """Rows of a page that was committed went into quarantine."""

    rows: tuple[Unfit, ...]


class WitnessAgreed(Frozen):
    """The endpoint, or each worker's model, still serves the weights that the target is known by."""


class RowsTakenBack(Frozen):
    """So many rows that were written have other vectors than their texts get by themselves: they are stale again."""

    rows: int


class RemedyFound(Frozen):
    """The endpoint lied, and is asked within these sizes from now on."""

    sizes: Sizes


class BreakerOpened(Frozen):
    """The endpoint failed beyond retry, for a reason: it is not asked before `until_ms` (Unix milliseconds).

    `reason` is a sentence that may quote the endpoint, `kind` says it in a word or two of ours.
    """

    reason: str
    until_ms: int
    kind: str


class Waiting(Frozen):
    """The endpoint is waited for, so many seconds, for a reason; see `BreakerOpened`."""

    reason: str
    seconds: float
    kind: str


class SignGiven(Frozen):
    """The runner lives and waits; `failure` is what the last request came to, empty where none is being retried."""

    failure: str


class RequestsCounted(Frozen):
    """So many requests of this start came to what, until now: see `embed.usage.RequestClass`."""

    classes: Mapping[RequestClass, int]


class RowsLookedAt(Frozen):
    """A count of the rows gets on: some more of them were looked at."""


class RunEnded(Frozen):
    """Nothing more is done; what came of it is in the report."""


class StartEnded(Frozen):
    """A start is over, also one that was refused before it took a run; `reason` says why in a word or two."""

    exit_code: int
    reason: str


class Copying(Frozen):
    """Of `total` bytes so many are copied; fewer than before where the copy began anew. `what` names the copy."""

    what: str
    done: int
    total: int


class CopyEnded(Frozen):
    """A copy was made, or given up: then `size` is 0."""

    target: Path
    size: int = 0


class BackupOpened(Frozen):
    """A backup is checked from its first page to its last before it is restored."""

    backup: Path


class PauseKept(Frozen):
    """A file into which a backup was restored is paused, or not, as it was before; the backup was not as it."""

    path: Path
    paused: bool


class PauseNotKept(Frozen):
    """Whether a file is paused is now as in the backup: it could not be kept as it was."""

    path: Path
    error: AiMemoryError


Event = (
    RunTakenOver
    | RunBegan
    | RowsCounted
    | PassBegan
    | PageCommitted
    | RowsQuarantined
    | WitnessAgreed
    | RowsTakenBack
    | RemedyFound
    | BreakerOpened
    | Waiting
    | SignGiven
    | RequestsCounted
    | RowsLookedAt
    | RunEnded
    | StartEnded
    | Copying
    | CopyEnded
    | BackupOpened
    | PauseKept
    | PauseNotKept
)
Observer = Callable[[Event], None]
"""Is told each event by the thread that commits, when it has happened."""


def to_all(*observers: Observer) -> Observer:
    """Return an observer that tells each of `observers` in turn."""

    def observe(event: Event) -> None:
        for each in observers:
            each(event)

    return observe
