"""`copy` from a file to a server and back: a kill in the middle, edits meanwhile, what is refused and what is told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.conftest import ROOT
from tests.stores.sqlite.memory_subject import with_log
from tests.support import files, postgres_shapes
from tests.support.command import Answer, Command, answer, kill, remote, wait_for
from tests.support.fake_endpoint import FakeEndpoint
from tests.support.postgres_server import Server

ROWS, MANY = 60, 3_000
STATE = """
    SELECT id, namespace, title, content, embedding_dim, embedding_space FROM memories ORDER BY namespace, id
"""
RECORDED = """
    SELECT memory_id, src, head, origin FROM embedding_provenance
    WHERE memory_id IN (SELECT id FROM memories) ORDER BY memory_id
"""
OURS = "SET search_path = ai_memory_reembed, public"


def ours(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "ai_memory", *map(str, words)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def start(*words: str | Path) -> subprocess.Popen[str]:
    """Begin a copy, and return at once."""
    pipe = subprocess.PIPE
    return subprocess.Popen(ours("copy", *words), env=environment(), stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def copy(*words: str | Path) -> Answer:
    return answer(start(*words))


def asked(url: str, sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        connection.execute(OURS)
        return [
            tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)
            for row in connection.execute(sql.encode()).fetchall()
        ]


def count(url: str) -> int:
    try:
        [(found,)] = asked(url, "SELECT count(*) FROM memories")
    except psycopg.errors.UndefinedTable:
        return 0
    return int(str(found))


def on_server(url: str | Path, endpoint: FakeEndpoint) -> Command:
    return Command(url, remote(endpoint))  # type: ignore[arg-type]


@pytest.fixture
def source(tmp_path: Path, endpoint: FakeEndpoint) -> Path:
    """A file of our own of which every row is fresh."""
    path = files.create(tmp_path / "source.db", ROWS)
    assert on_server(path, endpoint).reembed("--yes").code == 0
    return path


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A file with so many memories that a copy of them takes a while."""
    path = files.create(tmp_path / "many.db", 0)
    with files.opened(path) as connection, connection:
        connection.execute(
            "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ? - 1)"
            " INSERT INTO memories"
            " (id, tier, namespace, title, content, created_at, updated_at, embedding, embedding_dim)"
            " SELECT printf('id-%05d', i), 'mid', 'ns-' || i % 3, 'title ' || i, 'the content of ' || i, ?, ?,"
            " x'010000803f0000003f', 2 FROM n",
            (MANY, files.STAMP, files.STAMP),
        )
    return path


@pytest.fixture(params=["pgvector", "no extension", "a database of the Rust program"])
def target(request: pytest.FixtureRequest, postgres: Server) -> str:
    """The address of a database on a server that has no memories."""
    made = {
        "pgvector": ("CREATE EXTENSION vector",),
        "no extension": (),
        "a database of the Rust program": tuple(postgres_shapes.statements(width=16)),
    }
    return postgres.fresh(*made[request.param])


def test_from_a_file_to_a_server_and_back_nothing_changes_and_nothing_is_stale_there(
    source: Path, target: str, endpoint: FakeEndpoint, tmp_path: Path, postgres: Server
) -> None:
    back, sent = tmp_path / "back.db", endpoint.seen.texts.copy()

    there, here = copy(source, target, "--json"), copy(target, back, "--json")

    assert (there.code, here.code) == (0, 0), (there, here)
    for told in (there.json, here.json):
        assert (told["memories"], told["written"], told["fresh"], told["differing"]) == (ROWS, ROWS, ROWS, 0)
    elsewhere = postgres.fresh("CREATE EXTENSION vector")
    assert copy(target, elsewhere).code == 0
    for sql in (STATE, RECORDED):
        assert asked(elsewhere, sql) == asked(target, sql) == files.execute(source, sql) == files.execute(back, sql)
    assert files.vectors(back) == files.vectors(source)
    for each in (target, back):
        command = on_server(each, endpoint)
        assert command.reembed("verify").code == 0
        run = command.reembed("--yes")
        assert (run.code, run.json["already_current"], run.json["reembedded"]) == (0, ROWS, 0)
    assert [text for text in endpoint.seen.texts - sent if "the content of" in text] == []


def test_the_databases_of_the_real_program_are_copied_whole(upstream_dir: Path, postgres: Server) -> None:
    for name in ("v0.7.0.db", "v0.10.0.db", "v0.7.0-upgraded-by-0.10.0.db"):
        path, url = upstream_dir / name, postgres.fresh("CREATE EXTENSION vector")
        before = files.whole(path)

        told = copy(path, url, "--json")

        assert (told.code, told.json["memories"], told.json["differing"], told.json["left"]) == (0, 30, 0, []), told
        assert told.json["values_left"]["memory_kind"] == 30
        assert told.json["left_behind"]["archived"] > 0
        text = "SELECT id, title, content FROM memories ORDER BY id"
        assert asked(url, text) == files.execute(path, text)
        held = "SELECT count(embedding) FROM memories"
        assert asked(url, held) == files.execute(path, held) == [(23,)]
        assert files.whole(path) == before


