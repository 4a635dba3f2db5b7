"""What a line of a program that asks may be, and what is said of one that is no query."""

from __future__ import annotations

import pytest

from ai_memory.actions.query_lines import QueryLine, parse_query
from ai_memory.errors import DataRefused


@pytest.mark.parametrize(
    ("line", "query"),
    [
        ("where do backups go", QueryLine(7, "where do backups go")),
        ("  tea \r\n", QueryLine(7, "tea")),
        ('"tea"', QueryLine(7, '"tea"')),
        ('{"query": "tea"}', QueryLine(7, "tea")),
        ('{"query": "tea", "id": "a", "namespace": "NS/*", "limit": 3}', QueryLine("a", "tea", "NS/*", 3)),
        ('{"query": "tea", "id": null, "namespace": null, "limit": null}', QueryLine(7, "tea")),
        ('{"query": 12, "text": "what similarity laws"}', QueryLine(12, "what similarity laws")),
        ('{"text": "tea", "id": 5, "query": "q"}', QueryLine(5, "tea")),
        ('{"query": "naïve 🐍"}', QueryLine(7, "naïve 🐍")),
    ],
)
def test_a_line_is_a_text_or_an_object(line: str, query: QueryLine) -> None:
    assert parse_query(line.encode(), 7, "stdin") == query


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"", "q.jsonl, line 7 is blank."),
        (b" \t\r\n", "q.jsonl, line 7 is blank."),
        (b"caf\xe9", "q.jsonl, line 7 is not UTF-8: byte 4."),
        (b'{"query": "tea"', "q.jsonl, line 7 is not a JSON object:"),
        (b'{"query": "tea"} x', "q.jsonl, line 7 is not a JSON object:"),
        (b'{"query": "tea", "query": "x"}', "q.jsonl, line 7 is not a JSON object: holds the key 'query' twice"),
        (b"{}", "q.jsonl, line 7 has no text to look for."),
        (b'{"query": 12}', "q.jsonl, line 7 has no text to look for."),
        (b'{"query": "\\ud800"}', "q.jsonl, line 7 has no text to look for."),
        (b'{"query": " "}', "q.jsonl, line 7 has no text to look for."),
        (b'{"query": "tea", "limt": 3}', "q.jsonl, line 7 has the unknown key 'limt'."),
        (b'{"query": "tea", "id": 1.5}', "q.jsonl, line 7 has an id that is neither a text nor a whole number."),
        (b'{"query": "tea", "id": true}', "q.jsonl, line 7 has an id that is neither a text nor a whole number."),
        (b'{"query": "tea", "namespace": 1}', "q.jsonl, line 7 has a namespace that is not a text."),
        (b'{"query": "tea", "limit": 0}', "q.jsonl, line 7 has a limit that is not a whole number from 1 to 10,000."),
        (
            b'{"query": "tea", "limit": true}',
            "q.jsonl, line 7 has a limit that is not a whole number from 1 to 10,000.",
        ),
        (
            b'{"query": "tea", "limit": 10001}',
            "q.jsonl, line 7 has a limit that is not a whole number from 1 to 10,000.",
        ),
        (b'{"query": ' + b"[" * 100_000, "q.jsonl, line 7 is not a JSON object: is nested too deeply"),
    ],
)
def test_what_is_no_query_is_named_by_its_line(line: bytes, said: str) -> None:
    with pytest.raises(DataRefused) as refused:
        parse_query(line, 7, "q.jsonl")
    assert refused.value.what.startswith(said)
    assert "\n" not in refused.value.line()
