"""`reembed`: bring every vector to the configured model, resumably; its sub-commands act on the recorded run."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ai_memory.commands.reembed.flags import add_flags, given, named
from ai_memory.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ai_memory.config.embedding import EmbeddingSettings
    from ai_memory.config.settings import Settings
    from ai_memory.embed.assemble import Needs
    from ai_memory.embed.awaited import Awaited
    from ai_memory.embed.port import TokenLimit
    from ai_memory.reembed.events import Observer
    from ai_memory.reembed.job import Job
    from ai_memory.reembed.options import Options
    from ai_memory.reembed.plan.taking import Preflight
    from ai_memory.reembed.stop import Stop
    from ai_memory.show.console import Console
    from ai_memory.stores.values import Run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of a run, and the sub-commands."""
    add_flags(parser)


def run(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Run, plan or stamp, or do what the sub-command says."""
    if args.verb:
        if refused := [each for each in given(args) if each not in args.takes]:
            raise UsageError(f"reembed {args.verb} takes no {named(refused)}.", tip="Leave that out.")
        return _run_verb(args, settings, console)
    from ai_memory.commands.reembed.observed import observed

    return observed(args, settings, console, lambda observe: _start(args, settings, console, observe))


def _start(args: argparse.Namespace, settings: Settings, console: Console, observe: Observer) -> int:
    from ai_memory.commands.reembed.contradictions import refuse_contradictions, refuse_for_rollback
    from ai_memory.commands.reembed.time_limit import outside_window

    refuse_contradictions(args)
    if outside := outside_window(args):
        from ai_memory.commands.reembed.farewell import Farewell

        return Farewell(args, settings, console).refusal(outside)
    if args.stamp_only:
        from ai_memory.commands.reembed import stamp

        asked = stamp.Asked(_scope(args), args.compared, args.retry_for, undo=not args.no_undo)
        return stamp.run(settings, console, asked, dry_run=args.dry_run)
    if args.resume and not args.retarget and (run := _unfinished(settings)):
        if run.undoes:
            from ai_memory.commands.reembed.undo import run_rollback

            refuse_for_rollback(args)
            return run_rollback(args, settings, console, observe)
        if not args.dry_run and (run.state == "switched" or (run.state == "ready" and args.auto_switch)):
            return _switch(args, settings, console, observe)
    if args.embedders:
        from ai_memory.commands.reembed.embedders import require_local

        require_local(settings.embedding)
    if args.dry_run:
        from ai_memory.commands.reembed.plan import run_plan

        options, limit = _options(args, settings), _token_limit(args, settings.embedding)
        return run_plan(settings, console, options=options, ask=args.probe, where=args.embedders, limit=limit)
    return _run_job(args, settings, console, observe)


def _unfinished(settings: Settings) -> Run | None:
    """Return the unfinished run, by which --resume may need no embedder; what is wrong with the file is told later."""
    from contextlib import suppress

    from ai_memory.errors import AiMemoryError
    from ai_memory.stores.opening import database

    with suppress(AiMemoryError), database(settings.db.value).read() as store:
        return store.runs.unfinished()
    return None


def _run_verb(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    if args.verb == "verify":
        from ai_memory.commands.reembed.verify import run_verify

        return run_verify(settings, console, sample=args.sample, of_run=args.of_run, stale=args.make_stale)
    if args.verb == "approve":
        from ai_memory.commands.reembed.approve import run_approve

        return run_approve(settings, console)
    if args.verb in ("pause", "unpause"):
        from ai_memory.commands.reembed.pause import run_pause, run_unpause

        return run_pause(args, settings, console) if args.verb == "pause" else run_unpause(settings, console)
    if args.verb in ("switch", "rollback", "prune"):
        return _run_afterwards(args, settings, console)
    if args.verb == "rehearse":
        from ai_memory.commands.reembed import rehearse

        return rehearse.run(args, settings, console)
    if args.verb == "cancel":
        from ai_memory.commands.reembed.cancel import run_cancel

        return run_cancel(settings, console)
    return _show(args, settings, console)


def _show(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Show what the file says of its runs."""
    if args.verb == "status":
        from ai_memory.commands.reembed.status import run_status

        return run_status(settings, console, exact=args.exact, check=args.check, every=args.watch)
    if args.verb == "history":
        from ai_memory.commands.reembed.history import run_history

        return run_history(settings, console, most=args.limit)
    if args.verb == "report":
        from ai_memory.commands.reembed.report import run_report

        return run_report(settings, console, html=args.html)
    from ai_memory.commands.reembed.quarantine import run_quarantine

    return run_quarantine(settings, console)


def _run_afterwards(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Do what the sub-command says with what a run made, or replaced."""
    from ai_memory.reembed.events import to_all

    nobody = to_all()
    if args.verb == "switch":
        return _switch(args, settings, console, nobody)
    from ai_memory.commands.reembed.undo import run_prune, run_rollback

    if args.verb == "rollback":
        return run_rollback(args, settings, console, nobody)
    return run_prune(args, settings, console)


def _scope(args: argparse.Namespace) -> tuple[str, ...] | None:
    return tuple(dict.fromkeys(args.namespace)) if args.namespace else None


def _run_job(args: argparse.Namespace, settings: Settings, console: Console, observe: Observer) -> int:
    from ai_memory.commands.reembed.farewell import Farewell
    from ai_memory.commands.reembed.time_limit import stop_in_time
    from ai_memory.commands.reembed.unattended import require_approved
    from ai_memory.embed.awaited import Awaited
    from ai_memory.errors import AiMemoryError
    from ai_memory.reembed.stop import Stop, stop_on_signals

    stop, awaited, farewell = Stop(), Awaited(), Farewell(args, settings, console)
    try:
        if args.or_start:
            require_approved(settings, _options(args, settings))
        job = _job(args, settings, console, stop, awaited, observe)
        with (
            stop_on_signals(stop, tell=not console.quiet, at_once=farewell.at_once()),
            stop_in_time(args, stop),
            stop.patient(awaited.break_off),
        ):
            report = job.run()
    except AiMemoryError as error:
        return farewell.refusal(error)
    code = farewell.report(report)
    if code or not farewell.switches(report):
        return code
    return _switch(args, settings, console, observe)


def _switch(args: argparse.Namespace, settings: Settings, console: Console, observe: Observer) -> int:
    from ai_memory.commands.reembed import switch
    from ai_memory.commands.reembed.farewell import Farewell

    def job(stop: Stop) -> Job:
        from ai_memory.embed.awaited import Awaited

        # How many are moved is another matter.
        resumed = argparse.Namespace(**{**vars(args), "resume": True, "yes": True, "max_rows": None, "last_pass": True})
        return _job(resumed, settings, console, stop, Awaited(), observe)

    farewell = Farewell(args, settings, console).report
    return switch.run(args, settings, console, observe, job=job, farewell=farewell)


def _job(
    args: argparse.Namespace,
    settings: Settings,
    console: Console,
    stop: Stop,
    awaited: Awaited,
    observe: Observer,
) -> Job:
    from functools import partial

    from ai_memory.clock import SystemClock
    from ai_memory.commands.known_witness import witness_of
    from ai_memory.commands.with_keys import with_keys
    from ai_memory.embed.assemble import embedders, needs, workplace
    from ai_memory.embed.port import RetryPolicy
    from ai_memory.embed.terms import Terms, Ties
    from ai_memory.reembed.events import to_all
    from ai_memory.reembed.job import Job
    from ai_memory.reembed.sweep.worker import OUTCASTS, answer
    from ai_memory.reembed.tools import Tools
    from ai_memory.show.narrator import Narrator
    from ai_memory.show.progress import NoProgress, choose_progress
    from ai_memory.stores.open_options import OpenOptions
    from ai_memory.stores.opening import database, reading

    clock = SystemClock()
    # The one line at the end is all that -q lets through.
    progress = NoProgress(console.err) if console.quiet else choose_progress(console.err, clock, quiet=False)
    configured = _embedder_of_run(args, settings, progress.note)
    terms = Terms(
        retry_policy=RetryPolicy(retry_for=args.retry_for),
        concurrency=args.concurrency,
        limit=_token_limit(args, configured),
        batch=args.batch or configured.batch.value,
    )
    trace = progress.note if console.verbose else None
    witness = witness_of(lambda: reading(settings.db.value))
    ties = Ties(stop.event, stop.closed, awaited, witness=witness, tell=progress.note, trace=trace)
    place = workplace(args.embedders, configured, ties)
    embedder, workers = embedders(place, configured, terms, ties, partial(answer, stop=stop), OUTCASTS)
    needed, observers = needs(configured, place), to_all(Narrator(progress), observe)
    tools = Tools(
        clock, stop, observers, embedder=embedder, workers=workers, spending=embedder.spending, max_lag=args.max_lag
    )
    return Job(
        database=database(settings.db.value, with_keys(settings, OpenOptions(heed=stop.heed, tell=progress.note))),
        options=_options(args, settings),
        tools=tools,
        disclose=lambda told: _disclose(told, needed, console, stop, ask=not args.yes, copied=args.backup is not None),
    )


def _embedder_of_run(args: argparse.Namespace, settings: Settings, tell: Callable[[str], None]) -> EmbeddingSettings:
    """Return the configured embedder, in the precision that is decided for the file."""
    from ai_memory.vectors.target import FLOAT32

    if settings.asked.precision.value == FLOAT32 or not settings.asked.is_local:
        return settings.embedding
    from ai_memory.commands.reembed.precision import decided

    return decided(settings, may_probe=not args.resume, over_run=args.retarget, tell=tell)


def _options(args: argparse.Namespace, settings: Settings) -> Options:
    from ai_memory.commands.reembed.unattended import of_settings
    from ai_memory.reembed.options import Options

    return Options(
        resume=args.resume,
        or_start=args.or_start,
        retarget=args.retarget,
        scope=_scope(args),
        batch=args.batch or settings.embedding.batch.value,
        sleep_seconds=args.sleep_ms / 1000,
        max_rows=args.max_rows,
        last_pass=getattr(args, "last_pass", False),
        wait_seconds=args.wait,
        skip_current=args.skip_current_space,
        retry_quarantined=args.retry_quarantined,
        backup=args.backup,
        same_vectors=args.same_vectors,
        order=args.order,
        yes=args.yes,
        keeps_previous=not args.no_undo,
        staged=args.staged,
        **of_settings(settings),
    )


def _token_limit(args: argparse.Namespace, configured: EmbeddingSettings) -> TokenLimit | None:
    from ai_memory.embed.port import TokenLimit

    limits: list[tuple[int, str]] = [(args.max_tokens, "max-tokens")] if args.max_tokens else []
    if args.max_cost is not None:
        price = configured.price_per_million_tokens.value
        if not price:
            raise UsageError("--max-cost needs a price.", tip="Set [embeddings].price_per_million_tokens.")
        limits.append((int(args.max_cost / price * 1_000_000), "max-cost"))
    return TokenLimit(*min(limits)) if limits else None


def _disclose(told: Preflight, needed: Needs | None, console: Console, stop: Stop, *, ask: bool, copied: bool) -> None:
    from ai_memory.commands.reembed.embedders import embedders_lines
    from ai_memory.commands.reembed.plan_lines import preflight_lines
    from ai_memory.show.question import disclose

    if told.begins:
        # Where no row is stale the start only asks for what was written before.
        ask = ask and told.census.to_embed > 0
        lines = [*preflight_lines(told, copied=copied), *embedders_lines(needed)]
        disclose(lines, "Replace these vectors?", console, ask=ask, heed=stop.heed)
