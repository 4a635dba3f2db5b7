"""Judges a database by the promises of the migration, with none of the store's or the engine's code.

Reads rows as bytes through apsw alone (a second SQLite library in one process would drop the locks of the first),
knows the vector BLOB, the head and the document hash from their specification, and the vectors from the fake model.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import blake2b
from typing import Any

import apsw

from tests.support.fakes import HashEmbedder
from tests.support.shapes import LONG_AGO
from tests.support.strategies import HELD, POISON

MAX_BYTES = 65_536
DEAD = (b"tombstoned", b"quarantined", b"contaminated")
SUBSTRATE = (b"_curator/reports", b"_messages", b"_inbox", b"_subscriptions")
SUBSTRATE_EXACT = (b"_agents", b"_agent_sessions")
OPTIONAL = ("embedding_dim", "embedding_space", "lifecycle_state", "encrypted_envelope")

_HOLDS = {
    "abort": "BEFORE UPDATE OF embedding ON memories WHEN {held} BEGIN SELECT RAISE(ABORT, 'legal hold'); END",
    "fail": "BEFORE UPDATE OF embedding ON memories WHEN {held} BEGIN SELECT RAISE(FAIL, 'legal hold'); END",
    "rollback": "AFTER UPDATE OF embedding ON memories WHEN {held} BEGIN SELECT RAISE(ROLLBACK, 'legal hold'); END",
    "ignore": "BEFORE UPDATE OF embedding ON memories WHEN {held} BEGIN SELECT RAISE(IGNORE); END",
    "gone": "AFTER UPDATE OF embedding ON memories WHEN {held} AND new.embedding IS NOT NULL"
    " BEGIN UPDATE memories SET embedding = NULL WHERE rowid = new.rowid; END",
}
TRIGGERS = [
    f"CREATE TRIGGER held_{name} " + trigger.format(held=f"old.content = 'held: {name}'")
    for name, trigger in _HOLDS.items()
]
"""The triggers of a database that keeps every vector out of the rows that are HELD."""

Scope = tuple[bytes, ...] | None
Stored = tuple[bytes | None, int | None, str | None]
"""BLOB, embedding_dim, embedding_space of a row."""


@dataclass(frozen=True, slots=True)
class Model:
    """A fake model; two of one name and different widths share their space."""

    name: str
    dim: int

    @property
    def space(self) -> str:
        return f"fake/{self.name}#none"


@lru_cache(maxsize=50_000)
def blob(model: Model, text: str) -> bytes:
    """Return the BLOB of a text's vector."""
    vector = HashEmbedder(dim=model.dim, model=model.name).vector(text)
    return b"\x01" + vector.astype("<f4").tobytes()


def source(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).digest()


def head(stored: bytes) -> bytes:
    start = len(stored) % 4 == 1
    return len(stored).to_bytes(4, "little") + stored[start : start + 16]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of `memories` as it stands; texts as bytes, None where the column holds something else."""

    rowid: int
    id: bytes | None
    namespace: bytes
    title: bytes | None
    content: bytes | None
    expires_at: str | None
    blob: bytes | None
    dim: int | None
    space: str | None
    lifecycle: bytes
    envelope: bytes | None
    stamped: tuple[bool, bool]
    """Whether the file has embedding_dim, and embedding_space."""
    guarded: bool
    """Whether the file has TRIGGERS."""

    @property
    def stored(self) -> Stored:
        """The vector columns."""
        return self.blob, self.dim, self.space

    @property
    def live(self) -> bool:
        return self.expires_at != LONG_AGO and self.lifecycle not in DEAD

    def in_scope(self, scope: Scope) -> bool:
        if scope is not None:
            return self.namespace in scope
        below = any(self.namespace == root or self.namespace.startswith(root + b"/") for root in SUBSTRATE)
        return not below and self.namespace not in SUBSTRATE_EXACT

    @property
    def text(self) -> str | None:
        """The document, None where the row has none that could be embedded."""
        if self.title is None or self.content is None or (self.envelope is not None and not self.content):
            return None
        try:
            return f"{self.title.decode()} {self.content.decode()}"
        except UnicodeDecodeError:
            return None

    @property
    def unfit(self) -> str | None:
        """Why the row cannot be embedded: the kind its quarantine must have; None: it can."""
        if self.envelope is not None and not self.content:
            return "undecryptable"
        if self.text is None:
            return "undecodable"
        if not self.text.strip():
            return "empty"
        if len(self.text.encode()) > MAX_BYTES:
            return "oversize"
        if POISON in self.text:
            return "refused"
        return "unwritable" if self.held else None

    @property
    def held(self) -> bool:
        """Whether the database keeps every vector out of the row."""
        return self.guarded and self.text is not None and (self.content or b"").decode() in HELD

    def is_stamped(self, model: Model) -> bool:
        same_dim = not self.stamped[0] or self.dim == model.dim
        return same_dim and (not self.stamped[1] or self.space == model.space)

    def is_right(self, model: Model) -> bool:
        """Whether the row has the model's vector of its present text, and says so."""
        return self.text is not None and self.blob == blob(model, self.text) and self.is_stamped(model)


