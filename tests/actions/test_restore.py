"""`restore FILE` as a process: the backup's state for everybody, or nothing changed."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from ai_memory.actions.restore import Restore
from ai_memory.clock import SystemClock
from ai_memory.errors import NotFinished
from ai_memory.reembed.stop import Stop
from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.opening import place
from tests.support import files, shapes
from tests.support.command import Command, answer, kill, remote, wait_for
from tests.support.fake_endpoint import FakeEndpoint
from tests.support.small_disk import small_disk
from tests.test_backup import LONG, fill

ROWS = 60
WIDTHS = "SELECT length(embedding), count(*) FROM memories GROUP BY 1"
FOUND = "SELECT count(*) FROM memories_fts WHERE memories_fts MATCH 'content'"


@pytest.fixture
def command(tmp_path: Path, endpoint: FakeEndpoint) -> Iterator[Command]:
    command = Command(files.create(tmp_path / "m.db", ROWS), remote(endpoint))
    yield command
    command.end()


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database of vectors, and a backup of it from before; made once, as that takes a run."""
    folder = tmp_path_factory.mktemp("embedded")
    with FakeEndpoint(dim=16) as server:
        made = Command(files.create(folder / "m.db", ROWS), remote(server))
        assert made.reembed("--yes", "--backup", folder / "before.db").code == 0
    return folder


@pytest.fixture
def backup(command: Command, tmp_path: Path, embedded: Path) -> Path:
    """A backup of the database, which has changed since: a row edited, one born, one deleted, vectors in all."""
    for each in embedded.glob("*.db*"):
        shutil.copy(each, tmp_path)
    files.edit(command.db, "id-003", "edited")
    files.add(command.db, "born")
    files.execute(command.db, "DELETE FROM memories WHERE id = 'id-004'")
    return tmp_path / "before.db"


def content(path: Path) -> object:
    """Return everything that anybody can read in a file."""
    return files.everything_else(path), files.vectors(path), files.execute(path, "SELECT * FROM reembed_run")


def test_the_file_is_what_it_was_and_what_that_takes_away_is_told(command: Command, backup: Path) -> None:
    ran = command.run("--json", "restore", backup, "--yes")

    assert ran.code == 0
    assert content(command.db) == content(backup)
    assert files.integrity(command.db) == "ok"
    told = {"memories": ROWS, "absent": 1, "edited": 1, "returned": 1, "runs_forgotten": 1, "damage": None}
    assert ran.json == {**told, "db": str(command.db), "restored_from": str(backup), "kept": None}
    for line in ("1 memory that the backup does not have: title born", "1 memory edited since", "title id-003"):
        assert line in ran.err
    assert "1 memory deleted since, brought back" in ran.err
    assert "--backup FILE" in ran.err


def test_a_pause_outlives_a_restore(command: Command, backup: Path) -> None:
    assert command.run("reembed", "pause", "--reason", "upgrade").code == 0

    ran = command.run("restore", backup, "--yes")

    assert ran.code == 0
    assert "stays paused" in ran.err
    refused = command.run("reembed")
    assert (refused.code, "upgrade" in refused.error) == (12, True)


@pytest.mark.parametrize("again", [True, False])
def test_the_pause_of_a_backup_is_not_that_of_the_file(command: Command, tmp_path: Path, again: bool) -> None:
    command.run("reembed", "pause", "--reason", "old word")
    with closing(apsw.Connection(str(command.db))) as connection:
        connection.execute("VACUUM INTO ?", (str(tmp_path / "paused.db"),))
    command.run("reembed", "unpause")
    if again:
        command.run("reembed", "pause", "--reason", "new word")

    assert command.run("restore", tmp_path / "paused.db", "--yes").code == 0

    ran = command.run("reembed", "--yes")
    assert ran.code == (12 if again else 0)
    assert ("new word" in ran.err, "old word" in ran.err) == (again, False)


def test_a_backup_that_nothing_differs_from_says_so(command: Command, tmp_path: Path) -> None:
    command.reembed("--yes", "--backup", tmp_path / "before.db")
    assert "No memory differs" not in command.run("restore", tmp_path / "before.db", "--yes").err
    assert "No memory differs" in command.run("restore", tmp_path / "before.db", "--yes").err


