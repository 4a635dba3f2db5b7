"""How a rollback or a switch takes its leave."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ai_memory.clock import SystemClock
from ai_memory.errors import NotFinished
from ai_memory.reembed.inspect.why import BUDGETS
from ai_memory.text.hints import without_again
from ai_memory.text.times import instant

if TYPE_CHECKING:
    from ai_memory.config.settings import Settings
    from ai_memory.reembed.finish.rollback_report import RollbackReport
    from ai_memory.reembed.finish.switch_report import Switched
    from ai_memory.show.console import Console


def take_leave(report: RollbackReport | Switched, settings: Settings, console: Console) -> int:
    """Show how a rollback or a switch ended: its result, and one line on stderr, or with -q none where all is well."""
    report = replace(report, error=without_again(report.error, report.next))
    console.shown.values = report.values()
    if console.json or not console.quiet:
        console.result(console.shown.values, *report.lines())
    budget = report.exit_code == NotFinished.exit_code and report.reason in BUDGETS
    if console.quiet and (report.exit_code == 0 or budget):
        return report.exit_code
    place = f"{instant(SystemClock().now_ms())} {settings.db.value}, {report.name}: {report.reason}"
    named = report.next and report.next in report.error
    facts = f"{place}; next: {report.next}" if report.next and not named else place
    if report.error:
        console.error(f"{report.error} ({facts})", exit_code=report.exit_code)
    else:
        console.last(facts)
    return report.exit_code
