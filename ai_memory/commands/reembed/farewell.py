"""How a run takes its leave: its result on stdout, and ONE line on stderr, or with -q none where all is well."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from ai_memory.clock import SystemClock
from ai_memory.commands.altered import mention_daemon
from ai_memory.commands.reembed.next_command import next_command
from ai_memory.errors import AiMemoryError, OperatorNeeded, RunHeld, RunnerStuck, Stopped, StorageFailed, UsageError
from ai_memory.frozen import Frozen
from ai_memory.reembed.inspect.why import BUDGETS, why
from ai_memory.reembed.options import cost_allowing
from ai_memory.reembed.plan.decide import START_ONE
from ai_memory.reembed.recorded import recorded_run
from ai_memory.reembed.sweep.ending import TOO_SMALL
from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.opening import database, reading
from ai_memory.stores.values import LastEnd, Run
from ai_memory.text.amounts import counted
from ai_memory.text.hints import PROGRAM, QUARANTINE, SWITCH, changes_flag, without_again
from ai_memory.text.invisible import escaped
from ai_memory.text.times import instant

if TYPE_CHECKING:
    from ai_memory.config.settings import Settings
    from ai_memory.reembed.inspect.report import RunReport
    from ai_memory.show.console import Console
    from ai_memory.stores.port_writing import TellingWriter

BRIEFLY = OpenOptions(busy_timeout_ms=500)
"""What is only told waits for nobody."""
STATUS = f"{PROGRAM} reembed status"
COMPLETE, ASIDE, OPERATOR, UNFINISHED = 0, 10, 12, 75
TOKENS = frozenset({"max-tokens", "max-cost"})
AFTER = {ASIDE: f"{PROGRAM} reembed quarantine", OPERATOR: STATUS}
"""What to look at next, by exit code, where the run itself has nothing to go on with."""


class Farewell(Frozen):
    """The end of one invocation with these arguments."""

    args: argparse.Namespace
    settings: Settings
    console: Console

    def report(self, report: RunReport) -> int:
        """Show how the run ended and return its exit code, or that of a result that cannot be written."""
        again = self._next(report)
        error = without_again(report.error, again)
        named = self.console.hints.command(without_again(report.next, again))
        report = replace(report, next=named or again, error=error)
        shown = self.console.json or not self.console.quiet
        if self.console.json and self.switches(report):
            self.console.shown.first, shown = {"run": report.values()}, False
        with self._shown(report.values(), *report.lines(), shown=shown) as lost:
            if report.exit_code in (COMPLETE, ASIDE) and report.reembedded:
                self._mention_daemon()
            if lost or not (self.console.quiet and self._is_no_news(report)):
                after = "" if named else report.next or (STATUS if lost else "")
                facts = _join(self._place(report), _failure(report), _room(report), _next(after))
                if told := _sentences(lost.what if lost else "", report.error):
                    self.console.error(f"{told} ({facts})", exit_code=report.exit_code)
                else:
                    self.console.last(facts)
        return lost.exit_code if lost else report.exit_code

    def switches(self, report: RunReport) -> bool:
        """Return whether what the run made is served at once, by the same start."""
        return bool(self.args.auto_switch and report.state == "ready" and report.exit_code == COMPLETE)

    def refusal(self, error: AiMemoryError) -> int:
        """Show why nothing was done and return the exit code."""
        run = self._recorded()
        if error.tip == START_ONE:
            error.tip = START_ONE.replace(f"{PROGRAM} reembed", next_command(self.args, unfinished=False))
        again = next_command(self.args, unfinished=bool(run and run.state == "running"))
        told, named = without_again(error.line(), again), self.console.hints.command(without_again(error.tip, again))
        if isinstance(error, OperatorNeeded | UsageError) or changes_flag(error.tip, again):
            again = ""
        if self.console.verbose:
            self.console.traceback(error)
        values = {"error": told, "exit_code": error.exit_code, "next": named or again}
        with self._shown(values, shown=self.console.json) as lost:
            if lost or not (self.console.quiet and self._is_old(error)):
                facts = _join(self._recorded_place(run), _next("" if named else again))
                told = _sentences(lost.what if lost else "", told)
                self.console.error(f"{told} ({facts})", exit_code=error.exit_code)
        return lost.exit_code if lost else error.exit_code

    def at_once(self) -> str:
        """Return what is said where a second signal leaves no time for more."""
        again = self.console.hints(next_command(self.args, unfinished=True))
        return escaped(f"the run is as after a kill; go on: {again}")

    @contextmanager
    def _shown(self, values: Mapping[str, object], *lines: str, shown: bool) -> Iterator[StorageFailed | None]:
        """Show a result, if it is to be `shown`, or only keep it; yield what kept it from being written.

        Raises:
            BrokenPipeError: its reader went away; after the block, for the line on stderr is read by somebody else.
        """
        lost, gone = None, None
        self.console.shown.values = values
        try:
            if shown:
                self.console.result(values, *lines)
                self.console.out.flush()
        except StorageFailed as error:
            lost = error
        except BrokenPipeError as error:
            gone = error
        yield lost
        if gone:
            raise gone

    def _next(self, report: RunReport) -> str:
        if report.reason == "paused":
            return f"{PROGRAM} reembed unpause"
        if report.state == "ready":
            return QUARANTINE if report.quarantined else SWITCH
        if report.state == "running":
            return next_command(self._raised(report.tokens_needed), unfinished=True)
        if report.exit_code == COMPLETE:
            return f"{PROGRAM} reembed" if report.outside else ""
        return AFTER.get(report.exit_code) or next_command(self.args, unfinished=False)

    def _raised(self, tokens: int) -> argparse.Namespace:
        """Return the arguments with limits that allow so many tokens at least."""
        args = argparse.Namespace(**vars(self.args))
        if args.max_tokens is not None:
            args.max_tokens = max(args.max_tokens, tokens)
        price = self.settings.embedding.price_per_million_tokens.value
        if args.max_cost is not None and price:
            args.max_cost = max(args.max_cost, cost_allowing(tokens, price))
        return args

    def _place(self, report: RunReport) -> str:
        run = "" if report.run_id is None else f", run {report.run_id}"
        end = LastEnd(0, report.exit_code, report.reason, 1)
        return f"{self._file()}{run}: {_done(report)}; {why(end)}"

    def _recorded_place(self, run: Run | None) -> str:
        if run is None:
            return self._file()
        rows = run.counted
        done = (
            f": {rows.live - rows.remaining - rows.in_quarantine:,} of {counted(rows.live, 'row')} done" if rows else ""
        )
        return f"{self._file()}, run {run.run_id}{done}"

    def _file(self) -> str:
        return f"{instant(SystemClock().now_ms())} {self.settings.db.value}"

    def _recorded(self) -> Run | None:
        with suppress(AiMemoryError), database(self.settings.db.value, BRIEFLY).read() as store:
            return recorded_run(store)
        return None

    def _is_no_news(self, report: RunReport) -> bool:
        """Return whether nobody who wanted to hear only of trouble need hear of this end."""
        if report.exit_code == UNFINISHED and report.reason in BUDGETS:
            self._forget(OPERATOR)
            return not report.last_failure and not report.tokens_needed and _did_something(report)
        if report.exit_code in (ASIDE, OPERATOR):
            return not self._is_news(report.exit_code, report.error)
        self._forget(*((ASIDE, OPERATOR) if report.exit_code == COMPLETE else (OPERATOR,)))
        return report.exit_code == COMPLETE

    def _is_old(self, error: AiMemoryError) -> bool:
        if isinstance(error, RunHeld):
            return not isinstance(error, RunnerStuck)
        if isinstance(error, OperatorNeeded):
            return not self._is_news(error.exit_code, error.line())
        return isinstance(error, Stopped) and error.exit_code == UNFINISHED

    @contextmanager
    def _told(self) -> Iterator[TellingWriter]:
        """Have what was told in quiet changed in the block; where it cannot be kept, all is told each time."""
        file, now_ms = database(self.settings.db.value, BRIEFLY), SystemClock().now_ms()
        with file.write(now_ms=now_ms) as store, store.transaction() as transaction:
            yield transaction.tellings

    def _is_news(self, exit_code: int, told: str) -> bool:
        with suppress(AiMemoryError), self._told() as tellings:
            if exit_code == ASIDE:
                tellings.forget(OPERATOR)
            return tellings.is_news(exit_code, None if exit_code == ASIDE else told, now_ms=SystemClock().now_ms())
        return True

    def _forget(self, *exit_codes: int) -> None:
        with suppress(AiMemoryError), self._told() as tellings:
            tellings.forget(*exit_codes)

    def _mention_daemon(self) -> None:
        with reading(self.settings.db.value) as library:
            if library.about.rust:
                mention_daemon(self.console)


def _done(report: RunReport) -> str:
    if report.total is None or report.remaining is None:
        return f"{counted(report.reembedded, 'row')} done by this start"
    done = max(report.total - report.remaining - (report.quarantined or 0), 0)
    return f"{done:,} of {counted(report.total, 'row')} done"


def _did_something(report: RunReport) -> bool:
    """Return whether a row was done, or nothing asked for: a budget spent for nothing is not a healthy night."""
    return not report.requests or any((report.reembedded, report.attested, report.quarantined))


def _sentences(*told: str) -> str:
    return " ".join(each for each in told if each)


def _failure(report: RunReport) -> str:
    told = report.last_failure
    return f"last failure: {told.rstrip('.')}" if told and told not in report.error else ""


def _room(report: RunReport) -> str:
    """Return what is said of a limit within which the next start does no row; its error may say so already."""
    if report.reason in TOKENS and not report.reembedded:
        return f"raise --{report.reason}: no row was done within it"
    needed = report.tokens_needed if report.reason != TOO_SMALL else 0
    return f"its limit is too small for the next row, which needs {needed:,} tokens" if needed else ""


def _next(command: str) -> str:
    return f"next: {command}" if command else ""


def _join(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
