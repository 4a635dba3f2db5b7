"""What search serves where that is not what stands in the memories, and columns that are to take their place."""

from __future__ import annotations

from ai_memory.frozen import Frozen


class Active(Frozen):
    """What is served in the place of the memories' own vectors.

    What a run staged of its `target`; None: what stood there before the run.
    """

    run_id: int
    target: int | None


class Exchange(Frozen):
    """Columns for vectors of another width, beside the memories' own.

    The run fills them; `done`: they have changed places, and hold what it replaced.
    """

    run_id: int
    done: bool

    def is_filled_by(self, run_id: int) -> bool:
        """Return whether they are being filled, by that run."""
        return not self.done and self.run_id == run_id


class ExchangeRoom(Frozen):
    """What it takes about to move vectors of another width to their memories, in bytes.

    `columns` and `index` stay on the disk, `log` is what the log grows by at most. The index is built at once in
    `memory`, of which `memory_limit` is allowed; with `workers` they share it.
    """

    columns: int
    index: int
    log: int
    memory: int
    memory_limit: int
    workers: bool

    @property
    def fits(self) -> bool:
        """Whether the index is built in memory."""
        return self.memory <= self.memory_limit
