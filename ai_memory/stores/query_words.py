"""The words of a query, and which of them tell most."""

from __future__ import annotations

from collections.abc import Callable

ENGLISH = """
    a about after all am an and any are as at be been before being but by can could did do does for from had has have
    he her his how i if in into is it its me my no not of on or our she should so than that the their them then there
    these they this those to was we were what when where which who whom why will with would you your
"""
FUNCTION_WORDS = frozenset(ENGLISH.split())
"""English words that say nothing of a topic; in a small file BM25 would take them for rare and weigh them heavily."""
PUNCTUATION = ".,;:!?()[]{}'\"`"
RAREST = 32
"""Words of a query that are searched for at most: of a text of 1,500 words all of them take seconds in a large file."""
LOOKED_AT = 2_000
"""Different words of a query among which the rarest are looked for: those of some ten pages."""


def words(query: str) -> list[str]:
    """Return the words of a query, with whatever stands in them."""
    return query.replace("\0", " ").split()


def telling_words(query: str, memories_with: Callable[[str], int]) -> str:
    """Return a query of the words that tell most: each once, without function words, of many the rarest.

    `memories_with` says in how many memories a word is; of many words only those that are in some are kept.
    """
    once: dict[str, str] = {}
    for word in words(query):
        once.setdefault(word.strip(PUNCTUATION).lower() or word, word)
    telling = [word for key, word in once.items() if key not in FUNCTION_WORDS] or list(once.values())
    if len(telling) > RAREST:
        memories = {word: memories_with(word) for word in telling[:LOOKED_AT]}
        rarest = sorted((word for word in memories if memories[word]), key=memories.__getitem__)[:RAREST]
        telling = [word for word in telling if word in rarest]
    return " ".join(telling)
