"""What stands in a file comes back out of its export byte for byte, whatever it is."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ai_memory.memory.records import Value
from tests.commands.conftest import Cli
from tests.support import files, shapes

VECTOR = frozenset({"embedding", "embedding_dim", "embedding_space"})
ODD: list[tuple[str, Value]] = [
    *[("created_at", each) for each in ("2026-01-01 00:00:00", "", 1767225600, "2026-01-01T00:00:00+02:00")],
    *[("expires_at", each) for each in ("", "2020-01-01 00:00:00", "20200101T000000Z", "2020-01-01T00:00:00+02:00")],
    *[("last_accessed_at", each) for each in ("", "2026-01-01 00:00:00", 5)],
    *[("namespace", each) for each in ("", "a//b", "/a", "a/", "..", "a/b/c/d/e/f/g/h/i", "n" * 600, b"\0\xff")],
    *[("id", each) for each in ("note 7", "note ", "a/b", "ü", "", "i" * 200, b"\xff\0", "NOTE", "n\0te")],
    *[("tags", each) for each in ("", "a,b", "[1]", b"[]", '{"base64": "aGk="}', '{"base64":"aGk="}')],
    *[
        ("metadata", each)
        for each in ("", "null", "not JSON", "NaN", '{"a":NaN}', '{"$stored":1}', b"{}", '{"a":1e999}')
    ],
    *[("access_count", each) for each in (1.5, -1, "many", b"\1", 2**63 - 1, -(2**63))],
    *[("priority", each) for each in (0, 11, 5.5, "high")],
    *[("confidence", each) for each in (2, -1, 1e-320, math.inf, -math.inf, "sure")],
    *[("content", each) for each in (b"\0blob\xff", b"", "", "nul \0 in it", "\udcff\udc80 bytes", "\r\n\u2028")],
    *[("title", each) for each in (b"blob", "", "\udcff", "a\nb", "null")],
    *[("tier", each) for each in ("eternal", "")],
    *[("source_uri", each) for each in (7, 7.0, b"", "", math.inf, "\udced\udca0\udc80")],
]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty file of the Rust program's newest schema, with columns that somebody added, of odd names."""
    path = shapes.build(tmp_path_factory.mktemp("empty") / "m.db", 101, kinds=set(), rows=0).path
    for column in (
        "embedded",
        "\"last seen\" text default 'then'",
        '"x""y"',
        '"Order" int',
        '"öß" blob',
        '" "',
        '"a-b" real',
    ):
        files.execute(path, f"ALTER TABLE memories ADD COLUMN {column}")
    return path


@pytest.fixture
def pair(empty: Path, tmp_path: Path) -> tuple[Path, Path]:
    return Path(shutil.copy(empty, tmp_path / "one.db")), Path(shutil.copy(empty, tmp_path / "two.db"))


def add(path: Path, **columns: Value) -> None:
    """Store a row as another program would, its texts as bytes of any kind."""
    row = {
        "id": "one",
        "tier": "mid",
        "title": "t",
        "content": "c",
        "created_at": shapes.CREATED,
        "updated_at": "",
        **columns,
    }
    marks = ", ".join(f"CAST(:{name} AS TEXT)" if isinstance(value, str) else f":{name}" for name, value in row.items())
    bound = {
        name: value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
        for name, value in row.items()
    }
    connection = apsw.Connection(str(path))
    connection.execute(f"INSERT INTO memories ({', '.join(row)}) VALUES ({marks})", bound)
    connection.close()


def rows(path: Path, table: str = "memories") -> list[list[Any]]:
    """Return all rows, each value as its type and its bytes."""
    names = [row[0] for row in files.execute(path, f"SELECT name FROM pragma_table_info('{table}') ORDER BY name")]
    kept = ['"{}"'.format(name.replace('"', '""')) for name in names if name not in VECTOR]
    shown = ", ".join(
        f"typeof({name}), CASE typeof({name}) WHEN 'text' THEN hex({name}) ELSE {name} END" for name in kept
    )
    return sorted((list(row) for row in files.execute(path, f"SELECT {shown} FROM {table}")), key=repr)


