"""Masks keys in a text: the configured ones in any disguise, and whatever looks like one.

A configured key is looked for in skeletons of the text, in which each character remembers where it stood: escapes are
undone (percent, JSON, HTML), marks and letter forms are folded away, and blanks, or all punctuation too, are left out.
Whatever part of the key stands in a skeleton is masked where it stood in the text.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import unescape
from unicodedata import category, normalize

from ai_memory.invisible import is_invisible

MASK = "***"
SUBSTANTIAL = 8
"""So many characters of a key are masked wherever they stand; of a shorter key two thirds are."""
FEWEST = 4
"""A key that is shorter is masked as a whole only: its parts are parts of ordinary words."""
MOST_ROUNDS = 10

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
        r"(?P<kept>)(?<!\w)(?i:(?:sk|gsk|xai|csk|nvapi|jina|gh[opsur]|github_pat|glpat)[-_])[\w*.-]{6,}",
        # Prefixes that names begin with as well: only what has a digit or is long in one piece is taken for a key.
        r"(?P<kept>)(?<!\w)(?i:(?:pk|key|pa|hf|fw|r8)[-_])(?=[\w*.-]{0,100}[0-9*]|[A-Za-z0-9]{16})[\w*.-]{6,}",
        r"(?P<kept>)(?<![\w-])(?:AIza[\w*-]{6,}|A(?:KI|SI)A[A-Z0-9*]{8,}|eyJ[\w-]{8,}\.[\w-]{8,}[\w.-]*)",
    )
)
"""The forms of keys in use: the prefixes are those that the vendors' own documentation shows (November 2026).

Whatever may be repeated is bounded: the time for a hostile text stays in proportion to its length.
"""
_ESCAPE = re.compile(
    r"(?P<percent>(?:%[0-9A-Fa-f]{2})+)|\\u(?P<u>[0-9A-Fa-f]{4})|\\x(?P<x>[0-9A-Fa-f]{2})"
    r"|\\(?P<plain>[\"'/\\])|(?P<html>&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|amp|lt|gt|quot|apos);)"
)
_BASE64 = re.compile(r"[A-Za-z0-9+/=_-]*")
_BASE64_END = re.compile(r"[A-Za-z0-9+/_-]*\Z")


@dataclass(frozen=True, slots=True)
class Mask:
    """What masks the given keys, and whatever looks like a key."""

    keys: tuple[str, ...] = ()

    def __call__(self, text: str) -> str:
        """Return `text` without any substantial part of a key."""
        hidden = self._without_keys(text)
        for pattern in _LOOKS_LIKE_A_KEY:
            hidden = pattern.sub(rf"\g<kept>{MASK}", hidden)
        return self._without_keys(hidden)

    def _without_keys(self, text: str) -> str:
        for key in filter(None, self.keys):
            for _ in range(MOST_ROUNDS):
                # What is left may itself be a part again, of a key that has asterisks in it.
                before, text = text, _without(text, key)
                if text == before:
                    break
        return text


@dataclass(frozen=True, slots=True)
class _Piece:
    """A form that a key can take in a skeleton; `least` of its characters in a row are a substantial part.

    Of an `encoded` one the whole word is masked: what stands beside it in base64 has bits of the key too.
    """

    form: str
    least: int
    encoded: bool = False

    def found_in(self, skeleton: str) -> Iterator[tuple[int, int]]:
        parts = {self.form[at : at + self.least] for at in range(len(self.form) - self.least + 1)}
        for at in range(len(skeleton) - self.least + 1):
            if skeleton[at : at + self.least] in parts:
                yield at, at + self.least


@dataclass(frozen=True, slots=True)
class _Skeleton:
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


def _without(text: str, key: str) -> str:
    if len(key) < FEWEST:
        return text.replace(key, MASK)
    spans = [span for skeleton in _skeletons(text) for span in _spans(text, skeleton, key)]
    return _covered(text, spans)


def _skeletons(text: str) -> Iterator[_Skeleton]:
    """Yield the text as it is, then with one layer of escapes after the other undone."""
    skeleton = _Skeleton(text, range(len(text)), range(1, len(text) + 1))
    yield skeleton
    for _ in range(MOST_ROUNDS):
        if not _ESCAPE.search(skeleton.text):
            return
        skeleton = skeleton.unescaped()
        yield skeleton


def _spans(text: str, skeleton: _Skeleton, key: str) -> Iterator[tuple[int, int]]:
    for words_only in (False, True):
        folded = skeleton.folded(words_only=words_only)
        for piece in _pieces(key, words_only=words_only):
            for begin, end in piece.found_in(folded.text):
                span = folded.begins[begin], folded.ends[end - 1]
                yield _whole_word(text, *span) if piece.encoded else span


def _whole_word(text: str, begin: int, end: int) -> tuple[int, int]:
    """Return the span widened to the letters of base64 around it."""
    before = _BASE64_END.search(text, 0, begin)
    after = _BASE64.match(text, end)
    return before.start() if before else begin, after.end() if after else end


def _pieces(key: str, *, words_only: bool) -> Iterator[_Piece]:
    plain = "".join(each for character in key for each in _fold(character) if not words_only or each.isalnum())
    least = max(FEWEST, min(SUBSTANTIAL, -(-2 * len(plain) // 3)))
    yield _Piece(plain, least)
    if words_only:
        raw = key.encode("utf-8", "surrogatepass")
        yield _Piece(raw.hex(), 2 * least, encoded=True)
        for shift in range(3):
            # In base64 a key looks different by how many bytes stand before it.
            encoded = b64encode(bytes(shift) + raw).decode()[-(-8 * shift // 6) : 8 * (shift + len(raw)) // 6]
            form = "".join(filter(str.isalnum, encoded)).casefold()
            yield _Piece(form, max(FEWEST + 2, 4 * least // 3 - 1), encoded=True)


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
