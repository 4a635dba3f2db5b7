"""The rows of a run that are kept in mind, to be asked again."""

from __future__ import annotations

import gc
import weakref
from random import Random

import numpy as np

from ai_memory.embed.outcomes import Embedded
from ai_memory.memory.freshness import Document
from ai_memory.reembed.page import Page
from ai_memory.reembed.sweep.inherited import Inherited
from ai_memory.reembed.sweep.trail import Trail
from ai_memory.reembed.work import Answered

PAGES, ROWS, DIM = 5, 100, 16


def page_of(number: int, vectors: np.ndarray) -> tuple[Embedded, ...]:
    """Return rows whose vectors are parts of one array, as an answer has them."""
    return tuple(
        Embedded(Document(f"id-{number}-{row}", "a", "", "", "text", b"", 4), vectors[row]) for row in range(ROWS)
    )


def test_a_row_that_is_kept_in_mind_keeps_no_other_row_of_its_answer_in_memory() -> None:
    trail = Trail(Random(1), Inherited())
    answers = []
    for number in range(PAGES):
        sent, kept = (np.ones((ROWS, DIM), dtype=np.float32) for _ in range(2))
        answers += [weakref.ref(sent), weakref.ref(kept)]
        page = Page(unproven=page_of(-number, kept))
        trail.wrote(Answered(page, page_of(number, sent)), alone=False)
        del sent, kept, page

    gc.collect()
    assert len(trail.rows) == PAGES
    assert trail.before
    assert [each() for each in answers] == [None] * len(answers)
