"""What a `Transaction` of the port is made of: what is written of vectors, runs, targets, quarantine, approvals.

See `port` for what is common to all methods. Each method may also raise StatementRefused: a trigger or a rule of the
database's own forbids what it writes, and the transaction must not be committed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from ai_memory.stores.values import NOTHING_KEPT

if TYPE_CHECKING:
    from ai_memory.memory.reason import Reason
    from ai_memory.stores.computing import Computing
    from ai_memory.stores.holder import Holder
    from ai_memory.stores.values import (
        Breaker,
        Counted,
        Counters,
        Identity,
        InRow,
        Pause,
        Place,
        Room,
        Run,
        Space,
        Span,
        Steps,
        Terms,
        VectorWrite,
    )
    from ai_memory.vectors.target import Fingerprint


class VectorWriter(Protocol):
    """Writes vectors, each under compare-and-set: only where the memory still has the very text that was embedded."""

    def write(
        self, writes: Sequence[VectorWrite], target: Fingerprint, *, one_by_one: bool, place: Place = NOTHING_KEPT
    ) -> list[bool]:
        """Write each vector, its stamp and its record to `place`; return one answer per vector, in order.

        The answer is False, with nothing written, where the text changed or the memory is gone. With `one_by_one`,
        which is slower, a refusal names its row. What is kept for a run is what stood there before its first write.

        Raises:
            UpdateRefused: a trigger took one of them back at once; with `one_by_one` also any other refusal.
        """

    def attest(self, write: VectorWrite, target: Fingerprint, *, place: Place = NOTHING_KEPT) -> bool:
        """Record the vector that a memory has as the target's, attested by the operator; `write.blob` is not used.

        Returns False, with nothing written, where the text changed or there is no sound vector of the target's width.
        What is kept is kept as by `write`.
        """

    def forget(self, ids: Sequence[str], target: Fingerprint, *, unstamp: bool, place: Place = NOTHING_KEPT) -> int:
        """Delete the record that the vectors of `ids` are the target's, and return how many rows that made stale.

        Only what sweeps wrote. What the run of `place` replaced comes back, with its stamp and its record; other
        vectors stay, with `unstamp` without the stamp of their space. Some databases refuse both: without `unstamp`
        only records are deleted.
        """

    def disown(self, writes: Sequence[VectorWrite], target: Fingerprint, *, unstamp: bool) -> int:
        """Delete the record of every row that has one of these vectors as the target's of that very text.

        Whoever gave it: a run, `store`, an operator's word. Returns how many rows that made stale; those that have
        another text or another vector by now are left alone. `write.id` is not used: rows of one text are given each
        other's vectors. The vectors stay, see `forget`.
        """

    def take_away(self, ids: Sequence[str], target: Fingerprint, *, origin: str, vectors: bool) -> int:
        """Delete the vectors and their records that `origin` or a sweep gave to those of `ids`; return from how many.

        A vector that somebody else wrote since stays. Without `vectors` only the record is deleted, which no database
        refuses.
        """


class StagingWriter(Protocol):
    """Says which vectors are served, and drops what was staged. Served is one thing at a time."""

    def serve(self, run: Run) -> None:
        """From the commit on serve what a run staged of its target, where it is of a memory's present text."""

    def serve_before(self, run: Run) -> None:
        """From the commit on serve what a run replaced and what is kept of it, where the memory is as the run left it.

        Whatever else stands in a row is served as it stands.
        """

    def serve_own(self) -> None:
        """From the commit on serve the memories' own vectors."""

    def drop(self, *, limit: int) -> int:
        """Drop at most `limit` staged vectors, of whatever target, and return how many there were."""

    def lay(self, run: Run, target: Fingerprint) -> None:
        """Lay columns where vectors of another width are moved to, where the memories take one; what is there stays.

        Raises:
            OperatorNeeded, SchemaRefused: that cannot be done as things are.
            NotFinished: others held the memories for too long, as with `exchange`.
        """

    def exchange(self, run: Run) -> None:
        """Have what a run moved there be the memories' own, and keep what was; the last thing that is asked."""

    def exchange_back(self, run: Run) -> None:
        """Have what was kept be the memories' own again, and drop what the run moved, if it stands in such columns."""


