"""The recorded run as it stands: what is done and remains, who runs it, what to type next."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from ai_memory.reembed.breaker import believed_until
from ai_memory.reembed.census import Census, take_census
from ai_memory.store import quarantine, runs
from ai_memory.store.lock import Holder, LockState, lock_state, read_holder
from ai_memory.store.opening import Store
from ai_memory.store.provenance import Fingerprint, read_fingerprint
from ai_memory.store.quarantine import Quarantined
from ai_memory.store.values import Counters, Run

RESUME = "ai-memory reembed --resume"
NEXT = {
    "paused": "ai-memory reembed cancel",
    "cancelled": "ai-memory reembed",
    "superseded": "ai-memory reembed",
}


@dataclass(frozen=True, slots=True)
class Status:
    """One run with everything that `status` shows.

    `held_by` is the live process that runs it, None where none does. `breaker_until` is what is believed of the
    run's own (Unix milliseconds). `outside` is how many rows are stale in namespaces that are not the run's.
    """

    run: Run
    target: Fingerprint
    counters: Counters
    census: Census
    quarantined: tuple[Quarantined, ...]
    held_by: Holder | None
    lock: LockState
    breaker_until: int
    outside: int = 0

    @property
    def locked(self) -> bool:
        """Whether a runner is at work, as far as this user can tell."""
        # Whoever may not read the lock has the word of the run row, which stays after a kill.
        return self.lock is LockState.RUNNER or (self.lock is LockState.HIDDEN and self.held_by is not None)

    @property
    def interrupted(self) -> bool:
        """Whether the run is unfinished and nobody works on it."""
        return self.run.state == "running" and not self.locked

    @property
    def next_command(self) -> str:
        """What to type next, empty where there is nothing to do."""
        if self.run.state == "running":
            return "" if self.locked else RESUME
        return NEXT.get(self.run.state, "ai-memory reembed" if self.census.stale or self.outside else "")

    def values(self) -> dict[str, object]:
        """Return the JSON object."""
        run, census = self.run, self.census
        return {
            **asdict(self.counters),
            "run_id": run.run_id,
            "state": run.state,
            "interrupted": self.interrupted,
            "held_by": asdict(self.held_by) if self.held_by else None,
            "model": run.target_model,
            "space": self.target.space,
            "dim": self.target.dim,
            "scope": run.scope,
            "pass": run.pass_number,
            "total": census.live,
            "done": census.fresh,
            "remaining": census.stale,
            "outside": self.outside,
            "quarantined": census.quarantined,
            "unaddressable": census.unaddressable,
            "not_live": census.dead,
            "substrate": census.substrate,
            "namespaces": self.namespaces(),
            "quarantine": [{**asdict(each), "src": each.src.hex()} for each in self.quarantined],
            "started_at": run.started_at,
            "last_progress_at": run.last_progress_at,
            "finished_at": run.finished_at,
            "breaker": {"state": run.breaker_state, "until": self.breaker_until},
            "last_error": run.last_error,
            "in_flight_limit": run.in_flight_limit,
            "next": self.next_command,
        }

    def namespaces(self) -> list[dict[str, object]]:
        """Return rows done and remaining of each namespace."""
        return [
            {"namespace": name, "rows": rows, "remaining": self.census.stale_by_namespace[name]}
            for name, rows in sorted(self.census.live_by_namespace.items())
        ]


def read_status(store: Store, path: Path, *, now_ms: int) -> Status | None:
    """Return the status of the run begun last, None where none ever was."""
    run = runs.unfinished_run(store) or runs.latest_run(store)
    if run is None:
        return None
    target = read_fingerprint(store, run.target)
    lock = lock_state(path)
    census = take_census(store, target, run.scope, now_ms=now_ms)
    return Status(
        run=run,
        target=target,
        counters=runs.read_counters(store, run),
        census=census,
        quarantined=tuple(each for each in quarantine.entries(store, target.id) if each.id in census.quarantined_ids),
        held_by=_holder(path, run, lock),
        lock=lock,
        breaker_until=believed_until(run, now_ms=now_ms),
        outside=_stale_outside(store, target, run, now_ms=now_ms),
    )


def _stale_outside(store: Store, target: Fingerprint, run: Run, *, now_ms: int) -> int:
    if run.scope is None:
        return 0
    return take_census(store, target, None, now_ms=now_ms).stale_outside(run.scope)


def _holder(path: Path, run: Run, lock: LockState) -> Holder | None:
    """Return the process that runs the job, None where there is none or it is not known."""
    holder = run.holder if lock is LockState.HIDDEN else read_holder(path)
    known = lock in (LockState.HIDDEN, LockState.RUNNER)
    return holder if known and holder and holder.may_live() else None
