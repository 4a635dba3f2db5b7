"""The kinds of input: each prepares a sandbox as a hostile or careless person may, and runs commands in it."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from shutil import copyfile

from ai_memory.cli import COMMANDS
from tests.fuzz import odd, serving
from tests.fuzz.sandbox import KEY, Sandbox
from tests.support import files, shapes

QUICK = ("--retry-for", "0.05s", "--yes")
READERS = (
    ("reembed", "status"),
    ("reembed", "status", "--json"),
    ("reembed", "verify"),
    ("reembed", "quarantine"),
    ("reembed", "--dry-run"),
    ("doctor",),
    ("stats",),
    ("namespaces", "--json"),
    ("list",),
    ("export",),
    ("get", "id-000"),
    ("recall", "content", "--limit", "3"),
)
WRITERS = (
    ("reembed", "--resume", "--or-start", *QUICK),
    ("reembed", *QUICK),
    ("reembed", "--resume", "--retarget", *QUICK),
    ("reembed", "--stamp-only", "--retry-for", "0.05s"),
    ("reembed", "cancel"),
    ("store", "-T", "title id-001", "-c", "new", "-n", "b"),
    ("delete", "id-001"),
    ("backfill",),
    ("import", "in.jsonl"),
    ("doctor", "--repair-fts"),
    *((("restore", "b.db", "--yes"),) if "restore" in COMMANDS else ()),
)
ASKING = (
    ("config", "show"),
    ("doctor",),
    ("reembed", "--dry-run"),
    ("stats",),
    ("recall", "x"),
    ("store", "-T", "t", "-c", "c"),
)
LINKED = ("m.db.link", "../outside/private", "nowhere", "/dev/full", "/proc/self/mem")
PLACES = (
    "m.db.fifo",
    "m.db.link",
    "m.db.folder",
    "m.db.text",
    "m.db.empty",
    "m.db.caf\udce9",
    "m.db.%41?mode=ro#x",
    "m.db." + "x" * 300,
    "/dev/null",
    "/dev/full",
    "/proc/self/mem",
    "m.db/x",
    "../box/m.db",
    "m.db.folder/m.db",
    "",
)
SCHEMAS = (
    "CREATE TRIGGER odd BEFORE UPDATE ON memories BEGIN SELECT RAISE({raises}); END",
    "CREATE TRIGGER odd AFTER UPDATE OF embedding ON memories BEGIN SELECT app_function(new.id); END",
    "CREATE TRIGGER odd AFTER UPDATE ON memories BEGIN UPDATE memories SET {name} = NULL WHERE id = new.id; END",
    "CREATE TRIGGER odd AFTER INSERT ON memories BEGIN DELETE FROM memories; END",
    "ALTER TABLE memories ADD COLUMN {name} TEXT",
    "ALTER TABLE memories ADD COLUMN {name} AS (upper(title))",
    "ALTER TABLE memories RENAME TO other",
    "ALTER TABLE memories RENAME COLUMN content TO {name}",
    "ALTER TABLE memories DROP COLUMN tags",
    "DROP TABLE memories_fts",
    "DROP TABLE reembed_run",
    "DROP TABLE embedding_fingerprint",
    "DROP TABLE reembed_migration",
    "UPDATE reembed_migration SET version = version + 40",
    "UPDATE reembed_migration SET name = {text}, sha256 = {text}",
    "CREATE TABLE schema_version (version, applied_at)",
    "CREATE TABLE schema_version (other)",
    "CREATE VIEW schema_version AS SELECT {text} AS version",
    "CREATE VIEW {name} AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT * FROM n",
    "CREATE UNIQUE INDEX odd ON memories (embedding)",
    "CREATE INDEX odd ON memories (json_extract(metadata, '$.a'))",
    "CREATE TABLE notes (m REFERENCES memories (id)); INSERT INTO notes SELECT id FROM memories",
    "PRAGMA user_version = 99; PRAGMA application_id = 7",
)
MASTER = (
    "UPDATE sqlite_master SET sql = replace(sql, 'title ', 'title COLLATE app ') WHERE name = 'memories'",
    "UPDATE sqlite_master SET sql = {text} WHERE name = 'memories'",
    "UPDATE sqlite_master SET name = {text} WHERE name = 'reembed_run'",
    "UPDATE sqlite_master SET rootpage = 2 WHERE name = 'embedding_provenance'",
    "INSERT INTO sqlite_master VALUES ('table', 'vec', 'vec', 0, 'CREATE VIRTUAL TABLE vec USING vec0(id)')",
    "DELETE FROM sqlite_master WHERE name LIKE 'memories_fts%'",
)
OUR_TABLES = (
    "reembed_run",
    "reembed_checkpoint",
    "reembed_quarantine",
    "reembed_event",
    "reembed_migration",
    "embedding_fingerprint",
    "embedding_provenance",
    "embedding_settings",
)
CONFIG = {
    "backend": ("openai-compatible", "local", "ollama", "openai", "gemini"),
    "base_url": ("http://127.0.0.1:9/v1", "http://h\\[::1]", "https://user:{key}@h/v1", "http://127.1/v1", "{key}"),
    "model": ("m", "{key}", "../x", "/dev/zero"),
    "model_path": ("model", "/proc/self/mem", "/dev/zero", "~nobody/x"),
    "api_key_env": ("{key}", "AI_MEMORY_EMBED_API_KEY", "A B"),
    "api_key_file": ("{key}", "key", "/dev/zero", "/proc/self/environ"),
    "dim": (16, 0, -1, 10**30, 1.5, "16"),
    "price_per_million_tokens": (1e-320, float("inf"), float("nan"), -1, "1"),
    "backfill_batch": (0, 10**6, True),
    "device": ("{key}", "cuda", "cpu"),
}


@dataclass(slots=True)
class Bench:
    """What all inputs share: the databases they begin with, and the endpoint, which answers by `answering`."""

    templates: Path
    sandbox: Sandbox
    answering: list[Callable[[bytes], Iterable[bytes]]] = field(default_factory=list)

    def answer(self, head: bytes, body: bytes) -> Iterable[bytes]:
        """Return the answer to a request, as it is to be now."""
        del head
        return self.answering[-1](body)

    def begin(self, random: Random, *, rust: bool = True, secret: bool = False) -> None:
        """Put a database, drawn at random, and its backup into an empty sandbox; the endpoint is honest.

        `secret`: nothing of the key may be shown from now on.
        """
        self.answering[:] = [honest]
        self.sandbox.secret = secret
        self.sandbox.clear()
        names = sorted(each.name for each in self.templates.iterdir() if rust or not each.name.startswith("rust"))
        copyfile(self.templates / random.choice(names), self.sandbox.db)
        copyfile(self.templates / "new.db", self.sandbox.box / "b.db")
        (self.sandbox.box / "in.jsonl").write_text('{"title": "t", "content": "c"}\n')


def honest(body: bytes) -> list[bytes]:
    """Answer as a sound server."""
    return [serving.response(json.dumps(serving.honest(body)).encode())]


def make_templates(bench: Bench) -> None:
    """Make the databases that inputs begin with: own ones with runs in every state, and the Rust program's."""
    bench.templates.mkdir()
    bench.answering[:] = [honest]
    sandbox = bench.sandbox
    sandbox.clear()
    files.create(sandbox.db, rows=6)
    _keep(bench, "new.db")
    sandbox.run("reembed", *QUICK)
    _keep(bench, "done.db")
    sandbox.environ = {**sandbox.environ, "AI_MEMORY_EMBED_MODEL": "newer"}
    sandbox.run("reembed", "--max-rows", "3", "--batch", "2", *QUICK)
    _keep(bench, "unfinished.db")
    files.execute(sandbox.db, "UPDATE reembed_run SET state = 'paused' WHERE state = 'running'")
    _keep(bench, "paused.db")
    for version in (52, 80, 101):
        shapes.build(bench.templates / f"rust-{version}.db", version, rows=8)


