"""What reaches a terminal, a log and a table, by real processes: no key, no escape, no line that a value began."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import files
from tests.support.command import Answer, Command, remote
from tests.support.fake_endpoint import FOREVER, FakeEndpoint

KEY = "hunter2-plain-Key.Value=99"
HIDDEN = "\x1b\x07\x9b\x7f\r\u202e\u200b\u2066\u2028\u0085"
HOSTILE = f"{HIDDEN}]0;owned\nid: forged"
OTHER_KEY = "sk-SECRETSECRET-123456"


@pytest.fixture
def endpoint() -> Iterator[FakeEndpoint]:
    with FakeEndpoint(dim=16, poison="id-003") as server:
        yield server


@pytest.fixture
def command(tmp_path: Path, endpoint: FakeEndpoint) -> Command:
    """The command on a database with an unfinished run that has a row in quarantine."""
    env = remote(endpoint, AI_MEMORY_EMBED_API_KEY=KEY)
    command = Command(files.create(tmp_path / "m.db"), env)
    assert command.run("reembed", "--batch", "2", "--max-rows", "8", "--concurrency", "1").code == 75
    return command


def stored_words(command: Command) -> str:
    """Return all that our tables keep of what others said."""
    errors = files.execute(command.db, "SELECT last_error FROM reembed_run")
    messages = files.execute(command.db, "SELECT message FROM reembed_quarantine")
    events = files.execute(command.db, "SELECT detail_json FROM reembed_event")
    return repr([errors, messages, events])


def shown(found: Answer) -> str:
    assert found.code != 1, found
    return found.out + found.err


DISGUISES = {
    "plain": KEY,
    "invisible": "\u200b".join(KEY),
    "lines": "\n".join((KEY[:6], KEY[6:])),
    "two thirds": KEY[:18],
    "percent": "".join(f"%{ord(each):02x}" for each in KEY),
    "upper": KEY.upper(),
}


@pytest.mark.parametrize(
    ("kind", "disguise"),
    [*(("told-401", disguise) for disguise in sorted(DISGUISES)), ("told-400", "lines"), ("told-500", "percent")]
    + [("told-status-line", disguise) for disguise in ("plain", "invisible", "upper")],
)
def test_no_key_that_an_endpoint_quotes_is_shown_or_kept(
    command: Command, endpoint: FakeEndpoint, kind: str, disguise: str
) -> None:
    endpoint.change(words=f"bad key {DISGUISES[disguise]}")
    endpoint.fail(kind, times=FOREVER)

    said = shown(command.run("-v", "reembed", "--resume", "--retry-for", "0.1s"))
    said += "".join(shown(command.run(*words)) for words in (["reembed", "status"], ["reembed", "status", "--json"]))
    said += stored_words(command)

    folded = "".join(each for each in said if each.isascii() and each.isalnum()).lower()
    assert "hunter2" not in folded
    assert "plainkey" not in folded
    assert "bad key ***" in said


def test_a_key_kept_by_an_older_release_is_not_shown(command: Command) -> None:
    files.execute(command.db, "UPDATE reembed_run SET last_error = ?", f"HTTP 401: {KEY} or {OTHER_KEY}")
    files.execute(command.db, "UPDATE reembed_quarantine SET message = ?", f"HTTP 400: {KEY} or {OTHER_KEY}")

    for words in (["status"], ["quarantine"], ["status", "--json"], ["quarantine", "--json"]):
        said = shown(command.run("reembed", *words))
        assert "*** or ***" in said
        assert KEY not in said
        assert OTHER_KEY not in said


def test_a_key_of_a_file_is_not_shown(command: Command, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "c.toml").write_text(f'[embeddings]\napi_key_file = "{tmp_path}/key"\n')
    files.execute(command.db, "UPDATE reembed_run SET last_error = ?", f"HTTP 401: {KEY}")
    env = {name: value for name, value in command.env.items() if name != "AI_MEMORY_EMBED_API_KEY"}

    found = Command(command.db, env).run("--config", tmp_path / "c.toml", "reembed", "status")

    assert "HTTP 401: ***" in found.out


@pytest.mark.parametrize("words", [["list"], ["config", "show"], ["doctor"], ["-v", "backfill"]])
def test_a_key_pasted_into_the_wrong_field_is_not_shown(command: Command, tmp_path: Path, words: list[str]) -> None:
    env = {name: value for name, value in command.env.items() if name != "AI_MEMORY_EMBED_API_KEY"}
    for field in (f'api_key_env = "{OTHER_KEY}"', f'api_key_file = "{OTHER_KEY}"', f'api_key = "{OTHER_KEY}"'):
        (tmp_path / "c.toml").write_text(f"[embeddings]\n{field}\n")
        found = Command(command.db, env).run("--config", tmp_path / "c.toml", *words)
        assert OTHER_KEY not in found.out + found.err


STATUS, VERIFY, QUARANTINE = ["reembed", "status"], ["reembed", "verify"], ["reembed", "quarantine"]
TAMPERED = {
    "UPDATE reembed_run SET target_model = ?": [STATUS, VERIFY],
    "UPDATE reembed_run SET last_error = ?": [STATUS],
    "UPDATE reembed_run SET last_error = ?, breaker_state = 'open', breaker_until = 1e15": [["reembed", "--resume"]],
    "UPDATE reembed_run SET ended_reason = ?, ended_code = 1, ended_at = 1": [STATUS, [*STATUS, "--check"]],
    "UPDATE reembed_event SET detail_json = json_object('stored', json_array(json_array(?, 3, 5)))": [STATUS],
    "INSERT INTO reembed_event (run_id, at, kind, detail_json) SELECT run_id, 1, 'computing', json_object("
    "'engine', ?, 'threads', 1, 'tokens', 9, 'filling', 0, 'seconds', 1.5) FROM reembed_run": [STATUS],
    "INSERT INTO reembed_pause (only_row, paused_at, paused_by, reason) SELECT 1, 1, f, f FROM (SELECT ? AS f)": [
        STATUS
    ],
    "UPDATE memories SET title = ? || id": [QUARANTINE],
    "UPDATE embedding_fingerprint SET space = ?": [STATUS],
    "UPDATE embedding_fingerprint SET spec_json = json_object(?, 1)": [
        ["reembed", "--resume"],
        [*VERIFY, "--sample", "1"],
    ],
    "UPDATE reembed_run SET scope_json = json_array(?)": [["reembed", "--resume", "--namespace", "c"], VERIFY],
    "UPDATE reembed_quarantine SET message = ?": [STATUS, QUARANTINE],
    "UPDATE memories SET embedding_dim = ? WHERE id = 'id-001'": [["doctor"], ["stats"]],
    "UPDATE memories SET title = ? WHERE id = 'id-001'": [
        ["get", "id-001"],
        ["list"],
        ["recall", "content"],
        ["export"],
    ],
    "UPDATE memories SET namespace = ? WHERE id = 'id-001'": [["namespaces"], ["list"], STATUS],
    "UPDATE memories SET id = ? WHERE id = 'id-001'": [["list"], ["reembed", "--resume"]],
    "UPDATE reembed_migration SET name = ?, sha256 = 'x'": [["list"]],
}
"""What may be put into a file, and who shows it."""


def require_harmless(found: Answer) -> None:
    for stream in (found.out, found.err):
        assert not set(HIDDEN) & set(stream), stream
        assert not [line for line in stream.split("\n") if line.strip().startswith("id: forged")], stream


@pytest.mark.parametrize("sql", TAMPERED)
def test_nothing_of_a_file_reaches_the_terminal_raw(command: Command, sql: str) -> None:
    files.execute(command.db, sql, HOSTILE)

    for words in TAMPERED[sql]:
        for flags in ([], ["--json"]):
            require_harmless(command.run(*flags, *words))


def test_a_columns_name_begins_no_line(command: Command) -> None:
    quoted = HOSTILE.replace('"', '""')
    files.execute(command.db, f"ALTER TABLE memories ADD COLUMN \"{quoted}\" TEXT DEFAULT 'x'")

    require_harmless(command.run("get", "id-001"))


def test_a_note_in_the_lock_begins_no_line(command: Command, endpoint: FakeEndpoint) -> None:
    endpoint.change(latency=5.0)
    running = command.start("reembed", "--resume")
    lock = command.db.with_name("m.db.reembed.lock")
    lock.write_text(json.dumps({"pid": HOSTILE, "host": HOSTILE, "started_at": 1}))

    found = [command.run("reembed"), command.run("reembed", "status"), command.run("reembed", "status", "--json")]

    running.kill()
    running.communicate()
    for each in found:
        require_harmless(each)


@pytest.mark.parametrize("key", ["[embeddings]\n{}= 1\n", "db = {}\n", "[embeddings]\nmodel = {}\n", "tier = {}\n"])
def test_nothing_of_a_configuration_reaches_the_terminal_raw(command: Command, tmp_path: Path, key: str) -> None:
    (tmp_path / "c.toml").write_text(key.format(json.dumps(HOSTILE)))

    for words in (["config", "show"], ["doctor"]):
        require_harmless(command.run("--config", tmp_path / "c.toml", *words))


def test_nothing_of_an_import_reaches_the_terminal_raw(command: Command, tmp_path: Path) -> None:
    for number, memory in enumerate(
        (
            {HOSTILE: [1], "title": "x", "content": "y"},
            {HOSTILE: {"base64": 1}, "title": "x", "content": "y"},
            {"title": HOSTILE, "content": ""},
            {"title": "x", "content": "y", "namespace": HOSTILE},
            {"title": "x", "content": "y", "tier": HOSTILE},
        )
    ):
        (tmp_path / f"{number}.jsonl").write_text(json.dumps(memory))
        require_harmless(command.run("import", "--no-embed", tmp_path / f"{number}.jsonl"))


def test_text_of_people_is_shown_as_it_is_and_exported_whole(tmp_path: Path) -> None:
    command = Command(tmp_path / "m.db")
    content = "日本語\u3000テスト\n\t👩‍👩‍👧 ❤️ עברית\nmy key is sk-SECRETSECRET-123456"
    told = {"title": "👩‍💻 日本", "content": content + HIDDEN, "id": "one"}
    command.run("import", "-", "--no-embed", stdin=json.dumps(told))

    assert content in command.run("get", "one").out
    assert "👩‍💻 日本" in command.run("list").out
    exported = command.run("export").out
    assert "👩‍👩‍👧 ❤️" in exported
    require_harmless(Answer(0, exported, ""))
    assert json.loads(exported)["content"] == content + HIDDEN
    assert command.run("--json", "get", "one").json["content"] == content + HIDDEN


def test_what_cannot_be_obeyed_is_told_without_escapes(command: Command) -> None:
    for words in (
        [f"--{HOSTILE}"],
        [HOSTILE],
        ["get", HOSTILE],
        ["recall", "x", "--limit", HOSTILE],
        ["-v", "get", HOSTILE],
    ):
        found = command.run(*words)
        assert found.code in (64, 66)
        require_harmless(found)