def test_a_copy_that_is_killed_goes_on_and_the_target_is_paused_until_then(
    many: Path, postgres: Server, endpoint: FakeEndpoint, tmp_path: Path
) -> None:
    url = postgres.fresh("CREATE EXTENSION vector")
    process = start(many, url)
    wait_for(lambda: count(url) >= 500)
    kill(process)
    there = count(url)
    assert 0 < there < MANY

    refused = on_server(url, endpoint).reembed("--yes")
    assert (refused.code, "the unfinished copy of" in refused.error, str(many) in refused.error) == (12, True, True)
    onward = copy(url, tmp_path / "onward.db")
    assert (onward.code, f"ai-memory copy {many} {url}" in onward.error) == (12, True)
    elsewhere = copy(files.create(tmp_path / "other.db"), url)
    assert (elsewhere.code, str(many) in elsewhere.error) == (65, True)
    again = copy(many, url, "--json")

    assert (again.code, again.json["already_there"], again.json["written"]) == (0, there, MANY - there)
    assert asked(url, STATE) == files.execute(many, STATE)
    assert copy(many, url).code == 65


def test_an_edit_of_the_source_meanwhile_is_named_and_copied_by_the_next_start(many: Path, postgres: Server) -> None:
    url = postgres.fresh("CREATE EXTENSION vector")
    process = start(many, url, "--json")
    wait_for(lambda: count(url) >= 500)
    files.edit(many, "id-00000", "edited meanwhile")
    first = answer(process)

    assert first.code == 75, first
    assert first.json["differing_rows"] == [{"id": "id-00000", "differs": ["content"]}]
    assert "Run the same command again" in first.err
    second = copy(many, url, "--json")
    assert (second.code, second.json["written"], second.json["already_there"]) == (0, 1, MANY - 1)
    assert asked(url, STATE) == files.execute(many, STATE)


def test_a_signal_ends_it_between_two_pages_and_says_what_to_do(many: Path, postgres: Server) -> None:
    url = postgres.fresh("CREATE EXTENSION vector")
    process = start(many, url)
    wait_for(lambda: count(url) >= 500)
    process.terminate()
    ended = answer(process)

    assert (ended.code, "run the same command again" in ended.error) == (143, True), ended
    assert copy(many, url).code == 0


def test_a_second_copy_into_one_target_is_told_who_is_at_work(many: Path, postgres: Server) -> None:
    url = postgres.fresh("CREATE EXTENSION vector")
    process = start(many, url)
    wait_for(lambda: count(url) >= 500)
    process.send_signal(signal.SIGSTOP)
    refused = copy(many, url)
    process.send_signal(signal.SIGCONT)
    ended = answer(process)

    assert (refused.code, str(process.pid) in refused.error, "ai-memory copy" in refused.error) == (11, True, True)
    assert ended.code == 0


def test_a_plan_says_what_would_be_copied_and_writes_nothing(source: Path, postgres: Server, tmp_path: Path) -> None:
    url, new = postgres.fresh("CREATE EXTENSION vector"), tmp_path / "new.db"

    for target in (url, new):
        told = copy(source, target, "--dry-run", "--json")
        assert (told.code, told.json["dry_run"], told.json["memories"], told.json["vectors"]) == (0, True, ROWS, ROWS)
        assert told.json["vector_bytes"] == ROWS * 65
        assert told.json["left_behind"]["runs"] == 1
    assert not new.exists()
    assert asked(url, "SELECT to_regclass('public.memories')::text") == [(None,)]


def test_vectors_of_another_width_than_the_target_takes_are_refused_before_anything_is_written(
    source: Path, postgres: Server
) -> None:
    url = postgres.fresh(*postgres_shapes.statements(width=8))

    refused = copy(source, url)

    assert (refused.code, "8 numbers" in refused.error, "16" in refused.error) == (65, True, True)
    assert asked(url, "SELECT to_regnamespace('ai_memory_reembed')::text") == [(None,)]


def test_links_go_along_where_there_is_a_place_for_them_and_are_counted_where_there_is_none(
    tmp_path: Path, postgres: Server
) -> None:
    source = with_log(tmp_path).path
    for pair in (("id-000", "id-001"), ("id-001", "id-002")):
        files.execute(source, "INSERT INTO memory_links VALUES (?, ?, 'cites', ?)", *pair, files.STAMP)
    theirs, own = postgres.fresh(*postgres_shapes.statements()), tmp_path / "own.db"

    there, here = copy(source, theirs, "--json"), copy(source, own, "--json")

    assert (there.code, there.json["links"], there.json["left_behind"]["links"]) == (0, 2, 0)
    assert asked(theirs, "SELECT count(*) FROM memory_links") == [(2,)]
    assert (here.code, here.json["links"], here.json["left_behind"]["links"]) == (0, 0, 2)
    assert "2 links, for which there is no place" in here.err


