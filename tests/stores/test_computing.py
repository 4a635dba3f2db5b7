"""What is kept of how a model computed is told where it is whole, and harms nobody where it is not."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from ai_memory.stores.computing import Computing, computing_of

WHOLE = {"engine": "torch 2.9", "threads": 2, "tokens": 900, "filling": 100, "seconds": 0.5}


def test_what_was_kept_is_read() -> None:
    assert computing_of(WHOLE) == Computing("torch 2.9", 2, 900, 100, 0.5)
    assert asdict(Computing("torch 2.9", 2, 900, 100, 0.5)) == WHOLE


def test_speed_counts_texts_and_padding_is_a_part_of_all() -> None:
    found = Computing("torch 2.9", 0, 900, 100, 0.5)

    assert (found.tokens_per_second, found.padding) == (1_800, 0.1)
    assert found.line() == "torch 2.9: 1,800 tokens/s; 10.0 % of what it computes is padding"


@pytest.mark.parametrize(
    "odd",
    [
        {"engine": 1},
        {"engine": ""},
        {"engine": "torch\x1b[2J"},
        {"engine": "t" * 201},
        {"threads": 10**400},
        {"threads": -1},
        {"tokens": 0},
        {"tokens": 10**400},
        {"filling": "1"},
        {"seconds": 0.0},
        {"seconds": 5e-324},
        {"seconds": 1},
        {"seconds": float("inf")},
        {"seconds": float("nan")},
    ],
)
def test_what_somebody_else_wrote_there_is_not_told(odd: dict[str, object]) -> None:
    assert computing_of({**WHOLE, **odd}) is None
    assert computing_of({}) is None
