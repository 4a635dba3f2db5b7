"""What one start would do of a plan, where it may do only so much: by --max-rows, --max-tokens or --max-cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.reembed.options import MAX_ROWS

if TYPE_CHECKING:
    from ai_memory.embed.port import TokenLimit
    from ai_memory.reembed.options import Options
    from ai_memory.reembed.plan.dry_run import DryRun


class ThisStart(Frozen):
    """What a start takes up at most: `rows`, those of identical texts aside, and about so many `tokens`.

    `cost` and `seconds` are of those (None: not known), `ends_by` is the limit that ends it before all is done, empty
    where none does.
    """

    rows: int
    tokens: int
    cost: float | None
    seconds: float | None
    ends_by: str = ""

    def values(self) -> dict[str, object]:
        """Return the keys that it adds to the JSON object of a plan."""
        return {
            "start_rows": self.rows,
            "start_tokens": self.tokens,
            "start_cost": self.cost,
            "start_seconds": None if self.seconds is None else round(self.seconds, 1),
            "start_ends_by": self.ends_by or None,
        }


def this_start(found: DryRun, options: Options, limit: TokenLimit | None) -> ThisStart:
    """Return what the planned start may do within its limits; texts are taken to be of the length that they all are.

    What it asks for beside (the witness, rows asked again) counts as well, so that it may do less than that.
    """
    whole = found.texts + found.preflight.at_hand.rows
    rows, tokens, ends_by = whole, found.estimated_tokens, ""
    if options.max_rows is not None and options.max_rows < rows:
        rows, ends_by = options.max_rows, MAX_ROWS
        tokens = _share(found.estimated_tokens, min(rows, found.texts), found.texts)
    if limit and limit.most < tokens:
        # Vectors at hand cost no token.
        texts = _share(found.texts, limit.most, found.estimated_tokens)
        rows = min(rows, found.preflight.at_hand.rows + texts)
        tokens, ends_by = limit.most, limit.flag
    seconds = found.estimate.seconds * tokens / max(found.estimated_tokens, 1) if found.estimate else None
    return ThisStart(rows, tokens, options.cost_of(tokens), seconds, ends_by)


def _share(of: int, part: int, whole: int) -> int:
    return of * part // max(whole, 1)
