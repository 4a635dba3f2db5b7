"""Words of a run that `status` and `history` both say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.memory.text_codec import printable
from ai_memory.text.amounts import money

if TYPE_CHECKING:
    from ai_memory.stores.values import Counters


def name_space(space: str | None, dim: int | None) -> str:
    """Return a space, without what says that nothing is put before texts, and its width where that is known."""
    name = printable(space.removesuffix("#none")) if space else "vectors without a stamp"
    return f"{name} {dim}" if dim else name


def paid(counters: Counters, cost: float | None) -> str:
    """Return the tokens and what they cost, to be said behind the texts; empty where nobody told them."""
    tokens = f", {counters.tokens:,} tokens" if counters.tokens else ""
    return tokens if cost is None else f"{tokens}, {money(cost)} spent"
