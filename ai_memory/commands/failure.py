"""An error as a program reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai_memory.errors import AiMemoryError
    from ai_memory.text.hints import Hints


def failure(error: AiMemoryError, hints: Hints) -> dict[str, object]:
    """Return what happened and what to do next, the exit code that it has, and the command that goes on, if any."""
    return {"error": error.line(), "exit_code": error.exit_code, "next": hints.command(error.tip)}
