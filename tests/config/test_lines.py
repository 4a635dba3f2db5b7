"""The line of a config file is found by the name of what stands in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_memory.config.lines import line_of, lines_of

FILE = '''\
# dim = 1
tier = "smart"
embeddings.dim = 3

note = """
model = "not a key"
"""
[ embeddings ]   # the table
"model" = "x"
url = """one line"""

[embeddings.previous]
dim=4
'''


def test_each_table_and_key_is_at_its_line() -> None:
    assert lines_of(FILE) == {
        "tier": 2, "embeddings.dim": 3, "note": 5, "embeddings": 8, "embeddings.model": 9, "embeddings.url": 10,
        "embeddings.previous": 12, "embeddings.previous.dim": 13,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("{file}: [embeddings].dim is -1, not an integer from 1 to 9.", 3),
        ("{file}: [embeddings.previous].dim is not a known key and was ignored.", 13),
        ("the base URL of my.toml [embeddings].url is wrong.", 10),
        ("tier is 'x' (my.toml tier).", 2),
        ("{file}: note stands outside of [embeddings] and was ignored.", 5),
        ("{file}: [embeddings].engine is nowhere", 8),
        ("no API key: env X is not set.", None),
    ],
)
def test_a_message_is_about_the_line_of_the_setting_that_it_names(
    tmp_path: Path, message: str, line: int | None
) -> None:
    file = tmp_path / "my.toml"
    file.write_text(FILE, "utf-8")
    assert line_of(message.format(file=file), file) == line


def test_of_a_file_that_is_gone_no_line_is_known(tmp_path: Path) -> None:
    assert line_of(f"{tmp_path}/none: tier is wrong", tmp_path / "none") is None