def _keep(bench: Bench, name: str) -> None:
    files.execute(bench.sandbox.db, "PRAGMA wal_checkpoint(TRUNCATE)")
    copyfile(bench.sandbox.db, bench.templates / name)


def answers(random: Random, bench: Bench) -> None:
    """An endpoint that says anything."""
    bench.begin(random, secret=True)
    seed = random.random()
    bench.answering.append(lambda body: serving.hostile(Random(f"{seed}{len(body)}"), body))
    words = random.choice(
        (
            ("reembed", "--resume", "--retarget", "--batch", random.choice("124"), *QUICK),
            ("reembed", "--resume", "--retarget", "-v", "--json", *QUICK),
            ("doctor",),
        )
    )
    bench.sandbox.run(*words)
    bench.sandbox.run(*random.choice(READERS[:4]))


def our_rows(random: Random, bench: Bench) -> None:
    """Somebody wrote into one of the program's own tables."""
    bench.begin(random, rust=False)
    with closing(sqlite3.connect(bench.sandbox.db)) as db:
        for _ in range(random.randrange(1, 4)):
            table = random.choice(OUR_TABLES)
            columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
            column, value = random.choice(columns), odd.sql_value(random)
            if column.endswith("_json") and random.random() < 0.8:
                value = json.dumps(odd.mutated(random, _stored(db, table, column)))
            # A strict table or a constraint may refuse it.
            with suppress(sqlite3.Error, OverflowError):
                db.execute(f"UPDATE {table} SET {column} = ?", (value,))
        db.commit()
    _some(random, bench)