class UndoWriter(Protocol):
    """Puts back what runs replaced, and drops what was kept of it."""

    def put_back(
        self, ids: Sequence[str], undoes: Span, run: Run, *, leave: Collection[str] = (), one_by_one: bool = False
    ) -> dict[str, bool]:
        """Put back what memories had before the first of some runs wrote there; return of which it was done.

        Of memories that are gone, or of which nothing is kept, nothing is returned.

        Only where the text is the one that it had then, and the vector the one that the last of the runs wrote; else
        the answer is False, and nothing changes, likewise for the ids to `leave`. What is replaced is kept for `run`,
        to be taken again. With `one_by_one` a refusal names its row.

        Raises:
            UpdateRefused: see `VectorWriter.write`.
        """

    def taken(self, writes: Sequence[VectorWrite], target: Fingerprint) -> None:
        """Drop what was kept only to be taken again, of vectors that their memories were given again."""

    def doubt(self, target: Fingerprint) -> None:
        """Have no vector of the target be taken again, or put back as the target's, that nobody saw to be right."""

    def note_stamps(self, target: Fingerprint, *, target_model: str, now_ms: int, tool_version: str) -> InRow:
        """Enter that vectors are about to be attested, and return the place for which what that replaces is kept.

        It is undone like a run, and is none: nothing goes on with it, and it stands in no run's way.
        """

    def undone(self, undoes: Span, by: Run) -> None:
        """Record that some runs are undone by a rollback."""

    def prune(self, after: int, *, spare: Sequence[Span], limit: int) -> tuple[int | None, Room]:
        """Go on from `after` (0: the first) by at most `limit` of what is kept, and drop it, but for runs to `spare`.

        Returns where to go on (None: no more is kept), and what was dropped. With the first page none of those runs can
        be undone any more, whatever is still kept of them: see `UndoReader.lost`.
        """


class TargetWriter(Protocol):
    """Writes the records of targets."""

    def enter(self, identity: Identity, *, now_ms: int) -> Fingerprint:
        """Return the record of a target, entered where there is none, and mended where it was damaged."""

    def set_witness(self, target: int, witness: bytes) -> None:
        """Keep the vectors of the witness texts, unless the target has some."""

    def begin_stretch(self, target: int) -> None:
        """Begin the target's next stretch: rows from all over what was written until now agreed."""

    def forget_witness(self, target: int) -> bool:
        """Delete the witness of a target to which no vector is recorded; return whether it was deleted."""


class RunWriter(Protocol):
    """Brings a run from one state to the next.

    Each method with a `run` proves by the run's fence that it is still the caller's.

    Raises (but for `begin`, `cancel`, and the methods that return whether it is):
        OperatorNeeded: the run was cancelled, paused or superseded.
        NotFinished: it was taken over, or is gone.
    """

    def begin(
        self,
        *,
        target: Fingerprint,
        target_model: str,
        terms: Terms,
        now_ms: int,
        tool_version: str,
    ) -> Run:
        """Enter a new run in state running, which nobody holds yet.

        What runs to its target that were given up have left in flight, in its namespaces, is in its `in_flight_limit`;
        not in that of a rollback, which sends nothing.

        Raises:
            StatementRefused: another run is unfinished.
        """

    def take_over(
        self, run: Run, holder: Holder, *, in_flight_limit: int, lost: int, breaker_until: int | None, now_ms: int
    ) -> Run:
        """Make `holder` the runner of `run` under a new fence; return the run as it now stands.

        `in_flight_limit` is the most texts to be in flight until the next commit, `lost` how many more killed runners
        may have sent, `breaker_until` what is believed of the breaker's time (None: what is stored).
        """

    def hold(
        self, run: Run, *, now_ms: int, in_flight_limit: int | None = None, limits: Mapping[str, int] | None = None
    ) -> int:
        """Prove that the run is still the caller's, note progress, and return the number of this commit.

        Called first in every transaction that commits work. No two commits of a run in a row have the same number.
        `limits` is what was learned of the size of a request, by name; None: as before, like `in_flight_limit`.
        """

    def transition(self, run: Run, new: str, *, now_ms: int, fenced: bool, census_at: int | None = None) -> None:
        """Bring the run from the state it was read in to `new`; only `fenced` asks for the fence.

        `census_at` is the time of the census that proved it complete.
        """

    def next_pass(self, run: Run, *, now_ms: int) -> Run:
        """Begin the next pass; the checkpoints of the last one no longer count."""

    def aim_at(self, run: Run, target: Fingerprint) -> None:
        """Give the run its target where the width was not known when it began; in a transaction that holds the run."""

    def beat(self, run: Run, *, failure: str, now_ms: int) -> bool:
        """Note that the runner is alive, and the failure that it is retrying (empty: none); False: it is not its run.

        No commit's number: nothing of the work is written with it.
        """

    def leave(self, run: Run, *, last_error: str | None, limits: Mapping[str, int], unsettled: int | None) -> bool:
        """Note that the runner stopped in good order; False, with nothing noted, where it is not its run.

        `unsettled` is how many texts that killed runners had sent are not committed yet, at most; None: the runner gave
        up what it had in flight, and whoever takes the run over is told as after a kill.
        """

    def cancel(self, *, now_ms: int) -> int | None:
        """Give up the unfinished run, whatever its record holds, and return its number; None where there is none.

        Raises:
            DataRefused: a trigger leaves it as it is.
        """

    def note_cancelled(self, run_id: int, *, now_ms: int) -> None:
        """Enter the event of a run that was given up, in a transaction of its own: that it fails takes nothing back."""


