"""Links between memories travel with them; what does not travel is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands.conftest import Cli
from tests.support import files, shapes

LINK = "INSERT INTO memory_links (source_id, target_id, relation, created_at) VALUES (?, ?, ?, ?)"


@pytest.fixture
def linked(db: Path) -> Path:
    """A file in which `a` supersedes `b`, and `b` leads to `c` in another namespace."""
    shapes.build(db, 101, kinds=set(), rows=0)
    for name in "abc":
        files.add(db, name, "x" if name < "c" else "y")
    files.execute(db, LINK, "a", "b", "supersedes", "2026-01-01T00:00:00Z")
    files.execute(db, LINK, "b", "c", "related_to", "")
    return db


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return shapes.build(tmp_path / "other.db", 101, kinds=set(), rows=0).path


def links(db: Path) -> list[tuple[str, ...]]:
    return sorted(files.execute(db, "SELECT source_id, target_id, relation, created_at FROM memory_links"))


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_links_come_back_as_they_were(cli: Cli, linked: Path, other: Path, tmp_path: Path, flags: list[str]) -> None:
    (tmp_path / "out").write_text(cli("export", *flags).out)
    ran = cli("--db", other, "import", tmp_path / "out", "--no-embed", "--json")
    assert (ran.code, ran.json["links"], links(other)) == (0, 2, links(linked))
    again = cli("--db", other, "import", tmp_path / "out", "--no-embed", "--json")
    assert (again.json["links"], again.json["unchanged"], links(other)) == (0, 3, links(linked))


def test_links_out_of_the_exported_namespace_are_counted(cli: Cli, linked: Path) -> None:
    assert linked.exists()
    ran = cli("export", "-n", "x")
    assert ran.out.count('"link"') == 1
    assert "Not exported: 1 link " in ran.err


def test_what_no_export_takes_is_said(cli: Cli, upstream_dir: Path) -> None:
    db = upstream_dir / "v0.10.0.db"
    files.execute(db, 'CREATE TABLE "my notes" (x)')
    files.execute(db, 'INSERT INTO "my notes" VALUES (1)')
    told = cli("--db", db, "export").err.splitlines()
    assert "Not exported: 2 archived memories." in told
    assert "Not exported: the tables forget_tombstones, governance_rules, my notes." in told


def test_a_file_without_a_table_for_links_says_how_many_it_left_out(cli: Cli, linked: Path, tmp_path: Path) -> None:
    assert linked.exists()
    (tmp_path / "out").write_text(cli("export").out)
    ran = cli("--db", tmp_path / "ours.db", "import", tmp_path / "out", "--no-embed")
    assert (ran.code, "2 links were left out: this database has no table memory_links" in ran.err) == (0, True)


def test_a_link_follows_a_memory_that_is_here_under_another_id(cli: Cli, other: Path, tmp_path: Path) -> None:
    files.add(other, "here", title="same", namespace="global")
    memories = [{"id": "there", "title": "same", "content": "c"}, {"id": "b", "title": "b", "content": "c"}]
    whole = {"links": [{"source_id": "there", "target_id": "b"}], "memories": memories}
    (tmp_path / "in").write_text(json.dumps(whole))
    assert cli("--db", other, "import", tmp_path / "in", "--no-embed").code == 0
    assert [(source, target, relation) for source, target, relation, _ in links(other)] == [("here", "b", "related_to")]


@pytest.mark.parametrize("indent", [None, 2])
def test_the_links_of_the_real_programs_export_are_taken(
    cli: Cli, upstream_dir: Path, tmp_path: Path, indent: int | None
) -> None:
    export = json.loads((upstream_dir / "v0.10.0.export.json").read_text())
    first, second, third = (each["id"] for each in export["memories"][:3])
    signed = {"signature": [7] * 64, "attest_level": "self_signed"}
    link = {"source_id": first, "target_id": second, "relation": "supersedes", "created_at": "2026-01-01T00:00:00Z"}
    export["links"] = [link, {**link, "target_id": third, **signed}]
    del export["count"], export["exported_at"]
    (tmp_path / "export.json").write_text(json.dumps(export, indent=indent))
    db = upstream_dir / "v0.10.0.db"
    files.execute(db, "DELETE FROM memories")
    ran = cli("--db", db, "import", tmp_path / "export.json", "--no-embed", "--json")
    assert (ran.code, ran.json["created"], ran.json["links"]) == (0, 29, 2)
    assert files.execute(db, "SELECT count(*) FROM memory_links WHERE signature = ?", bytes([7] * 64)) == [(1,)]


@pytest.mark.parametrize("order", [1, -1])
def test_an_atom_follows_a_memory_that_is_here_under_another_id(
    cli: Cli, other: Path, tmp_path: Path, order: int
) -> None:
    files.add(other, "here", title="same", namespace="global")
    pair = [{"id": "there", "title": "same", "content": "c"}, {"title": "b", "content": "c", "atom_of": "there"}]
    (tmp_path / "in").write_text(json.dumps(pair[::order]))
    assert cli("--db", other, "import", tmp_path / "in", "--no-embed").code == 0
    assert files.execute(other, "SELECT atom_of FROM memories WHERE title = 'b'") == [("here",)]
    assert cli("--db", other, "import", tmp_path / "in", "--no-embed", "--json").json["unchanged"] == 2


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_atoms_of_memories_that_are_not_exported_are_named(
    cli: Cli, linked: Path, other: Path, tmp_path: Path, flags: list[str]
) -> None:
    with files.opened(linked) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("UPDATE memories SET atom_of = CASE id WHEN 'a' THEN 'nobody' ELSE 'a' END WHERE id <> 'c'")
    exported = cli("-q", "export", *flags)
    (told,) = exported.err.splitlines()
    assert exported.code == 0
    assert "warning: a is an atom of nobody, which is not exported; an import takes it only where that memory" in told
    (tmp_path / "out").write_text(exported.out)
    assert cli("--db", other, "import", tmp_path / "out", "--no-embed").code == 65


def test_atoms_of_a_memory_in_another_namespace_are_named(cli: Cli, linked: Path) -> None:
    files.execute(linked, "UPDATE memories SET atom_of = 'c' WHERE id = 'a'")
    assert "a is an atom of c, which is not exported" in cli("export", "-n", "x").err
    assert "atom of" not in cli("export").err


def test_many_atoms_of_what_is_not_exported_are_counted(cli: Cli, linked: Path) -> None:
    for number in range(23):
        files.add(linked, f"atom-{number}", "x", atom_of="c")
    told = [line for line in cli("export", "-n", "x").err.splitlines() if "atom" in line]
    assert len(told) == 21
    assert "3 more are atoms of memories that are not exported" in told[-1]
