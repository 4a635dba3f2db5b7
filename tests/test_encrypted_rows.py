"""Encrypted rows from the scan to the commit: their vectors are made, and their texts stand nowhere but in memory."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import files, shapes
from tests.support.command import Answer, Command, kill, remote, wait_for
from tests.support.envelopes import keep_key, sealed
from tests.support.fake_endpoint import FakeEndpoint

WORDS = (
    "zanzibar",
    "quicksilver",
    "marmalade",
    "obsidian",
    "turnstile",
    "heliotrope",
    "palimpsest",
    "cormorant",
    "kaleidoscope",
    "vermilion",
)
POISON = WORDS[0]
"""The word for which the endpoint refuses a text, and says why in the words of the text."""
RETAGGED = "UPDATE memories SET metadata = ? WHERE id = ?"


def text_of(word: str) -> str:
    return f"The {word} is kept behind the second door. {word.upper()}"


def encrypted(path: Path, row_id: str, content: str, agent: str = "agent-a") -> None:
    """Insert an encrypted memory with a vector of nobody knows what."""
    files.add(
        path,
        row_id,
        "vault",
        content="",
        encrypted_envelope=sealed(content, agent),
        metadata=json.dumps({"agent_id": agent}),
        embedding=shapes.vector_blob(row_id),
        embedding_dim=shapes.DIM,
    )


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """A database of the Rust program with thirty plain rows and one encrypted row for each of WORDS."""
    (tmp_path / "run").mkdir()
    path = shapes.build(tmp_path / "run" / "m.db", 101, rows=30, kinds={shapes.PLAIN}).path
    for word in WORDS:
        encrypted(path, f"secret-{WORDS.index(word)}", text_of(word))
    return path


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return keep_key(tmp_path / "keys", "agent-a").parent


@pytest.fixture
def endpoint() -> Iterator[FakeEndpoint]:
    """An endpoint that says of a poisoned request all it knows of the secrets."""
    told = " ".join(["invalid input:", *map(text_of, WORDS)])
    with FakeEndpoint(dim=16, poison=POISON, poison_fault="told-400", words=told) as server:
        yield server


def command(db: Path, endpoint: FakeEndpoint, keys: Path | None, **more: str) -> Command:
    at_hand = {"AI_MEMORY_KEY_DIR": str(keys)} if keys else {}
    home = {"XDG_CACHE_HOME": str(db.parent / "cache"), "XDG_CONFIG_HOME": str(db.parent / "config")}
    return Command(db, remote(endpoint, **at_hand, **home, **more))


def found_in(folder: Path, words: tuple[str, ...]) -> dict[str, str]:
    """Return which files of a folder hold one of the words, in the letters of any file's encoding."""
    found = {}
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        held = path.read_bytes().lower()
        for word in words:
            if any(word.encode(code) in held for code in ("utf-8", "utf-16-le", "utf-16-be")):
                found[f"{path.relative_to(folder)}"] = word
    return found


def test_no_file_and_no_stream_of_any_command_tells_a_word_of_an_encrypted_text(
    db: Path, keys: Path, endpoint: FakeEndpoint
) -> None:
    folder, told = db.parent, list[Answer]()
    run = command(db, endpoint, keys)
    tools = ("--metrics-file", folder / "m.prom", "--log-file", folder / "run.log", "--log-format", "json")

    interrupted = run.start("reembed", "--batch", "3", "--sleep-ms", "200", *tools, "-v")
    wait_for(lambda: any(text_of(WORDS[1]) in each for each in list(endpoint.seen.texts)), seconds=60)
    told.append(kill(interrupted))
    for words in (
        ("reembed", "--resume", "--batch", "4", "-v", *tools),
        ("reembed", "quarantine", "--json"),
        ("reembed", "status", "--exact"),
        ("reembed", "verify", "--sample", "all", "--json"),
        ("reembed", "report", "--html", folder / "report.html"),
        ("doctor", "-v"),
        ("recall", "what is kept behind the second door"),
        ("export",),
        ("reembed", "rollback", "--yes"),
        ("reembed", "--backup", folder / "copy.db", "--batch", "7"),
        ("get", "secret-3"),
    ):
        told.append(run.run(*words))
    (folder / "streams").write_text("\n".join(each.out + each.err for each in told), "utf-8")

    sent = [text for text in endpoint.seen.texts if "second door" in text]
    assert {word for word in WORDS if any(word in text for text in sent)} == set(WORDS)
    listed = (folder / "streams").read_text("utf-8")
    assert "its words are not shown, as they may repeat them" in listed
    assert (folder / "m.prom").stat().st_size
    assert (folder / "run.log").stat().st_size
    assert found_in(folder, WORDS) == {}
    # A word that does stand there is found: those of the plain rows.
    assert "m.db" in found_in(folder, ("naïve",))


