"""What must be true of a database at any instant, checked with SQL of the tests' own.

Nothing here asks the program: a fault in its judgement must not hide in its own proof.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import apsw

from tests.crash.editor import Edited, Rows, read_rows
from tests.crash.sweeping import REEMBEDDED, Committed, Sent
from tests.crash.vfs import Sync
from tests.support.promises import Model, blob, head, source
from tests.support.strategies import HELD

TARGET = Model("hash", 16)

HAS_RUN = "SELECT count(*) FROM sqlite_master WHERE name = 'reembed_run'"
HAS_SPACE = "SELECT count(*) FROM pragma_table_info('memories') WHERE name = 'embedding_space'"
CHECK_WORDS = "INSERT INTO memories_fts (memories_fts, rank) VALUES ('integrity-check', 1)"
VECTORS = f"""
    SELECT m.id, m.namespace, m.title || ' ' || m.content, m.embedding, m.embedding_dim, {{space}}, p.src, p.head
    FROM memories AS m LEFT JOIN embedding_provenance AS p ON p.memory_id = m.id AND p.fingerprint_id = (
        SELECT id FROM embedding_fingerprint WHERE space = '{TARGET.space}')
"""
PASSED = """
    SELECT m.id FROM memories AS m JOIN reembed_checkpoint AS c ON c.namespace = m.namespace
    JOIN reembed_run AS r ON r.run_id = c.run_id AND r.pass = c.pass AND r.state = 'running'
    WHERE c.eof OR m.id <= c.cursor_id
"""

HAS_LIST = "SELECT count(*) FROM sqlite_master WHERE name = 'reembed_hot'"
PASSED_IN_LIST = """
    SELECT h.memory_id FROM reembed_hot AS h JOIN reembed_hot_list AS l ON l.run_id = h.run_id
    JOIN reembed_run AS r ON r.run_id = l.run_id AND r.pass = l.pass AND r.state = 'running'
    WHERE h.place <= l.passed
"""


class Past:
    """What is known to have happened before a crash."""

    def __init__(self, rows: Rows, log: Sequence[object]) -> None:
        """Begin where `memories` held `rows`, before anything of `log` happened."""
        edits = [mark for mark in log if isinstance(mark, Edited)]
        self.states = [rows, *(edit.rows for edit in edits)]
        self.committed = self.edits = self.durable = 0
        self.sent: list[str] = []
        self._edits = edits
        self.touched: set[str] = set()
        self.excused: set[str] = set()
        self.left: set[tuple[str, bytes | None]] = set()
        self._begin_next()

    def happened(self, what: object) -> None:
        """Take one more entry of the record as past."""
        match what:
            case Edited():
                self.edits += 1
                self._begin_next()
            case Sync(file="-wal"):
                self.durable = self.edits
            case Sent(texts):
                self.sent.extend(texts)
            case Committed(reembedded):
                self.committed = reembedded

    def possible(self, *, power_lost: bool) -> list[Rows]:
        """Return the states in which the other writer may have left its rows: one commit may be under way."""
        return self.states[self.durable if power_lost else self.edits : self.edits + 2]

    def sent_twice(self, after: Sequence[str]) -> int:
        """Return how many texts that were sent after the crash had been sent before it for the same reason.

        Each counts once: that some rows are asked again is no crash's doing.
        """
        return len(set(after) & set(self.sent) - self.excused)

    def _begin_next(self) -> None:
        # The other writer's next commit may be in the file before it returns.
        for edit in self._edits[self.edits : self.edits + 1]:
            self.touched.add(edit.id)
            self.excused.add(edit.again)
            self.left.add((edit.id, edit.src))


@dataclass(frozen=True, slots=True)
class Vector:
    """The vector columns of one row; `src` and `head` are None without provenance of the target."""

    id: str
    namespace: str
    text: str
    blob: bytes | None
    dim: int | None
    space: str | None
    src: bytes | None
    head: bytes | None

    @property
    def recorded(self) -> bool:
        """Whether the row's provenance speaks of the vector that is stored."""
        return self.blob is not None and self.head == head(self.blob)

    @property
    def held(self) -> bool:
        """Whether the database itself keeps every vector out of the row."""
        return self.text.endswith(HELD)

    @property
    def fresh(self) -> bool:
        """Whether the row has the target's vector of its present text, and says so."""
        stamped = (self.dim, self.space) == (TARGET.dim, TARGET.space)
        return self.recorded and stamped and self.src == source(self.text) and self.blob == blob(TARGET, self.text)


@contextmanager
def looking(database: Path) -> Iterator[apsw.Connection]:
    """Open a database to look at it; its log stays as it is, and no shared memory is left."""
    with closing(apsw.Connection(str(database))) as connection:
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        yield connection
    database.with_name(f"{database.name}-shm").unlink(missing_ok=True)


def number(connection: apsw.Connection, sql: str) -> int:
    """Return the number that a query finds."""
    found = connection.execute(sql).get
    assert isinstance(found, int)
    return found


def require_sound(connection: apsw.Connection) -> None:
    """Check file and word index."""
    assert connection.execute("PRAGMA integrity_check").get == "ok"
    connection.execute(CHECK_WORDS)


def require_promises(connection: apsw.Connection, past: Past, *, power_lost: bool) -> None:
    """Check what must hold at the instant of a crash."""
    require_sound(connection)
    assert read_rows(connection) in past.possible(power_lost=power_lost)
    if not number(connection, HAS_RUN):
        assert not past.sent
        return
    found = vectors(connection)
    texts = {source(text): text for text in [*past.sent, *(each.text for each in found)]}
    for each in found:
        assert not each.recorded or each.blob == blob(TARGET, texts[each.src or b""]), f"wrong vector: {each}"
        assert each.src in (None, source(each.text)) or (each.id, each.src) in past.left, f"of an older text: {each}"
    stale = {each.id for each in found if not each.fresh and not each.held}
    passed = {row[0] for row in connection.execute(PASSED)}
    if number(connection, HAS_LIST):
        passed |= {row[0] for row in connection.execute(PASSED_IN_LIST)}
    assert stale & passed <= past.touched, "the cursor passed a row that nobody touched and that is not fresh"
    assert number(connection, REEMBEDDED) >= past.committed, "a commit that returned is lost"


def require_done(connection: apsw.Connection, rows: Rows) -> None:
    """Check that every row has the vector an undisturbed run gives it, and that nothing else changed."""
    require_sound(connection)
    assert read_rows(connection) == rows
    assert [each for each in vectors(connection) if not each.fresh and not each.held] == []
    assert [each for each in vectors(connection) if each.held and each.recorded] == []


def vectors(connection: apsw.Connection) -> list[Vector]:
    """Return the vector columns of all rows, with the provenance of the target."""
    space = "m.embedding_space" if number(connection, HAS_SPACE) else f"'{TARGET.space}'"
    return [Vector(*row) for row in connection.execute(VECTORS.format(space=space))]
