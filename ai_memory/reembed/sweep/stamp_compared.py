"""`--stamp-only` where an embedder can be reached: some vectors are compared before any is stamped."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ai_memory.errors import StampRefused
from ai_memory.memory.text_codec import printable
from ai_memory.reembed.heartbeat import NoSigns
from ai_memory.reembed.plan.stamping import Stamped, stampable
from ai_memory.reembed.sweep.compared import Compared, compare
from ai_memory.reembed.sweep.pipeline import Alone
from ai_memory.reembed.sweep.stamp import stamp
from ai_memory.text.amounts import counted

if TYPE_CHECKING:
    from ai_memory.reembed.scope import Scope
    from ai_memory.reembed.tools import SweepTools
    from ai_memory.reembed.work import Workers
    from ai_memory.stores.port import Store
    from ai_memory.vectors.target import Target

SAMPLED = 300
"""Rows compared where nobody asks for more or fewer: that so many agree means that at most 1 % differ (95 %)."""
EMBED = "ai-memory reembed"
STAMP_SOME = f"; or stamp those that agree: {EMBED} --stamp-only --sample all"


def stamp_compared(
    store: Store,
    target: Target,
    scope: Scope,
    tools: SweepTools,
    workers: Workers,
    *,
    size: int | None,
    undo: bool = True,
) -> Stamped:
    """Stamp the stored vectors of `scope` if `size` of them agree with what `workers` give; None: those that agree.

    What that replaces is kept as `stamp` does.

    Raises:
        StampRefused: see `stamp`; or one differs (of all: every one), or too many texts have one vector. Nothing is
            stamped.
        EmbedError, EndpointUnusable: the endpoint failed; nothing is stamped.
    """
    ids = stampable(store, target, scope)
    chosen = ids if size is None else tools.chance.sample(ids, min(size, len(ids)))
    found = compare(store, target, chosen, Alone(workers, NoSigns(tools.stop), tools.ledger))
    _require_different(found)
    if size is not None:
        _require_agreement(found, otherwise=STAMP_SOME)
    if chosen and not found.agreeing:
        _require_agreement(found)
        raise _none_compared(len(chosen))
    stamped = stamp(store, target, scope, tools, only=found.agreeing if size is None else None, undo=undo)
    names = tuple(found.differing)
    left = stamped.unstamped - len(names)
    return replace(stamped, unstamped=left, sampled=found.rows, differing=len(names), differing_rows=names)


def _require_different(found: Compared) -> None:
    if found.sharing:
        raise StampRefused(
            f"At least {len(found.sharing):,} rows with different texts have one and the same vector; "
            "nothing was stamped.",
            tip=f"Look at the model, then embed them again: {EMBED}",
        )


def _none_compared(rows: int) -> StampRefused:
    return StampRefused(
        f"The embedder gives no vector for {counted(rows, 'row')} that {'was' if rows == 1 else 'were'} to be compared;"
        " nothing was stamped.",
        tip=f"See which rows and why: {EMBED}",
    )


def _require_agreement(found: Compared, *, otherwise: str = "") -> None:
    if found.differing:
        raise StampRefused(
            f"{len(found.differing):,} of {found.rows:,} rows embedded again get another vector than the stored one, "
            f"{printable(found.differing[0])} among them; nothing was stamped.",
            tip=f"Embed them again: {EMBED}{otherwise}",
        )
