"""`reembed report --html F`: a page about the recorded run, for people who do not type; the database is only read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.actions.account import give_account
from ai_memory.actions.lengths import Reading
from ai_memory.clock import SystemClock
from ai_memory.commands.reembed.wanted import wanted_if_usable
from ai_memory.commands.with_keys import database
from ai_memory.embed.assemble import configured_target, token_counter
from ai_memory.errors import AiMemoryError
from ai_memory.show.page import put
from ai_memory.show.report import make_report
from ai_memory.text.amounts import size

if TYPE_CHECKING:
    from pathlib import Path

    from ai_memory.config.settings import Settings
    from ai_memory.reembed.plan.wanted import Wanted
    from ai_memory.show.console import Console
    from ai_memory.vectors.target import Fingerprint


def run_report(settings: Settings, console: Console, *, html: Path) -> int:
    """Write the page to `html`, all at once.

    Raises:
        UsageError: what stands there is not a report, or matplotlib is missing.
        NotFound: no run was ever begun.
        StorageFailed: it cannot be written.
    """
    from ai_memory.commands.reembed.told_files import require_report_file

    require_report_file(html, settings)
    file, wanted = database(settings, console.note), wanted_if_usable(settings)
    with file.read() as store:
        account = give_account(
            file,
            store,
            wanted,
            lambda target: _reading(settings, wanted, target),
            now_ms=SystemClock().now_ms(),
        )
    written = make_report(account).encode()
    put(html, written)
    values = {"html": str(html), "bytes": len(written), "run_id": account.status.run.run_id}
    console.result(values, f"Written: {html} ({size(len(written))}), about run {account.status.run.run_id}")
    return 0


def _reading(settings: Settings, wanted: Wanted, target: Fingerprint) -> Reading:
    """Return how the model of a run reads texts, as far as the configuration, where it is that model's, tells."""
    if wanted.differs_from(target.space, target.dim) or not wanted.usable:
        return Reading()
    try:
        return Reading(configured_target(settings.embedding).max_tokens, token_counter(settings.embedding))
    except AiMemoryError:
        # Whoever reads what a run did need not be able to run it.
        return Reading()
