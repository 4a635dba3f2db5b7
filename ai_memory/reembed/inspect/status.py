"""The recorded run as it stands, from its own counters: what is done and remains, who runs it, what to type next."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.reembed.inspect.bound import differ_at_most
from ai_memory.reembed.inspect.condition import GIVEN_UP, Condition, Work, verdict
from ai_memory.reembed.inspect.run_values import run_values
from ai_memory.reembed.options import cost
from ai_memory.reembed.plan.outlook import NO_OUTLOOK, Outlook
from ai_memory.reembed.unfinished_copy import finishing
from ai_memory.reembed.way_on import steps_on
from ai_memory.stores.values import ASKED_AT_END
from ai_memory.text.hints import PROGRAM, REEMBED
from ai_memory.text.times import with_timestamps

if TYPE_CHECKING:
    from ai_memory.reembed.plan.census import Census
    from ai_memory.reembed.plan.wanted import Wanted
    from ai_memory.stores.values import Counted, Pause, Run, Space, Span
    from ai_memory.vectors.target import Fingerprint

TO_BEGIN = frozenset({Condition.UNSERVED, Condition.CANCELLED, Condition.SUPERSEDED})


def next_words(run: Run | None = None, pause: Pause | None = None, copy: str = "") -> str:
    """Return what to type next after `ai-memory`; see `way_on.steps_on`."""
    return steps_on(run, pause, REEMBED, copy=copy)[0].removeprefix(f"{PROGRAM} ")


class Status(Frozen):
    """One run with everything that `status` shows, as of `now_ms` (Unix milliseconds).

    `condition` is what it is in, `work` who works on it. `replaced` is what stood in the file when it began.
    `counted` are its rows (None: nothing tells them), `census` is the one taken just now (None: none was), `outside`
    how many rows are stale in namespaces that are not the run's (None: nobody looked). `breaker_until` is what is
    believed of the run's own. `free_bytes` is the room on the disk (None: nothing tells), `wanted` what is asked for,
    `pause` who paused the file (None: nobody), `name` what people call it, `outlook` what the next start would meet
    after a run that ended. `exchanging`: what is moved stands in columns beside the memories' own, until all does.
    Of `kept_rows` replaced vectors are kept, in about `kept_bytes`; `way_back` names the runs that a rollback undoes
    (None: none), of which it is `rows_back`.
    """

    run: Run
    target: Fingerprint
    condition: Condition
    work: Work
    now_ms: int
    replaced: tuple[Space, ...]
    counted: Counted | None
    breaker_until: int
    free_bytes: int | None
    wanted: Wanted
    pause: Pause | None = None
    name: str = ""
    exchanging: bool = False
    outlook: Outlook = NO_OUTLOOK
    census: Census | None = None
    outside: int | None = None
    kept_rows: int = 0
    kept_bytes: int = 0
    way_back: Span | None = None
    rows_back: int = 0

    @property
    def interrupted(self) -> bool:
        """Whether the run is unfinished and nobody works on it."""
        return self.run.state == "running" and not self.work.going_on

    @property
    def done(self) -> int:
        """Rows that need nothing more of the run: those that have its vector."""
        found = self.counted
        return max(found.live - found.remaining - found.in_quarantine, 0) if found else 0

    @property
    def retargeted(self) -> bool:
        """Whether the configuration asks for another target than the run's."""
        return self.wanted.differs_from(self.target.space, self.target.dim)

    @property
    def next_words(self) -> str:
        """What to type next after `ai-memory`, empty where there is nothing to do."""
        if not self.work.going_on and (self.pause or self.run.finished_at is None):
            return next_words(None if self.run.finished_at else self.run, self.pause, finishing(self.name, self.pause))
        if self.condition in {*GIVEN_UP, Condition.UNSERVED} and self.outlook.complete:
            return ""
        if self.condition is Condition.DONE:
            return next_words() if self.outlook.stale or self.retargeted else ""
        return next_words() if self.condition in TO_BEGIN else ""

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes at the rate of the last minutes, None where that is not known or nothing is left."""
        if not self.counted or not self.counted.remaining or not self.run.rows_per_hour or self.run.state != "running":
            return None
        return self.counted.remaining / self.run.rows_per_hour * 3600

    @property
    def stale_since(self) -> int | None:
        """Since when the oldest stale row is known to be stale (Unix milliseconds), None where none is known to be.

        What a run finds stale on its first pass was so when it was begun, for it brings a model; what it finds later
        was edited since, and is known by the census that found it.
        """
        if not self.counted or not self.counted.remaining or self.run.undoes:
            return None
        first = self.run.finished_at is None and self.run.pass_number <= 1
        return self.run.started_at if first else self.counted.at

    @property
    def cost(self) -> float | None:
        """What the whole run's tokens cost at the price that is configured now, None where none is."""
        return cost(self.run.counters.tokens, self.wanted.price)

    @property
    def verdict(self) -> int:
        """What `--check` ends with: 0 healthy, 1 somebody is needed, 75 it goes on by itself."""
        return verdict(
            self.run,
            self.condition,
            self.pause,
            self.outlook,
            usable=self.wanted.usable,
            retargeted=self.retargeted,
            now_ms=self.now_ms,
        )

    @property
    def differ_at_most(self) -> float | None:
        """The share of the re-embedded rows that can differ (95 %), None before the run is over, or with none asked."""
        counters = self.run.counters
        agreed = counters.asked_again - counters.disagreed
        return (
            differ_at_most(agreed, counters.sent_for)
            if self.run.state in ASKED_AT_END and agreed > 0 and counters.sent_for
            else None
        )

    def values(self) -> dict[str, object]:
        """Return the JSON object."""
        run, counted = self.run, self.counted
        found = {
            **run_values(run, self.target, self.wanted.price),
            "condition": self.condition.value,
            "interrupted": self.interrupted,
            "check": self.verdict,
            "held_by": with_timestamps(asdict(self.work.held_by), "started_at") if self.work.held_by else None,
            "replaced": [{"space": space, "dim": dim, "rows": rows} for space, dim, rows in self.replaced],
            "pass": run.pass_number,
            "total": counted.live if counted else None,
            "done": self.done if counted else None,
            "remaining": counted.remaining if counted else None,
            "quarantined": counted.in_quarantine if counted else None,
            "reads": counted.reads if counted and counted.reads else None,
            "reads_answered": counted.reads_answered if counted and counted.reads else None,
            "counted_at": counted.at if counted else None,
            "differ_at_most": self.differ_at_most,
            "computing": run.computing.values() if run.computing else None,
            "stale_since": self.stale_since,
            "seconds_left": None if self.seconds_left is None else round(self.seconds_left),
            "free_bytes": self.free_bytes,
            "pause": self.pause.values() if self.pause else None,
            "breaker": with_timestamps({"state": run.breaker_state, "until": self.breaker_until or None}, "until"),
            "last_error": run.last_error,
            "in_flight_limit": run.in_flight_limit,
            "kept_rows": self.kept_rows,
            "kept_bytes": self.kept_bytes,
            "way_back": asdict(self.way_back) if self.way_back else None,
            "next": f"ai-memory {self.next_words}" if self.next_words else "",
            **(self._exactly(self.census) if self.census else {}),
        }
        return with_timestamps(found, "counted_at", "stale_since")

    def _exactly(self, census: Census) -> dict[str, object]:
        return {
            "edited": census.edited,
            "outside": self.outside,
            "unaddressable": census.unaddressable,
            "not_live": census.dead,
            "substrate": census.substrate,
            "namespaces": [
                {"namespace": name, "rows": rows, "remaining": census.stale_by_namespace[name]}
                for name, rows in sorted(census.live_by_namespace.items())
            ],
        }
