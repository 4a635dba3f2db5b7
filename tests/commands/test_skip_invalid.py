"""What cannot be stored is named; with --skip-invalid it is left out, without it nothing of the file is stored."""

from __future__ import annotations

import json
import subprocess
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.commands.conftest import Cli
from tests.support import files, shapes
from tests.support.command import Command, kill, wait_for


def lines(tmp_path: Path, *objects: object) -> Path:
    file = tmp_path / "in.jsonl"
    file.write_text("".join(f"{each if isinstance(each, str) else json.dumps(each)}\n" for each in objects), "utf-8")
    return file


def memory(title: str, **more: object) -> dict[str, object]:
    return {"title": title, "content": "c", **more}


def titles(db: Path) -> list[str]:
    return [row[0] for row in files.execute(db, "SELECT title FROM memories ORDER BY title")]


BAD: list[tuple[object, str]] = [
    ('{"title": "x", ', "line 2 is not JSON: "),
    ("nonsense", "line 2 is not JSON"),
    (memory("x", created_at="2026-01-01 00:00:00"), "line 2: created_at must be a time"),
    (memory("x", id="note 7"), "line 2: id must be"),
    (memory("x", namespace="a//b"), "line 2: namespace has an empty"),
    (memory("x", atom_of="nobody"), "line 2 is an atom of a memory that is not in file or database"),
    (memory("a"), "line 2 has the title 'a' in namespace 'global', as"),
    ('{"title": "x", "content": "\\udca1"}', "line 2: content has half a surrogate pair"),
    (memory("guarded"), "line 2: the database refuses it: no guards"),
    (memory("ignored"), "line 2: the database refuses it: a trigger of the table memories leaves the row out"),
    ({"link": {"source_id": "A", "target_id": "nobody"}}, "line 2 leads to nobody, which is not in file or database"),
    ({"link": {"source_id": "A", "target_id": "A", "relation": "hates"}}, "line 2: the database refuses it: "),
]


@pytest.fixture
def guarded(db: Path) -> Path:
    shapes.build(db, 101, kinds=set(), rows=0)
    trigger = "CREATE TRIGGER {0} BEFORE INSERT ON memories WHEN new.title = '{0}' BEGIN SELECT raise({1}); END"
    files.execute(db, trigger.format("guarded", "ABORT, 'no guards'"))
    files.execute(db, trigger.format("ignored", "IGNORE"))
    relations = "CREATE TRIGGER relations BEFORE INSERT ON memory_links WHEN new.relation = 'hates'"
    files.execute(db, f"{relations} BEGIN SELECT raise(ABORT, 'no hate'); END")
    return db


@pytest.mark.parametrize(("bad", "what"), BAD, ids=[what for _, what in BAD])
def test_what_cannot_be_stored_is_left_out_and_named_only_where_that_was_asked_for(
    cli: Cli, guarded: Path, tmp_path: Path, bad: object, what: str
) -> None:
    file = lines(tmp_path, memory("a", id="A"), bad, memory("z"))
    refused = cli("import", file, "--no-embed")
    assert (refused.code, refused.err.count("\n"), titles(guarded)) == (65, 1, [])
    assert what in refused.err
    assert "--skip-invalid" in refused.err
    ran = cli("import", file, "--no-embed", "--skip-invalid", "--json")
    assert (ran.code, ran.json["skipped"], ran.json["created"], titles(guarded)) == (0, 1, 2, ["a", "z"])
    assert ran.json["left_out"][0] in ran.err


def test_atoms_of_what_is_left_out_are_left_out_too(cli: Cli, guarded: Path, tmp_path: Path) -> None:
    chain = [memory("p", id="p", priority=11), memory("q", id="q", atom_of="p"), memory("r", id="r", atom_of="q")]
    ran = cli("import", lines(tmp_path, *chain, memory("s")), "--no-embed", "--skip-invalid", "--json")
    assert (ran.code, ran.json["skipped"], titles(guarded)) == (0, 3, ["s"])


def test_a_trigger_that_ends_the_transaction_lets_nothing_in(cli: Cli, guarded: Path, tmp_path: Path) -> None:
    ends = "CREATE TRIGGER ends BEFORE INSERT ON memories WHEN new.title = 'end'"
    files.execute(guarded, f"{ends} BEGIN SELECT raise(ROLLBACK, 'over'); END")
    file = lines(tmp_path, memory("a"), memory("end"), memory("z"))
    ran = cli("import", file, "--no-embed", "--skip-invalid")
    assert (ran.code, ran.err.count("\n"), titles(guarded)) == (74, 1, [])


