"""The formats of exchange: whatever a file can hold comes back the same."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_memory.errors import DataRefused
from ai_memory.memory.exchange import parse, to_object
from ai_memory.memory.records import Draft, Value
from ai_memory.show.console import to_json
from ai_memory.text.strict_json import compact

CHARACTERS = st.characters(codec="utf-8") | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF)
# By way of the bytes: some that are no text by themselves are one together, and are read as that.
TEXTS = st.text(CHARACTERS, max_size=40).map(
    lambda text: text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
)
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
    return to_json(to_object(values)).encode() + b"\n"


def only(data: bytes) -> Draft:
    parsed = parse(data, "file")
    assert (len(parsed.memories), parsed.refused) == (1, [])
    return parsed.memories[0]


def refusal(data: bytes) -> str:
    """Return what is said of the first thing that cannot be stored, or of a file that cannot be read at all."""
    try:
        return parse(data, "file").refused[0].what
    except DataRefused as error:
        return error.what


@given(COLUMNS)
def test_every_column_survives_the_way_out_and_in(values: dict[str, Value]) -> None:
    assert only(exported(values)).values == values


@given(st.lists(COLUMNS, max_size=4, unique_by=lambda values: values["title"]))
def test_every_layout_of_the_same_memories_says_the_same(many: list[dict[str, Value]]) -> None:
    objects = [to_object(each) for each in many]
    layouts = [
        b"".join(map(exported, many)),
        b"\r\n\r\n".join(map(exported, many)),
        "".join(json.dumps(each, indent=2) for each in objects).encode(),
        json.dumps(objects, indent=1).encode("utf-16"),
        json.dumps({"links": [], "more": 1, "memories": objects}).encode("utf-8-sig"),
        json.dumps({"memories": objects, "count": 1}, indent=2).encode(),
    ]
    found = [[draft.values for draft in parse(layout, "f").memories] for layout in layouts]
    assert found == [many] * len(layouts)


@given(st.binary(max_size=200) | st.text(alphabet='[]{}:,"\\u\nd8e1', max_size=60).map(str.encode))
def test_no_bytes_bring_more_than_a_clear_refusal(data: bytes) -> None:
    with suppress(DataRefused):
        parsed = parse(data, "file")
        assert all(each.what.startswith("file") for each in parsed.refused)


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b'{"title": "a", "content": "b"}\n\n{"title": \n', "file, line 3 is not JSON"),
        (b'{"title": "a", "content": \n{"title": "a", "content": "b"}\n', "file, line 1 is not JSON"),
        (
            b'{"title": "a", "content": "b"}\n{"title": "c", "content": "d"} x\n',
            "line 2 is not JSON: Extra data at column 32",
        ),
        (b'{"title": "a", "content": "\xff"}\n', "file, line 1: content"),
        (b'{\n"memories": [\n{"title": "a",\n', "file, line 4 is not JSON"),
        (
            b'[\n{"title": "a", "content": "b"},\n{"title": "c" "d"}\n]',
            "file, line 3 is not JSON: Expecting ',' delimiter at column 15",
        ),
        (b'{"memories": 3}', "no list `memories`"),
        (b'{"memories": [{"title": "a", "content": "b"}, {"title": "a"}]}', "file, memory 2"),
        (b'\n[{"title": "a", "content": "b"}, 7]', "file, line 2, memory 2 is not an object"),
        (b"[" * 100_000, "line 1 is not JSON: Nested too deeply"),
        (b'{"title": "a", "content": "b", "big": 99999999999999999999}\n', "line 1: big"),
        (b'{"title": "a", "content": "b", "x": {"base64": "?"}}\n', "line 1: x is not base64"),
        (b'{"title": "a", "content": "b", "x": {"$stored": {"real": "1"}}}\n', "line 1: x holds"),
        ('{"title": "a", "content": "b"}'.encode("utf-16")[:-1], "file is not UTF-16"),
        (b"SQLite format 3\0\xff\xfe", "file, line 1 is not JSON"),
        (b"7", "file, line 1 is not an object"),
        (b'{"link": {"source_id": "a"}}', "file, line 1 has no target_id"),
        (b'{"memories": [], "links": [{}, 3]}', "file, link 1 has no source_id and no target_id"),
    ],
)
def test_the_place_of_a_fault_is_named(data: bytes, place: str) -> None:
    assert place in refusal(data)


NUMBERS = ["1e999", "-1e999", "NaN", "Infinity", "-Infinity", "1e-999", "9" * 5_000]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("column", ["confidence", "reflection_depth", "metadata", "tags", "$nested"])
def test_a_number_that_json_or_we_cannot_keep_is_refused_in_every_column(column: str, number: str) -> None:
    value = f'{{"a": [{{"b": {number}}}]}}' if column in ("metadata", "$nested") else number
    line = f'{{"title": "a", "content": "b", "{column}": {value}}}'
    assert f"file, line 1: {column} " in refusal(line.encode())


def test_numbers_that_can_be_kept_are() -> None:
    data = (
        b'{"title": "a", "content": "b", "x": -9223372036854775808, "y": 1e-300, '
        b'"metadata": {"n": -0.0, "m": 123456789012345678901}}'
    )
    kept = only(data).values
    assert (kept["x"], kept["y"], kept["metadata"]) == (-(2**63), 1e-300, '{"n":-0.0,"m":123456789012345678901}')


@pytest.mark.parametrize("half", [r"\ud83d", r"\ude00", r"\udca1", r"\udc80", r"\udcff", r"\ude00\ud83d"])
@pytest.mark.parametrize(
    "column", ["title", "content", "id", "namespace", "source", "other", "tags", "metadata", "atom_of"]
)
def test_half_a_surrogate_pair_is_refused_alike_in_every_column(column: str, half: str) -> None:
    value = {"tags": f'["{half}"]', "metadata": f'{{"a": {{"b{half}": 1}}}}'}.get(column, f'"{half} lamp"')
    rest = "".join(f'"{name}": "x", ' for name in ("title", "content") if name != column)
    assert f"file, line 1: {column} " in refusal(f'{{{rest}"{column}": {value}}}'.encode())


def test_a_whole_emoji_written_as_two_halves_is_taken() -> None:
    assert only(rb'{"title": "a", "content": "\ud83d\ude00"}').values["content"] == "\U0001f600"


def test_a_key_twice_in_one_object_is_refused_at_any_depth() -> None:
    assert "line 1 holds the key 'title' twice" in refusal(b'{"title": "a", "title": "b", "content": "c"}')
    assert "metadata holds the key 'x' twice" in refusal(
        b'{"title": "a", "content": "c", "metadata": {"x": 1, "x": 2}}'
    )


@pytest.mark.parametrize(
    "metadata", ['{"$stored":1}', '{"base64":"aGk="}', '{"link":{}}', '{"a":NaN}', '{"a":1,"a":2}', "{}"]
)
def test_metadata_that_looks_like_a_form_of_ours_comes_back_as_the_text_it_was(metadata: str) -> None:
    values: dict[str, Value] = {"title": "t", "content": "c", "metadata": metadata}
    assert only(exported(values)).values == values


def test_vectors_of_a_foreign_export_are_never_taken() -> None:
    line = json.dumps({"title": "a", "content": "b", "embedding": [1, 2], "embedding_dim": 2, "embedding_space": "x"})
    assert only(line.encode()).values == {"title": "a", "content": "b"}


def test_windows_line_ends_and_byte_order_marks_of_files_put_together_are_taken() -> None:
    data = b'\xef\xbb\xbf{"title": "a", "content": "b"}\r\n\xef\xbb\xbf{"title": "c", "content": "d"}\r\n'
    assert [each.values["title"] for each in parse(data, "file").memories] == ["a", "c"]


@pytest.mark.parametrize("nothing", [b"", b"\n \r\n", b"[]", b'{"memories": []}', b"\xef\xbb\xbf"])
def test_a_file_without_memories_holds_none(nothing: bytes) -> None:
    assert parse(nothing, "file").memories == []
