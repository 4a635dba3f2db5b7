"""What `--stamp-only` would stamp, and what stands in its way: the stored vectors must be able to be the target's."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ai_memory import __version__
from ai_memory.errors import OperatorNeeded, StampRefused
from ai_memory.frozen import Frozen
from ai_memory.memory.freshness import Freshness, classify, embeddable
from ai_memory.memory.text_codec import printable
from ai_memory.reembed.plan.targets import identity
from ai_memory.reembed.scope import Scope, in_scope
from ai_memory.text.amounts import counted
from ai_memory.text.hints import GO_ON

if TYPE_CHECKING:
    from ai_memory.memory.row import MemoryRow, Traits
    from ai_memory.stores.port import Reader, Snapshot, Transaction
    from ai_memory.stores.values import Place
    from ai_memory.vectors.target import Fingerprint, Target

STAMPED = "stamped"


class Stamped(Frozen):
    """What was stamped; the fields are the keys of the JSON line.

    `unstamped` rows have no vector, one of another width or that nothing can be compared with (NaN, infinity, zeros),
    or no text that can be read; `refused` are those that the database itself lets nobody change. `sampled` vectors were
    compared with what the embedder gives, of which `differing` are left as they are: `differing_rows`, by id.
    """

    stamped: int
    active_space: str
    target_dim: int
    already_current: int
    unstamped: int
    refused: int = 0
    sampled: int = 0
    differing: int = 0
    differing_rows: tuple[str, ...] = ()

    def values(self) -> dict[str, object]:
        """Return the JSON object."""
        return asdict(self)

    def text(self) -> str:
        """Return the words for people."""
        refused = f" The database refuses {self.refused:,} more." if self.refused else ""
        on = f" To embed what stays stale: {self.next}" if self.next else ""
        left = f"{counted(self.unstamped, 'row has', 'rows have')} no sound vector of that width or no text to stamp"
        return (
            f"Stamped {counted(self.stamped, 'vector')} as {self.active_space}, {self.target_dim} wide; "
            f"{counted(self.already_current, 'was', 'were')}, {left}.{refused}"
            f"{self._compared()}{on}"
        )

    @property
    def next(self) -> str:
        """The command that embeds what stays stale, empty where nothing does."""
        return "ai-memory reembed" if self.unstamped or self.differing else ""

    def _compared(self) -> str:
        if not self.sampled:
            return ""
        embedded = f" {counted(self.sampled, 'row')} embedded again"
        if not self.differing:
            return f"{embedded} {'agrees' if self.sampled == 1 else 'agree'}."
        differ = f"{'differs' if self.differing == 1 else 'differ'}: {printable(self.differing_rows[0])}"
        return f"{embedded}; {self.differing:,} of them {differ}{' …' if self.differing > 1 else ''}."


def stampable(store: Reader, target: Target, scope: Scope) -> list[str]:
    """Return the ids of the rows of `scope` that would be stamped."""
    traits = store.memories.traits

    def read(found: Snapshot) -> list[str]:
        known = found.known(identity(target))
        rows = found.rows(target=known.id if known else None, only=scope)
        live = (row for row in rows if row.live and in_scope(row.namespace, scope))
        return [row.id for row in live if _outcome(traits, known, row, dim=target.dim) == STAMPED]

    return store.consistently(read)


def would_stamp(store: Reader, target: Target, scope: Scope, *, each: bool = False) -> Stamped:
    """Return what `stamp` would do now; writes nothing.

    With `each` every vector is to be compared before it is stamped: those of other widths are left as they are.

    Raises:
        StampRefused: as `stamp` would.
        OperatorNeeded: the stored vectors are not those that are served.
    """
    _require_own_served(store)
    store.memories.require_seen(*(scope or ()))
    _require_known_width(target)
    traits = store.memories.traits
    return store.consistently(lambda found: _would_stamp(found, traits, target, scope, each=each))


def _require_own_served(store: Reader) -> None:
    """Check that what would be compared, which is served, is what would be stamped."""
    active = store.targets.staged.active()
    if active is None:
        return
    run = f"Run {active.run_id} is {'switched to' if active.target else 'being switched back'}"
    raise OperatorNeeded(
        f"{run}: not all vectors that are served stand in their memories yet; nothing was stamped.",
        tip=f"Finish that first: {GO_ON}",
    )


def _would_stamp(snapshot: Snapshot, traits: Traits, target: Target, scope: Scope, *, each: bool) -> Stamped:
    other = _of_other_width(snapshot, target, scope)
    if not each:
        _require_no_other(other, target)
    known = snapshot.known(identity(target))
    counts = {STAMPED: 0, "already_current": 0, "unstamped": 0}
    for row in snapshot.rows(target=known.id if known else None, only=scope):
        if row.live and in_scope(row.namespace, scope):
            counts[_outcome(traits, known, row, dim=target.dim)] += 1
    if not (counts[STAMPED] or counts["already_current"]):
        _require_no_other(other, target)
    return Stamped(counts[STAMPED], target.space, target.dim, counts["already_current"], counts["unstamped"])


def _outcome(traits: Traits, known: Fingerprint | None, row: MemoryRow, *, dim: int) -> str:
    if classify(row, known, traits) is Freshness.FRESH:
        return "already_current"
    return STAMPED if embeddable(row) and row.has_sound_vector(dim) else "unstamped"


def require_stampable(store: Reader, target: Target, scope: Scope, *, each: bool = False) -> None:
    """Check that every stored vector of `scope` can be the target's, but for those of other widths with `each`.

    Raises:
        StampRefused: a vector has another width than the target, or the target's width is not known.
        NotFound: a named namespace was never seen.
    """
    store.memories.require_seen(*(scope or ()))
    _require_known_width(target)
    if not each:
        _require_no_other(store.consistently(lambda found: _of_other_width(found, target, scope)), target)


def _require_known_width(target: Target) -> None:
    if not target.dim:
        raise StampRefused(
            f"The width of {target.model} is not known, so no stored vector can be recognised as its own.",
            tip="Set [embeddings].dim.",
        )


def _require_no_other(other: int, target: Target) -> None:
    if other:
        vectors = counted(other, "stored vector is", "stored vectors are")
        raise StampRefused(
            f"{vectors} not {target.dim} wide as {target.model}'s are; nothing was stamped.",
            tip="Embed them again: ai-memory reembed",
        )


def _of_other_width(snapshot: Snapshot, target: Target, scope: Scope) -> int:
    rows = (row for row in snapshot.rows(target=None, only=scope) if row.live and in_scope(row.namespace, scope))
    return sum(1 for row in rows if row.head and row.width != target.dim)


def noted(transaction: Transaction, target: Fingerprint, model: str, *, now_ms: int) -> Place:
    """Enter that vectors are about to be stamped, so that it can be undone, and return the place for that."""
    return transaction.undo.note_stamps(target, target_model=model, now_ms=now_ms, tool_version=__version__)
