"""What is said of a plan: what stands in its way, and what is cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.text.amounts import counted

if TYPE_CHECKING:
    from ai_memory.reembed.plan.dry_run import DryRun


def refused_line(found: DryRun) -> str:
    """Return what stands in the way of the start that was planned."""
    if found.refusal is None:
        return ""
    return f"Now such a start would do nothing and end with {found.refusal.exit_code}: {found.refusal.line()}"


def cut_line(found: DryRun) -> str:
    """Return what is to be said of texts that are longer than the model reads."""
    if found.truncated_rows is None:
        return "Whether texts are longer than the model reads cannot be told here."
    if not found.truncated_rows:
        return ""
    rows = counted(found.truncated_rows, "row is", "rows are")
    return f"{rows} longer than the model reads and will be cut: {found.lost_percent} % of all tokens are lost."
