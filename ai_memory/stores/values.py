"""What the stores know of runs, targets and quarantine, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, NamedTuple

from ai_memory.frozen import Frozen
from ai_memory.text.times import with_timestamps

if TYPE_CHECKING:
    from ai_memory.memory.reason import Kind
    from ai_memory.stores.computing import Computing
    from ai_memory.stores.holder import Holder

NAMESPACE, HOT = "namespace", "hot"
"""The orders in which a run walks: by namespace and id, or a list of hot rows first and then so."""

Space = tuple[str | None, int | None, int]
"""Vectors of one kind: their stamp and width (None: none that can be read), and how many rows have them."""


class Counters(Frozen):
    """What happened, in rows and requests; a page's share or a whole run's sum.

    `asked_again` rows were embedded once more one by one; `disagreed` of them got another vector. `taken_again` rows
    got a vector that was kept. Of a rollback: rows `put_back`, and those `left_alone`, as they were edited since.
    `moved` vectors stood beside their memories, and stand in them now.
    """

    reembedded: int = 0
    already_current: int = 0
    attested: int = 0
    raced: int = 0
    quarantined: int = 0
    identical: int = 0
    texts_sent: int = 0
    texts_sent_twice: int = 0
    requests: int = 0
    retries: int = 0
    tokens: int = 0
    asked_again: int = 0
    disagreed: int = 0
    taken_again: int = 0
    put_back: int = 0
    left_alone: int = 0
    moved: int = 0

    @property
    def sent_for(self) -> int:
        """The re-embedded rows whose vector came from the endpoint, for them or for an identical text."""
        return max(self.reembedded - self.taken_again, 0)

    def __add__(self, other: Counters) -> Counters:
        """Return the sum, field by field."""
        return Counters(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(Counters)))


class Counted(Frozen):
    """The rows of a run's scope as the census begun `at` (Unix milliseconds) counted them, moved by commits since.

    `reads` is how often those rows were read, as far as the file tells, `reads_left` how often those were that have
    not the target's vector yet.
    """

    live: int
    remaining: int
    in_quarantine: int
    at: int
    reads: int = 0
    reads_left: int = 0

    @property
    def reads_answered(self) -> int:
        """How often the rows were read that have the target's vector."""
        return max(self.reads - self.reads_left, 0)


class LastEnd(Frozen):
    """How the last invocation ended: when (Unix milliseconds), why in a word or two, and how many in a row did so."""

    at: int
    exit_code: int
    reason: str
    alike: int


class Span(Frozen):
    """Runs by their numbers: the first, the last, and all between."""

    first: int
    last: int

    @property
    def numbers(self) -> range:
        """The numbers of the runs."""
        return range(self.first, self.last + 1)


class InRow(Frozen):
    """Vectors stand in the rows of the memories; what they replace is kept for this run (None: it is not kept)."""

    keep_for: int | None = None


class Staged(Frozen):
    """Vectors stand beside the memories until the run that writes them is switched to."""


Place = InRow | Staged
"""Where vectors are written."""

NOTHING_KEPT: Place = InRow()


class Terms(Frozen):
    """What a run is begun with; whoever goes on with it goes on so. See `Run`."""

    scope: tuple[str, ...] | None = None
    skip_current: bool = False
    order: str = NAMESPACE
    keeps_previous: bool = False
    undoes: Span | None = None
    staged: bool = False


PAGE, BESIDE_VECTOR, IN_INDEXES = 4_060, 150, 120
"""Bytes of a page that rows share; of a kept row beside its vector, with an id of 36 characters; of it in indexes.

Measured with vectors of 64 and 384 numbers, 2026-11-26."""


class Room(Frozen):
    """What is kept of replaced vectors: rows, and bytes of their vectors."""

    rows: int = 0
    bytes: int = 0

    def __add__(self, other: Room) -> Room:
        """Return the sum."""
        return Room(self.rows + other.rows, self.bytes + other.bytes)

    @property
    def on_disk(self) -> int:
        """About how many bytes it takes in a database of pages of 4 KiB."""
        if not self.rows:
            return 0
        record = self.bytes // self.rows + BESIDE_VECTOR
        whole = PAGE // (PAGE // record) if record <= PAGE else record + PAGE // 2
        return self.rows * (whole + IN_INDEXES)

    def __neg__(self) -> Room:
        """Return what takes as much away."""
        return Room(-self.rows, -self.bytes)


class KeptVector(Frozen):
    """A vector that a target gave a text and that was kept when it was replaced; `proven`: it was seen to be right."""

    blob: bytes
    proven: bool


