"""Bad input, by real processes: one line that says what, where and what next, and the exit code of its kind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support import files, shapes
from tests.support.command import Answer, Command, answer, plain, remote, remote_at, wait_for
from tests.support.fake_endpoint import FOREVER, FakeEndpoint

KEY = "sk-loopback-0123456789"
NOBODY = remote_at("http://127.0.0.1:9/v1")
"""A configuration that is right, of an endpoint that must not be asked."""


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return files.create(tmp_path / "m.db")


def config(folder: Path, text: str) -> dict[str, str]:
    """Write a config file and return the environment that names it."""
    path = folder / "ai-memory" / "config.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    return {"XDG_CONFIG_HOME": str(folder)}


def refused(found: Answer, code: int, *words: str) -> None:
    """Check exit code, that there is exactly one line of error, and that it has these words."""
    assert found.code == code, found
    for word in words:
        assert word in found.error


@pytest.mark.parametrize("verb", [["reembed"], ["reembed", "--dry-run"], ["reembed", "status"], ["list"]])
def test_a_missing_database_is_named_and_not_made(tmp_path: Path, verb: list[str]) -> None:
    path = tmp_path / "none.db"

    refused(Command(path, NOBODY).run(*verb), 65, f"no database at {path}", "--db", "ai-memory init")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("flags", [[], ["--dry-run"], ["--stamp-only"]])
def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path, flags: list[str]) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to be read as one. " * 100)
    before = path.read_bytes()

    refused(Command(path, NOBODY).run("reembed", *flags), 65, f"{path} is not a SQLite database", "--db")

    assert path.read_bytes() == before


def test_an_empty_file_is_no_database_to_re_embed(tmp_path: Path, endpoint: FakeEndpoint) -> None:
    path = tmp_path / "empty.db"
    path.touch()

    refused(Command(path, remote(endpoint)).run("reembed"), 65, str(path))

    assert path.stat().st_size == 0


def test_a_database_without_memories_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    files.execute(path, "CREATE TABLE t (x)")
    before = path.read_bytes()

    refused(Command(path, NOBODY).run("reembed"), 65, f"{path} is not an ai-memory database", "no table memories")

    assert path.read_bytes() == before


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    refused(Command(tmp_path, NOBODY).run("reembed"), 65, f"{tmp_path} is a folder", "--db")


def test_a_damaged_database_is_refused(db: Path) -> None:
    files.execute(db, "PRAGMA wal_checkpoint(TRUNCATE)")
    content = db.read_bytes()
    db.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))

    refused(Command(db, NOBODY).run("reembed"), 65, str(db), "damaged", "ai-memory doctor", "ai-memory restore")


def test_a_newer_ledger_is_refused_before_anything_is_sent(db: Path, endpoint: FakeEndpoint) -> None:
    files.execute(db, "INSERT INTO reembed_migration VALUES (999, '0999_later.sql', 'x', 0)")

    for words in (["reembed"], ["reembed", "status"], ["list"]):
        refused(Command(db, remote(endpoint)).run(*words), 65, str(db), "999", "Upgrade it")

    assert endpoint.seen.requests == 0


def torn(path: Path) -> None:
    """Spoil the first page of the memories; the schema can be read."""
    (page,) = files.execute(path, "SELECT rootpage FROM sqlite_master WHERE name = 'memories'")[0]
    files.execute(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    whole = path.read_bytes()
    path.write_bytes(whole[: (page - 1) * 4096] + b"\xff" * 4096 + whole[page * 4096 :])


def cut_off(path: Path) -> None:
    files.execute(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    path.write_bytes(path.read_bytes()[:5000])


def headless(path: Path) -> None:
    files.execute(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    path.write_bytes(b"\xff" * 100 + path.read_bytes()[100:])


@pytest.mark.parametrize(
    ("spoil", "words"), [(torn, "quick check"), (cut_off, "at all"), (headless, "at all: it is not a SQLite database")]
)
def test_doctor_says_what_is_damaged_and_the_command_that_helps(db: Path, spoil: object, words: str) -> None:
    assert callable(spoil)
    spoil(db)

    found = Command(db, NOBODY).run("doctor")

    assert (found.code, found.err) == (1, "")
    assert words in found.out
    assert "ai-memory restore BACKUP" in plain(found.out)
    assert "ai-memory doctor" not in plain(found.out)
    told = Command(db, NOBODY).run("doctor", "--json").json
    assert (told["db"], [line for line in told["findings"] if plain(line).endswith("ai-memory restore BACKUP")]) == (
        str(db),
        told["findings"][-1:],
    )
    assert told["integrity"] != "ok"


@pytest.mark.parametrize("text", [b"", b"no database", b"%PDF-1.7 " * 1000])
def test_doctor_examines_no_file_that_is_no_database(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "m.db"
    path.write_bytes(text)

    refused(Command(path, NOBODY).run("doctor"), 65, str(path))


@pytest.mark.parametrize("words", [["reembed"], ["reembed", "--stamp-only"], ["doctor", "--repair-fts"]])
def test_beside_a_file_that_is_newer_than_the_program_nothing_is_left(
    tmp_path: Path, endpoint: FakeEndpoint, words: list[str]
) -> None:
    path = shapes.build(tmp_path / "m.db", 101).path
    files.execute(path, "UPDATE schema_version SET version = 4711")
    files.execute(path, "PRAGMA journal_mode = DELETE")
    before = path.read_bytes()

    refused(Command(path, remote(endpoint)).run(*words), 65, str(path), "4711", "Upgrade it")

    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_an_unknown_local_model_is_refused_by_name(db: Path, tmp_path: Path) -> None:
    env = config(tmp_path, '[embeddings]\nbackend = "local"\nmodel = "no-such/model-of-ours"\n')

    refused(Command(db, env).run("reembed"), 3, "no-such/model-of-ours")


def test_an_unreachable_hub_is_said_once_and_at_once(db: Path) -> None:
    nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0", "HF_HOME": str(db.parent / "hub")}

    found = Command(db, nowhere).run("reembed")

    refused(found, 3, "all-MiniLM-L6-v2", "127.0.0.1 cannot be reached", "model_path")
    assert len(found.err.splitlines()) == 1, found.err


def test_a_model_folder_that_is_not_there_is_named(db: Path, tmp_path: Path) -> None:
    env = config(tmp_path, f'[embeddings]\nbackend = "local"\nmodel_path = "{tmp_path}/nowhere"\n')

    refused(Command(db, env).run("reembed"), 3, f"{tmp_path}/nowhere")


def test_a_model_that_the_endpoint_does_not_serve_is_refused_by_name(db: Path, endpoint: FakeEndpoint) -> None:
    refused(Command(db, remote_at(endpoint.url, "other-model")).run("reembed"), 3, "other-model", "config show")


def test_a_run_that_is_given_up_at_once_is_told_as_that(db: Path, endpoint: FakeEndpoint) -> None:
    command = Command(db, remote_at(endpoint.url, "other-model"))

    told = command.reembed()

    assert (told.code, told.json["state"]) == (3, "cancelled")
    assert "unfinished" not in command.run("reembed").out


def test_a_wrong_key_is_refused_and_never_shown(db: Path) -> None:
    with FakeEndpoint(dim=16, key=KEY) as endpoint:
        wrong = "sk-wrong-9876543210"
        found = Command(db, remote(endpoint, AI_MEMORY_EMBED_API_KEY=wrong)).run("-v", "reembed")
        requests = endpoint.seen.requests

    assert found.code == 77, found
    assert wrong not in found.out + found.err
    assert requests == 1


def test_a_wrong_key_answers_in_one_line(db: Path) -> None:
    with FakeEndpoint(dim=16, key=KEY) as endpoint:
        refused(Command(db, remote(endpoint, AI_MEMORY_EMBED_API_KEY="sk-wrong")).run("reembed"), 77, "key")


def test_a_dead_endpoint_ends_the_run_unfinished(db: Path) -> None:
    with FakeEndpoint() as gone:
        url = gone.url
    command = Command(db, remote_at(url))

    refused(command.run("reembed", "--retry-for", "1s"), 75, "127.0.0.1", "no answer")

    assert set(files.vectors(db).values()) == {None}


def test_an_endpoint_of_another_width_than_configured_is_refused(
    db: Path, endpoint: FakeEndpoint, tmp_path: Path
) -> None:
    endpoint.fail("narrow", times=FOREVER)
    env = remote(endpoint) | config(tmp_path, "[embeddings]\ndim = 16\n")

    refused(Command(db, env).run("reembed"), 3, "15", "16")

    assert set(files.vectors(db).values()) == {None}


def test_an_exhausted_quota_stops_the_run(db: Path, endpoint: FakeEndpoint) -> None:
    endpoint.fail("quota", times=FOREVER)

    refused(Command(db, remote(endpoint)).run("reembed"), 69, "quota")

    assert endpoint.seen.requests == 1


def test_half_written_json_lines_store_nothing(tmp_path: Path) -> None:
    source = tmp_path / "half.jsonl"
    source.write_text('{"title": "one", "content": "whole"}\n{"title": "two", "cont')
    path = tmp_path / "m.db"

    refused(Command(path).run("import", source, "--no-embed"), 65, "line 2", str(source))

    assert not path.exists() or files.execute(path, "SELECT count(*) FROM memories") == [(0,)]


def test_resume_with_nothing_to_resume_asks_for_an_operator(db: Path, endpoint: FakeEndpoint) -> None:
    refused(
        Command(db, remote(endpoint)).run("reembed", "--resume"),
        12,
        "no run to resume",
        "10 rows",
        "Start one: ai-memory reembed",
    )

    assert set(files.vectors(db).values()) == {None}


def test_a_second_run_does_nothing_and_says_who_runs(db: Path, endpoint: FakeEndpoint) -> None:
    endpoint.change(latency=0.4)
    command = Command(db, remote(endpoint))
    first = command.start("reembed", "--batch", "1", "--concurrency", "1", "--json")
    wait_for(lambda: endpoint.seen.requests > 3)
    endpoint.change(latency=5.0)  # it holds the lock as long as four commands take on a busy machine

    found = [command.run("reembed", *flags) for flags in ([], ["--resume"], ["--retarget"], ["--stamp-only"])]

    endpoint.change(latency=0.0)
    ended = answer(first)
    for each in found:
        refused(each, 11, f"Process {first.pid}", str(db), "reembed status")
    assert (ended.code, ended.json["reembedded"]) == (0, 10)


@pytest.mark.parametrize("name", ["m.db", "."])
def test_a_read_only_file_or_folder_is_refused_before_anything_is_sent(
    db: Path, endpoint: FakeEndpoint, name: str
) -> None:
    protected = db.parent / name
    protected.chmod(0o555)
    command = _obeying_permissions(Command(db, remote(endpoint)))

    found = command.run("reembed")

    protected.chmod(0o755)
    refused(found, 65, str(db), "writable")
    assert endpoint.seen.requests == 0


def test_a_changed_target_is_refused_with_what_differs(db: Path, endpoint: FakeEndpoint, tmp_path: Path) -> None:
    command = Command(db, remote(endpoint))
    assert command.run("reembed", "--batch", "3", "--max-rows", "3").code == 75
    endpoint.change(dim=8)
    env = remote(endpoint) | config(tmp_path, "[embeddings]\ndim = 8\n")

    refused(Command(db, env).run("reembed", "--resume"), 78, "dim: 16 -> 8", "--retarget")

    assert {len(each) for each in files.vectors(db).values() if each} == {65}


def test_the_same_name_with_other_weights_is_refused(db: Path, endpoint: FakeEndpoint) -> None:
    command = Command(db, remote(endpoint))
    assert command.run("reembed", "--batch", "3", "--max-rows", "3").code == 75
    before = files.vectors(db)
    endpoint.change(weights="retrained")

    refused(command.run("reembed", "--resume"), 78, "other weights", "cosine")

    assert files.vectors(db) == before


def test_the_keyword_tier_has_no_embedder(db: Path, tmp_path: Path) -> None:
    refused(Command(db, config(tmp_path, 'tier = "keyword"\n')).run("reembed"), 2, "keyword")


@pytest.mark.parametrize("flags", [[], ["--dry-run"], ["--stamp-only"]])
def test_an_unknown_namespace_is_named(db: Path, endpoint: FakeEndpoint, tmp_path: Path, flags: list[str]) -> None:
    env = remote(endpoint) | config(tmp_path, "[embeddings]\ndim = 16\n")

    found = Command(db, env).run("reembed", "--namespace", "a", "--namespace", "typo", *flags)

    refused(found, 66, "no namespace typo", "ai-memory namespaces")


@pytest.mark.parametrize("words", [["list"], ["list", "--json"], ["recall", "text"], ["export"], ["export", "--json"]])
def test_a_namespace_that_was_never_seen_is_no_empty_answer(db: Path, endpoint: FakeEndpoint, words: list[str]) -> None:
    found = Command(db, remote(endpoint)).run(*words, "--namespace", "typo")

    refused(found, 66, f"no namespace typo in {db}", "ai-memory namespaces")
    assert (found.json["exit_code"] if "--json" in words else found.out, endpoint.seen.requests) in ((66, 0), ("", 0))


@pytest.mark.parametrize("words", [["list"], ["recall", "content"], ["export"], ["reembed"], ["reembed", "--dry-run"]])
def test_a_namespace_that_a_run_has_swept_and_that_is_empty_now_is_nothing_to_do(
    db: Path, endpoint: FakeEndpoint, words: list[str]
) -> None:
    command = Command(db, remote(endpoint))
    assert command.run("reembed").code == 0
    files.execute(db, "DELETE FROM memories WHERE namespace = 'a'")

    assert command.run(*words, "--namespace", "a").code == 0


@pytest.mark.parametrize("words", [["list"], ["recall", "content"], ["export"]])
def test_a_namespace_is_found_though_our_own_tables_are_broken(
    db: Path, endpoint: FakeEndpoint, words: list[str]
) -> None:
    command = Command(db, remote(endpoint))
    assert command.run("reembed").code == 0
    files.execute(db, "DROP TABLE reembed_checkpoint")

    assert command.run(*words, "--namespace", "a").code == 0


def test_resume_with_another_namespace_is_refused(db: Path, endpoint: FakeEndpoint) -> None:
    command = Command(db, remote(endpoint))
    assert command.run("reembed", "--namespace", "a", "--batch", "1", "--max-rows", "1").code == 75

    refused(command.run("reembed", "--resume", "--namespace", "b"), 64, "sweeps a", "--retarget")


def test_a_plain_start_beside_an_unfinished_run_names_the_ways_out(db: Path, endpoint: FakeEndpoint) -> None:
    command = Command(db, remote(endpoint))
    assert command.run("reembed", "--max-rows", "1").code == 75

    refused(command.run("reembed"), 12, "unfinished", "--resume", "--retarget", "reembed cancel")


@pytest.mark.parametrize(
    "flags",
    [
        ["--or-start"],
        ["--batch", "0"],
        ["--batch", "10001"],
        ["--max-rows", "-1"],
        ["--max-runtime", "soon"],
        ["--max-runtime", "99999999999999999999h"],
        ["--wait", "3651d"],
        ["--sleep-ms", "x"],
        ["--stamp-only", "--resume"],
        ["--no-such-flag"],
        ["vanish"],
    ],
)
def test_a_command_line_that_cannot_be_obeyed_is_usage(db: Path, flags: list[str]) -> None:
    refused(Command(db).run("reembed", *flags), 64)


def test_a_backup_overwrites_nothing(db: Path, endpoint: FakeEndpoint, tmp_path: Path) -> None:
    taken = tmp_path / "copy.db"
    taken.write_text("something dear")

    refused(Command(db, remote(endpoint)).run("reembed", "--backup", taken), 64, str(taken), "exists")

    assert taken.read_text() == "something dear"
    assert endpoint.seen.requests == 0


def test_vectors_of_another_width_are_not_stamped(tmp_path: Path) -> None:
    shape = shapes.build(tmp_path / "m.db", 101, kinds={shapes.PLAIN})
    env = NOBODY | config(tmp_path, "[embeddings]\ndim = 16\n")
    before = files.vectors(shape.path)

    for flags in (["--dry-run"], []):
        refused(Command(shape.path, env).run("reembed", "--stamp-only", *flags), 4, "6 stored vectors", "16")

    assert files.vectors(shape.path) == before


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_a_stream_that_the_parent_closed_is_no_hindrance(db: Path, endpoint: FakeEndpoint, closed: str) -> None:
    command = Command(db, remote(endpoint), prefix=("sh", "-c", f'exec "$@" {closed}', "sh"))

    found = command.run("reembed")

    assert (found.code, "Traceback" in found.err) == (0, False)
    assert None not in files.vectors(db).values()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_an_output_that_cannot_be_written_is_an_error_of_the_disk(db: Path, endpoint: FakeEndpoint) -> None:
    command = Command(db, remote(endpoint), prefix=("sh", "-c", 'exec "$@" > /dev/full', "sh"))

    for words in (["reembed", "--json"], ["export"], ["list"]):
        refused(command.run(*words), 74, "The output cannot be written", "No space left")


def test_the_name_of_a_memory_database_is_a_file_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert Command(Path(":memory:")).run("init").code == 0

    assert (tmp_path / ":memory:").is_file()


def _obeying_permissions(command: Command) -> Command:
    """Return the command as a process that the permissions of files bind, also where the tests run as root."""
    if os.geteuid():
        return command
    prefix = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
    if not shutil.which("setpriv") or subprocess.run([*prefix, "true"], check=False, capture_output=True).returncode:
        pytest.skip("root ignores the permissions of files, and setpriv cannot change that here")
    return replace(command, prefix=prefix)


def test_bytes_that_are_no_text_are_not_stored(db: Path) -> None:
    refused(Command(db, NOBODY).run("store", "-T", "bad\udcff", "-c", "x"), 64, "title is not UTF-8")

    assert files.execute(db, "SELECT count(*) FROM memories WHERE content = 'x'") == [(0,)]


@pytest.mark.parametrize("verb", [["recall", "x"], ["backfill"], ["reembed"], ["reembed", "--dry-run"], ["doctor"]])
@pytest.mark.parametrize("where", ["modules.json", "config.json", "2_Dense/config.json"])
def test_code_in_a_model_folder_is_never_executed(
    db: Path, tmp_path: Path, minilm_folder: Path, where: str, verb: list[str]
) -> None:
    folder = Path(shutil.copytree(minilm_folder, tmp_path / "model"))
    plant_code(folder, where)
    env = config(tmp_path, f'[embeddings]\nbackend = "local"\nmodel_path = "{folder}"\n')

    found = Command(db, env | {"PYTHONPATH": f"{ROOT}:{folder}"}).run(*verb)

    assert not (folder / "executed").exists()
    assert "Traceback" not in found.err
    assert found.code == (0 if verb[0] == "recall" else 1 if verb[0] == "doctor" else 3), found


def plant_code(folder: Path, where: str) -> None:
    """Have a file of a model name a class of the folder's own, which leaves a trace when it is imported."""
    (folder / "evil.py").write_text(f"open({str(folder / 'executed')!r}, 'w')\nclass Evil: pass\n", "utf-8")
    modules = json.loads((folder / "modules.json").read_text("utf-8"))
    if where == "modules.json":
        modules.append({"idx": 9, "name": "9", "path": "", "type": "evil.Evil"})
    elif where == "config.json":
        values = json.loads((folder / where).read_text("utf-8"))
        auto_map = {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil"}
        (folder / where).write_text(json.dumps(values | {"model_type": "evil", "auto_map": auto_map}), "utf-8")
    else:
        modules.append({"idx": 9, "name": "9", "path": "2_Dense", "type": "sentence_transformers.models.Dense"})
        (folder / where).parent.mkdir()
        dense = {"in_features": 384, "out_features": 8, "activation_function": "evil.Evil"}
        (folder / where).write_text(json.dumps(dense), "utf-8")
    (folder / "modules.json").write_text(json.dumps(modules), "utf-8")
