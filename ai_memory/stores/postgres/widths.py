"""Which widths of vectors the memories take, and in which columns a vector is written: a column of pgvector has one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.errors import OperatorNeeded, SchemaRefused
from ai_memory.frozen import Frozen
from ai_memory.stores.postgres import beside, exchange, obstacles
from ai_memory.stores.postgres.which_rows import ACTIVE_TARGET

if TYPE_CHECKING:
    from ai_memory.stores.postgres.base import Store, Transaction
    from ai_memory.vectors.target import Fingerprint


class Columns(Frozen):
    """Where vectors are written: `prefix` stands before the names of the columns, `records` says what they are.

    `vector` is SQL for what is written of a pending vector `p` to a memory `m`.
    """

    prefix: str
    records: str
    vector: str = "p.embedding"

    @property
    def own(self) -> bool:
        """Whether they are the memories' own, and not beside these."""
        return not self.prefix


OWN = Columns("", beside.RECORDS)
BESIDE = Columns(beside.NEXT, beside.BESIDE)
TRIED = Columns("", beside.RECORDS, "m.embedding")
"""For a rehearsal of vectors for which no columns are laid yet: whether the database lets a row be written at all."""
SERVED = Columns("", "")
"""None: vectors of a target that is served stand with what is staged, until columns are laid for them."""


def columns_for(transaction: Transaction, target: Fingerprint) -> Columns:
    """Return where vectors of a target are written.

    Raises:
        SchemaRefused: the memories take vectors of another width, and no columns for these stand beside.
    """
    found = _place(transaction, target)
    if transaction.rehearsing and found in (None, SERVED):
        return TRIED
    if found is None:
        raise _takes_another(transaction, target.dim)
    return found


def require_place(store: Store, target: Fingerprint) -> None:
    """Check that vectors of a target have a place where they are written.

    Raises:
        SchemaRefused: see `columns_for`.
    """
    if _place(store, target) is None:
        raise _takes_another(store, target.dim)


def require_fit(store: Store, dim: int, *, staged: bool, begun: bool = False) -> None:
    """Check that the memories take vectors of a width, or that those of a `staged` run can be made to fit.

    `begun`: the run is there already.

    Raises:
        SchemaRefused: they take another width, or cannot be brought to that one.
        OperatorNeeded: see `obstacles.require_none`.
    """
    if obstacles.is_another_width(store, dim):
        if not staged:
            raise _takes_another(store, dim, give_up="ai-memory reembed cancel; then: " if begun else "")
        obstacles.require_none(store, dim)


def _place(store: Store, target: Fingerprint) -> Columns | None:
    if not obstacles.is_another_width(store, target.dim):
        return OWN
    if exchange.is_filled_for(store, target):
        return BESIDE
    return SERVED if store.db.value(ACTIVE_TARGET) == target.id else None


def _takes_another(store: Store, dim: int, *, give_up: str = "") -> SchemaRefused:
    tip = f"Change its width with vectors beside it, while search goes on: {give_up}ai-memory reembed --staged"
    try:
        obstacles.require_none(store, dim)
    except (OperatorNeeded, SchemaRefused) as obstacle:
        # A staged run would be refused by that.
        tip = obstacle.line()
    return SchemaRefused(
        f"{store.name}: memories.embedding takes vectors of {obstacles.width(store)} numbers, "
        f"and the target's have {dim}.",
        tip=tip,
    )