@pytest.mark.parametrize("fault", ["told-200", "told-401", "told-500", "told-status-line", "redirect"])
def test_whatever_an_endpoint_says_of_an_encrypted_text_is_not_repeated(db: Path, keys: Path, fault: str) -> None:
    told = " ".join(map(text_of, WORDS))
    with FakeEndpoint(dim=16, poison=POISON, poison_fault=fault, words=told) as endpoint:
        answer = command(db, endpoint, keys).run("reembed", "--batch", "50", "--retry-for", "1", "-v")

    assert answer.code
    (db.parent / "streams").write_text(answer.out + answer.err, "utf-8")
    assert found_in(db.parent, WORDS) == {}


def test_with_the_key_each_encrypted_row_has_the_vector_of_its_own_text_and_nothing_else_changes(
    db: Path, keys: Path
) -> None:
    before = files.everything_else(db)
    with FakeEndpoint(dim=16) as endpoint:
        answer = command(db, endpoint, keys).reembed("--batch", "5")
        vectors = files.vectors(db)
        for number, word in enumerate(WORDS):
            text = f"title secret-{number} {text_of(word)}"
            assert vectors[f"secret-{number}"] == b"\x01" + endpoint.vector(text).tobytes()
    assert (answer.code, answer.json["quarantined"]) == (0, 0)
    assert "10 of these rows are encrypted: their texts go to the embedder in plain." in answer.err
    assert files.everything_else(db) == before


def test_the_hash_of_an_encrypted_row_takes_no_key_and_differs_for_equal_texts(tmp_path: Path, keys: Path) -> None:
    path = files.create(tmp_path / "m.db", rows=0)
    for name in ("one", "two"):
        files.add(path, name, title=name)
        files.execute(path, "UPDATE memories SET title = 'Same ' || id, content = '' WHERE id = ?", name)
    files.execute(
        path,
        "UPDATE memories SET encrypted_envelope = ?, metadata = ?",
        sealed("The same content.", "agent-a"),
        json.dumps({"agent_id": "agent-a"}),
    )
    with FakeEndpoint(dim=16) as endpoint:
        assert command(path, endpoint, keys).reembed().code == 0
        srcs = files.execute(path, "SELECT DISTINCT src FROM embedding_provenance")
        assert len(srcs) == 2
        # Whoever has no key sees that all is done, and need not open one envelope for it.
        without = command(path, endpoint, None).run("reembed", "verify", "--json")
    assert (without.code, without.json["fresh"]) == (0, 2)


def test_without_the_key_a_row_keeps_its_vector_and_goes_into_quarantine_until_the_key_is_there(
    db: Path, tmp_path: Path
) -> None:
    keys, before = tmp_path / "keys", files.vectors(db)
    with FakeEndpoint(dim=16) as endpoint:
        run = command(db, endpoint, keys)
        assert run.reembed().code == 10
        assert {each for each, blob in files.vectors(db).items() if blob == before[each]} == {
            f"secret-{number}" for number in range(len(WORDS))
        }
        assert not keys.exists()

        assert run.reembed("--retry-quarantined").json["quarantined"] == len(WORDS)
        keep_key(keys, "agent-a")
        again = run.reembed("--retry-quarantined")
    assert (again.code, again.json["reembedded"], again.json["quarantined"]) == (0, len(WORDS), 0)
    assert sorted(each.name for each in keys.iterdir()) == ["agent-a.x25519.priv"]


