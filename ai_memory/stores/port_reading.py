"""What a `Reader` of the port is made of: what is read of memories, runs, targets, quarantine, approvals.

See `port` for what is common to all methods.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ai_memory.errors import AiMemoryError
    from ai_memory.memory.reason import Kind, Reason
    from ai_memory.memory.row import MemoryRow, Traits
    from ai_memory.stores.course import Moment
    from ai_memory.stores.served import Active, Exchange, ExchangeRoom
    from ai_memory.stores.values import (
        Checkpoint,
        Identity,
        KeptTarget,
        KeptVector,
        Measured,
        Pause,
        Quarantined,
        Room,
        Run,
        Space,
        Span,
    )
    from ai_memory.vectors.target import Fingerprint


class Stored(Protocol):
    """A text as it stands in a memory: what a vector of it is compared and set by."""

    @property
    def id(self) -> str:
        """The memory's id."""

    @property
    def title(self) -> str:
        """Its title."""

    @property
    def content(self) -> str:
        """Its content, empty where it is encrypted."""

    @property
    def envelope(self) -> bytes | None:
        """What its content is encrypted in, None where it is not."""


class MemoryReader(Protocol):
    """Reads memories and their vectors."""

    @property
    def traits(self) -> Traits:
        """What rows declare of their vector."""

    def require_seen(self, *namespaces: str) -> None:
        """Check that memories, or an earlier run, had these namespaces.

        Raises:
            NotFound: they had not; it names what is most like them.
        """

    @property
    def look_at_schema(self) -> str:
        """What a person does about rules of the database's own that refuse a vector."""

    def refused_updates(self) -> str | None:
        """Return why no vector can be written at all, as far as that is seen without writing; None: nothing forbids it.

        A trigger or a constraint needs what only some application has.

        Raises:
            WordIndexUnusable: each vector rewrites the word index, which is damaged.
        """

    def namespaces(self) -> list[str]:
        """Return every namespace in the order in which a sweep walks them."""

    def ids_after(self, namespace: str, after: str | None, *, limit: int) -> list[str]:
        """Return the next ids of a namespace, at most `limit`, after that one (None: the first ones).

        The order is the store's own and never changes: it is that of the cursors. Costs O(limit).
        """

    def rows_by_id(self, ids: Sequence[str], *, target: int | None) -> list[MemoryRow]:
        """Return the rows of `ids` that still exist, in that order, with their quarantine for `target`.

        As the target judges them: while a staged run to it is unfinished with the vectors that it staged of their
        present texts, in the place of their own; else, or with None, with the vectors that are served.
        """

    def vectors_of(self, srcs: Collection[bytes], target: Fingerprint) -> dict[bytes, bytes]:
        """Return the BLOB that the target gave a memory of each text, by the text's hash; attested ones do not count.

        A text is left out where no memory has a sound vector of the target's, as it was recorded.
        """

    def stored_vector(self, of: Stored, *, target: int | None) -> bytes | None:
        """Return a memory's BLOB if it still has the text `of` it that was read; None where it has not, or no vector.

        As the target judges it, see `rows_by_id`.
        """

    def stored_spaces(self) -> list[Space]:
        """See `Snapshot.stored_spaces`."""


class UndoReader(Protocol):
    """Reads what was kept of replaced vectors."""

    def ids_after(self, undoes: Span, after: str | None, *, limit: int) -> list[str]:
        """Return the next memories, at most `limit`, of which some runs' replaced vectors can be put back.

        In an order of their own, after that one (None: the first ones). Costs O(limit).
        """

    def vectors_of(self, srcs: Collection[bytes], target: Fingerprint) -> dict[bytes, KeptVector]:
        """Return the vectors that the target gave memories of these texts and that were kept, by the text's hash."""

    def has_any_of(self, target: Fingerprint) -> bool:
        """Return whether any vector that the target gave was kept; costs nothing per row."""

    def kept(self) -> list[tuple[int, Room]]:
        """Return of which runs something is kept, and how much, the latest first; costs nothing per row."""

    def to_undo(self) -> Span | None:
        """Return the latest run that can be undone, with those before it that were superseded on the way to it.

        That is no rollback, and no run that ended before it wrote a vector.
        """

    def lost(self, undoes: Span) -> list[int]:
        """Return those of some runs that cannot be undone: what they replaced is not kept, or a prune drops it.

        Those that are undone already are not among them.
        """

    def replaced_by(self, run_id: int, ids: Sequence[str]) -> dict[str, tuple[bytes, bytes]]:
        """Return the BLOBs that a run replaced, as far as they are kept, each after the hash of its text."""

    def free(self) -> int:
        """Return how many bytes of the database are free, to be used again."""

    def log_room(self, rows: int, *, at_once: int, row_bytes: int) -> int:
        """Return about how many bytes the log grows by at most while rows are written, `at_once` of them in a commit.

        Each has `row_bytes` of vectors.
        """

    def left_of(self, undoes: Span) -> int:
        """Return how many memories have vectors of these runs' targets."""


