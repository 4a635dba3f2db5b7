"""Odd values of every kind, drawn by a seeded generator: what files, answers and configurations may hold."""

from __future__ import annotations

import json
from random import Random

from tests.fuzz.sandbox import KEY

INVISIBLE = ("\u200b", "\u00ad", "\u2060", "\ufeff", "\u202e", "\ufe0f", "\x1b", "\x9b", "\x00", "\n", " ", "\t")
ESCAPES = ("\x1b]0;owned\x07", "\x1b[2J", "\x9b31m", "\u202egnp.exe", "a\r\nai-memory: error: well", "\x00", "\ud800")
TEXTS = ("", " ", "a", "null", "[]", "{}", "nan", "1e999", "'; DROP TABLE memories; --", '"', "\\", "%s%n", "../x", "~")
NUMBERS = (0, -1, 1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 1.5, -0.0, 1e308, 5e-324)
NAMES = ('a"b', "last seen", "a-b", "", "select", "ü", ":x", "?1", "{0}", "id ", "ID2", "%s", "a'b", "x" * 300)


def disguised(random: Random) -> str:
    """Return the key as a server may echo it."""
    place = random.randrange(1, len(KEY))
    forms = (
        KEY,
        KEY[:place] + random.choice(INVISIBLE) + KEY[place:],
        random.choice(INVISIBLE).join(KEY),
        f"Bearer {KEY}",
        KEY[: random.randrange(10, len(KEY))],
        KEY[random.randrange(1, 10) :],
        f"https://user:{KEY}@host/?key={KEY}",
        KEY.upper() + KEY,
    )
    return random.choice(forms)


def text(random: Random) -> str:
    """Return an odd text."""
    kind = random.randrange(7)
    if kind == 0:
        return disguised(random)
    if kind == 1:
        return random.choice(ESCAPES) + random.choice(TEXTS)
    if kind == 2:
        return "[" * 100_000
    if kind == 3:
        return "".join(chr(random.choice((0, 0xE000, 0x1F000)) + random.randrange(0x1900)) for _ in range(9))
    if kind == 4:
        return "9" * random.choice((20, 400, 5_000))
    if kind == 5:
        return json.dumps(value(random, depth=2))
    return random.choice(TEXTS)


def value(random: Random, depth: int = 3) -> object:
    """Return a value that JSON can hold."""
    kind = random.randrange(8 if depth else 6)
    if kind < 2:
        return text(random)
    if kind == 2:
        return random.choice(NUMBERS)
    if kind == 3:
        return random.choice((True, False, None))
    if kind in (4, 5):
        return random.choice(TEXTS)
    if kind == 6:
        return [value(random, depth - 1) for _ in range(random.randrange(4))]
    return {text(random)[:50]: value(random, depth - 1) for _ in range(random.randrange(4))}


def mutated(random: Random, document: object) -> object:
    """Return a JSON document with one of its values, somewhere, replaced, removed or repeated."""
    if isinstance(document, dict) and document and random.random() < 0.85:
        name = random.choice(list(document))
        if random.random() < 0.15:
            return {other: each for other, each in document.items() if other != name}
        return {**document, name: mutated(random, document[name])}
    if isinstance(document, list) and document and random.random() < 0.85:
        place = random.randrange(len(document))
        if random.random() < 0.2:
            return random.choice((document[:place], document * 2, document[::-1]))
        return [*document[:place], mutated(random, document[place]), *document[place + 1 :]]
    return value(random)


def sql_value(random: Random) -> str | bytes | int | float | None:
    """Return a value that a column of SQLite can hold."""
    kind = random.randrange(6)
    if kind == 0:
        return None
    if kind == 1:
        return random.choice(NUMBERS)
    if kind == 2:
        return random.randbytes(random.choice((0, 1, 16, 65)))
    return text(random).encode("utf-8", "replace").decode()