def test_many_that_are_left_out_are_counted_behind_the_first_ones(cli: Cli, tmp_path: Path) -> None:
    file = lines(tmp_path, memory("a"), *[memory(f"t{n}", priority=99) for n in range(50)])
    ran = cli("import", file, "--no-embed", "--skip-invalid")
    assert (ran.code, ran.err.count("left out"), "30 more" in ran.err) == (0, 21, True)
    assert "1 memory: 1 created; 50 left out" in ran.out


@pytest.mark.parametrize(
    ("name", "code"),
    [(".", 65), ("/dev/zero", 65), ("/dev/full", 65), ("/bin/true", 65), ("/dev/null", 0), ("nowhere", 66)],
)
def test_what_is_no_file_of_memories_ends_in_one_line(cli: Cli, db: Path, name: str, code: int) -> None:
    ran = cli("import", name, "--no-embed", "--skip-invalid")
    assert ran.code == code
    assert code == 0 or (ran.err.count("\n") == 1 and not db.exists())


def test_memories_come_through_a_pipe(db: Path, tmp_path: Path) -> None:
    file = lines(tmp_path, memory("a"))
    command = Command(db, prefix=["bash", "-c", f'"$@" <(cat {file})', "bash"])
    assert command.run("import", "--json", "--no-embed").json["created"] == 1


NAMES = """
    id tier namespace title content tags priority confidence source created_at expires_at metadata atom_of version
    encrypted_envelope signature memories links link embedding embedded source_id target_id $stored base64 other
"""
KEY = st.sampled_from(NAMES.split())
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("a")
JSON = st.recursive(SCALARS, lambda part: st.lists(part, max_size=3) | st.dictionaries(KEY, part, max_size=4))
MEMORY = st.builds(
    lambda some, title: {"title": title, "content": "c", **some},
    st.dictionaries(KEY, JSON, max_size=4),
    st.text(max_size=3),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(MEMORY | JSON, min_size=1, max_size=4), st.sampled_from([None, 2]))
def test_any_json_is_stored_or_refused_in_one_line(
    cli: Cli, guarded: Path, tmp_path: Path, values: list[object], indent: int | None
) -> None:
    file = tmp_path / "any.json"
    file.write_text("\n".join(json.dumps(each, indent=indent) for each in values), "utf-8")
    before = files.everything_else(guarded)
    strict = cli("import", file, "--no-embed")
    assert strict.code in (0, 65)
    assert strict.code == 0 or (strict.err.count("\n") == 1 and files.everything_else(guarded) == before)
    lenient = cli("import", file, "--no-embed", "--skip-invalid", "--json")
    assert lenient.code in (0, 65)
    assert strict.code == 65 or lenient.json["skipped"] == 0


def test_a_kill_in_the_middle_of_an_import_leaves_all_or_nothing(db: Path, tmp_path: Path) -> None:
    file = lines(tmp_path, *[memory(f"t{n}", content="word " * 200) for n in range(20_000)])
    command = Command(db)
    assert command.run("init").code == 0
    wal = db.with_name("m.db-wal")
    for most in (0, 10**5, 10**7):
        process = command.start("import", file, "--no-embed")
        wait_for(partial(has_begun, process, wal, most))
        kill(process)
        assert len(titles(db)) in (0, 20_000)
        assert files.integrity(db) == "ok"
    assert command.run("import", file, "--no-embed", "--json").code == 0
    assert len(titles(db)) == 20_000


def has_begun(process: subprocess.Popen[str], wal: Path, most: int) -> bool:
    """Whether a process has ended, or has written more than `most` bytes of a transaction."""
    return process.poll() is not None or (wal.exists() and wal.stat().st_size > most)


def test_values_that_the_database_has_no_column_for_are_warned_of(cli: Cli, db: Path, tmp_path: Path) -> None:
    file = lines(tmp_path, memory("q", mood="sad"), memory("r", mood=None, weather=None), memory("s", **{"a\nb": 1}))
    ran = cli("-q", "import", file, "--no-embed")
    assert (ran.code, titles(db)) == (0, ["q", "r", "s"])
    (told,) = ran.err.splitlines()
    assert "warning: left out, because this database has no such columns: a b, mood." in told


def test_values_of_links_that_have_no_column_are_warned_of(cli: Cli, guarded: Path, tmp_path: Path) -> None:
    assert guarded.exists()
    link = {"link": {"source_id": "A", "target_id": "B", "weight": 1}}
    ran = cli("-q", "import", lines(tmp_path, memory("a", id="A"), memory("b", id="B"), link), "--no-embed")
    assert ran.code == 0
    assert "warning: left out, because this database has no such columns of links: weight." in ran.err
