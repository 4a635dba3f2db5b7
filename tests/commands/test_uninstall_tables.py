"""`uninstall-tables`: our tables leave, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.conftest import Cli
from tests.support import files, shapes

pytestmark = pytest.mark.usefixtures("endpoint")


def ours(path: Path) -> list[str]:
    found = files.execute(path, "SELECT name FROM sqlite_master ORDER BY name")
    return [name for (name,) in found if name.startswith(("reembed_", "embedding_"))]


@pytest.mark.parametrize("version", [57, 101])
def test_after_it_a_file_of_the_rust_program_holds_what_it_held_and_the_new_vectors(
    cli: Cli, db: Path, version: int
) -> None:
    shapes.build(db, version, kinds=shapes.EMBEDDABLE)
    before = files.whole(db)
    assert cli("reembed").code == 0
    migrated = files.vectors(db)
    assert ours(db)

    ran = cli("uninstall-tables", "--yes", "--json")

    assert (ran.code, len(ran.json["dropped"]) > 10, ours(db)) == (0, True, [])
    assert files.vectors(db) == migrated
    after = files.whole(db)
    assert {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} == {"memories"}
    assert files.integrity(db) == "ok"
    again = cli("uninstall-tables", "--yes")
    assert (again.code, ours(db)) == (0, [])
    assert "no tables of ours" in again.out


def test_a_file_in_which_we_never_wrote_keeps_every_byte(cli: Cli, db: Path) -> None:
    shapes.build(db, 80)
    before = db.read_bytes()
    assert cli("uninstall-tables", "--yes").code == 0
    assert db.read_bytes() == before


def test_tables_of_theirs_whose_names_begin_like_ours_stay(cli: Cli, db: Path) -> None:
    shapes.build(db, 101, kinds=shapes.EMBEDDABLE)
    for name in ("embedding_cache", "reembed_jobs"):
        files.execute(db, f"CREATE TABLE {name} (x)")
    assert cli("reembed").code == 0
    assert cli("uninstall-tables", "--yes").code == 0
    assert ours(db) == ["embedding_cache", "reembed_jobs"]


def test_a_file_of_our_own_keeps_its_tables(cli: Cli, db: Path) -> None:
    files.create(db)
    before = ours(db)
    ran = cli("uninstall-tables", "--yes")
    assert (ran.code, ours(db)) == (65, before)
    assert "was made by this program" in ran.err


def test_vectors_that_stand_in_our_tables_alone_are_not_dropped(cli: Cli, db: Path) -> None:
    shapes.build(db, 101, kinds=shapes.EMBEDDABLE)
    files.execute(db, "UPDATE memories SET embedding = NULL, embedding_space = NULL, embedding_dim = NULL")
    assert cli("reembed", "--staged").code == 0
    ready = cli("uninstall-tables", "--yes")
    assert (ready.code, "is unfinished" in ready.err) == (12, True)
    assert cli("reembed", "switch", "--no-wait").code == 0
    served = cli("uninstall-tables", "--yes")
    assert (served.code, "stand in our tables alone" in served.err) == (12, True)
    assert cli("reembed", "--resume").code == 0
    assert cli("uninstall-tables", "--yes").code == 0
    assert files.embedded(db) == len(files.vectors(db))


def test_nothing_is_dropped_without_a_word_or_from_a_paused_file(cli: Cli, db: Path) -> None:
    shapes.build(db, 101, kinds=shapes.EMBEDDABLE)
    assert cli("reembed").code == 0
    unasked = cli("uninstall-tables")
    assert (unasked.code, "add --yes" in unasked.err, bool(ours(db))) == (64, True, True)
    assert cli("reembed", "pause", "--reason", "the disk is moved").code == 0
    paused = cli("uninstall-tables", "--yes")
    assert (paused.code, "the disk is moved" in paused.err, bool(ours(db))) == (12, True, True)
