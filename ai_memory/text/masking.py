"""Masks keys in a text: the configured ones in any disguise, and whatever looks like one.

A configured key is looked for in skeletons of the text, in which each character remembers where it stood: escapes are
undone (percent, JSON, HTML), marks and letter forms are folded away, and blanks, or all punctuation too, are left out.
Whatever part of the key stands in a skeleton is masked where it stood in the text.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from html import unescape
from unicodedata import category, normalize

from ai_memory.frozen import Frozen
from ai_memory.text.invisible import MISREAD, is_invisible, read_again

MASK = "***"
SUBSTANTIAL = 8
"""So many characters of a key are masked wherever they stand; of a shorter key two thirds are."""
FEWEST = 4
"""A key that is shorter is masked as a whole only: its parts are parts of ordinary words."""
MOST_ROUNDS = 10

KEY_PREFIX = r"(?i:(?:sk|gsk|xai|csk|nvapi|jina|gh[opsur]|github_pat|glpat)[-_])"
"""How keys begin, and hardly a name: as the vendors' own documentation shows (November 2026)."""

_LOOKS_LIKE_A_KEY = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?P<kept>://)[^\s\"'<>:@]{0,100}:[^\s\"'<>]{0,300}@",
        r"(?P<kept>)(?<![\w.+-])[\w.+-]{1,100}:[^\s\"'<>@/]{3,300}@(?=\w)",
        r"(?P<kept>(?i:\bauthorization[\"']?\s*[:=]\s*[\"']?)(?i:(?:bearer|basic|token)\s+)?)[^\s\"',;]{4,}",
        r"(?P<kept>)(?i:\bbearer)\s+[^\s\"',;]+",
        r"(?P<kept>)(?i:\bbasic)\s+(?=[^\s]{0,300}(?:[0-9=+/]|[a-z][A-Z]))[A-Za-z0-9+/=_-]{6,}",
        r"(?P<kept>(?i:\b(?:x-)?(?:\w+-)?api[-_]?key[\"']?\s*[:=]\s*[\"']?))[^\s\"',;&]{4,}",
        r"(?P<kept>(?i:[?&;](?:[\w-]*key|[\w-]*token|sig|signature|secret|password)=))[^\s\"'&#]+",
        rf"(?P<kept>)(?<!\w){KEY_PREFIX}[\w*.-]{{6,}}",
        # Prefixes that names begin with as well: only what has a digit or is long in one piece is taken for a key.
        r"(?P<kept>)(?<!\w)(?i:(?:pk|key|pa|hf|fw|r8)[-_])(?=[\w*.-]{0,100}[0-9*]|[A-Za-z0-9]{16})[\w*.-]{6,}",
        r"(?P<kept>)(?<![\w-])(?:AIza[\w*-]{6,}|A(?:KI|SI)A[A-Z0-9*]{8,}|eyJ[\w-]{8,}\.[\w-]{8,}[\w.-]*)",
    )
)
"""The forms of keys in use, their prefixes by the same sources.

Whatever may be repeated is bounded: the time for a hostile text stays in proportion to its length.
"""
_ESCAPE = re.compile(
    r"(?P<percent>(?:%[0-9A-Fa-f]{2})+)|\\u(?P<u>[0-9A-Fa-f]{4})|\\x(?P<x>[0-9A-Fa-f]{2})"
    r"|\\(?P<plain>[\"'/\\])|(?P<html>&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|amp|lt|gt|quot|apos);)"
    rf"|(?P<misread>{MISREAD.pattern})"
)
_BLANK = re.compile(r"[^!-~]+")
_NO_WORD = re.compile(r"[^A-Za-z0-9]+")
_BASE64 = re.compile(r"[A-Za-z0-9+/=_-]*")
_BASE64_END = re.compile(r"[A-Za-z0-9+/_-]*\Z")


