"""Vectors read a page at a time are what they are read row by row, whatever stands in a file."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from ai_memory.errors import DataRefused
from ai_memory.stores.sqlite import vector_pages
from ai_memory.stores.sqlite.database import reading
from ai_memory.stores.sqlite.store import Store
from ai_memory.vectors.blob import decode, head
from tests.support import files

ROWS = 600
SPACES = ("a/one#none", "a/two#none")
FINGERPRINT = """
    INSERT INTO embedding_fingerprint (id, digest, spec_json, space, dim, created_at) VALUES (?, ?, '{}', ?, 4, 0)
"""
MEMORY = """
    INSERT INTO memories (rowid, id, tier, namespace, title, content, created_at, updated_at,
                          embedding, embedding_dim, embedding_space, lifecycle_state)
    VALUES (?, ?, 'mid', ?, ?, '', '', '', ?, ?, ?, ?)
"""
RECORD = """
    INSERT INTO embedding_provenance (memory_id, fingerprint_id, src, head, origin) VALUES (?, ?, x'00', ?, 'import')
"""
STORED = """
    SELECT m.rowid, m.embedding, m.embedding_dim, m.embedding_space, p.head, f.space, p.memory_id IS NOT NULL
    FROM memories AS m LEFT JOIN embedding_provenance AS p ON p.memory_id = m.id
    LEFT JOIN embedding_fingerprint AS f ON f.id = p.fingerprint_id
    WHERE m.lifecycle_state = 'open' AND m.namespace NOT IN ('_agents', '_messages/x')
"""
BROKEN: tuple[object, ...] = (
    None, b"", b"\x01", b"abc", b"\x01abc", b"\x02" + bytes(16), b"\x01" + bytes(16), "text", 5, 1.5,
    b"\x01" + np.full(4, np.nan, dtype="<f4").tobytes(),
)  # fmt: skip
Read = dict[int, tuple[str | None, bytes] | str]
"""What is known of each row: the space and the vector, or that it has none or a malformed one."""


def fill(path: Path, seed: int) -> None:
    """Put rows of every oddity into a file; of seed 0 no record, of seed 1 those of one space alone."""
    rnd = random.Random(seed)
    with files.opened(path) as db:
        db.execute("PRAGMA foreign_keys = OFF")
        for number, space in enumerate(SPACES[:seed], 1):
            db.execute(FINGERPRINT, (number, bytes([number]), space))
        for number in range(ROWS):
            blob = vector_or_not(rnd)
            dim = rnd.choice([4] * 9 + [None] * 3 + [3, 5, "wide", -1, 2.5])
            stamp = rnd.choice([*SPACES * 3, None, None, "b/other#none", "A/ONE#none", 7])
            name = f"{rnd.getrandbits(64):x}"
            namespace = rnd.choice(["n", "_agents", "_messages/x", "_messagesx"])
            state = rnd.choice(["open"] * 9 + ["tombstoned"])
            db.execute(MEMORY, (3 * number - 100, name, namespace, str(number), blob, dim, stamp, state))
            if rnd.random() < 0.7 and seed:
                known = head(blob) if isinstance(blob, bytes) else b"x"
                recorded = rnd.choice([known] * 5 + [known[:-1], b"", bytes(20)])
                # The last one is of a target that the file has lost.
                target = rnd.choice(
                    [*range(1, seed + 1), *([99] if seed == len(SPACES) and rnd.random() < 0.1 else [])]
                )
                db.execute(RECORD, (name, target, recorded))


def vector_or_not(rnd: random.Random) -> object:
    if rnd.random() < 0.3:
        return rnd.choice(BROKEN)
    vector = np.array([rnd.random() for _ in range(rnd.choice([4] * 8 + [3, 1]))], dtype="<f4")
    return rnd.choice([b"\x01", b"\x01", b""]) + vector.tobytes()


def row_by_row(path: Path) -> Read:
    return {row[0]: judged(*row[1:]) for row in files.execute(path, STORED)}


def judged(
    blob: object, dim: object, stamp: object, known: bytes | None, space: str | None, has_record: int
) -> tuple[str | None, bytes] | str:
    if not isinstance(blob, bytes):
        return "missing"
    try:
        vector = decode(blob)
    except DataRefused:
        return "malformed"
    if dim is not None and (not isinstance(dim, int) or dim != len(vector)):
        return "malformed"
    own = None if stamp is None else str(stamp)
    return (space if has_record and known == head(blob) else own), vector.tobytes()


def page_by_page(store: Store) -> tuple[Read, int]:
    read: Read = {}
    missing = 0
    for page in vector_pages.vector_pages(store, None, substrate=False):
        missing += page.missing
        read |= dict.fromkeys(page.malformed.tolist(), "malformed")
        for group in page.groups:
            numbers = zip(group.numbers.tolist(), group.vectors, strict=True)
            read |= {number: (group.space, vector.tobytes()) for number, vector in numbers}
    return read, missing


@pytest.fixture(params=["wal", "delete"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = files.create(tmp_path / "m.db", 0)
    files.execute(path, f"PRAGMA journal_mode = {request.param}")
    return path


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("rows", [7, 2_000])
def test_pages_hold_what_the_rows_hold(file: Path, seed: int, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_pages, "PAGE_ROWS", rows)
    fill(file, seed)
    expected = row_by_row(file)
    with reading(file) as store:
        read, missing = store.consistently(lambda _: page_by_page(store))

    present = {number: each for number, each in expected.items() if each != "missing"}
    assert read == present
    assert missing == len(expected) - len(present)
    assert {"malformed", "missing"} <= {each for each in expected.values() if isinstance(each, str)}
