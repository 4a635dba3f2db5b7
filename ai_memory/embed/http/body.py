"""What the body of an answer is, and what is said of one that is no answer to its request."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from ai_memory.embed.http.answer import UNPACKED
from ai_memory.errors import AnswerViolation, ForeignAnswer, OneVector
from ai_memory.text import nesting
from ai_memory.text.amounts import counted
from ai_memory.text.cleaning import one_line

if TYPE_CHECKING:
    from ai_memory.embed.http.answer import Answer, Asked

_SHORT = 1 << 12
BEFORE, SHOWN = 12, 40
"""Characters of an answer that are shown before and after the place where it ceases to be JSON."""
GZIP = b"\x1f\x8b"
LOOK = "Look at that server and its model, then run the same command again."


def parsed(answer: Answer) -> object:
    """Return what a body is.

    Raises:
        AnswerViolation: it is not whole JSON.
        ForeignAnswer: it is none at all.
    """
    text = answer.text
    try:
        with nesting.bounded():
            parsed: object = json.loads(text)
    except ValueError as error:
        begins = _beginning(answer).lstrip()
        if not begins:
            raise AnswerViolation("it is empty.", http_status=200) from None
        if packed := _packed(answer):
            raise ForeignAnswer(f"it is {packed}.", http_status=200) from None
        if begins[0] not in "[{":
            raise ForeignAnswer("it is not JSON.", http_status=200) from None
        raise AnswerViolation(f"it is not JSON{_broken_at(text, error)}.", http_status=200) from None
    return parsed


def misread(answer: Answer, error: AnswerViolation, *, asked: Asked, passed: bool) -> AnswerViolation:
    """Return the error of an answer that is none to its request; it shows what came where that tells more.

    `passed` says that the endpoint did send vectors before.
    """
    # It may quote what the server sent.
    what = unbelievable(asked.host, one_line(error.what, asked.key))
    if not isinstance(error, ForeignAnswer):
        violation = OneVector if isinstance(error, OneVector) else AnswerViolation
        return violation(what, tip=LOOK, http_status=200, in_doubt=True)
    kind = one_line(answer.headers.get("content-type", ""), asked.key) or "of no type"
    begins = one_line(_beginning(answer), asked.key)
    what = f"{what} What came from {one_line(asked.url, asked.key)} is {kind}"
    what += "." if _packed(answer) else f" and begins: {begins}"
    # What an endpoint that did send vectors says in between may be over soon.
    foreign = AnswerViolation if passed else ForeignAnswer
    return foreign(what, tip=f"{asked.hint} {LOOK}".strip(), http_status=200, in_doubt=True)


def unbelievable(host: str, why: str) -> str:
    """Return the sentence on an answer that cannot be believed."""
    return f"{host} sent an answer that cannot be believed: {why}"


def _packed(answer: Answer) -> str:
    """Return how a body is compressed that could not be unpacked, empty where it is not."""
    encoding = answer.headers.get("content-encoding", "").strip().lower()
    if encoding not in UNPACKED:
        return f"compressed in a way that was not asked for ({one_line(encoding)})"
    return "compressed, which no header says" if answer.body.startswith(GZIP) else ""


def _broken_at(text: str, error: Exception) -> str:
    """Return where a text ceases to be JSON, and what stands there."""
    at = error.pos if isinstance(error, json.JSONDecodeError) else 0
    if not at:
        return f" and begins: {text[:SHOWN]}"
    if at >= len(text.rstrip()):
        return f": it breaks off after {counted(at, 'character')}"
    return f": around character {at:,} stands {text[max(at - BEFORE, 0) : at + SHOWN]!r}"


def _beginning(answer: Answer) -> str:
    return replace(answer, body=answer.body[:_SHORT]).text
