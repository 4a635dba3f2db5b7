"""What is only told of a table of ours is read where it can be, and is nothing where it cannot."""

from __future__ import annotations

import pytest

from ai_memory.stores.own_row import object_of


@pytest.mark.parametrize("text", [None, 5, "", "{", "[1]", "3", "null", '"a"', b"\xff", b"[[1]]", "[" * 100_000])
def test_what_is_no_json_object_is_an_empty_one(text: object) -> None:
    assert object_of(text) == {}


@pytest.mark.parametrize("text", ['{"a": 1}', b'{"a": 1}'])
def test_a_json_object_is_read(text: object) -> None:
    assert object_of(text) == {"a": 1}