@pytest.mark.parametrize(("column", "value"), ODD, ids=repr)
def test_a_value_that_no_new_memory_may_have_comes_back_as_it_stood(
    cli: Cli, pair: tuple[Path, Path], tmp_path: Path, column: str, value: Value
) -> None:
    one, two = pair
    add(one, **{column: value})
    file = tmp_path / "out.jsonl"
    out = cli("--db", one, "export")
    file.write_text(out.out, "utf-8")
    assert out.code == 0
    ran = cli("--db", two, "import", file, "--no-embed", "--json")
    assert (ran.code, ran.json["created"], ran.json["skipped"]) == (0, 1, 0)
    assert rows(two) == rows(one)
    assert cli("--db", one, "import", file, "--no-embed", "--json").json["unchanged"] == 1


def test_the_export_names_what_no_new_memory_may_have(cli: Cli, pair: tuple[Path, Path]) -> None:
    add(pair[0], id="note 7", created_at="2026-01-01 00:00:00")
    ran = cli("--db", pair[0], "export")
    assert "note 7: id must be" in ran.err
    assert json.loads(ran.out)["created_at"] == {"$stored": "2026-01-01 00:00:00"}


TEXT = st.text(st.characters(codec="utf-8") | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF), max_size=12)
JSON = st.sampled_from(["{}", "[]", '["a"]', '{"a":1.0}', '{"$stored":{"base64":""}}', "NaN", '{"a":1,"a":2}'])
TYPED = st.none() | st.binary(max_size=12) | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
VALUE = TYPED | TEXT | JSON | st.sampled_from(["2099-01-01T00:00:00Z", "2099-01-01T00:00:00+05:00", "now", "mid"])
NAMES = """
    id tier namespace title content tags priority confidence source access_count created_at updated_at last_accessed_at
    expires_at metadata memory_kind citations source_uri source_span encrypted_envelope version embedded x"y
    Order öß a-b
"""
COLUMNS = (*NAMES.split(), "last seen", " ")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.dictionaries(st.sampled_from(COLUMNS), VALUE, max_size=6), min_size=1, max_size=5))
def test_rows_of_any_values_in_any_columns_come_back(
    cli: Cli, pair: tuple[Path, Path], tmp_path: Path, many: list[dict[str, Value]]
) -> None:
    one, two = pair
    for path in pair:
        files.execute(path, "DELETE FROM memories")
    stored = 0
    for number, row in enumerate(many):
        stored += try_to_add(one, {"id": f"id-{number}", "title": f"t{number}", **row})
    (tmp_path / "out").write_text(cli("--db", one, "export").out, "utf-8")
    ran = cli("--db", two, "import", tmp_path / "out", "--no-embed", "--json")
    assert (ran.code, ran.json["created"]) == (0, stored)
    assert rows(two) == rows(one)


def try_to_add(path: Path, row: dict[str, Value]) -> bool:
    """Store a row unless the table itself forbids it, or nobody could tell what would come back: one without id."""
    if row["id"] is None:
        return False
    values = {"tier": "mid", "content": "c", "created_at": "x", "updated_at": "y", **row}
    marks = ", ".join("CAST(? AS TEXT)" if isinstance(value, str) else "?" for value in values.values())
    names = ", ".join('"{}"'.format(name.replace('"', '""')) for name in values)
    bound = [each.encode("utf-8", "surrogateescape") if isinstance(each, str) else each for each in values.values()]
    connection = apsw.Connection(str(path))
    try:
        connection.execute(f"INSERT INTO memories ({names}) VALUES ({marks})", bound)
    except apsw.ConstraintError:
        return False
    finally:
        connection.close()
    return True