def test_each_row_that_cannot_be_opened_says_why_and_keeps_no_other_row_from_its_vector(db: Path, keys: Path) -> None:
    for row_id, envelope in (("secret-1", b"\x02" + bytes(80)), ("secret-2", b"\x07" + bytes(80)), ("secret-3", b"")):
        files.execute(db, "UPDATE memories SET encrypted_envelope = ? WHERE id = ?", envelope, row_id)
    for row_id, metadata in (("secret-4", "{}"), ("secret-5", "no JSON"), ("secret-6", '{"agent_id": "agent-b"}')):
        files.execute(db, RETAGGED, metadata, row_id)
    files.execute(db, RETAGGED, '{"agent_id": "agent-c"}', "secret-7")
    keep_key(keys, "agent-b", mode=0o644)
    keep_key(keys, "agent-c")

    with FakeEndpoint(dim=16) as endpoint:
        run = command(db, endpoint, keys)
        answer = run.reembed()
        listed = run.run("reembed", "quarantine", "--json").json["rows"]

    assert (answer.code, answer.json["quarantined"], answer.json["remaining"]) == (10, 7, 0)
    why = {each["id"]: each["message"] for each in listed}
    assert {each["kind"] for each in listed} == {"undecryptable"}
    assert "does not open the envelope, or the envelope is damaged" in why["secret-1"]
    assert "version 7; only version 2 is known" in why["secret-2"]
    assert "the envelope is nothing" in why["secret-3"]
    assert "names no agent_id" in why["secret-4"] == why["secret-5"]
    assert "agent-b.x25519.priv has mode 644: others can read it" in why["secret-6"]
    assert "the key of agent-c does not open" in why["secret-7"]


def test_an_envelope_that_is_replaced_while_its_text_is_embedded_gets_no_vector_of_the_old_text(
    db: Path, keys: Path
) -> None:
    with FakeEndpoint(dim=16, latency=1.0) as endpoint:
        process = command(db, endpoint, keys).start("reembed", "--json", "--batch", "100")
        wait_for(lambda: any(text_of(WORDS[3]) in each for each in list(endpoint.seen.texts)), seconds=60)
        replaced = sealed("Something else.", "agent-a")
        files.execute(db, "UPDATE memories SET encrypted_envelope = ? WHERE id = 'secret-3'", replaced)
        out, err = process.communicate(timeout=100)
        assert process.returncode == 0, err
        assert json.loads(out)["raced"] == 1
        expected = b"\x01" + endpoint.vector("title secret-3 Something else.").tobytes()
    assert files.vectors(db)["secret-3"] == expected


def test_a_staged_run_serves_and_moves_the_vectors_of_encrypted_rows_also_where_no_key_is_left(
    db: Path, keys: Path
) -> None:
    with FakeEndpoint(dim=16) as endpoint:
        run = command(db, endpoint, keys)
        assert run.reembed().code == 0
    with FakeEndpoint(dim=24, model="next") as endpoint:
        run = command(db, endpoint, keys)
        assert run.reembed("--staged").code == 0
        for key in keys.iterdir():
            key.unlink()
        assert run.run("reembed", "switch").code == 0
        resumed = run.run("reembed", "--resume")
        assert resumed.code == 0, resumed.err
        expected = b"\x01" + endpoint.vector(f"title secret-5 {text_of(WORDS[5])}").tobytes()
    assert files.vectors(db)["secret-5"] == expected


