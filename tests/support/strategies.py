"""What hypothesis draws memories from: few ids and namespaces, so that they meet, and those that sort oddly.

A lone surrogate stands for a byte that is not UTF-8 (PEP 383).
"""

from __future__ import annotations

from hypothesis import strategies as st

POISON = "poison"
"""A text with this word is refused by the embedders of tests."""

HELD = ("held: abort", "held: fail", "held: rollback", "held: ignore", "held: gone")
"""Contents whose rows keep every vector out, each by a trigger of the database's own; see tests/support/promises.py."""

ODD = ("a", "A", "a\0b", "a b", "", " ", "Z", "z", "10", "2", "é", "e\u0301", "\uffff", "😀", "\udcff", "ß")
"""Names whose order differs between bytes, code points, UTF-16, NOCASE and numbers."""

ids = st.sampled_from([*ODD, *(f"id-{number}" for number in range(8))])
namespaces = st.sampled_from(["global", "team/a", "Team/a", "team-a", "\uffff", "😀", "a\0b", "\udcfe", "_inbox/x", ""])
plain_words = st.sampled_from(["alpha", "beta", "naïve", "🐍", "nul\0nul"])
titles = st.sampled_from([*(f"note {number}" for number in range(7)), "", POISON, "\udc80 title"])
contents = st.one_of(
    st.lists(plain_words, min_size=1, max_size=3).map(" ".join),
    st.lists(plain_words, min_size=1, max_size=3).map(" ".join),
    st.sampled_from(["", f"some {POISON}", "\udcff broken", *HELD]),
)


def stored(text: str) -> bytes:
    """Return the bytes that stand for `text` in a UTF-8 database."""
    return text.encode("utf-8", "surrogateescape")