class Mask:
    """What masks the given keys, and whatever looks like a key."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        """Keep in which forms the keys may stand in a text."""
        self._keys = tuple(_forms(key) for key in keys if key)

    def __call__(self, text: str) -> str:
        """Return `text` without any substantial part of a key."""
        known = hidden = self._without_keys(text)
        for pattern in _LOOKS_LIKE_A_KEY:
            hidden = pattern.sub(rf"\g<kept>{MASK}", hidden)
        return known if hidden == known else self._without_keys(hidden)

    def _without_keys(self, text: str) -> str:
        for key in self._keys:
            for _ in range(MOST_ROUNDS):
                # What is left may itself be a part again, of a key that has asterisks in it.
                before, text = text, key.without(text)
                if text == before:
                    break
        return text


class _Piece(Frozen):
    """The substantial parts of a key in one form: `least` characters of a skeleton each.

    Of an `encoded` one the whole word is masked: what stands beside it in base64 has bits of the key too.
    """

    parts: frozenset[str]
    least: int
    encoded: bool = False

    def starts(self, skeleton: str) -> Iterator[int]:
        """Yield where parts begin in a skeleton."""
        for at in range(len(skeleton) - self.least + 1):
            if skeleton[at : at + self.least] in self.parts:
                yield at


@dataclass(frozen=True, slots=True)
class _Forms:
    """A key as it may stand in a skeleton: with its punctuation, or `words` alone."""

    key: str = field(repr=False)
    whole: tuple[_Piece, ...] = field(repr=False)
    words: tuple[_Piece, ...] = field(repr=False)

    def without(self, text: str) -> str:
        """Return `text` with every part of the key masked."""
        if not self.whole:
            return text.replace(self.key, MASK)
        if text.isascii() and not _ESCAPE.search(text) and not self._stands_in(text):
            return text
        return _covered(text, [span for skeleton in _skeletons(text) for span in self._spans(text, skeleton)])

    def _stands_in(self, text: str) -> bool:
        """Return the same as a search for spans, in a plain text and much sooner."""
        whole, words = _BLANK.sub("", text).lower(), _NO_WORD.sub("", text).lower()
        looked_at = [(piece, whole) for piece in self.whole] + [(piece, words) for piece in self.words]
        return any(True for piece, skeleton in looked_at for _ in piece.starts(skeleton))

    def _spans(self, text: str, skeleton: _Skeleton) -> Iterator[tuple[int, int]]:
        for forms, words_only in ((self.whole, False), (self.words, True)):
            folded = skeleton.folded(words_only=words_only)
            for piece in forms:
                for at in piece.starts(folded.text):
                    span = folded.begins[at], folded.ends[at + piece.least - 1]
                    yield _whole_word(text, *span) if piece.encoded else span


class _Skeleton(Frozen):
    """Characters of a text and where each stood in it: from `begins` up to `ends`."""

    text: str
    begins: Sequence[int]
    ends: Sequence[int]

    def unescaped(self) -> _Skeleton:
        """Return the skeleton with one layer of escapes undone."""
        pieces: list[tuple[str, int, int]] = []
        last = 0
        for found in _ESCAPE.finditer(self.text):
            pieces += self._pieces(last, found.start())
            begin, end = self.begins[found.start()], self.ends[found.end() - 1]
            pieces += ((each, begin, end) for each in _meant(found))
            last = found.end()
        return _joined([*pieces, *self._pieces(last, len(self.text))])

    def folded(self, *, words_only: bool) -> _Skeleton:
        """Return it without blanks, marks and forms of letters; with `words_only` letters and digits alone."""
        return _joined(
            (each, begin, end)
            for character, begin, end in self._pieces(0, len(self.text))
            for each in _fold(character)
            if not words_only or each.isalnum()
        )

    def _pieces(self, first: int, last: int) -> Iterator[tuple[str, int, int]]:
        return zip(self.text[first:last], self.begins[first:last], self.ends[first:last], strict=True)


def _joined(pieces: Iterable[tuple[str, int, int]]) -> _Skeleton:
    held = list(pieces)
    return _Skeleton("".join(each[0] for each in held), [each[1] for each in held], [each[2] for each in held])


def _skeletons(text: str) -> Iterator[_Skeleton]:
    """Yield the text as it is, then with one layer of escapes after the other undone."""
    skeleton = _Skeleton(text, range(len(text)), range(1, len(text) + 1))
    yield skeleton
    for _ in range(MOST_ROUNDS):
        if not _ESCAPE.search(skeleton.text):
            return
        skeleton = skeleton.unescaped()
        yield skeleton


def _whole_word(text: str, begin: int, end: int) -> tuple[int, int]:
    """Return the span widened to the letters of base64 around it."""
    before = _BASE64_END.search(text, 0, begin)
    after = _BASE64.match(text, end)
    return before.start() if before else begin, after.end() if after else end


def _forms(key: str) -> _Forms:
    plain = "".join(map(_fold, key))
    if len(plain) < FEWEST:
        return _Forms(key, (), ())
    least = max(FEWEST, min(SUBSTANTIAL, -(-2 * len(plain) // 3)))
    words = "".join(filter(str.isalnum, plain))
    raw = key.encode("utf-8", "surrogatepass")
    encoded = [_piece(form, max(FEWEST + 2, 4 * least // 3 - 1), encoded=True) for form in _base64_forms(raw)]
    return _Forms(
        key,
        whole=(_piece(plain, least),),
        words=(
            _piece(words, max(FEWEST, min(SUBSTANTIAL, -(-2 * len(words) // 3)))),
            _piece(raw.hex(), 2 * least, encoded=True),
            *encoded,
        ),
    )


def _piece(form: str, least: int, *, encoded: bool = False) -> _Piece:
    parts = frozenset(form[at : at + least] for at in range(len(form) - least + 1))
    return _Piece(parts, least, encoded)


def _base64_forms(raw: bytes) -> Iterator[str]:
    """Yield a key in base64, which looks different by how many bytes stand before it."""
    for shift in range(3):
        encoded = b64encode(bytes(shift) + raw).decode()[-(-8 * shift // 6) : 8 * (shift + len(raw)) // 6]
        yield "".join(filter(str.isalnum, encoded)).lower()


def _fold(character: str) -> str:
    """Return the plain characters behind one: without marks, case and forms; nothing for a blank."""
    if character.isascii():
        return "" if character.isspace() or not character.isprintable() else character.lower()
    if is_invisible(character):
        return ""
    plain = normalize("NFKD", character).casefold()
    return "".join(each for each in plain if not each.isspace() and category(each)[0] != "M")


def _meant(found: re.Match[str]) -> str:
    """Return what an escape stands for."""
    if found["percent"]:
        return bytes.fromhex(found["percent"].replace("%", "")).decode("utf-8", "replace")
    if code := found["u"] or found["x"]:
        return chr(int(code, 16))
    if found["misread"]:
        return read_again(found)
    return found["plain"] or unescape(found["html"])


def _covered(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Return `text` with one mask for all spans that touch each other."""
    shown: list[str] = []
    last = -1
    for begin, end in sorted(spans):
        if begin > last:
            shown += (text[max(last, 0) : begin], MASK)
        last = max(last, end)
    return "".join([*shown, text[max(last, 0) :]])