def test_a_row_that_the_target_cannot_hold_is_named_and_the_copy_can_be_taken_as_it_is(
    source: Path, postgres: Server, endpoint: FakeEndpoint
) -> None:
    url = postgres.fresh("CREATE EXTENSION vector")
    files.execute(source, "UPDATE memories SET content = ? WHERE id = 'id-007'", "a nul \0 in it")

    for _ in range(2):
        told = copy(source, url, "--json")
        assert (told.code, [each["id"] for each in told.json["left"]]) == (10, ["id-007"])
        assert "id-007: not copied: content has a NUL" in told.err
        assert f"--db {url} reembed unpause" in told.err
    command = on_server(url, endpoint)
    on = f"copy {source} {url}"
    assert command.reembed("status", "--json").json["next"].endswith(on)
    refused = command.reembed("--yes")
    assert (refused.code, on in refused.error, "reembed unpause" in refused.error) == (12, True, True), refused
    assert command.reembed("unpause").code == 0
    assert command.reembed("--yes").json["already_current"] == ROWS - 1


@pytest.mark.parametrize("time", ["now", "tomorrow", "epoch", "infinity", "2026-01-01T23:59:60Z"])
def test_a_time_that_is_none_is_not_made_one_by_the_server(source: Path, postgres: Server, time: str) -> None:
    [(row_id,)] = files.execute(source, "SELECT id FROM memories ORDER BY id LIMIT 1")
    files.execute(source, "UPDATE memories SET expires_at = ? WHERE id = ?", time, row_id)
    url = postgres.fresh(*postgres_shapes.statements())

    told = copy(source, url)

    assert (told.code, str(row_id) in told.out + told.err, "is no time" in told.out + told.err) == (10, True, True), (
        told
    )
    assert (copy(source, url).code, count(url)) == (10, ROWS - 1)


def test_what_cannot_be_copied_as_it_is_is_refused_in_one_line(
    source: Path, postgres: Server, endpoint: FakeEndpoint, tmp_path: Path
) -> None:
    url, command = postgres.fresh("CREATE EXTENSION vector"), on_server(source, endpoint)
    filled = files.create(tmp_path / "filled.db")
    for words, code, told in (
        ((source, filled), 65, "10 memories"),
        ((source, source), 64, "itself"),
        ((tmp_path / "none.db", url), 65, "none.db"),
        ((source, "postgresql://app@127.0.0.1:1/x"), 75, "cannot be reached"),
        ((source, tmp_path / "no folder" / "x.db"), 65, "no folder"),
    ):
        refused = copy(*words)
        assert (refused.code, told in refused.error) == (code, True), refused
    command.run("reembed", "pause")
    assert copy(source, url, "--dry-run").code == 0
    command.run("reembed", "unpause")
    with FakeEndpoint(model="another") as another:
        staged = on_server(source, another)
        assert staged.reembed("--yes", "--staged").code == 0
        ready = copy(source, url)
        assert (ready.code, "reembed cancel" in ready.error) == (12, True)
        assert staged.reembed("switch", "--no-wait").code == 0
        served = copy(source, url)
        assert (served.code, "reembed --resume" in served.error) == (12, True)
    assert count(url) == 0


def test_a_target_that_somebody_paused_is_left_alone(source: Path, endpoint: FakeEndpoint, tmp_path: Path) -> None:
    target = files.create(tmp_path / "target.db", 0)
    assert on_server(target, endpoint).run("reembed", "pause").code == 0

    refused = copy(source, target)

    assert (refused.code, "paused" in refused.error) == (12, True)
    assert files.texts(target) == {}


def test_no_password_of_either_address_is_shown(source: Path, postgres: Server, tmp_path: Path) -> None:
    url = postgres.fresh("CREATE EXTENSION vector").replace("app@", "app:s%40cret@")
    for words in (
        (source, url, "--dry-run"),
        (source, url),
        (source, url),
        (url, tmp_path / "back.db"),
        (url, url),
        (url.replace("app:", "nobody:"), tmp_path / "other.db"),
    ):
        told = copy(*words)
        assert "s%40cret" not in told.out + told.err
        assert "s@cret" not in told.out + told.err


@pytest.fixture(autouse=True)
def no_database_in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stand in an empty folder: nothing but the two words names a database."""
    (empty := tmp_path / "empty").mkdir()
    monkeypatch.chdir(empty)
    yield
    assert list(empty.iterdir()) == []
