"""What the body of an answer without vectors says: its codes, its words, and the wait that it names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus

from ai_memory.frozen import Frozen
from ai_memory.text import nesting

_MOST = 1 << 12
"""Characters of a body in which a wait or the kind of a limit is looked for."""
_DEPTH = 4
_SEVERAL = 3
_WORDS = (
    "error",
    "errors",
    "message",
    "detail",
    "msg",
    "error_msg",
    "error_message",
    "errorMessage",
    "base_resp",
    "status_msg",
    "title",
)
"""Where servers put their words, in the order in which they are looked for: OpenAI and most: error.message; vLLM and
text-embeddings-inference: message; FastAPI: detail; Cloudflare: errors; Baidu: error_msg; MiniMax: base_resp."""
_CODES = ("code", "type", "status", "reason", "error_type", "error_code", "status_code")
_STATUSES = ("code", "status", "status_code", "statusCode", "type", "error_type", "error_code")
_TABLES = ("error", "errors", "details", "base_resp")

_NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,12})?"
_UNIT = r"(?:ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)(?![a-z])"
_PART = re.compile(rf"({_NUMBER})\s*({_UNIT})")
_NAMED_WAIT = re.compile(
    rf"\b(?:retry|try again|wait)\b[^0-9]{{0,40}}?((?:{_NUMBER}\s*[a-z]{{1,12}}[\s,]*(?:and\s+)?)+)"
)
_KEYED_WAIT = re.compile(
    rf'"retry_?(?:delay|after|in)(_ms|ms)?(?:_?seconds|_?secs)?"\s*:\s*"?({_NUMBER})\s*(ms|s|m|h)?\b'
)
_SECONDS = {"ms": 0.001, "mil": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_ADDRESS = re.compile(r"https?://\S+")
_NO_WORD = re.compile(r"[\W_]+")
_NUMBERED = re.compile(r"(?:(?:http|error|status|code) )*([45][0-9]{2}) (?:(?:client|server) error )?")
_LONGEST_NAME = 60
_STATUS_NAMES = {
    **{_NO_WORD.sub(" ", each.phrase.lower()): each.value for each in HTTPStatus if each >= HTTPStatus.BAD_REQUEST},
    "payload too large": 413,
    "permission denied": 403,
    "access denied": 403,
}
"""Statuses by their names (RFC 9110 15; gRPC's for 403), as plain words."""


class ErrorBody(Frozen):
    """Codes in lower case, the message, the wait named in seconds (0: none) and the text of the body."""

    codes: frozenset[str]
    message: str
    wait: float
    text: str

    def says(self, *, within: int = 0) -> str:
        """Return the words of the message's beginning, or of the whole body, for rules to look into.

        In lower case, one blank between them and around all, without punctuation and addresses.
        """
        said = self.message[:within] if within else f"{self.message[:_MOST]} {self.text[:_MOST]}"
        return f" {_plain(_ADDRESS.sub(' ', said.lower()))} "


def read(text: str) -> ErrorBody:
    """Return what a body says; one that is not JSON is all message."""
    try:
        with nesting.bounded():
            parsed: object = json.loads(text)
    except ValueError:
        return ErrorBody(frozenset(), text, _wait(text, text), text)
    first = parsed[0] if isinstance(parsed, list) and parsed else parsed
    message = _words(first) or text
    codes = frozenset(_codes(first)) if isinstance(first, dict) else frozenset()
    return ErrorBody(codes, message, _wait(message, text), text)


def status_within(answer: object) -> int:
    """Return the status that a parsed 200 tells of, 200 where it tells an error without one, 0 where it tells none.

    OpenRouter wraps its vendors' errors so, LM Studio every error of an address that it does not know. A status is told
    as a number or by its name ("Unauthorized", `too_many_requests`).
    """
    if _has_vectors(answer):
        return 0
    table = answer if isinstance(answer, dict) else {}
    error = table.get("error") or table.get("errors") or table.get("error_msg") or _failure(table.get("base_resp"))
    if not error and (table.get("object") == "error" or table.get("success") is False):
        error = table
    levels = [each for each in (error, table) if isinstance(each, dict)]
    told = [level[name] for level in levels for name in _STATUSES if name in level]
    names = [_words(answer), *(each for each in told if isinstance(each, str))]
    known = (*map(_as_status, told), *map(_named_status, names))
    return next((status for status in known if status), 200 if error else 0)


def has_words(answer: object) -> bool:
    """Return whether a parsed answer says something to people, and has no vectors beside it."""
    return isinstance(answer, dict) and not _has_vectors(answer) and bool(_words(answer))


def _has_vectors(answer: object) -> bool:
    return isinstance(answer, dict) and bool(answer.get("data") or answer.get("embeddings"))


def _failure(base_resp: object) -> object:
    return base_resp if isinstance(base_resp, dict) and base_resp.get("status_code") else None


def _as_status(code: object) -> int:
    number = int(code) if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) == 3 else code
    return number if type(number) is int and 400 <= number < 600 else 0


