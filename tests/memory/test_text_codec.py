"""Ids, namespaces and texts survive the way through Python, whatever their bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_memory.memory.text_codec import Codec, printable, readable

ENCODINGS = ("UTF-8", "UTF-16le", "UTF-16be")


@given(st.binary())
def test_every_stored_name_can_be_bound_again(stored: bytes) -> None:
    codec = Codec("UTF-8")

    assert codec.bound(codec.name(stored)) == stored


@given(st.text(), st.sampled_from(ENCODINGS))
def test_every_text_comes_back_in_every_encoding(text: str, encoding: str) -> None:
    codec = Codec(encoding)

    assert codec.text(codec.bound(text)) == text


@pytest.mark.parametrize("stored", [b"\xff", b"caf\xe9", b"\xed\xa0\x80", b"\xc0\x80"])
def test_bytes_that_are_no_text_are_no_text(stored: bytes) -> None:
    assert Codec("UTF-8").text(stored) is None


@given(st.binary())
def test_a_name_is_shown_without_control_characters(stored: bytes) -> None:
    assert printable(Codec("UTF-8").name(stored)).isprintable()


def test_what_cannot_be_printed_is_escaped() -> None:
    assert printable("a\x1b[2J\udcff\n") == "a\\x1b[2J\\xff\\n"
    assert readable("two\n\tlines\x07") == "two\n\tlines\\x07"