def _stored(db: sqlite3.Connection, table: str, column: str) -> object:
    found = db.execute(f"SELECT {column} FROM {table} LIMIT 1").fetchone()
    try:
        return json.loads(found[0]) if found and found[0] else {}
    except ValueError:
        return {}


def memories(random: Random, bench: Bench) -> None:
    """Somebody wrote odd values into memories."""
    bench.begin(random)
    with closing(sqlite3.connect(bench.sandbox.db)) as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(memories)")]
        for _ in range(random.randrange(1, 5)):
            with suppress(sqlite3.Error, OverflowError):
                where = f"rowid = {random.randrange(1, 7)}"
                db.execute(f"UPDATE memories SET {random.choice(columns)} = ? WHERE {where}", (odd.sql_value(random),))
        db.commit()
    _some(random, bench)


def schemas(random: Random, bench: Bench) -> None:
    """A file with a schema of its own making."""
    bench.begin(random)
    with closing(sqlite3.connect(bench.sandbox.db)) as db:
        for statement in random.sample(SCHEMAS, random.randrange(1, 3)):
            with suppress(sqlite3.Error):
                db.executescript(_filled(random, statement))
        if random.random() < 0.2:
            with suppress(sqlite3.Error):
                db.executescript("PRAGMA writable_schema = ON;" + _filled(random, random.choice(MASTER)))
        with suppress(sqlite3.Error):
            db.commit()
    _some(random, bench)


def columns(random: Random, bench: Bench) -> None:
    """Columns whose names are statements, or no identifiers at all."""
    bench.begin(random)
    name = random.choice((*odd.NAMES, _smuggled(random, bench)))
    with closing(sqlite3.connect(bench.sandbox.db)) as db, suppress(sqlite3.Error):
        db.execute(f"ALTER TABLE memories ADD COLUMN {_quoted(name)} TEXT")
        db.execute(f"UPDATE memories SET {_quoted(name)} = ?", (odd.sql_value(random),))
        db.commit()
    _some(random, bench)


def _smuggled(random: Random, bench: Bench) -> str:
    place = random.choice((bench.sandbox.root / "outside" / "new", bench.sandbox.box / "new"))
    before = random.choice(('id") WHEN 1 THEN 1 END FROM memories; ', 'x") VALUES (1); COMMIT; ', "x AS TEXT)); "))
    return before + random.choice((f"VACUUM INTO '{place}'; --", f"ATTACH '{place}' AS o; CREATE TABLE o.t(x); --"))


def imports(random: Random, bench: Bench) -> None:
    """A file to import that no program of ours wrote."""
    bench.begin(random)
    said = bench.sandbox.run("export")
    documents: list[object] = [json.loads(line) for line in said.out.splitlines()]
    for _ in range(random.randrange(1, 4)):
        changed = odd.mutated(random, documents)
        documents = changed if isinstance(changed, list) else [changed]
    lines = "\n".join(json.dumps(each, ensure_ascii=random.random() < 0.5) for each in documents[:50])
    whole = random.choice((lines, json.dumps({"memories": documents[:50]}), json.dumps(documents[:50], indent=2)))
    data = whole.encode("utf-8", random.choice(("surrogatepass", "replace")))
    (bench.sandbox.box / "in.jsonl").write_bytes(data[: random.choice((len(data), len(data), random.randrange(9_999)))])
    bench.sandbox.run("import", "--no-embed", "in.jsonl")
    bench.sandbox.run("export")


