"""What goes to a worker in another process and comes back: frozen values, and errors, each the same after the way."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_memory import errors
from ai_memory.config.api_key import ApiKey
from ai_memory.config.embedding import resolve
from ai_memory.config.file import Table
from ai_memory.embed.outcomes import Embedded, Refused, Unanswered
from ai_memory.embed.port import ONE_ATTEMPT, TokenLimit
from ai_memory.embed.terms import Terms
from ai_memory.embed.usage import Usage
from ai_memory.errors import AiMemoryError, EmbedError, RateLimited
from ai_memory.frozen import Frozen
from ai_memory.memory.freshness import Document, Unfit
from ai_memory.memory.reason import Reason
from ai_memory.reembed.page import Page
from ai_memory.reembed.work import (
    Again,
    Answered,
    AskAgain,
    AskAtEnd,
    AskWitness,
    EmbedPage,
    FindRemedy,
    Learned,
    PageAnswer,
)
from ai_memory.stores.values import Checkpoint, Counters
from ai_memory.vectors.target import Fingerprint, Target
from tests.support.command import remote_at
from tests.support.travel import back, same

VECTOR = np.array([0.6, -0.8, 1e-30], dtype=np.float32)
DOCUMENT = Document("m1", "team", "Zürich", "東京\0", "Zürich 東京\0", b"\x00\xff", 17)
REASON = Reason("refused", "a harmless text passes, this one does not.", 400)
UNFIT = Unfit("m2", "team", b"src", Reason("empty", "title and content are blank"), title=None)
PAGE = Page(
    (DOCUMENT,), (DOCUMENT,), (), (UNFIT,), 17, 3, 1, {"team": Checkpoint("team", "m2", eof=False, rows_done=2)}
)
EMBEDDED = Embedded(DOCUMENT, VECTOR)
FINGERPRINT = Fingerprint(1, b"digest", "{}", "space", 3, VECTOR.tobytes())
RATE = RateLimited("slow down.", http_status=429, retry_after=2.5)
VALUES = (
    DOCUMENT,
    REASON,
    UNFIT,
    PAGE,
    EMBEDDED,
    Refused(DOCUMENT, REASON),
    Unanswered(DOCUMENT, "it broke down."),
    EmbedPage(PAGE, Again(3, 100, alone=True), (EMBEDDED,), seed=7, sizes={"inputs": 10}),
    AskWitness(FINGERPRINT, {"inputs": 10}),
    AskAgain((EMBEDDED,), (EMBEDDED,), finishing=True),
    AskAtEnd((EMBEDDED,)),
    FindRemedy((EMBEDDED, Unanswered(DOCUMENT, "it broke down.")), (EMBEDDED,), tried=1),
    PageAnswer((EMBEDDED,), ("m1",), (EMBEDDED,), RATE, {"inputs": 1}, Usage(1), Learned({}, 10)),
    Answered(PAGE, (EMBEDDED,), RATE, waited=True, unwritable={}),
    FINGERPRINT,
    Target("space", 3, "local", "m", normalized=True, max_tokens=256),
    Usage(requests=2, retries=1, texts_sent=200, tokens=70, unreported_bytes=9),
    Counters(reembedded=5),
    TokenLimit(1_000, "max-cost"),
    ONE_ATTEMPT,
    Terms(ONE_ATTEMPT, concurrency=4, limit=TokenLimit(1_000), batch=100),
    ApiKey("env KEY", "k-1", Path("/keys/k"), frozenset({0, 1000})),
    resolve(Table(), {**remote_at("http://127.0.0.1:9/v1"), "AI_MEMORY_EMBED_API_KEY": "k-1"}),
)


def every_error() -> Iterator[AiMemoryError]:
    """Yield an error of each class, all that it takes given."""
    kinds = [each for each in vars(errors).values() if inspect.isclass(each) and issubclass(each, AiMemoryError)]
    for kind in kinds:
        taken = inspect.signature(kind).parameters.values()
        yield kind(**{each.name: GIVEN[each.name] for each in taken})


GIVEN: Mapping[str, Any] = {
    "what": "it happened: 東京",
    "tip": "Do this.",
    "words": "no such column",
    "memory_id": "m1",
    "path": "/m.db",
    "exit_code": 143,
    "seconds": 7.5,
    "http_status": 503,
    "in_doubt": True,
    "retry_after": 2.5,
    "vectors": np.stack([VECTOR, VECTOR * np.float32(np.nan)]),
    "broken": [1],
    "most": 10,
    "unit": "inputs",
    "flag": "max-cost",
}


@pytest.mark.parametrize("value", VALUES, ids=lambda each: type(each).__name__)
def test_a_value_that_travels_cannot_be_changed_and_comes_back_equal(value: object) -> None:
    kind: Any = type(value)

    assert isinstance(value, tuple | Frozen) or kind.__dataclass_params__.frozen
    assert same(back(value), value)


@pytest.mark.parametrize("error", [*every_error()], ids=lambda each: type(each).__name__)
def test_an_error_comes_back_with_all_that_it_says(error: AiMemoryError) -> None:
    found = back(error)

    assert same(found, error)
    assert isinstance(found, AiMemoryError)
    assert (found.line(), found.exit_code, found.reason) == (error.line(), error.exit_code, error.reason)


def test_what_was_learned_of_an_error_after_it_was_raised_comes_back() -> None:
    error = RateLimited("slow down.", http_status=429)
    error.pause, error.of_texts, error.harmless_passed = 1.5, True, False
    error.add_note("seen by the limiter")
    found = back(error)

    assert isinstance(found, RateLimited)
    assert (found.pause, found.of_texts, found.harmless_passed) == (1.5, True, False)
    assert found.__notes__ == ["seen by the limiter"]
    assert EmbedError.of_texts is False