class Run(Frozen):
    """One run as recorded. Times are Unix milliseconds; `scope` None means all but substrate namespaces.

    `limits` is what was learned of the size of a request, by name; `counters` are those of all invocations.
    `last_written_at` is the last commit with a vector, `last_progress_at` the last sign of life. `counted` and
    `last_end` are None until a census was noted and an invocation ended in good order. `order` is NAMESPACE or HOT.
    `keeps_previous`: what it replaces is kept, and `kept` of it still is. A rollback `undoes` runs; `undone_by` is the
    one that undid this run. `staged`: its vectors go beside the memories until it is switched to. `computing` is how a
    model on this machine computed for it last.
    """

    run_id: int
    target: int
    target_model: str
    scope: tuple[str, ...] | None
    state: str
    pass_number: int
    fence: int
    holder: Holder | None
    in_flight_limit: int
    skip_current: bool
    started_at: int
    last_progress_at: int
    finished_at: int | None
    census_at: int | None
    breaker_state: str
    breaker_until: int
    breaker_wait_ms: int
    last_error: str | None
    limits: Mapping[str, int]
    counters: Counters
    last_written_at: int | None = None
    rows_per_hour: int = 0
    counted: Counted | None = None
    last_end: LastEnd | None = None
    order: str = NAMESPACE
    keeps_previous: bool = False
    undoes: Span | None = None
    undone_by: int | None = None
    kept: Room = Room()
    staged: bool = False
    computing: Computing | None = None

    @property
    def untold(self) -> bool:
        """Whether nobody was told of what it may have in flight: its runner was killed, or no runner had it yet."""
        return self.holder is not None or self.fence == 0

    @property
    def hot_first(self) -> bool:
        """Whether rows that are read often and lately come first."""
        return self.order == HOT

    @property
    def beside(self) -> bool:
        """Whether its vectors go beside the memories, and are not served yet."""
        return self.staged and self.state in ("running", "paused", "ready")


ASKED_AT_END = ("ready", "switched", "done")
"""States of a run that had rows from all over it asked again: a census found nothing stale."""


class Checkpoint(Frozen):
    """How far one pass has come in one namespace: the last id passed (None: none yet), and whether it saw the end.

    A `namespace` of None is the list of hot rows, of which `rows_done` counts the places.
    """

    namespace: str | None
    cursor_id: str | None
    eof: bool
    rows_done: int


Steps = Mapping[str | None, Checkpoint]
"""The cursors that a page moves, by namespace; that of the list of hot rows by None."""


class Breaker(Frozen):
    """Whether requests are held back: until when, and the wait that led there, in milliseconds."""

    open: bool = False
    until_ms: int = 0
    wait_ms: int = 0


class Measured(Frozen):
    """How fast a run was in its last minutes, and to which target."""

    run_id: int
    target: int
    rows_per_hour: int


class Identity(Frozen):
    """By what a target is recorded: the SHA-256 of `spec_json` (32 bytes), its space, its width in numbers.

    `settings` is how it is configured; empty: what is kept of that stays.
    """

    digest: bytes
    spec_json: str
    space: str
    dim: int
    settings: str = ""


class KeptTarget(Frozen):
    """A target that gave vectors of the file: its space and width, how it was configured, its witness if there is one.

    `settings` is empty where that was not kept.
    """

    space: str
    dim: int
    settings: str
    witness: bytes | None


class VectorWrite(NamedTuple):
    """One vector to write: of which memory, of which exact text, in which space.

    A tuple, because a sweep makes one per row.
    `src` is the hash of the document embedded; `origin` names the writer (see embedding_provenance). `proven`: it was
    seen to be right before, so that it is no part of the target's present stretch. `envelope` has an encrypted text.
    """

    id: str
    title: str
    content: str
    blob: bytes
    src: bytes
    origin: str
    proven: bool = False
    envelope: bytes | None = None


class Quarantined(Frozen):
    """One row in quarantine. Times are Unix milliseconds."""

    id: str
    namespace: str
    src: bytes
    kind: Kind
    http_status: int | None
    message: str
    attempts: int
    first_at: int
    last_at: int


TAKE_IT_OFF = "Lift the pause: ai-memory reembed unpause"


class Pause(Frozen):
    """Who paused the file, when, until when (None: until it is taken off) and why; times are Unix milliseconds."""

    at: int
    until: int | None
    by: str
    reason: str

    def values(self) -> dict[str, object]:
        """Return the JSON object."""
        return with_timestamps(asdict(self), "at", "until")
