"""Texts are told apart by their hashes: exactly as far as they are kept in mind, and never counted too few."""

from __future__ import annotations

from hashlib import blake2b

import pytest

from ai_memory.reembed.plan import distinct
from ai_memory.reembed.plan.distinct import Distinct


def src(number: int) -> bytes:
    return blake2b(str(number).encode(), digest_size=16).digest()


def test_a_text_is_new_once_however_many_come_between() -> None:
    met = Distinct()
    many = 3 * distinct.LATELY + 5

    numbers = [*range(many), *range(many)]
    blocks = [numbers[begin : begin + 256] for begin in range(0, len(numbers), 256)]
    assert sum(sum(met.which_new([src(number) for number in block])) for block in blocks) == many
    assert met.exact


def test_texts_of_one_block_are_told_apart_too() -> None:
    assert Distinct().which_new([src(1), src(2), src(1)]) == [True, True, False]


def test_beyond_what_is_kept_in_mind_it_is_a_bound_and_said_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distinct, "MOST", 10)
    met = Distinct()

    found = met.which_new([src(number) for number in (*range(12), *range(12))])

    assert (found, met.exact) == ([True] * 12 + [False] * 10 + [True] * 2, False)
