"""Lays temporary views over a file: one uniform look at the memories of all releases, and at what is served of them.

Databases in the field lack columns that later releases added (ai-memory 0.7.0: schema 57, no
`embedding_space`; the 1.0.0 line: schema 84 adds it). The views have every column we read, NULL where the file has
none; temporary views live in the connection and never reach the file. What a file that is only read lacks of our
tables stands beside it likewise.

`memory_row` is a memory with its own vector, `recorded_row` with the record of that, too. `served_row` is what recall
serves where that is another one: the vector that `embedding_active` says. `staged_row` is what it would serve once the
unfinished staged run is switched to: what that run judges and fills. In both a vector that was made of another text
than the memory has now is passed over, and the row's own stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.memory.freshness import has_text
from ai_memory.memory.row import MemoryRow
from ai_memory.memory.text_codec import Codec
from ai_memory.stores.sqlite.schema import LIVE, OPTIONAL, REQUIRED
from ai_memory.stores.sqlite.stand_ins import lay_empty_tables, lay_later_columns
from ai_memory.stores.sqlite.which_rows import OWN, RECORDED, SERVED, STAGED, STAGED_TARGET
from ai_memory.vectors.blob import head

if TYPE_CHECKING:
    from collections.abc import Callable

    from ai_memory.stores.sqlite.connection import Connection
    from ai_memory.stores.sqlite.schema import Schema

ACTIVE_TARGET = "SELECT target FROM embedding_active"
ACTIVE_BEFORE = "SELECT run_id FROM embedding_active WHERE target IS NULL"
NO_RUN = "NULL"

OWN_VIEW = """
    SELECT m.rowid AS row_number, {columns}, {live} AS live,
        m.embedding AS embedding, {embedding_dim} AS embedding_dim, {embedding_space} AS embedding_space
    FROM main.memories AS m
"""
RECORDED_VIEW = """
    SELECT m.*,
        p.fingerprint_id AS recorded_target, p.src AS recorded_src, p.head AS recorded_head, p.origin AS recorded_origin
    FROM memory_row AS m LEFT JOIN embedding_provenance AS p ON p.memory_id = m.id
"""
# Of what is not active the key is NULL: then nothing is looked up.
VIEW = """
    SELECT m.rowid AS row_number, {columns}, {live} AS live,
        CASE WHEN s.id IS NOT NULL THEN s.embedding WHEN k.id IS NOT NULL THEN k.embedding
            ELSE m.embedding END AS embedding,
        CASE WHEN s.id IS NOT NULL THEN f.dim WHEN k.id IS NOT NULL THEN k.embedding_dim
            ELSE {embedding_dim} END AS embedding_dim,
        CASE WHEN s.id IS NOT NULL THEN f.space WHEN k.id IS NOT NULL THEN k.embedding_space
            ELSE {embedding_space} END AS embedding_space,
        CASE WHEN s.id IS NOT NULL THEN s.target WHEN k.id IS NOT NULL THEN k.fingerprint_id
            ELSE p.fingerprint_id END AS recorded_target,
        CASE WHEN s.id IS NOT NULL THEN s.src WHEN k.id IS NOT NULL THEN k.src ELSE p.src END AS recorded_src,
        CASE WHEN s.id IS NOT NULL THEN s.head WHEN k.id IS NOT NULL THEN k.head ELSE p.head END AS recorded_head,
        CASE WHEN s.id IS NOT NULL THEN s.origin WHEN k.id IS NOT NULL THEN k.origin ELSE p.origin END
            AS recorded_origin
    FROM main.memories AS m
    LEFT JOIN embedding_staged AS s ON s.memory_id = iif(({target}) IS NULL, NULL, m.id) AND s.target = ({target})
        AND has_text(s.src, {text})
    LEFT JOIN embedding_fingerprint AS f ON f.id = s.target
    LEFT JOIN embedding_previous AS k ON k.memory_id = iif(({before}) IS NULL, NULL, m.id) AND k.run_id = ({before})
        AND k.written_head = head_of(m.embedding) AND has_text(k.text_src, {text})
    LEFT JOIN embedding_provenance AS p ON p.memory_id = iif(s.id IS NULL AND k.id IS NULL, m.id, NULL)
"""
TEXT = """
    typeof(m.title) = 'text' AND typeof(m.content) = 'text', CAST(m.title AS BLOB), CAST(m.content AS BLOB), {envelope}
"""
ENVELOPE = "CAST(m.encrypted_envelope AS BLOB)"


def lay_views(db: Connection, schema: Schema) -> None:
    """Create the temporary views on the connection, and our tables where the file lacks them."""
    db.define("has_text", _text_judge(Codec(schema.encoding)))
    db.define("head_of", _head_of)
    columns = _columns(schema)
    for name, view in (
        (OWN, OWN_VIEW.format(**columns)),
        (RECORDED, RECORDED_VIEW),
        (SERVED, VIEW.format(target=ACTIVE_TARGET, before=ACTIVE_BEFORE, **columns)),
        (STAGED, VIEW.format(target=STAGED_TARGET, before=NO_RUN, **columns)),
    ):
        db.execute(f"DROP VIEW IF EXISTS temp.{name}")
        db.execute(f"CREATE TEMP VIEW {name} AS {view}")
    if schema.has_reembed:
        lay_later_columns(db)
    else:
        lay_empty_tables(db)


def _columns(schema: Schema) -> dict[str, str]:
    """Return what the views are made of in a file."""
    columns = {each: f"m.{each}" for each in REQUIRED}
    columns |= {each: f"m.{each}" if each in schema.columns else default for each, default in OPTIONAL.items()}
    columns["recipient"] = schema.recipient
    own = {each: columns.pop(each) for each in ("embedding", "embedding_dim", "embedding_space")}
    return {
        "columns": ", ".join(f"{value} AS {each}" for each, value in columns.items()),
        "live": " AND ".join(["1", *(condition for each, condition in LIVE.items() if each in schema.columns)]),
        "text": TEXT.format(envelope=ENVELOPE if schema.has_envelope else "NULL"),
        **own,
    }


def _text_judge(codec: Codec) -> Callable[..., bool]:
    """Return the function by which SQL asks whether a hash is that of a memory's present text."""

    def judge(src: bytes, is_text: int, title: bytes | None, content: bytes | None, envelope: bytes | None) -> bool:
        nothing = (None, 1, None, None, None, None, None, None, None, None, 0)
        return has_text(MemoryRow(b"", b"", is_text, title, content, envelope, *nothing, codec), src)

    return judge


def _head_of(blob: object) -> bytes | None:
    return head(blob) if isinstance(blob, bytes) else None