def test_without_a_word_nothing_is_restored(command: Command, backup: Path) -> None:
    before = content(command.db)

    refused = command.run("restore", backup)

    assert (refused.code, "--yes" in refused.error) == (64, True)
    assert "1 memory edited since" in refused.err
    assert content(command.db) == before


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("n\n", 64), ("\n", 64)])
def test_at_a_terminal_it_asks(command: Command, backup: Path, typed: str, code: int) -> None:
    before = content(command.db)

    ran = command.on_terminal("restore", backup, typed=typed)

    assert (ran.code, "[y/N]" in ran.out) == (code, True)
    assert content(command.db) == (content(backup) if code == 0 else before)


@pytest.mark.parametrize("words", [["restore", "before.db"], ["reembed"]])
def test_a_signal_is_an_answer_too(command: Command, backup: Path, words: list[str]) -> None:
    files.edit(command.db, "id-005", "edited")
    before = content(command.db)
    ours, theirs = pty.openpty()
    process = command._start([backup if word == "before.db" else word for word in words], theirs)
    os.close(theirs)
    shown = b""
    while b"[y/N]" not in shown:
        shown += os.read(ours, 4096)

    process.send_signal(signal.SIGINT)

    assert process.wait(10) == 130
    os.close(ours)
    assert content(command.db) == before


def test_the_present_state_is_kept_where_that_was_asked(command: Command, backup: Path, tmp_path: Path) -> None:
    before = content(command.db)

    assert command.run("restore", backup, "--yes", "--backup", tmp_path / "now.db").code == 0

    assert content(tmp_path / "now.db") == before
    assert command.run("restore", tmp_path / "now.db", "--yes").code == 0
    assert content(command.db) == before


@pytest.mark.parametrize("mode", ["wal", "delete", "truncate"])
def test_the_database_keeps_its_journal_mode(command: Command, backup: Path, mode: str) -> None:
    files.execute(backup, f"PRAGMA journal_mode = {'delete' if mode == 'wal' else 'wal'}")
    files.execute(command.db, f"PRAGMA journal_mode = {mode}")

    assert command.run("restore", backup, "--yes").code == 0

    assert files.execute(command.db, "PRAGMA journal_mode") == [("wal" if mode == "wal" else "delete",)]
    assert content(command.db) == content(backup)