class ProgressWriter(Protocol):
    """Keeps how far a run has come; what is noted of a run that was taken over changes nothing."""

    def freeze(self, run: Run, ids: Sequence[str], *, now_ms: int) -> None:
        """Keep the list of hot rows of the run's present pass, in the place of any other list; its cursor is before it.

        In a transaction that holds the run.
        """

    def advance(self, run: Run, steps: Steps, *, now_ms: int) -> None:
        """Move the cursor of each namespace of `steps`; `rows_done` is added to what was done in this pass."""

    def count(
        self,
        run: Run,
        counters: Counters,
        *,
        reads: int = 0,
        written_at: int | None = None,
        rows_per_hour: int | None = None,
    ) -> None:
        """Add a page's share to the counters, and subtract its rows from those that remain.

        `reads` is how often the rows that are the target's now were read, `written_at` when a vector of it was written,
        `rows_per_hour` the rate with it; None: as before.
        """

    def doubt(self, run: Run, target: Fingerprint, ids: Sequence[str]) -> None:
        """Count the reads of rows as left again, whose vectors are about to be forgotten (`VectorWriter.forget`)."""

    def set_breaker(self, run: Run, breaker: Breaker, *, now_ms: int, reason: str | None = None) -> None:
        """Open (for a `reason`) or close the breaker, with an event when its state changes."""

    def note_stored(self, run: Run, stored: Sequence[Space]) -> None:
        """Note which vectors stand there as the run begins; of many kinds only the most frequent."""

    def note_census(self, run: Run, counted: Counted) -> None:
        """Note what a census of the run's scope found."""

    def note_end(self, run: Run, *, exit_code: int, reason: str, now_ms: int) -> None:
        """Note how an invocation ended, and how many in a row ended so."""

    def note_computing(self, run: Run, computing: Computing, *, now_ms: int) -> None:
        """Note how a model on this machine computes for the run, in the place of what was noted before."""

    def note_nothing_stale(self, target: int | None, space: str, dim: int, *, now_ms: int) -> None:
        """Note after the run begun last, where that was another's or given up, that no row is stale for a target."""


class QuarantineWriter(Protocol):
    """Puts rows into the quarantine of a target and takes them out."""

    def put(self, target: int, row_id: str, src: bytes, reason: Reason, *, now_ms: int) -> None:
        """Enter a row, or one more attempt at it; another text than before begins its attempts anew."""

    def lift(self, target: int, row_ids: Sequence[str]) -> None:
        """Take rows out; those that are not in it are passed over."""

    def lift_all(self, target: int) -> None:
        """Take all rows out, also those whose entries cannot be read."""


class TellingWriter(Protocol):
    """Keeps what quiet starts have told, so that each thing is told once."""

    def is_news(self, exit_code: int, told: str | None, *, now_ms: int) -> bool:
        """Return whether the last thing told with this exit code was another one, and keep this.

        With None it is told which rows are in quarantine: that is news whenever there are others, or other texts of
        them.
        """

    def forget(self, *exit_codes: int) -> None:
        """Have what is next told with these exit codes be news."""


class OperatorWriter(Protocol):
    """Keeps what an operator has decided; see `OperatorReader` for spaces and widths."""

    def approve(self, space: str, dim: int, *, by: str, how: str, now_ms: int) -> None:
        """Let unattended starts go to this target; a `dim` of 0 holds until a width is approved in its place."""

    def completed(self, run: Run, target: Fingerprint, *, now_ms: int) -> None:
        """Approve the target of a run that is complete, and withdraw what was approved before it began."""

    def withdraw(self, run_id: int) -> None:
        """Withdraw the approval of a run's target, or all where its record does not tell which that is."""

    def pause(self, pause: Pause) -> None:
        """Pause the database, in the place of a pause that stands: no run works on it and none begins."""

    def unpause(self) -> bool:
        """Lift the pause, whatever its record holds; return whether there was one."""
