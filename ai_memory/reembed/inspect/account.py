"""What is told of a run to whoever pays for it or answers for it: its status, its pace, its texts, what it changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen

if TYPE_CHECKING:
    from ai_memory.reembed.inspect.neighbours import Neighbours
    from ai_memory.reembed.inspect.pace import Pace
    from ai_memory.reembed.inspect.quarantined import QuarantinedRow
    from ai_memory.reembed.inspect.status import Status


class Lengths(Frozen):
    """How long the texts of live rows are, in tokens: `by_power[n]` rows have from 2 ** (n - 1) to 2 ** n - 1 of them.

    Of more than `limit` tokens (0: not known) the model reads the first ones; `lost` tokens of `truncated` rows are
    cut off. `exact`: the model's own tokenizer counted.
    """

    rows: int
    tokens: int
    by_power: Mapping[int, int]
    limit: int
    truncated: int
    lost: int
    exact: bool


class Account(Frozen):
    """One run. `neighbours` is None, and `why_no_neighbours` says why, where before and after cannot be compared.

    `path` is the database, for people. `lengths` is None where no row has a text.
    """

    path: str
    status: Status
    pace: Pace
    quarantined: tuple[QuarantinedRow, ...]
    lengths: Lengths | None
    neighbours: Neighbours | None
    why_no_neighbours: str = ""