def test_a_reader_goes_on_and_then_sees_the_backup(command: Command, backup: Path) -> None:
    script = f"""
import sqlite3, sys
connection = sqlite3.connect({str(command.db)!r}, isolation_level=None)
connection.execute("BEGIN")
for line in sys.stdin:
    if line == "end\\n":
        connection.execute("COMMIT")
    print(connection.execute({WIDTHS!r}).fetchall(), connection.execute({FOUND!r}).fetchall(), flush=True)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        asked, answers = reader.stdin, reader.stdout
        assert asked is not None
        assert answers is not None

        def ask(line: str) -> str:
            print(line, file=asked, flush=True)
            return answers.readline()

        old = ask("look")
        ran = command.run("restore", backup, "--yes")
        assert (ran.code, "waiting" in ran.err) == (0, False)
        assert ask("look") == old
        assert ask("end") == f"[(None, {ROWS})] [({ROWS},)]\n"
        asked.close()
    assert files.integrity(command.db) == "ok"


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_writer_is_waited_for_and_then_nothing_changed(command: Command, backup: Path, mode: str) -> None:
    files.execute(command.db, f"PRAGMA journal_mode = {mode}")
    before = content(command.db)
    with closing(apsw.Connection(str(command.db))) as writer:
        writer.execute("BEGIN IMMEDIATE")
        process = command.start("restore", backup, "--yes")
        assert process.stderr is not None
        told = process.stderr.readline()
        while "waiting for it" not in told:
            line = process.stderr.readline()
            assert line, told
            told += line
        writer.execute("UPDATE memories SET content = 'in hand' WHERE id = 'id-001'")
        writer.execute("COMMIT")
    ended = answer(process)
    assert (ended.code, (told + ended.err).count(f"{command.db} is locked by another program")) == (0, 1)
    assert content(command.db) == content(backup) != before


@pytest.mark.parametrize(
    "words", [["store", "-T", "a", "-c", "b", "--no-embed"], ["delete", "id-001"], ["reembed", "--yes"]]
)
def test_whoever_waits_for_a_writer_says_so(command: Command, words: list[str]) -> None:
    with closing(apsw.Connection(str(command.db))) as writer:
        writer.execute("BEGIN IMMEDIATE")
        process = command.start(*words)
        assert process.stderr is not None
        shown = ""
        while "waiting for it" not in shown:
            line = process.stderr.readline()
            assert line, shown
            shown += line
        writer.execute("COMMIT")
    assert f"{command.db} is locked by another program" in shown
    assert answer(process).code == 0


@pytest.mark.parametrize(("mode", "begin"), [("wal", "IMMEDIATE"), ("delete", "IMMEDIATE"), ("delete", "DEFERRED")])
def test_whoever_never_lets_go_is_named_and_nothing_changed(
    command: Command, backup: Path, mode: str, begin: str
) -> None:
    files.execute(command.db, f"PRAGMA journal_mode = {mode}")
    before = content(command.db)
    with closing(apsw.Connection(str(command.db))) as other:
        other.execute(f"BEGIN {begin}; SELECT count(*) FROM memories")
        with pytest.raises(NotFinished, match=f"{command.db} is locked by another program that reads or writes it"):
            restoring(command.db, backup, OpenOptions(busy_timeout_ms=300))
        other.execute("ROLLBACK")
    assert content(command.db) == before


def restoring(path: Path, backup: Path, options: OpenOptions) -> None:
    Restore(place, path, backup, None, lambda _loss: None, Stop(), lambda _event: None, SystemClock(), options).run()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_wait_for_a_writer(command: Command, backup: Path, number: int, code: int) -> None:
    with closing(apsw.Connection(str(command.db))) as writer:
        writer.execute("BEGIN IMMEDIATE")
        process = command.start("restore", backup, "--yes")
        time.sleep(2)
        began = time.monotonic()
        ended = kill(process, number)
    assert (ended.code, "nothing was changed" in ended.error) == (code, True)
    assert time.monotonic() - began < 10


def test_from_a_folder_that_was_deleted_the_folder_is_named(command: Command, backup: Path, tmp_path: Path) -> None:
    gone = ["bash", "-c", f'mkdir {tmp_path}/gone; cd {tmp_path}/gone; rmdir ../gone; exec "$@"', "bash"]

    for db, copy, named in (("m.db", backup, "m.db"), (command.db, "x.db", "x.db")):
        refused = Command(Path(db), command.env, gone).run("restore", copy, "--yes")

        assert refused.code == 65
        assert refused.error.startswith(f"{named} cannot be found: the working directory was deleted.")


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_folder_that_may_not_be_written_is_named(command: Command, backup: Path, mode: str) -> None:
    prefix = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
    if not shutil.which("setpriv") or subprocess.run([*prefix, "true"], check=False, capture_output=True).returncode:
        pytest.skip("root ignores the permissions of files, and setpriv cannot change that here")
    before, folder = content(command.db), command.db.parent
    files.execute(command.db, f"PRAGMA journal_mode = {mode}")
    folder.chmod(0o500)
    try:
        refused = Command(command.db, command.env, prefix).run("restore", backup, "--yes")
    finally:
        folder.chmod(0o700)
    assert (refused.code, f"the folder {folder} belongs to " in refused.error) == (65, True)
    assert content(command.db) == before


def test_while_a_migration_runs_nothing_is_restored(command: Command, backup: Path, endpoint: FakeEndpoint) -> None:
    endpoint.change(latency=0.3)
    files.execute(command.db, "UPDATE memories SET embedding = NULL")
    process = command.start("reembed", "--batch", "2", "--concurrency", "1")
    wait_for(lambda: len(files.execute(command.db, WIDTHS)) == 2)

    refused = command.run("restore", backup, "--yes")

    assert (refused.code, f"Process {process.pid}" in refused.error) == (11, True)
    assert kill(process, signal.SIGTERM).code == 143


def test_after_a_kill_in_mid_run_the_log_is_not_played_into_the_backup(
    command: Command, tmp_path: Path, endpoint: FakeEndpoint
) -> None:
    endpoint.change(latency=0.05)
    copy = tmp_path / "before.db"
    process = command.start("reembed", "--yes", "--backup", copy, "--batch", "2", "--concurrency", "1")
    wait_for(lambda: len(files.execute(command.db, WIDTHS)) == 2)
    kill(process)
    assert command.db.with_name("m.db-wal").stat().st_size > 0

    assert command.run("restore", copy, "--yes").code == 0

    assert content(command.db) == content(copy)
    assert files.integrity(command.db) == "ok"
    endpoint.change(latency=0.0)
    assert command.reembed().code == 0


def test_a_kill_at_any_time_leaves_the_old_or_the_new_content(command: Command, backup: Path) -> None:
    fill_both(command.db, backup)
    states = [content(command.db), content(backup)]
    seen = set()
    for attempt in range(8):
        process = command.start("restore", backup, "--yes")
        wait_for(lambda: process.poll() is not None or growing(command.db))  # noqa: B023 - it is called at once
        time.sleep(attempt * 0.04)
        kill(process)
        seen.add(states.index(content(command.db)))
        assert files.integrity(command.db) == "ok"
    assert 0 in seen


def fill_both(live: Path, backup: Path) -> None:
    for path in (live, backup):
        files.execute(path, "CREATE TABLE log (x)")
        fill(path, LONG // 2)


def growing(path: Path) -> bool:
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 1_000_000


def test_a_database_that_is_no_file_any_more_is_not_made_by_a_restore(command: Command, backup: Path) -> None:
    command.db.unlink()

    assert command.run("restore", backup, "--yes").code == 65

    assert not command.db.exists()
    assert command.run("init").code == 0
    assert command.run("restore", backup, "--yes").code == 0
    assert content(command.db) == content(backup)


def without_a_head(path: Path) -> None:
    path.write_bytes(bytes(4096) + path.read_bytes()[4096:])


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: 5 * 4096])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def blank(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def with_a_torn_page(path: Path) -> None:
    (page,) = files.execute(path, "SELECT rootpage FROM sqlite_master WHERE name = 'memories'")[0]
    whole = path.read_bytes()
    path.write_bytes(whole[: (page - 1) * 4096] + b"\xff" * 4096 + whole[page * 4096 :])


@pytest.mark.parametrize("damage", [without_a_head, cut_off, emptied, blank, with_a_torn_page])
def test_a_damaged_database_is_restored(command: Command, backup: Path, damage: object) -> None:
    files.execute(command.db, "PRAGMA wal_checkpoint(TRUNCATE)")
    assert callable(damage)
    damage(command.db)

    ran = command.run("--json", "restore", backup, "--yes")

    assert (ran.code, bool(ran.json["damage"]), ran.json["absent"]) == (0, True, None)
    assert "damaged" in ran.err
    assert content(command.db) == content(backup)
    assert files.integrity(command.db) == "ok"


@pytest.mark.parametrize("length", [1, 10, 16, 50, 99, 100, 101, 511, 512, 2000, 4095, 4096, 4097])
def test_the_beginning_of_a_database_is_restored(command: Command, backup: Path, length: int) -> None:
    files.execute(command.db, "PRAGMA wal_checkpoint(TRUNCATE)")
    command.db.write_bytes(command.db.read_bytes()[:length])

    ran = command.run("--json", "restore", backup, "--yes")

    assert (ran.code, bool(ran.json["damage"]), ran.json["absent"]) == (0, True, None)
    assert content(command.db) == content(backup)
    assert files.integrity(command.db) == "ok"


@pytest.mark.parametrize("version", [57, 101])
@pytest.mark.parametrize("length", [100, 4096, 8192, 3 * 4096])
def test_the_beginning_of_a_database_of_the_rust_program_is_restored(
    tmp_path: Path, endpoint: FakeEndpoint, version: int, length: int
) -> None:
    shape = shapes.build(tmp_path / "m.db", version)
    files.execute(shape.path, "PRAGMA wal_checkpoint(TRUNCATE)")
    copy = shutil.copy(shape.path, tmp_path / "before.db")
    shape.path.write_bytes(shape.path.read_bytes()[:length])

    assert Command(shape.path, remote(endpoint)).run("restore", copy, "--yes").code == 0

    assert files.everything_else(shape.path) == files.everything_else(tmp_path / "before.db")


def test_a_headless_database_cannot_be_kept_as_a_copy(command: Command, backup: Path, tmp_path: Path) -> None:
    without_a_head(command.db)
    before = command.db.read_bytes()

    refused = command.run("restore", backup, "--yes", "--backup", tmp_path / "now.db")

    assert (refused.code, "too damaged" in refused.error) == (65, True)
    assert command.db.read_bytes() == before


def another_programs(path: Path) -> None:
    path.unlink()
    files.execute(path, "CREATE TABLE bookmarks (url)")


def no_database(path: Path) -> None:
    path.write_bytes(b"%PDF-1.7 " * 1000)


def another_programs_cut_off(path: Path) -> None:
    another_programs(path)
    files.execute(path, "CREATE TABLE pages (url)")
    path.write_bytes(path.read_bytes()[:4096])


def another_programs_with_a_torn_page(path: Path) -> None:
    another_programs(path)
    path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 4096)


def another_programs_without_a_table(path: Path) -> None:
    path.unlink()
    files.execute(path, "PRAGMA user_version = 1")


def a_short_text(path: Path) -> None:
    path.write_bytes(b"SQLite for beginners")


def garbage(path: Path) -> None:
    path.write_bytes(b"\xff\xfe" * 50)


@pytest.mark.parametrize(
    "make",
    [
        another_programs,
        another_programs_cut_off,
        another_programs_with_a_torn_page,
        another_programs_without_a_table,
        no_database,
        a_short_text,
        garbage,
    ],
)
def test_what_is_plainly_something_else_is_not_replaced(command: Command, backup: Path, make: object) -> None:
    assert callable(make)
    command.db.with_name("m.db.reembed.lock").unlink()
    make(command.db)
    before, beside = command.db.read_bytes(), sorted(command.db.parent.glob("m.db*"))

    refused = command.run("restore", backup, "--yes")

    assert refused.code == 65
    assert str(command.db) in refused.error
    assert command.db.read_bytes() == before
    assert sorted(command.db.parent.glob("m.db*")) == beside


def test_a_damaged_backup_is_refused_before_anything_is_touched(command: Command, backup: Path) -> None:
    before = content(command.db)
    for spoil in (with_a_torn_page, without_a_head, cut_off, emptied, another_programs, no_database):
        copy = backup.with_name(f"{spoil.__name__}.db")
        shutil.copy(backup, copy)
        spoil(copy)

        refused = command.run("restore", copy, "--yes")

        assert (refused.code, str(copy) in refused.error) == (65, True)
        assert "Nothing was changed" in refused.error
    assert content(command.db) == before


def test_the_database_itself_is_no_backup_of_it(command: Command, tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(command.db)
    (tmp_path / "folder").symlink_to(tmp_path)
    for name in ("m.db", "link.db", "folder/m.db", "../" + tmp_path.name + "/m.db"):
        assert command.run("restore", tmp_path / name, "--yes").code == 64
    assert command.run("restore", tmp_path / "none.db", "--yes").code == 66


@pytest.mark.parametrize(("pragma", "word"), [("page_size = 8192", "pages"), ("encoding = 'UTF-16le'", "text")])
def test_a_backup_that_does_not_fit_is_refused_with_the_reason(
    command: Command, tmp_path: Path, pragma: str, word: str
) -> None:
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute(f"PRAGMA {pragma}")
        connection.execute("CREATE TABLE memories (id, namespace, title, content, embedding)")
    before = content(command.db)

    refused = command.run("restore", other, "--yes")

    assert (refused.code, word in refused.error) == (65, True)
    assert content(command.db) == before


def test_a_backup_of_a_schema_nobody_knows_is_refused(command: Command, backup: Path) -> None:
    files.execute(backup, "CREATE TABLE schema_version (version INTEGER)")
    files.execute(backup, "INSERT INTO schema_version VALUES (4711)")

    refused = command.run("restore", backup, "--yes")

    assert (refused.code, "4711" in refused.error) == (65, True)


@pytest.mark.parametrize("version", [52, 57, 101])
def test_a_database_of_the_rust_program_is_restored_whole(tmp_path: Path, endpoint: FakeEndpoint, version: int) -> None:
    shape = shapes.build(tmp_path / "m.db", version)
    command, copy = Command(shape.path, remote(endpoint)), tmp_path / "before.db"
    shutil.copy(shape.path, copy)
    command.reembed("--yes")

    ran = command.run("restore", copy, "--yes")

    assert (ran.code, "daemon" in ran.err) == (0, True)
    assert files.everything_else(shape.path) == files.everything_else(copy)
    assert files.vectors(shape.path) == files.vectors(copy)


def test_a_full_disk_changes_nothing(tmp_path: Path, endpoint: FakeEndpoint) -> None:
    with small_disk(tmp_path / "small", "size=2m") as small:
        command, copy = Command(files.create(small / "m.db", ROWS), remote(endpoint)), tmp_path / "before.db"
        assert command.reembed("--yes", "--backup", copy).code == 0
        files.execute(copy, "CREATE TABLE log (x)")
        fill(copy, 1_000)
        before = content(command.db)

        refused = command.run("restore", copy, "--yes")

        assert (refused.code, f"{command.db}: the disk is full" in refused.error) == (74, True)
        assert content(command.db) == before
