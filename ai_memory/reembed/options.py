"""What one invocation of the job was asked to do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen

if TYPE_CHECKING:
    from ai_memory.reembed.scope import Scope
    from ai_memory.stores.values import Run

MAX_COST, MAX_ROWS = "max-cost", "max-rows"


class Options(Frozen):
    """The flags of one `reembed`.

    `scope` None: no namespace was named. `batch` is documents per page. `sleep_seconds` is waited after each
    commit. `max_rows` is how many documents this invocation may take up (None: no limit).
    `price` is what a million tokens cost (None: not configured). `wait_seconds` is how
    long it may wait for an endpoint that failed. `same_vectors`: the target may give the stored vectors. `yes`: nobody
    need be asked. `configured` says where the target was configured. `order` is how to walk (None: as the unfinished
    run does, where there is none by namespace). `keeps_previous`: what is replaced is kept.
    `staged`: vectors go beside the memories until they are switched to.
    `claims_unstamped`: the configuration says what made the vectors of which the file does not tell it.
    `last_pass`: a run that is ready goes on with what changed since.
    """

    resume: bool = False
    or_start: bool = False
    retarget: bool = False
    scope: Scope = None
    batch: int = 100
    sleep_seconds: float = 0.0
    max_rows: int | None = None
    price: float | None = None
    wait_seconds: float = 0.0
    skip_current: bool = False
    retry_quarantined: bool = False
    backup: Path | None = None
    same_vectors: bool = False
    yes: bool = False
    configured: str = ""
    order: str | None = None
    keeps_previous: bool = True
    staged: bool = False
    claims_unstamped: bool = False
    last_pass: bool = False

    def keeps(self, run: Run | None) -> bool:
        """Return whether what is replaced is kept: an unfinished `run` goes on as it was begun."""
        # No run that embeds goes on with a rollback.
        return self.keeps_previous if run is None or self.retarget or run.undoes else run.keeps_previous

    def stages(self, run: Run | None) -> bool:
        """Return whether vectors go beside the memories: an unfinished `run` goes on as it was begun."""
        return self.staged if run is None or self.retarget else run.staged

    @property
    def by_hand(self) -> bool:
        """Whether a person gave the command that begins a run: the target is then approved."""
        return not self.or_start and (self.yes or self.retarget or not self.resume)

    def cost_of(self, tokens: int) -> float | None:
        """Return what so many tokens cost, None where no price is known."""
        return cost(tokens, self.price)

    def limit_allowing(self, tokens: int, flag: str) -> str:
        """Return the limit of so many tokens as the flag `flag` takes it: in tokens, or in money."""
        return f"{tokens}" if flag != MAX_COST or not self.price else f"{cost_allowing(tokens, self.price):.12g}"


def cost_allowing(tokens: int, price: float) -> float:
    """Return a cost that allows `tokens` at `price` a million, however a fraction of one is rounded."""
    return float(f"{(tokens + 1) * price / 1_000_000:.12g}")


def cost(tokens: int, price: float | None) -> float | None:
    """Return what `tokens` cost at `price` a million, in the user's own currency; None where no price is known."""
    return None if price is None else float(f"{tokens * price / 1_000_000:.6g}")
