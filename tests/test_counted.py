"""One thing, two things."""

from __future__ import annotations

import pytest

from ai_memory.counted import counted


@pytest.mark.parametrize(
    ("number", "words", "told"),
    [
        (0, ("row",), "0 rows"),
        (1, ("row",), "1 row"),
        (1_234, ("memory",), "1,234 memories"),
        (1, ("memory has", "memories have"), "1 memory has"),
        (2, ("memory has", "memories have"), "2 memories have"),
    ],
)
def test_a_number_agrees_with_what_it_counts(number: int, words: tuple[str, ...], told: str) -> None:
    assert counted(number, *words) == told