@dataclass(frozen=True, slots=True)
class Provenance:
    model: Model
    target: int
    src: bytes
    head: bytes
    attested: bool
    """Whether it stands on an operator's word."""


@dataclass(frozen=True, slots=True)
class View:
    """One database, read whole: rows by number, our records by id."""

    rows: dict[int, Row]
    models: dict[int, Model]
    provenance: dict[bytes, Provenance]
    quarantine: dict[tuple[int, bytes], tuple[bytes, str]]

    def provenance_of(self, row: Row) -> Provenance | None:
        """Return the record of a row's vector; a row without an id has none, and is not the one whose id is empty."""
        return None if row.id is None else self.provenance.get(row.id)

    def is_fresh(self, row: Row, target: int) -> bool:
        known = self.provenance_of(row)
        if known is None or known.target != target or row.text is None or row.blob is None:
            return False
        return known.src == source(row.text) and known.head == head(row.blob) and row.is_stamped(known.model)

    def is_quarantined(self, row: Row, target: int) -> bool:
        found = self.quarantine.get((target, row.id or b""))
        return found is not None and found[0] == state_hash(row)

    def target(self, model: Model) -> int:
        """Return the file's number of a model, 0 where it has none."""
        return next((number for number, known in self.models.items() if known == model), 0)


def state_hash(row: Row) -> bytes:
    """Return what identifies a row's present text, also where it is none."""
    if row.text is not None:
        return source(row.text)
    raw = b"\0".join((row.title or b"", row.content or b"", row.envelope or b""))
    return blake2b(raw, digest_size=16).digest()


def read(connection: apsw.Connection) -> View:
    """Return the whole database in one snapshot."""
    connection.execute("BEGIN")
    try:
        return view(_rows(connection), partial(_ours, connection))
    finally:
        connection.execute("COMMIT")


def view(rows: Iterable[Row], ours: Callable[[str, str], Iterable[tuple[Any, ...]]]) -> View:
    """Return a database of these rows; `ours` returns what a query tells of a table of ours, if that is there."""
    asked = {table: list(ours(table, sql)) for table, sql in OURS.items()}
    models = {number: _model(space, dim) for number, space, dim in asked["embedding_fingerprint"]}
    provenance = {row[0]: Provenance(models[row[1]], *row[1:]) for row in asked["embedding_provenance"]}
    quarantine = {(row[0], row[1]): (row[2], row[3]) for row in asked["reembed_quarantine"]}
    return View({row.rowid: row for row in rows}, models, provenance, quarantine)


OURS = {
    "embedding_fingerprint": "SELECT id, space, dim FROM embedding_fingerprint",
    "embedding_provenance": """
        SELECT CAST(memory_id AS BLOB), fingerprint_id, src, head, origin = 'attested' FROM embedding_provenance
    """,
    "reembed_quarantine": "SELECT target, CAST(memory_id AS BLOB), src, kind FROM reembed_quarantine",
}


def _ours(connection: apsw.Connection, table: str, sql: str) -> list[tuple[Any, ...]]:
    there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    return list(connection.execute(sql)) if there else []


