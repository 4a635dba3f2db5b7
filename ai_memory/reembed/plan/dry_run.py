"""What a run would find and do: the plan of `--dry-run`, from one read-only look at the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from ai_memory.reembed.holding import runner_of
from ai_memory.reembed.plan.at_hand import Sorting
from ai_memory.reembed.plan.census import Listener, Means, count_rows
from ai_memory.reembed.plan.decide import order_of, scope_of
from ai_memory.reembed.plan.estimate import Estimate, Load, Probed, estimate
from ai_memory.reembed.plan.in_doubt import InDoubt, in_doubt
from ai_memory.reembed.plan.refusal import refusal
from ai_memory.reembed.plan.taking import Preflight
from ai_memory.reembed.plan.targets import identity, known_fingerprint, recorded_target
from ai_memory.reembed.plan.trial import require_updates
from ai_memory.reembed.plan.undo_room import staged_bytes, undo_bytes
from ai_memory.stores.holder import Task
from ai_memory.text.times import with_timestamps

if TYPE_CHECKING:
    from ai_memory.errors import AiMemoryError
    from ai_memory.memory.reason import Kind
    from ai_memory.reembed.options import Options
    from ai_memory.stores.holder import Holder
    from ai_memory.stores.port import Database, Reader, Snapshot
    from ai_memory.stores.served import ExchangeRoom
    from ai_memory.vectors.target import Target


@dataclass(frozen=True, slots=True)
class DryRun:
    """The plan of a run.

    `estimated_tokens` are counted by the target's own tokenizer where it is at hand, else by the rule of four
    bytes per token; `estimated_cost` is their price, None where none is configured. `truncated_rows` are longer than
    the model reads, which loses `lost_percent` of all tokens; None where that cannot be known. `estimate` is how long
    it would take, `probed` what the target answered (None: it was not asked), `refusal` what such a start would end
    with before it begins (None: it would begin). `in_doubt` is what it would ask for again of what was written before;
    the tokens are among those estimated, none where a runner is at work (`held_by`). The memories take vectors of the
    `fixed_width` (None: of any); with a staged run to another one `exchange` is what moving them takes. `texts` of the
    rows would be sent, identical ones once (`texts_exact`; else at most), `sample` has some of them. Of rows that
    cannot be sent `unfit` counts those of each kind; with `retries` those in quarantine are tried again.
    """

    preflight: Preflight
    estimated_tokens: int
    estimated_cost: float | None
    truncated_rows: int | None
    lost_percent: float | None
    texts: int
    texts_exact: bool
    unfit: Mapping[Kind, int]
    estimate: Estimate | None = None
    probed: Probed | None = None
    refusal: AiMemoryError | None = None
    in_doubt: InDoubt = field(default_factory=InDoubt)
    fixed_width: int | None = None
    exchange: ExchangeRoom | None = None
    held_by: Holder | None = None
    retries: bool = False
    sample: tuple[str, ...] = field(default=(), repr=False)

    @property
    def oversize_rows(self) -> int:
        """Rows that are too long to be sent."""
        return self.unfit.get("oversize", 0)

    @property
    def empty_rows(self) -> int:
        """Rows of blank text."""
        return self.unfit.get("empty", 0)

    @property
    def unreadable_rows(self) -> int:
        """Rows whose text nobody here can read."""
        return self.unfit.get("undecodable", 0) + self.unfit.get("undecryptable", 0)

    def values(self) -> dict[str, object]:
        """Return the JSON object of the plan."""
        target, census = self.preflight.target, self.preflight.census
        return {
            "total_rows": census.live,
            "rows_with_embeddings": census.with_vector,
            "rows_missing_embeddings": census.live - census.with_vector,
            "rows_to_embed": self.preflight.to_send,
            "rows_to_take_again": self.preflight.at_hand.rows,
            "rows_to_replace": census.to_replace,
            "target_model": target.model,
            "target_dim": target.dim or None,
            "target_space": target.space,
            "fixed_dim": self.fixed_width,
            "exchange": asdict(self.exchange) if self.exchange else None,
            "backend": target.backend,
            "stored": [{"space": space, "dim": dim, "rows": rows} for space, dim, rows in self.preflight.stored],
            "order": self.preflight.order,
            "texts_to_send": self.texts,
            "texts_exact": self.texts_exact,
            "estimated_tokens": self.estimated_tokens,
            "estimated_cost": self.estimated_cost,
            "estimated_seconds": round(self.estimate.seconds, 1) if self.estimate else None,
            "estimated_by": self.estimate.by if self.estimate else None,
            "probed": self.probed is not None,
            "truncated_rows": self.truncated_rows,
            "lost_percent": self.lost_percent,
            "oversize_rows": self.oversize_rows,
            "empty_rows": self.empty_rows,
            "unreadable_rows": self.unreadable_rows,
            "rows_in_quarantine": census.quarantined,
            "rows_in_doubt": self.in_doubt.rows,
            "texts_asked_again": self.in_doubt.texts,
            "undo_bytes": self.preflight.undo_bytes,
            "staged_bytes": self.preflight.staged_bytes,
            "held_by": with_timestamps(asdict(self.held_by), "started_at") if self.held_by else None,
            "refused_with": self.refusal.exit_code if self.refusal else None,
            "refusal": self.refusal.line() if self.refusal else None,
        }


def dry_run(
    database: Database,
    store: Reader,
    target: Target,
    options: Options,
    *,
    now_ms: int,
    count_tokens: Callable[[str], int] | None = None,
    probed: Probed | None = None,
) -> DryRun:
    """Return the plan of a run as requested; nothing is written, loaded or sent. `probed` is what a probe told before.

    Raises:
        NotFound: a named namespace was never seen.
        DataRefused: the file takes no vector.
        UsageError: the unfinished run is of other namespaces, or of another order, than were named.
    """
    run = store.runs.unfinished()
    scope, order = scope_of(options, run), order_of(options, run)
    store.memories.require_seen(*(options.scope or ()))
    require_updates(store)
    target = recorded_target(store, replace(target, dim=target.dim or (probed.dim if probed else 0)))
    traits = store.memories.traits
    means = Means(target if options.skip_current else None, options.retry_quarantined)

    def read(found: Snapshot) -> tuple[Preflight, Load, bool]:
        load, known = Load(target.max_tokens, count_tokens), found.known(identity(target))
        sorting = Sorting(store, known, sent=load, count_tokens=count_tokens)
        census = count_rows(found, traits, known, scope, now_ms=now_ms, means=means, listener=Listener(sorting.visit))
        undo, beside = undo_bytes(options, run, census), staged_bytes(options, run, census, dim=target.dim)
        stored, at_hand = tuple(found.stored_spaces()), sorting.found
        told = Preflight(stored, census, target, order=order, undo_bytes=undo, staged_bytes=beside, at_hand=at_hand)
        return told, load, sorting.exact

    found, load, exact = store.consistently(read)
    known, told = known_fingerprint(store, target), count_tokens is not None and target.max_tokens > 0
    runner = runner_of(run, database.lock()) if run else None
    held_by = runner if runner and runner.task is Task.REEMBED else None
    # What a runner that is at work wrote was not cut off, and it asks for that itself.
    doubted = InDoubt() if held_by else in_doubt(store, known, at_hand=found.at_hand, count_tokens=count_tokens)
    tokens = load.tokens + doubted.tokens
    return DryRun(
        preflight=replace(found, in_doubt=doubted.rows),
        estimated_tokens=tokens,
        estimated_cost=options.cost_of(tokens),
        truncated_rows=load.truncated if told else None,
        lost_percent=round(100 * load.lost / max(load.tokens, 1), 1) if told else None,
        texts=load.texts,
        texts_exact=exact,
        unfit=load.unfit,
        estimate=estimate(
            store,
            load.texts + doubted.texts,
            target=known.id if known else None,
            is_local=target.is_local,
            batch=options.batch,
            probed=probed,
        ),
        probed=probed,
        refusal=refusal(database, store, target, options, found.census, now_ms=now_ms),
        in_doubt=doubted,
        fixed_width=store.targets.staged.fixed_width(),
        exchange=store.targets.staged.exchange_room(target.dim, found.census.live) if options.stages(run) else None,
        held_by=held_by,
        retries=options.retry_quarantined,
        sample=load.sample.texts,
    )
