"""Which characters cannot be seen, and how a text is shown without them."""

from __future__ import annotations

import re
from unicodedata import category, name

IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Default_Ignorable_Code_Point of Unicode 15 (DerivedCoreProperties.txt), and the blank braille pattern."""
MISREAD = re.compile(r"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
"""UTF-8 that was read as Latin-1."""
ZWNJ, ZWJ = "\u200c", "\u200d"
EMOJI_FORMS = "\ufe0e\ufe0f"
EMOJI_PUNCTUATION = "\u203c\u2049\u2139\u3030\u303d"
KEYCAP = "\u20e3"
IDEOGRAPHS = ("CJK UNIFIED IDEOGRAPH", "CJK COMPATIBILITY IDEOGRAPH")
"""What the supplementary variation selectors stand after (unicode.org, Ideographic Variation Database)."""
LAST_LATIN = "\u058f"
"""Joiners mean something in the scripts behind Latin, Greek, Cyrillic and Armenian only."""


def is_invisible(character: str) -> bool:
    """Return whether a character leaves no mark on a screen, or cannot be told what it leaves; a blank is none."""
    if character.isspace() and category(character) == "Zs":
        return False
    return not character.isprintable() or IGNORABLE.match(character) is not None


def without_invisible(text: str) -> str:
    """Return `text` with blanks for controls and without what cannot be seen; a lone surrogate is escaped."""
    if text.isascii() and text.isprintable():
        return text
    # Headers and status lines are read as Latin-1: what cannot be seen in UTF-8 can be seen in that.
    return "".join(map(_dropped, MISREAD.sub(read_again, text)))


def read_again(found: re.Match[str]) -> str:
    """Return what a match of MISREAD is in UTF-8."""
    return found[0].encode("latin-1").decode("utf-8", "replace")


def escaped(text: str, *, keep: str = "", names: bool = False) -> str:
    """Return `text` with an escape for each character that cannot be seen, but those of `keep`.

    Emoji stay whole. Where it is not a name, what belongs to the writing of a language stays too: its blanks, its
    joiners, the forms of its ideographs.
    """
    if text.isascii() and text.isprintable():
        return text
    text = _as_utf8(text)
    return "".join(
        each if each in keep or _stays(text, at, each, names=names) else _escape(each) for at, each in enumerate(text)
    )


def json_escaped(text: str) -> str:
    """Return JSON with what cannot be seen as escapes of JSON, which a reader turns back; emoji stay whole."""
    if text.isprintable() and not IGNORABLE.search(text):
        return text
    return "".join(each if _stays(text, at, each, names=False) else _json_escape(each) for at, each in enumerate(text))


def _dropped(character: str) -> str:
    if character.isspace():
        return " "
    if "\ud800" <= character <= "\udfff":
        return _escape(character)
    return "" if is_invisible(character) else character


def _stays(text: str, at: int, character: str, *, names: bool) -> bool:
    if character == " " or (character.isprintable() and not IGNORABLE.match(character)):
        return True
    before, after = text[at - 1 : at], text[at + 1 : at + 2]
    if _joins_emoji(before, character, after):
        return True
    return character == "\u3000" if names else _writes(before, character, after)


def _joins_emoji(before: str, character: str, after: str) -> bool:
    if not before:
        return False
    if character in EMOJI_FORMS:
        return after == KEYCAP or category(before) in ("So", "Sm", "Sk") or before in EMOJI_PUNCTUATION
    joins = before in EMOJI_FORMS or category(before) in ("So", "Sk")
    return character == ZWJ and bool(after) and joins and category(after) in ("So", "Sm")


def _writes(before: str, character: str, after: str) -> bool:
    """Return whether a character belongs to the writing of a language."""
    if category(character) == "Zs":
        return True
    if character in (ZWNJ, ZWJ):
        return before > LAST_LATIN and after > LAST_LATIN and category(before)[0] in "LM" and category(after)[0] in "LM"
    return "\U000e0100" <= character <= "\U000e01ef" and name(before or " ", "").startswith(IDEOGRAPHS)


def _as_utf8(text: str) -> str:
    """Return a text whose bytes came as lone surrogates, as under the POSIX locale, with those that are UTF-8 read."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text


def _escape(character: str) -> str:
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
