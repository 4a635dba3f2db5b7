"""The tools for migrations: plan, start, watch, pause and give up what the commands of `reembed` do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.commands.mcp.parameters import Flag, Parameter, Texts, Time
from ai_memory.commands.mcp.tool import READS, Effects, Result, Tool, only
from ai_memory.errors import OperatorNeeded, RunHeld, UsageError
from ai_memory.text.cleaning import one_line
from ai_memory.text.times import instant

if TYPE_CHECKING:
    from ai_memory.commands.mcp.desk import Desk
    from ai_memory.commands.mcp.parameters import Given
    from ai_memory.commands.mcp.started import Started
    from ai_memory.commands.teller import Teller
    from ai_memory.config.settings import Settings
    from ai_memory.reembed.options import Options

AGENT_OF = "an agent of {} (through mcp)"
BY_AN_AGENT = "asked for by an agent, through ai-memory's MCP server"
PLAN = (
    "target_model",
    "target_dim",
    "total_rows",
    "rows_to_embed",
    "rows_to_replace",
    "estimated_tokens",
    "estimated_cost",
    "estimated_seconds",
    "refused_with",
)
"""What is shown of a plan where nothing else is asked for; `refused_with` is the exit code of a start, if not 0."""
STATUS = (
    "run_id",
    "state",
    "condition",
    "check",
    "model",
    "dim",
    "total",
    "done",
    "remaining",
    "quarantined",
    "seconds_left",
    "last_error",
    "pause",
    "next",
)
"""What is shown of a run where nothing else is asked for; `check` is 0 healthy, 1 needs somebody, 75 waiting."""
MORE_STATUS = (
    "reembedded already_current attested raced identical texts_sent texts_sent_twice requests retries "
    "tokens asked_again disagreed taken_again put_back left_alone moved space scope order rows_per_hour "
    "cost started_at last_progress_at last_written_at finished_at last_end staged undoes undone_by "
    "interrupted held_by replaced pass reads reads_answered counted_at differ_at_most computing "
    "stale_since free_bytes breaker in_flight_limit kept_rows kept_bytes way_back edited outside "
    "unaddressable not_live substrate namespaces"
)
"""What else can be asked for of a run, the last of it with `exact`; a file without one has none of it."""


def _unattended(settings: Settings) -> Options:
    from ai_memory.commands.reembed.unattended import of_settings
    from ai_memory.reembed.options import Options

    return Options(resume=True, or_start=True, batch=settings.embedding.batch.value, **of_settings(settings))


def _plan(desk: Desk, given: Given, teller: Teller) -> Result:
    from ai_memory.commands.reembed.plan import planned
    from ai_memory.commands.reembed.plan_lines import cut_line, refused_line, share_line

    settings = desk.settings()
    found = planned(settings, _unattended(settings), teller.note)
    for line in filter(None, [share_line(found.preflight), cut_line(found), refused_line(found.refusal)]):
        teller.note(line)
    return Result(told=only(found.values(), given["fields"], also=PLAN))


def _start(desk: Desk, given: Given, teller: Teller) -> Result:
    del given
    # Of calls at once each sees what the one before it began.
    with desk.starting:
        desk.started = _begun(desk, teller)
    teller.note("It works by itself, also when this server has ended. See how far it is: reembed_status")
    return Result(told={"started": True, "pid": desk.started.process.pid})


def _begun(desk: Desk, teller: Teller) -> Started:
    from ai_memory.clock import SystemClock
    from ai_memory.commands.mcp.started import start_reembed
    from ai_memory.commands.reembed.unattended import require_approved
    from ai_memory.embed.assemble import configured_target
    from ai_memory.reembed.holding import held
    from ai_memory.reembed.plan.decide import WAYS_OUT_OF_ROLLBACK
    from ai_memory.stores.holder import LockState
    from ai_memory.stores.opening import database

    settings = desk.settings()
    file = database(settings.db.value, tell=teller.note)
    with file.read() as store:
        run = store.runs.unfinished()
    if file.lock().state is not LockState.FREE:
        raise held(file, now_ms=SystemClock().now_ms())
    if desk.started and desk.started.runs:
        number = desk.started.process.pid
        raise RunHeld(f"Process {number} was begun a moment ago.", tip="Watch it: ai-memory reembed status")
    if run and run.undoes:
        what = f"Run {run.run_id}, a rollback, is unfinished, and a person's to finish."
        raise OperatorNeeded(what, tip=WAYS_OUT_OF_ROLLBACK)
    # What stands in the way is told now, as far as it shows without a model; the process would say the same to nobody.
    configured_target(settings.embedding)
    require_approved(settings, _unattended(settings))
    return start_reembed(desk.options(settings), desk.environ(settings))


def _status(desk: Desk, given: Given, teller: Teller) -> Result:
    from ai_memory.commands.reembed.status import how_it_stands

    found = how_it_stands(desk.settings(), teller.note, exact=given["exact"])
    started = {"started_here": desk.started.values()} if desk.started else {}
    return Result(told={**only(found.values(), given["fields"], also=(*STATUS, *MORE_STATUS.split())), **started})


def _pause(desk: Desk, given: Given, teller: Teller) -> Result:
    from ai_memory.clock import SystemClock
    from ai_memory.stores.opening import database
    from ai_memory.stores.values import Pause
    from ai_memory.system.person import who

    file, now_ms = database(desk.settings().db.value, tell=teller.note), SystemClock().now_ms()
    until: int | None = given["until"]
    if until is not None and until <= now_ms:
        raise UsageError(f"until is {instant(until)}, which is over.", tip="Name a time in the future.")
    pause = Pause(now_ms, until, AGENT_OF.format(who()), one_line(given["reason"]))
    # Without the runner's lock: a runner that holds it is whom this is for.
    with file.write(now_ms=now_ms) as store, store.transaction() as transaction:
        stands = transaction.reader.operator.pause(now_ms=now_ms)
        if stands and (stands.until is None or (until is not None and until <= stands.until)):
            # Whoever paused it, most likely a person, meant it to last.
            teller.note("It is paused for that long already; that pause stands.")
            pause = stands
        else:
            transaction.operator.pause(pause)
    teller.note("A person lifts it before its time: ai-memory reembed unpause")
    return Result(told={"paused": True, **pause.values()})


def _cancel(desk: Desk, given: Given, teller: Teller) -> Result:
    from ai_memory.actions.cancel import cancel
    from ai_memory.clock import SystemClock
    from ai_memory.stores.opening import database

    del given
    found = cancel(database(desk.settings().db.value, tell=teller.note), now_ms=SystemClock().now_ms())
    return Result(told=found.values())


TOOLS = (
    Tool(
        "reembed_plan",
        "Tell what a migration of all vectors to the configured model would do; nothing is written or sent. The whole "
        "file is read.",
        _plan,
        READS,
        (Texts("fields", "what to show; []: all there is", PLAN),),
    ),
    Tool(
        "reembed_start",
        "Begin the migration, or go on with the unfinished one, as a process of its own, and return at once. Only "
        "towards a target that a person approved (ai-memory reembed approve). Search goes on meanwhile; what is "
        "replaced is kept for a way back.",
        _start,
        Effects(destroys=True, asks_others=True),
    ),
    Tool(
        "reembed_status",
        "Show how far the recorded migration is, why it stopped, and what to do next.",
        _status,
        READS,
        (
            Texts("fields", "what to show; []: all there is", STATUS),
            Flag("exact", "count the rows anew, which reads the whole file", default=False),
        ),
    ),
    Tool(
        "reembed_pause",
        "Pause migrations of the file: one that works ends within a batch, and none begins.",
        _pause,
        Effects(),
        (
            Time("until", "like 07:30, or RFC 3339 (default: until a person lifts it)"),
            Parameter("reason", "why: shown to whoever meets the pause", BY_AN_AGENT),
        ),
    ),
    Tool(
        "reembed_cancel",
        "Give up the unfinished migration and its approval. Vectors that it wrote stay; staged ones are dropped.",
        _cancel,
        Effects(destroys=True),
    ),
)
