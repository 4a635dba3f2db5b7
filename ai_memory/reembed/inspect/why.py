"""Why the last start ended and what a person has to do before the next: the words for the codes that a run keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.errors import IN_TROUBLE, UNUSABLE

if TYPE_CHECKING:
    from ai_memory.reembed.plan.wanted import Wanted
    from ai_memory.stores.values import LastEnd

BY_REASON = {
    "paused": "a person paused it",
    "run lost": "the run was cancelled, superseded or taken over",
    "endpoint away": "the endpoint does not answer",
    IN_TROUBLE: "the endpoint is in trouble",
    UNUSABLE: "the endpoint sends no answer that can be used",
    "breaker open": "it is too early to ask the endpoint again",
    "rate limited": "the endpoint asks for fewer requests",
    "quota": "the account at the endpoint has nothing left to spend",
    "answer violation": "the endpoint's answers cannot be believed",
    "rows refused": "the endpoint refuses the texts",
    "connection lost": "the connection to the database was lost",
    "churn": "texts are edited as fast as they are embedded",
    "rows left": "the endpoint breaks down over some rows",
    "budget too small": "its budget of tokens is too small for one row",
    "window": "its --window closed",
    "rows outside": "rows of other namespaces are stale",
}
BY_CODE = {
    2: "no embedder is configured",
    3: "the embedder cannot be used as it is configured",
    12: "a person stopped it",
    65: "the database refused it",
    69: "the endpoint cannot be used as it is",
    74: "the disk is full, or it failed",
    77: "the endpoint refused the key",
    78: "the endpoint or the configuration has another target than the run",
}
BUDGETS = frozenset({"max-rows", "max-tokens", "max-cost", "max-runtime", "window"})
REMEDIES = {
    2: "configure an embedder",
    3: "correct the configuration",
    65: "mend the database",
    69: "look at the endpoint or its account",
    74: "make room on the disk",
    77: "mend the key",
    78: "put the model back, or configure another one and add --retarget",
}
ROWS_LEFT = "look at the text that the last failure names"


def why(end: LastEnd) -> str:
    """Return the words for why a start ended."""
    if end.reason in BUDGETS and end.reason not in BY_REASON:
        return f"--{end.reason} was used up"
    if end.exit_code > 128:
        return f"it was stopped by {end.reason}"
    return BY_REASON.get(end.reason) or BY_CODE.get(end.exit_code) or end.reason


def remedy(end: LastEnd, wanted: Wanted) -> str:
    """Return what a person does before the next start, empty where nothing is to be done."""
    if end.reason == "rows left":
        return ROWS_LEFT
    key = f" ({wanted.key_source})" if end.exit_code == 77 and wanted.key_source else ""
    found = REMEDIES.get(end.exit_code, "")
    return f"{found}{key}" if found else ""