def test_export_gives_the_envelope_and_the_text_only_on_purpose(db: Path, keys: Path, endpoint: FakeEndpoint) -> None:
    files.execute(db, RETAGGED, '{"agent_id": "agent-b"}', "secret-7")
    run = command(db, endpoint, keys)

    closed, opened = run.run("export", "-n", "vault"), run.run("export", "-n", "vault", "--decrypt")

    lines = {each["id"]: each for each in map(json.loads, closed.out.splitlines())}
    assert all(each["content"] == "" and "encrypted_envelope" in each for each in lines.values())
    assert "Exported in the envelope: 10 encrypted memories." in closed.err
    read = {each["id"]: each for each in map(json.loads, opened.out.splitlines())}
    assert read["secret-7"] == lines["secret-7"]
    assert read["secret-2"]["content"] == text_of(WORDS[2])
    assert "encrypted_envelope" not in read["secret-2"]
    assert "Exported in plain text: 9 encrypted memories." in opened.err
    assert "secret-7: there is no key" in opened.err


def test_who_stores_among_encrypted_memories_is_told_that_this_one_is_not(db: Path, endpoint: FakeEndpoint) -> None:
    run = command(db, endpoint, None)

    among, elsewhere = (
        run.run("store", "-T", "a title", "-c", "in plain text", "-n", name, "--no-embed") for name in ("vault", "new")
    )

    assert "stored in plain text: vault has encrypted memories; this program encrypts none." in among.err
    assert "plain text" not in elsewhere.err
    stored = files.execute(db, "SELECT content, encrypted_envelope FROM memories WHERE title = 'a title'")
    assert stored == [("in plain text", None)] * 2


def test_who_imports_among_encrypted_memories_is_told_where_they_are_plain(db: Path, endpoint: FakeEndpoint) -> None:
    run = command(db, endpoint, None)
    among = [{"title": f"note {n}", "content": "in plain text", "namespace": "vault"} for n in range(1_100)]
    elsewhere = {"title": "a title", "content": "in plain text"}
    lines = "".join(json.dumps(each) + "\n" for each in (*among, elsewhere))

    imported, again = (run.run("import", "-", "--no-embed", stdin=lines) for _ in range(2))

    told = "stored in plain text: vault has encrypted memories; this program encrypts none."
    assert (imported.code, imported.err.count(told), imported.err.count("plain text")) == (0, 1, 1)
    assert "plain text" not in again.err


def test_an_envelope_that_is_imported_is_not_called_plain(db: Path, endpoint: FakeEndpoint) -> None:
    run = command(db, endpoint, None)
    exported = run.run("export", "-n", "vault").out
    files.execute(db, "DELETE FROM memories WHERE id = 'secret-3'")

    assert "plain text" not in run.run("import", "-", "--no-embed", stdin=exported).err
    assert files.execute(db, "SELECT encrypted_envelope IS NOT NULL FROM memories WHERE id = 'secret-3'") == [(1,)]


def test_of_two_recipients_of_a_memory_the_first_is_meant_by_a_run_and_by_an_export(
    db: Path, keys: Path, endpoint: FakeEndpoint
) -> None:
    twice = '{"agent_id":"agent-a","agent_id":"agent-b"}'
    files.execute(db, RETAGGED, twice, "secret-7")
    run = command(db, endpoint, keys)

    assert run.run("reembed", "--namespace", "vault").code == 10
    opened = run.run("export", "-n", "vault", "--decrypt")

    assert "secret-7" not in run.run("reembed", "quarantine").out
    assert text_of(WORDS[7]) in opened.out


def test_a_plain_file_is_migrated_where_the_package_for_encrypted_rows_is_missing(
    tmp_path: Path, db: Path, keys: Path
) -> None:
    without = tmp_path / "without"
    (without / "cryptography").mkdir(parents=True)
    (without / "cryptography" / "__init__.py").write_text("raise ImportError\n")
    path = f"{without}{os.pathsep}{Path(__file__).resolve().parent.parent}"
    with FakeEndpoint(dim=16) as endpoint:
        run = command(db, endpoint, keys, PYTHONPATH=path)
        answer = run.reembed()
        listed = run.run("reembed", "quarantine").out
    assert (answer.code, answer.json["quarantined"], answer.json["remaining"]) == (10, len(WORDS), 0)
    assert 'the package cryptography is not installed; type: pip install ".[encrypted]"' in listed