def configurations(random: Random, bench: Bench) -> None:
    """A configuration that cannot be meant, or with the key in the wrong place."""
    bench.begin(random, secret=True)
    sandbox = bench.sandbox
    drawn = {name: random.choice(values) for name, values in CONFIG.items() if random.random() < 0.4}
    lines = [f"{name} = {_toml(value)}" for name, value in drawn.items()]
    if random.random() < 0.4:
        lines.insert(random.randrange(len(lines) + 1), random.choice((odd.text(random)[:5_000], "x = " + "[" * 9_999)))
    top = random.choice(("", 'tier = "keyword"\n', "tier = 7\n", "db = []\n", 'tiers = "x"\n'))
    text = f"{top}[{random.choice(('embeddings', 'embeddings', 'embedding'))}]\n" + "\n".join(lines)
    (sandbox.box / "c.toml").write_bytes(text.encode("utf-8", random.choice(("replace", "surrogatepass"))))
    (sandbox.box / "key").write_text("some-other-key")
    (sandbox.box / "key").chmod(random.choice((0o600, 0o644)))
    environ = sandbox.environ
    try:
        if random.random() < 0.7:
            sandbox.environ = {}
        for words in random.sample(ASKING, 2):
            sandbox.run("--config", "c.toml", *random.choice(((), ("--json",), ("-v",))), *words)
    finally:
        sandbox.environ = environ


def paths(random: Random, bench: Bench) -> None:
    """Names of files that are none, or lead elsewhere."""
    bench.begin(random, secret=True)
    box = bench.sandbox.box
    os.mkfifo(box / "m.db.fifo")
    (box / "m.db.link").symlink_to(random.choice(LINKED))
    (box / "m.db.folder").mkdir()
    (box / "m.db.text").write_text(random.choice(odd.TEXTS), encoding="utf-8", errors="replace")
    (box / "m.db.empty").touch()
    place = random.choice(PLACES)
    planted = random.choice((".reembed.lock", "-wal", "-shm", "-journal", ""))
    if planted and random.random() < 0.5:
        (box / f"m.db{planted}").symlink_to(box.parent / "outside" / "private")
    words = random.choice(
        (
            ("--db", place, *random.choice((*READERS, *WRITERS, ("init",)))),
            ("reembed", *QUICK, "--backup", place),
            # Who names a pipe waits for its writer, as with every program.
            ("import", "--no-embed", place if place != "m.db.fifo" else "m.db.link"),
            ("--config", place, "config", "show"),
            *((("restore", place, "--yes"),) if "restore" in COMMANDS else ()),
        )
    )
    bench.sandbox.run(*words)


def _some(random: Random, bench: Bench) -> None:
    for words in (random.choice(READERS), random.choice(WRITERS), random.choice(READERS)):
        bench.sandbox.run(*words)


def _filled(random: Random, statement: str) -> str:
    raises = random.choice(("ABORT, 'legal hold'", "IGNORE", "ROLLBACK, 'no'", "FAIL, '\x1b[31m'"))
    text = "'" + odd.text(random)[:200].encode("utf-8", "replace").decode().replace("'", "''").replace("\0", "") + "'"
    name = random.choice((*odd.NAMES, "embedding", "embedding_dim", "content"))
    return statement.format(raises=raises, name=_quoted(name), text=text)


def _quoted(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""'))


def _toml(value: object) -> str:
    if isinstance(value, str):
        return json.dumps(value.replace("{key}", KEY))
    return {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value)


KINDS: dict[str, Callable[[Random, Bench], None]] = {
    "answers": answers,
    "our tables": our_rows,
    "memories": memories,
    "schemas": schemas,
    "columns": columns,
    "imports": imports,
    "configurations": configurations,
    "paths": paths,
}
