"""Texts by others, nested deeper than can be read."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable

import pytest

from ai_memory.text import nesting

DEEP = "[" * 100_000


class LetGo:
    """Something in a ring, which only the collector of garbage finds, that does a little work at its end."""

    def __init__(self, ended: list[str]) -> None:
        self.ring, self.ended = self, ended

    def __del__(self) -> None:
        self.ended.append(json.dumps(["it", "is", "closed"]))


def read(text: str) -> None:
    with nesting.bounded():
        json.loads(text)


def test_a_text_that_is_nested_too_deeply_is_a_value_that_cannot_be_read() -> None:
    with pytest.raises(ValueError, match=r"^is nested too deeply$"):
        read(DEEP)


@pytest.mark.parametrize("by", [gc.enable, gc.disable])
def test_the_collector_is_afterwards_as_it_was_before(by: Callable[[], None]) -> None:
    try:
        by()
        before = gc.isenabled()
        read("[]")
        with pytest.raises(nesting.NestedTooDeeply):
            read(DEEP)
        assert gc.isenabled() == before
    finally:
        gc.enable()


def test_what_is_let_go_meanwhile_comes_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []
    failed: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", failed.append)
    threshold = gc.get_threshold()
    try:
        gc.set_threshold(960, 1, 1)
        for _ in range(200):
            LetGo(ended)
            with pytest.raises(nesting.NestedTooDeeply):
                read(DEEP)
    finally:
        gc.set_threshold(*threshold)
        gc.collect()

    assert (failed, len(ended)) == ([], 200)
