"""The formats of exchange: whatever a file can hold comes back the same."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_memory.console import to_json
from ai_memory.errors import DataRefused
from ai_memory.exchange import compact, parse, to_object
from ai_memory.records import Memory, Value

TEXTS = st.text(st.characters(codec="utf-8") | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF), max_size=40)
JSON = st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5), st.lists, max_leaves=4)
COLUMNS = st.fixed_dictionaries(
    {"title": TEXTS, "content": TEXTS},
    optional={
        "tags": st.lists(st.text(max_size=8), max_size=3).map(compact),
        "metadata": st.dictionaries(st.text(max_size=5), JSON, max_size=3).map(compact),
        "citations": TEXTS,
        "source_span": st.just('{"start": 1,  "end": 2}'),
        "encrypted_envelope": st.binary(max_size=40),
        "priority": st.integers(1, 10),
        "confidence": st.floats(0, 1),
        "reflection_depth": st.integers(-(2**63) + 1, 2**63 - 1),
        "expires_at": st.just("2099-01-01T00:00:00.123456789+00:00"),
    },
)


def exported(values: dict[str, Value]) -> bytes:
    return to_json(to_object(Memory(values))).encode("utf-8", "backslashreplace") + b"\n"


@given(COLUMNS)
def test_every_column_survives_the_way_out_and_in(values: dict[str, Value]) -> None:
    (draft,) = parse(exported(values), "file")
    assert draft.values == values


@given(st.lists(COLUMNS, max_size=4, unique_by=lambda values: values["title"]))
def test_json_lines_and_export_json_say_the_same(many: list[dict[str, Value]]) -> None:
    lines = b"".join(map(exported, many))
    whole = b'{"memories": [' + b",".join(map(exported, many)) + b'], "count": 1}'
    assert [each.values for each in parse(lines, "f")] == [each.values for each in parse(whole, "f")]


@given(st.binary(max_size=200))
def test_no_bytes_bring_more_than_a_clear_refusal(data: bytes) -> None:
    with suppress(DataRefused):
        assert parse(data, "file") or not data.removeprefix(b"\xef\xbb\xbf").strip()


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b'{"title": "a", "content": "b"}\n\n{"title": \n', "line 3"),
        (b'{"title": "a", "content": "\xff"}\n', "line 1"),
        (b'{\n"memories": [\n{"title": "a",\n', "line 4"),
        (b'{"memories": 3}', "no list `memories`"),
        (b'{"memories": [{"title": "a", "content": "b"}, {"title": "a"}]}', "memory 2"),
        (b"[" * 100_000, "line 1"),
        (b'{"title": "a", "content": "b", "big": 99999999999999999999}\n', "line 1: big"),
        (b'{"title": "a", "content": "b", "x": {"base64": "?"}}\n', "line 1: x"),
    ],
)
def test_the_place_of_a_fault_is_named(data: bytes, place: str) -> None:
    with pytest.raises(DataRefused) as refusal:
        parse(data, "file")
    assert place in refusal.value.line()


def test_vectors_of_a_foreign_export_are_never_taken(tmp_path: object) -> None:
    del tmp_path
    line = json.dumps({"title": "a", "content": "b", "embedding": [1, 2], "embedding_dim": 2, "embedding_space": "x"})
    assert parse(line.encode(), "file")[0].values == {"title": "a", "content": "b"}


def test_windows_line_ends_and_a_byte_order_mark_are_taken() -> None:
    data = b'\xef\xbb\xbf{"title": "a", "content": "b"}\r\n{"title": "c", "content": "d"}\r\n'
    assert [each.values["title"] for each in parse(data, "file")] == ["a", "c"]