class StagedReader(Protocol):
    """Reads what stands beside the memories until it is switched to, and what is served in the place of their own."""

    def target(self) -> int | None:
        """Return the target to which a staged run is unfinished."""

    def ids_after(self, after: str | None, *, limit: int) -> list[str]:
        """Return the next memories with a staged vector, at most `limit`, in an order of their own; costs O(limit)."""

    def count(self) -> int:
        """Return how many vectors are staged, of whatever target; reads an index of all of them."""

    def active(self) -> Active | None:
        """Return what is served in the place of the memories' own vectors; None: they are."""

    def exchange(self) -> Exchange | None:
        """Return which columns for vectors of another width stand beside the memories' own; None: none do."""

    def fixed_width(self) -> int | None:
        """Return the one width that the memories give their vectors; None: any."""

    def exchange_room(self, dim: int, rows: int) -> ExchangeRoom | None:
        """Return what it takes to move so many vectors of a width to their memories; None: they take that width."""

    def require_fit(self, dim: int, *, staged: bool) -> None:
        """Check that vectors of a width go into the memories, or that a `staged` run can make room for them; 0: it can.

        Raises:
            SchemaRefused: the memories take another width, or cannot be brought to that one.
            OperatorNeeded: what an earlier run replaced is in the way.
        """

    def require_place(self, target: Fingerprint) -> None:
        """Check that a target's vectors have a place: in the memories, or with what is served of it beside them.

        Raises:
            SchemaRefused: the memories take another width.
        """


class TargetReader(Protocol):
    """Reads the records of targets."""

    @property
    def previous(self) -> UndoReader:
        """What was kept of their vectors when they were replaced."""

    @property
    def staged(self) -> StagedReader:
        """What stands beside the memories."""

    def known(self, identity: Identity) -> Fingerprint | None:
        """Return the record of a target by its digest, None where the database has never seen it."""

    def read(self, target: int) -> Fingerprint:
        """Return a record by its number.

        Raises:
            DataRefused: there is none, or it does not agree with its digest.
        """

    def unproven(self, target: Fingerprint) -> list[str]:
        """Return the ids of the rows whose vectors sweeps wrote in the target's present stretch."""

    def left_in_flight(self, target: int, scope: tuple[str, ...] | None) -> int:
        """Return how many texts runs to the target have sent and not committed, at most: killed ones, and given up.

        Of rows in the namespaces of `scope` (None: in all), as far as the runs' own namespaces tell.
        """

    def widths(self) -> list[tuple[bytes, int]]:
        """Return digest and width of every target, the unfinished run's first, then the latest; damaged ones left out.

        A width of 0 is never among them.
        """

    def of_space(self, space: str, dim: int) -> list[int]:
        """Return the numbers of the targets of a space, the latest first; with a `dim` of 0 of any width."""

    def kept(self) -> list[KeptTarget]:
        """Return those of the latest targets to which vectors in the database are recorded, the latest first.

        Damaged ones are left out.
        """

    def kept_as(self, space: str, dim: int) -> KeptTarget | None:
        """Return the latest target of a space that the database knows, whatever is served; None where it knows none.

        With a `dim` of 0 of any width; one of which the settings are kept goes before all others.
        """


class RunReader(Protocol):
    """Reads the runs of the migration; at most one is unfinished."""

    def unfinished(self) -> Run | None:
        """Return the run that is running, paused, ready or switched."""

    def unfinished_id(self) -> int | None:
        """Return the number of the unfinished run, whatever else its record holds."""

    def recent(self, most: int | None = None) -> list[Run]:
        """Return the runs begun last, the latest first: all, or so many at most."""

    def read(self, run_id: int) -> Run:
        """Return a run by its number.

        Raises:
            NotFinished: it is gone.
        """

    def checkpoints(self, run: Run) -> dict[str, Checkpoint]:
        """Return the checkpoints of the run's present pass, by namespace."""

    def course(self, run: Run) -> CourseReader:
        """Return what reads how a run went."""

    def last_rate(self, target: int | None) -> Measured | None:
        """Return the rate of the last run to a target, else of the last run that had one."""

    def nothing_stale(self, run_id: int) -> tuple[str, int] | None:
        """Return space and width for which nothing was stale after a run; see `ProgressWriter.note_nothing_stale`."""

    def untouched_target(self) -> int | None:
        """Return the target of the last complete run over the whole database if no run has written since."""

    def lost(self, run: Run) -> AiMemoryError:
        """Return the error of a runner whose run is no longer its own: OperatorNeeded or NotFinished."""


class CourseReader(Protocol):
    """Reads how one run went, as far as that can be read."""

    def replaced(self) -> tuple[Space, ...]:
        """Return which vectors stood there when the run began; none where nothing tells."""

    def moments(self) -> tuple[Moment, ...]:
        """Return what became of the run, in its order; of a long run some thousand moments."""


class QuarantineReader(Protocol):
    """Reads the quarantine; an entry is in force only while `src` is the hash of the row's present text."""

    def entries(self, target: int) -> list[Quarantined]:
        """Return the entries of a target by namespace and id, those out of force included."""

    def by_kind(self, target: int) -> dict[Kind, int]:
        """Return how many entries of a target there are of each kind, those out of force included."""

    def reason_of(self, target: int, src: bytes) -> Reason | None:
        """Return why a text, in whatever row, stands in quarantine; never that one row could not be written."""

    def refused_since(self, target: int, since_ms: int) -> int:
        """Return how many rows that the endpoint refused were entered since then."""


class OperatorReader(Protocol):
    """Reads what an operator has decided; a space of "" is any, a width of 0 is any."""

    def is_approved(self, space: str, dim: int) -> bool:
        """Return whether an unattended start may go to exactly this target."""

    def approved_at(self, space: str, dim: int) -> int | None:
        """Return when such a target was approved last."""

    def approved_width(self, space: str) -> int:
        """Return the width in which a space was approved last, 0 where it was not."""

    def pause(self, *, now_ms: int) -> Pause | None:
        """Return the pause that stands, None where there is none or its time is over."""