def _model(space: str, dim: int) -> Model:
    return Model(space.removeprefix("fake/").removesuffix("#none"), dim)


def columns(connection: apsw.Connection) -> list[str]:
    """Return the stored columns of memories, in the file's order."""
    return [
        str(row[0]) for row in connection.execute("SELECT name FROM pragma_table_xinfo('memories') WHERE hidden = 0")
    ]


def _rows(connection: apsw.Connection) -> list[Row]:
    present = columns(connection)
    dim, space, lifecycle, envelope = (name if name in present else f"NULL AS {name}" for name in OPTIONAL)
    texts = ", ".join(f"CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) END" for name in ("title", "content"))
    found: Iterable[tuple[Any, ...]] = connection.execute(
        "SELECT rowid, CASE typeof(id) WHEN 'text' THEN CAST(id AS BLOB) END, CAST(namespace AS BLOB),"
        f" {texts}, expires_at, embedding, {dim}, {space}, {lifecycle}, {envelope} FROM memories"
    )
    stamped = ("embedding_dim" in present, "embedding_space" in present)
    guarded = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'held_abort'").fetchone() is not None
    return [Row(*(*row[:9], (row[9] or "open").encode(), row[10], stamped, guarded)) for row in found]


def other_columns(connection: apsw.Connection) -> list[tuple[object, ...]]:
    """Return everything in memories that is not the vector's, row by row."""
    others = [name for name in columns(connection) if not name.startswith("embedding")]
    quoted = ", ".join(f"quote(CAST({name} AS BLOB))" for name in others)
    return list(connection.execute(f"SELECT rowid, {quoted} FROM memories ORDER BY rowid"))


def wrong_vectors(
    view: View, left: dict[int, Stored], stood: Mapping[int, Collection[tuple[str | None, Stored]]]
) -> list[str]:
    """Return one phrase a row whose vector is neither what stood there at the row's last change by others, `left`,
    nor the vector of its present text in the space that its provenance and its stamp name, nor one that `stood` beside
    this very text: that is what a rollback puts back.
    """
    return [
        f"{row}"
        for number, row in view.rows.items()
        if row.stored != left[number] and not _own(row, view) and (row.text, row.stored) not in stood.get(number, ())
    ]


def _own(row: Row, view: View) -> bool:
    known = view.provenance_of(row)
    return known is not None and view.is_fresh(row, known.target) and row.is_right(known.model)


def false_quarantines(view: View) -> list[str]:
    """Return one phrase a row that stands in quarantine for no reason of its own."""
    by_id = {row.id: row for row in view.rows.values() if row.id is not None}
    return [
        f"{kind}: {by_id[row_id]}"
        for (_, row_id), (src, kind) in view.quarantine.items()
        if row_id in by_id and src == state_hash(by_id[row_id]) and not _deserves(by_id[row_id], kind)
    ]


def _deserves(row: Row, kind: str) -> bool:
    # A text that both refuse is told as whoever was asked first.
    return row.unfit == kind or (row.held and (row.unfit, kind) == ("refused", "unwritable"))


@dataclass(frozen=True, slots=True)
class Census:
    """The rows of a scope that count, by what they are."""

    right: frozenset[int]
    quarantined: frozenset[int]
    stale: frozenset[int]
    without_id: frozenset[int]


def census(view: View, model: Model, scope: Scope) -> Census:
    """Return what each live row is, seen from a model: right means by its very bytes, or attested."""
    target = view.target(model)
    found: dict[str, set[int]] = {"right": set(), "quarantined": set(), "stale": set(), "without_id": set()}
    for number, row in view.rows.items():
        if row.live and row.in_scope(scope):
            found[_kind(view, row, target, model)].add(number)
    return Census(**{name: frozenset(numbers) for name, numbers in found.items()})


def _kind(view: View, row: Row, target: int, model: Model) -> str:
    if row.id is None:
        return "without_id"
    if view.is_fresh(row, target) and (row.is_right(model) or view.provenance[row.id].attested):
        return "right"
    return "quarantined" if view.is_quarantined(row, target) else "stale"
