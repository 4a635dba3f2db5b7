"""The one cleaner of what others say: an endpoint, a library, a file of others, on its way to a terminal, log or table.

Always in this order: what cannot be seen is dropped (a key could hide behind it), then keys are masked, then it is cut.
"""

from __future__ import annotations

from ai_memory.text.invisible import escaped, without_invisible
from ai_memory.text.masking import Mask

MOST_READ = 1 << 16
"""Of a longer text only the beginning is looked at: an answer may have megabytes of it."""
EXCERPT = 200
MOST_WORDS = 1_000
"""Of a sentence of ours that may quote such an excerpt; a table keeps no more."""


def one_line(text: str, *keys: str, most: int = EXCERPT) -> str:
    """Return `text` on one line of at most `most` characters, with no part of `keys` and nothing like a key in it."""
    seen = " ".join(without_invisible(text[:MOST_READ]).split())
    clean = Mask(keys)(seen)
    return clean if len(clean) <= most else f"{clean[:most]}…"


def safe(text: str, mask: Mask, *, keep: str = "") -> str:
    """Return a text of our own, which may quote others, for people: nothing hidden in it but `keep`, and no key."""
    return mask(escaped(text, keep=keep))
