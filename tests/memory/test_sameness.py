"""Two databases hold the same value, each in its own way of writing it."""

from __future__ import annotations

import pytest

from ai_memory.memory.records import Value
from ai_memory.memory.sameness import same


@pytest.mark.parametrize(
    ("column", "one", "other"),
    [
        ("created_at", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05+00:00"),
        ("created_at", "2026-01-02T05:04:05+02:00", "2026-01-02T03:04:05.000000+00:00"),
        ("created_at", "2026-01-02T03:04:05.678901678Z", "2026-01-02T03:04:05.678902+00:00"),
        ("tags", '["a","b"]', '["a", "b"]'),
        ("metadata", '{"b": 1, "a": [1.0]}', ' {"a": [1.0], "b": 1}'),
        ("confidence", 0.1, 0.10000000149011612),
        ("priority", 5, 5),
        ("expires_at", None, None),
    ],
)
def test_what_means_the_same_is_the_same(column: str, one: Value, other: Value) -> None:
    assert same(column, one, other)
    assert same(column, other, one)


@pytest.mark.parametrize(
    ("column", "one", "other"),
    [
        ("created_at", "2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z"),
        ("created_at", "2026-01-02T03:04:05.678901Z", "2026-01-02T03:04:05.678904Z"),
        ("created_at", "last spring", "last  spring"),
        ("title", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05+00:00"),
        ("content", '["a","b"]', '["a", "b"]'),
        ("tags", '["a"]', '["b"]'),
        ("tags", '["a"', '["a" '),
        ("tags", "1", "1.0"),
        ("metadata", "[" * 100_000, "[" * 99_999),
        ("confidence", 0.1, 0.11),
        ("priority", "5", 5),
        ("expires_at", None, ""),
        ("encrypted_envelope", b"a", b"b"),
    ],
)
def test_what_does_not_is_not(column: str, one: Value, other: Value) -> None:
    assert not same(column, one, other)
    assert not same(column, other, one)
