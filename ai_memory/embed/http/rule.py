"""One row of the table from an answer to its meaning, and what several rows have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen

if TYPE_CHECKING:
    from ai_memory.errors import EmbedError


class Rule(Frozen):
    """One row of the table; the first that fits decides.

    `codes` are compared with the error's code, type, status and reason; `words`, patterns of lower-case words with one
    blank between them, are looked for at the beginning of its message (further on it may quote the text that was
    sent), or `anywhere` in the answer. Without either, the status alone decides. `of_width`: it holds only while a
    width is asked for that no answer had yet.
    """

    statuses: frozenset[int]
    error: type[EmbedError]
    what: str
    tip: str
    source: str
    codes: frozenset[str] = frozenset()
    words: tuple[str, ...] = ()
    anywhere: bool = False
    of_width: bool = False


PAY = "Top up the account or raise its limit, then run the same command again."
RENEWED = "Wait until it is renewed, or raise it, then run the same command again."
KEY = "Check the key, and where it comes from: ai-memory config show"
MAY = "Check the key, what it may do and where it comes from: ai-memory config show"
ADDRESS = "Check [embeddings].base_url and model, and where they come from: ai-memory config show"
MODEL = "Check [embeddings].model and base_url, and where they come from: ai-memory config show"
DIM = "Remove [embeddings].dim, or set a width that the model offers."
QUOTA_CODES = frozenset(
    {
        "insufficient_quota",
        "billing_hard_limit_reached",
        "billing_not_active",
        "arrearage",
        "insufficient_balance",
        "insufficient_credits",
        "payment_required",
        "1113",
    }
)
REFUSED = frozenset(range(400, 500))
FAILED = frozenset(range(500, 600))
TOLD = REFUSED | FAILED | {200}
"""A 200 stands here for one that carries an error instead of vectors, and no status of its own."""
