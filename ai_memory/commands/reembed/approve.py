"""`reembed approve`: lets unattended starts go to the configured target."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ai_memory.clock import SystemClock
from ai_memory.embed.assemble import assemble_interactive
from ai_memory.embed.probe import probe
from ai_memory.reembed.plan.targets import find_target
from ai_memory.stores.opening import database
from ai_memory.system.person import who

if TYPE_CHECKING:
    from ai_memory.config.settings import Settings
    from ai_memory.show.console import Console


def run_approve(settings: Settings, console: Console) -> int:
    """Approve the configured target for the file; the embedder is asked only where nothing else tells the width.

    Raises:
        NoEmbedder, EmbedderInitFailed, EmbedError: there is no target to approve.
    """
    file = database(settings.db.value, tell=console.note)
    embedder = assemble_interactive(settings.embedding)
    with file.read() as store:
        target = find_target(store, embedder)
    if not target.dim:
        target = replace(target, dim=probe(embedder).shape[1])
    now_ms = SystemClock().now_ms()
    with file.write(now_ms=now_ms) as store, store.transaction() as transaction:
        transaction.operator.approve(target.space, target.dim, by=who(), how="approve", now_ms=now_ms)
    console.result(
        {"model": target.model, "space": target.space, "dim": target.dim, "approved": True},
        f"Unattended starts on {file.name} may go to {target.model}, {target.dim} wide, space {target.space}.",
    )
    return 0