def _named_status(words: str) -> int:
    """Return the status that is named by words and nothing else, with or without its number; 0 where none is."""
    said = _plain(words[:_LONGEST_NAME])
    numbered = _NUMBERED.match(said)
    status = _STATUS_NAMES.get(said[numbered.end() :] if numbered else said, 0)
    return status if not numbered or numbered[1] == f"{status}" else 0


def _plain(words: str) -> str:
    """Return words in lower case, with one blank between them and nothing else."""
    return _NO_WORD.sub(" ", words.lower()).strip()


def _words(value: object, depth: int = _DEPTH) -> str:
    """Return what a value of a body says to people, empty where nothing is."""
    if isinstance(value, str):
        return value
    if not depth:
        return ""
    if isinstance(value, list):
        return "; ".join(filter(None, (_words(each, depth - 1) for each in value[:_SEVERAL])))
    if not isinstance(value, dict):
        return ""
    if isinstance(value.get("loc"), list) and isinstance(value.get("msg"), str):
        # FastAPI: what is beside it, `input`, may be the text that was sent.
        return f"{'.'.join(map(str, value['loc']))}: {value['msg']}"
    return _words_of_table(value, depth)


def _words_of_table(table: Mapping[str, object], depth: int) -> str:
    said = next(filter(None, (_words(table.get(name), depth - 1) for name in _WORDS)), "")
    title, message, metadata = table.get("error"), table.get("message"), table.get("metadata")
    if isinstance(title, str) and title and isinstance(message, str):
        return f"{title}: {message}"
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    # OpenRouter: "Provider returned error", and the vendor's own body beside it.
    return f"{said}: {raw}" if said and isinstance(raw, str) else said


def _codes(table: Mapping[str, object]) -> Iterator[str]:
    for level in _levels(table, _SEVERAL):
        yield from (str(level[name]).lower() for name in _CODES if isinstance(level.get(name), str | int))


def _levels(table: Mapping[str, object], depth: int) -> Iterator[Mapping[str, object]]:
    yield table
    for name in _TABLES if depth else ():
        inside = table.get(name)
        several: Sequence[object] = inside if isinstance(inside, list) else [inside]
        for each in several:
            if isinstance(each, dict):
                yield from _levels(each, depth - 1)


def _wait(message: str, text: str) -> float:
    """Return the wait in seconds that a body names in a field of its own or in words, 0 where it names none."""
    if keyed := _KEYED_WAIT.search(text[:_MOST].lower()):
        milliseconds, number, unit = keyed.groups()
        return float(number) * _SECONDS["ms" if milliseconds else unit or "s"]
    named = _NAMED_WAIT.search(message[:_MOST].lower())
    return sum((float(number) * _unit(unit) for number, unit in _PART.findall(named[1])), 0.0) if named else 0.0


def _unit(name: str) -> float:
    return next(seconds for known, seconds in _SECONDS.items() if name.startswith(known))
