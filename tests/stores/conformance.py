"""What every store keeps, whatever it is made of: the promises of `stores/port.py`, tried on a real database.

An adapter gives a `Subject`; `test_conformance.py` runs all of it over each. Nothing here knows what is below the port.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path
from typing import Protocol

import pytest

from ai_memory.errors import (
    DataRefused,
    NotFinished,
    NotFound,
    OperatorNeeded,
    SchemaRefused,
    StatementRefused,
    Stopped,
    StorageFailed,
    UpdateRefused,
    UsageError,
)
from ai_memory.memory.freshness import ATTESTED, Document, Freshness, classify, examine, identify
from ai_memory.memory.reason import Reason, unwritable
from ai_memory.memory.row import MemoryRow
from ai_memory.reembed.plan.targets import identity
from ai_memory.reembed.recorded import recorded_run
from ai_memory.stores.computing import Computing
from ai_memory.stores.course import ENDED, TAKEN_OVER, WRITTEN
from ai_memory.stores.holder import Holder, LockState
from ai_memory.stores.port import Database, Reader, Snapshot, Store, Transaction
from ai_memory.stores.served import Active, Exchange
from ai_memory.stores.values import (
    HOT,
    NOTHING_KEPT,
    Breaker,
    Checkpoint,
    Counted,
    Counters,
    InRow,
    KeptVector,
    LastEnd,
    Pause,
    Place,
    Room,
    Run,
    Span,
    Staged,
    Steps,
    Terms,
    VectorWrite,
)
from ai_memory.vectors.blob import encode
from ai_memory.vectors.target import Fingerprint
from tests.support.fakes import HashEmbedder

NOW_MS = 1_800_000_000_000
EMBEDDER, ANOTHER = HashEmbedder(), HashEmbedder(model="another")
WIDE = HashEmbedder(dim=24, model="wide")
HOLDER, OTHER = Holder(1, "here", NOW_MS), Holder(2, "there", NOW_MS)
REASON = Reason("refused", "the input was refused.", 400)
EOF_OF_A = Checkpoint("a", "id-004", eof=True, rows_done=3)
IDS = ["id-000", "id-001", "id-002", "id-003", "id-004", "id-005"]


class Subject(Protocol):
    """A database with the memories `IDS`, in turn of the namespaces a and b, and what others do to it."""

    @property
    def database(self) -> Database:
        """What the suite opens."""

    @property
    def width(self) -> int | None:
        """The one width of the vectors that its memories take; None: they take any."""

    def absent(self) -> Database:
        """Return a database that is not there."""

    def grow(self) -> None:
        """Add so many memories to the namespace c that to read or to copy all takes several steps."""

    def edit(self, row_id: str, content: str) -> None:
        """Change a memory's content."""

    def encrypt(self, row_id: str, envelope: bytes) -> None:
        """Take a memory's content away, and put an envelope in its place."""

    def note_reads(self, row_id: str, reads: int, at: str) -> None:
        """Have a memory been read so often, the last time `at` an RFC 3339 time."""

    def edit_all(self, content: str) -> bool:
        """Give all memories one content in one commit, at once or not at all (False)."""

    def remove(self, row_id: str) -> None:
        """Delete a memory."""

    def break_vector(self, row_id: str) -> None:
        """Write a vector over the stored one with which nothing can be compared."""

    def refuse(self, row_id: str, words: str) -> None:
        """Have the database refuse each vector of a memory, in these words."""

    def damage(self) -> None:
        """Make the database one that cannot be read."""

    def held_elsewhere(self) -> AbstractContextManager[Callable[[], None]]:
        """Have another process hold the runner's lock; yields what kills it."""

    def doubtful(self, *, stored: bool) -> AbstractContextManager[tuple[Database, Callable[[], None]]]:
        """Yield the database and what makes every commit fail until somebody connects anew.

        `stored`: only the answers fail, what was committed is in the database.
        """


class FileSubject(Subject, Protocol):
    """One that is a file."""

    def opened_copy(self, copy: Path) -> Database:
        """Return a copy made by `back_up` as a database."""


def entered(store: Store, embedder: HashEmbedder = EMBEDDER) -> Fingerprint:
    """Return the record of an embedder's target."""
    with store.transaction() as transaction:
        return transaction.targets.enter(identity(embedder.target), now_ms=NOW_MS)


def begin(
    transaction: Transaction, target: Fingerprint, *, scope: tuple[str, ...] | None = None, terms: Terms | None = None
) -> Run:
    return transaction.runs.begin(
        target=target, target_model="hash", terms=terms or Terms(scope), now_ms=NOW_MS, tool_version="test"
    )


def take(transaction: Transaction, run: Run, holder: Holder = HOLDER, *, lost: int = 0) -> Run:
    return transaction.runs.take_over(run, holder, in_flight_limit=9, lost=lost, breaker_until=None, now_ms=NOW_MS)


def begun(store: Store, target: Fingerprint) -> Run:
    """Return a run that is held."""
    with store.transaction() as transaction:
        return take(transaction, begin(transaction, target))


def document(reader: Reader, row_id: str) -> Document:
    [row] = reader.memories.rows_by_id([row_id], target=None)
    found = examine(row)
    assert isinstance(found, Document)
    return found


def write_of(reader: Reader, row_id: str, *, origin: str = "reembed", embedder: HashEmbedder = EMBEDDER) -> VectorWrite:
    """Return the vector of a memory's present text, ready to be written."""
    found = document(reader, row_id)
    blob = encode(embedder.vector(found.text))
    return VectorWrite(found.id, found.title, found.content, blob, found.src, origin)


def written(store: Store, target: Fingerprint, *writes: VectorWrite, one_by_one: bool = False) -> list[bool]:
    with store.transaction() as transaction:
        return transaction.vectors.write(writes, target, one_by_one=one_by_one)


def freshness(reader: Reader, target: Fingerprint, row_id: str) -> Freshness:
    [row] = reader.memories.rows_by_id([row_id], target=target.id)
    return classify(row, target, reader.memories.traits)


@contextmanager
def undone(store: Store) -> Iterator[Transaction]:
    """Hold a transaction that ends by an error."""
    with suppress(LookupError), store.transaction() as transaction:
        yield transaction
        raise LookupError


class Suite:
    """A store open to write."""

    @pytest.fixture
    def store(self, subject: Subject) -> Iterator[Store]:
        with subject.database.write(now_ms=NOW_MS) as store:
            yield store

    @pytest.fixture
    def target(self, store: Store) -> Fingerprint:
        return entered(store)

    @pytest.fixture
    def run(self, store: Store, target: Fingerprint) -> Run:
        return begun(store, target)


class ReadingSuite(Suite):
    """Memories as a sweep and a census read them."""

    def test_one_state_is_read_however_long_that_takes_or_refused_where_writers_would_wait(
        self, subject: Subject
    ) -> None:
        def contents(reader: Reader) -> list[str]:
            return [str(row.content) for row in reader.memories.rows_by_id(["id-000", "id-001"], target=None)]

        with subject.database.read() as reader:
            before = contents(reader)
        with suppress(NotFinished), subject.database.read(one_state=True) as held:
            assert subject.edit_all("new")
            assert contents(held) == before
            assert held.consistently(lambda found: len(list(found.rows(target=None, only=None)))) == len(IDS)
        # Where it is refused the writers did not wait either.
        subject.edit_all("newer")
        with subject.database.read() as reader:
            assert contents(reader) == ["newer", "newer"]

    def test_a_walk_by_blocks_meets_each_id_of_a_namespace_once_in_one_order(self, store: Store) -> None:
        whole = store.memories.ids_after("a", None, limit=100)
        met: list[str] = []
        while block := store.memories.ids_after("a", met[-1] if met else None, limit=2):
            met += block

        assert met == whole
        assert sorted(met) == ["id-000", "id-002", "id-004"]
        assert store.memories.ids_after("nobody's", None, limit=2) == []

    def test_rows_come_in_the_order_they_are_asked_for_without_those_that_are_gone(
        self, subject: Subject, store: Store
    ) -> None:
        subject.remove("id-003")
        asked = ["id-004", "id-003", "id-001", "nobody"]

        assert [row.id for row in store.memories.rows_by_id(asked, target=None)] == ["id-004", "id-001"]

    def test_namespaces_are_named_once_and_one_never_seen_is_refused(self, store: Store) -> None:
        assert store.memories.namespaces() == ["a", "b"]
        store.memories.require_seen("a", "b")
        with pytest.raises(NotFound, match="zebra"):
            store.memories.require_seen("a", "zebra")

    @pytest.mark.parametrize(("only", "ids"), [(None, IDS), (("b",), IDS[1::2]), (("zebra",), [])])
    def test_a_snapshot_has_every_row_of_the_scope_once(
        self, store: Store, only: Sequence[str] | None, ids: list[str]
    ) -> None:
        assert ids_of(store, only) == ids

    def test_a_snapshot_is_of_one_state_while_another_writes(self, subject: Subject) -> None:
        subject.grow()
        assert subject.edit_all("as it was")
        edits = count()
        with subject.database.read() as reader:

            def read(snapshot: Snapshot) -> set[str | None]:
                found: set[str | None] = set()
                for row in snapshot.rows(target=None, only=None):
                    if not found:
                        subject.edit_all(f"edit {next(edits)}")
                    found.add(row.content)
                return found

            assert len(reader.consistently(read)) == 1
        assert next(edits) > 0

    def test_an_error_of_the_reading_itself_is_raised_as_it_is(self, store: Store) -> None:
        with pytest.raises(ZeroDivisionError):
            store.consistently(lambda _: 1 // 0)

    def test_nothing_is_unaddressable_where_every_memory_has_an_id(self, store: Store) -> None:
        assert store.consistently(lambda snapshot: snapshot.unaddressable()) == []

    def test_stored_vectors_are_counted_by_what_rows_declare(self, store: Store, target: Fingerprint) -> None:
        assert store.memories.stored_spaces() == []
        written(store, target, write_of(store, "id-000"), write_of(store, "id-001"))

        assert store.memories.stored_spaces() == [(target.space, target.dim, 2)]
        assert store.consistently(lambda snapshot: snapshot.stored_spaces()) == store.memories.stored_spaces()

    def test_a_stored_vector_is_given_for_the_very_text_only(
        self, subject: Subject, store: Store, target: Fingerprint
    ) -> None:
        write = write_of(store, "id-000")
        assert store.memories.stored_vector(write, target=target.id) is None
        written(store, target, write)
        assert store.memories.stored_vector(write, target=target.id) == write.blob

        subject.edit("id-000", "edited")
        assert store.memories.stored_vector(write, target=target.id) is None

    @pytest.mark.parametrize("place", [NOTHING_KEPT, Staged()], ids=["in the row", "staged"])
    def test_a_vector_of_an_encrypted_text_goes_with_the_very_envelope_that_was_opened(
        self, subject: Subject, store: Store, target: Fingerprint, place: Place
    ) -> None:
        subject.encrypt("id-000", b"one")
        [row] = store.memories.rows_by_id(["id-000"], target=None)
        found = identify(row)
        assert isinstance(found, Document)
        assert (found.content, found.text, found.envelope) == ("", "", b"one")
        write = write_of(store, "id-001")._replace(id=found.id, title=found.title, content="", src=found.src)
        write = write._replace(envelope=found.envelope)

        subject.encrypt("id-000", b"another")
        with store.transaction() as transaction:
            assert transaction.vectors.write([write], target, one_by_one=False, place=place) == [False]
        assert store.memories.stored_vector(write, target=target.id) is None
        subject.encrypt("id-000", b"one")
        with store.transaction() as transaction:
            assert transaction.vectors.write([write], target, one_by_one=False, place=place) == [True]
        if place is NOTHING_KEPT:
            assert freshness(store, target, "id-000") is Freshness.FRESH
            assert store.memories.stored_vector(write, target=target.id) == write.blob
            subject.encrypt("id-000", b"a third")
            assert freshness(store, target, "id-000") is Freshness.STALE
            assert store.memories.stored_vector(write, target=target.id) is None

    def test_a_database_that_is_not_there_is_refused_and_nothing_is_made(
        self, subject: Subject, tmp_path: Path
    ) -> None:
        absent, before = subject.absent(), sorted(tmp_path.rglob("*"))

        with pytest.raises(DataRefused), absent.read():
            pass
        with pytest.raises(DataRefused), absent.write(now_ms=NOW_MS):
            pass
        with pytest.raises(DataRefused), absent.hold(HOLDER):
            pass
        assert absent.lock().state is LockState.FREE
        assert sorted(tmp_path.rglob("*")) == before


def ids_of(reader: Reader, only: Sequence[str] | None = None) -> list[str]:
    return sorted(row.id for row in reader.consistently(lambda found: [*found.rows(target=None, only=only)]))


class TargetSuite(Suite):
    """The records of targets."""

    def test_a_target_is_entered_once_and_known_by_its_identity(self, store: Store, target: Fingerprint) -> None:
        assert entered(store) == store.targets.read(target.id) == store.targets.known(identity(EMBEDDER.target))
        assert store.consistently(lambda found: found.known(identity(EMBEDDER.target))) == target
        assert store.targets.known(identity(HashEmbedder(dim=8).target)) is None

    def test_a_number_that_no_target_has_is_refused(self, store: Store, target: Fingerprint) -> None:
        with pytest.raises(DataRefused):
            store.targets.read(target.id + 1)

    def test_targets_are_found_by_space_and_width(self, store: Store, target: Fingerprint) -> None:
        narrow = entered(store, HashEmbedder(dim=8))

        assert store.targets.of_space(target.space, 16) == [target.id]
        assert store.targets.of_space(target.space, 0) == [narrow.id, target.id]
        assert store.targets.of_space("other#none", 0) == []
        assert sorted(store.targets.widths()) == sorted([(target.digest, 16), (narrow.digest, 8)])

    def test_what_sweeps_wrote_in_the_present_stretch_is_unproven(self, store: Store, target: Fingerprint) -> None:
        swept = [write_of(store, f"id-00{n}", origin=each) for n, each in enumerate(("reembed", "backfill", "import"))]
        assert written(store, target, *swept, write_of(store, "id-003", origin="store")) == [True] * 4
        assert store.targets.unproven(target) == ["id-000", "id-001", "id-002"]

        with store.transaction() as transaction:
            transaction.targets.begin_stretch(target.id)

        later = store.targets.read(target.id)
        assert (later.stretch, store.targets.unproven(later)) == (target.stretch + 1, [])
        assert written(store, later, swept[1]) == [True]
        assert store.targets.unproven(later) == ["id-001"]

    def test_the_width_of_an_unfinished_run_comes_first(self, store: Store, target: Fingerprint) -> None:
        begun(store, target)
        entered(store, HashEmbedder(dim=8))

        assert store.targets.widths()[0] == (target.digest, target.dim)

    def test_the_first_witness_stays(self, store: Store, target: Fingerprint) -> None:
        with store.transaction() as transaction:
            transaction.targets.set_witness(target.id, b"first")
            transaction.targets.set_witness(target.id, b"second")

        assert store.targets.read(target.id).witness == b"first"

    def test_a_witness_is_forgotten_only_while_no_vector_is_recorded(self, store: Store, target: Fingerprint) -> None:
        with store.transaction() as transaction:
            transaction.targets.set_witness(target.id, b"first")
            assert transaction.targets.forget_witness(target.id)
            transaction.targets.set_witness(target.id, b"second")
        written(store, target, write_of(store, "id-000"))
        with store.transaction() as transaction:
            assert not transaction.targets.forget_witness(target.id)

        assert store.targets.read(target.id).witness == b"second"


class WritingSuite(Suite):
    """Vectors and their record: together, on the very text that was embedded, or not at all."""

    @pytest.mark.parametrize("one_by_one", [False, True])
    def test_a_vector_is_written_with_its_record(self, store: Store, target: Fingerprint, one_by_one: bool) -> None:
        writes = [write_of(store, "id-000"), write_of(store, "id-001")]

        assert written(store, target, *writes, one_by_one=one_by_one) == [True, True]

        for write in writes:
            [row] = store.memories.rows_by_id([write.id], target=target.id)
            assert (row.embedding, row.fingerprint_id, row.recorded_src) == (write.blob, target.id, write.src)
            assert freshness(store, target, write.id) is Freshness.FRESH
        assert freshness(store, target, "id-002") is Freshness.STALE

    @pytest.mark.parametrize("one_by_one", [False, True])
    def test_a_memory_that_changed_or_went_meanwhile_gets_nothing(
        self, subject: Subject, store: Store, target: Fingerprint, one_by_one: bool
    ) -> None:
        writes = [write_of(store, row_id) for row_id in IDS[:3]]
        subject.edit("id-000", "edited")
        subject.remove("id-001")

        assert written(store, target, *writes, one_by_one=one_by_one) == [False, False, True]

        [row] = store.memories.rows_by_id(["id-000"], target=target.id)
        assert (row.embedding, row.fingerprint_id) == (None, None)
        assert freshness(store, target, "id-002") is Freshness.FRESH

    def test_how_the_writers_of_vectors_were_configured_is_kept(self, store: Store, target: Fingerprint) -> None:
        written(store, target, write_of(store, "id-000"))
        entered = replace(identity(EMBEDDER.target), settings='{"backend": "a"}')
        other = replace(identity(HashEmbedder(dim=8).target), settings='{"backend": "b"}')
        with store.transaction() as transaction:
            transaction.targets.enter(entered, now_ms=NOW_MS)
            transaction.targets.enter(other, now_ms=NOW_MS)
            # Who is entered without does not take away what is kept.
            transaction.targets.enter(replace(entered, settings=""), now_ms=NOW_MS)
            transaction.targets.set_witness(target.id, b"witness")

        # Of the other there is no vector.
        [found] = store.targets.kept()
        assert (found.space, found.dim, found.settings) == (target.space, target.dim, entered.settings)
        assert found.witness == b"witness"

    def test_the_settings_kept_are_those_of_the_last_writer(self, store: Store, target: Fingerprint) -> None:
        written(store, target, write_of(store, "id-000"))
        for each in ('{"backend": "a"}', '{"backend": "b"}'):
            with store.transaction() as transaction:
                transaction.targets.enter(replace(identity(EMBEDDER.target), settings=each), now_ms=NOW_MS)
        assert [each.settings for each in store.targets.kept()] == ['{"backend": "b"}']

    def test_how_a_space_is_embedded_is_known_whatever_is_served(self, store: Store) -> None:
        narrow, wide, bare = HashEmbedder(dim=8), HashEmbedder(dim=24), HashEmbedder(dim=32)
        with store.transaction() as transaction:
            for each, settings in ((narrow, "n"), (wide, "w"), (bare, "")):
                transaction.targets.enter(replace(identity(each.target), settings=settings), now_ms=NOW_MS)

        found = [store.targets.kept_as(narrow.target.space, dim) for dim in (8, 24, 32, 40, 0)]
        known = [each and (each.dim, each.settings) for each in found]

        assert known == [
            (8, "n"),
            (24, "w"),
            (32, ""),
            None,
            (24, "w"),
        ]
        assert store.targets.kept_as("another", 0) is None

    def test_an_edit_makes_a_vector_stale(self, subject: Subject, store: Store, target: Fingerprint) -> None:
        written(store, target, write_of(store, "id-000"))
        subject.edit("id-000", "edited")

        assert freshness(store, target, "id-000") is Freshness.STALE

    def test_nothing_of_a_transaction_that_fails_is_kept(self, subject: Subject, store: Store) -> None:
        with undone(store) as transaction:
            target = transaction.targets.enter(identity(EMBEDDER.target), now_ms=NOW_MS)
            transaction.vectors.write([write_of(store, "id-000")], target, one_by_one=False)
            begin(transaction, target)

        with subject.database.read() as reader:
            assert (reader.memories.stored_spaces(), reader.targets.widths(), reader.runs.recent()) == ([], [], [])

    def test_only_the_transaction_sees_what_it_wrote_before_it_is_committed(
        self, subject: Subject, store: Store, target: Fingerprint
    ) -> None:
        with subject.database.read() as reader:
            with store.transaction() as transaction:
                transaction.vectors.write([write_of(store, "id-000")], target, one_by_one=False)
                assert freshness(transaction.reader, target, "id-000") is Freshness.FRESH
                assert freshness(reader, target, "id-000") is Freshness.STALE
            assert freshness(reader, target, "id-000") is Freshness.FRESH

    def test_a_vector_that_stands_there_is_attested_as_it_is(
        self, subject: Subject, store: Store, target: Fingerprint
    ) -> None:
        other = entered(store, replace(EMBEDDER, model="another"))
        written(store, other, write_of(store, "id-000"))
        attested = write_of(store, "id-000", origin=ATTESTED)._replace(blob=b"")
        with store.transaction() as transaction:
            assert transaction.vectors.attest(attested, target)
            assert not transaction.vectors.attest(write_of(store, "id-001", origin=ATTESTED), target)
        assert freshness(store, target, "id-000") is Freshness.FRESH

        subject.edit("id-000", "edited")
        with store.transaction() as transaction:
            assert not transaction.vectors.attest(attested, target)

    @pytest.mark.parametrize("unstamp", [False, True])
    def test_a_vector_that_is_forgotten_is_stale_and_stays(
        self, store: Store, target: Fingerprint, unstamp: bool
    ) -> None:
        written(store, target, write_of(store, "id-000"), write_of(store, "id-001"))
        with store.transaction() as transaction:
            assert transaction.vectors.forget(["id-000", "id-002"], target, unstamp=unstamp) == 1

        [row] = store.memories.rows_by_id(["id-000"], target=target.id)
        assert (row.fingerprint_id, row.embedding is None, row.raw_space is None) == (None, False, unstamp)
        assert [freshness(store, target, each) for each in IDS[:2]] == [Freshness.STALE, Freshness.FRESH]

    @pytest.mark.parametrize("unstamp", [False, True])
    @pytest.mark.parametrize("origin", ["reembed", "store", ATTESTED])
    def test_a_vector_that_is_disowned_is_stale_and_stays_whoever_gave_it(
        self, store: Store, target: Fingerprint, origin: str, unstamp: bool
    ) -> None:
        write = write_of(store, "id-000", origin=origin)
        written(store, target, write, write_of(store, "id-001", origin=origin))
        with store.transaction() as transaction:
            assert transaction.vectors.disown([write], target, unstamp=unstamp) == 1

        [row] = store.memories.rows_by_id(["id-000"], target=target.id)
        assert (row.fingerprint_id, row.embedding is None, row.raw_space is None) == (None, False, unstamp)
        assert [freshness(store, target, each) for each in IDS[:2]] == [Freshness.STALE, Freshness.FRESH]

    def test_only_the_very_vector_of_the_very_text_is_disowned(
        self, subject: Subject, store: Store, target: Fingerprint
    ) -> None:
        writes = [write_of(store, row_id) for row_id in IDS[:3]]
        written(store, target, *writes)
        subject.edit("id-000", "edited")
        another = entered(store, replace(EMBEDDER, model="another"))
        with store.transaction() as transaction:
            vectors = transaction.vectors
            assert vectors.disown([writes[0], writes[1]._replace(blob=writes[2].blob)], target, unstamp=True) == 0
            assert vectors.disown(writes, another, unstamp=True) == 0

        assert [freshness(store, target, each) for each in IDS[1:3]] == [Freshness.FRESH, Freshness.FRESH]

    @pytest.mark.parametrize("vectors", [False, True])
    def test_what_one_writer_gave_is_taken_away_and_nothing_else(
        self, store: Store, target: Fingerprint, vectors: bool
    ) -> None:
        writes = [write_of(store, row_id, origin="store") for row_id in IDS[:3]]
        written(store, target, *writes)
        with store.transaction() as transaction:
            taken = [
                transaction.vectors.take_away(ids, target, origin=origin, vectors=vectors)
                for ids, origin in ((IDS[:2], "backfill"), (IDS[:1], "store"))
            ]

        [row] = store.memories.rows_by_id(["id-000"], target=target.id)
        assert taken == [0, 1]
        assert (row.fingerprint_id, row.embedding is None) == (None, vectors)
        assert freshness(store, target, "id-002") is Freshness.FRESH

    def test_vectors_are_found_by_their_texts_unless_nothing_can_be_compared_with_them(
        self, subject: Subject, store: Store, target: Fingerprint
    ) -> None:
        writes = [write_of(store, row_id) for row_id in IDS[:3]]
        srcs = {each.src for each in writes} | {b"nobody's"}
        written(store, target, *writes[:2])
        with store.transaction() as transaction:
            assert transaction.reader.memories.vectors_of(srcs, target) == {w.src: w.blob for w in writes[:2]}

        subject.break_vector("id-001")

        assert store.memories.vectors_of(srcs, target) == {writes[0].src: writes[0].blob}
        assert store.memories.vectors_of(srcs, entered(store, HashEmbedder(dim=8))) == {}

    def test_a_vector_that_somebody_attested_is_given_to_no_other_memory(
        self, store: Store, target: Fingerprint
    ) -> None:
        write = write_of(store, "id-000")
        written(store, target, write)
        with store.transaction() as transaction:
            assert transaction.vectors.attest(write._replace(origin=ATTESTED), target)

        assert store.memories.vectors_of([write.src], target) == {}

    def test_a_refusal_of_the_database_names_its_row_and_nothing_is_kept(
        self, subject: Subject, store: Store, target: Fingerprint
    ) -> None:
        subject.refuse("id-001", "legal hold")
        writes = [write_of(store, each) for each in IDS[:3]]

        with pytest.raises(StatementRefused):
            written(store, target, *writes)
        with pytest.raises(UpdateRefused) as refusal:
            written(store, target, *writes, one_by_one=True)

        assert (refusal.value.memory_id, refusal.value.words) == ("id-001", "legal hold")
        assert store.memories.stored_spaces() == []

    def test_a_rehearsal_tells_what_is_refused_and_leaves_nothing(
        self, subject: Subject, store: Store, target: Fingerprint
    ) -> None:
        writes = [write_of(store, each) for each in IDS[:3]]
        assert store.structure.rehearse({each.id: rehearsed(each, target) for each in writes}) == {}
        subject.refuse("id-001", "legal hold")

        assert store.structure.rehearse({each.id: rehearsed(each, target) for each in writes}) == {
            "id-001": "legal hold"
        }

        assert store.memories.stored_spaces() == []
        assert {freshness(store, target, each) for each in IDS} == {Freshness.STALE}

    def test_that_one_row_is_refused_keeps_no_other_vector_out(self, subject: Subject, store: Store) -> None:
        subject.refuse("id-001", "legal hold")

        assert store.memories.refused_updates() is None
        assert store.memories.look_at_schema


def rehearsed(write: VectorWrite, target: Fingerprint) -> Callable[[Transaction], object]:
    return lambda transaction: transaction.vectors.write([write], target, one_by_one=True)


class UndoSuite(Suite):
    """What a run replaces is kept with it, and comes back as it stood."""

    @pytest.fixture
    def run(self, store: Store, target: Fingerprint) -> Run:
        """Return a run that keeps what it replaces."""
        return keeping(store, target)

    @pytest.fixture
    def old(self, store: Store) -> Fingerprint:
        """Return the target of the vectors that stand there before the run: of all memories but the first."""
        old = entered(store, OLD)
        written(store, old, *(write_of(store, each, embedder=OLD) for each in IDS[1:]))
        return old

    @pytest.mark.parametrize("one_by_one", [False, True])
    def test_what_a_run_replaced_comes_back_as_it_stood(
        self, store: Store, old: Fingerprint, target: Fingerprint, run: Run, one_by_one: bool
    ) -> None:
        before = state(store)
        replaced(store, target, run, *IDS, one_by_one=one_by_one)
        assert all(freshness(store, target, each) is Freshness.FRESH for each in IDS)

        assert put_back(store, target, run, *IDS) == dict.fromkeys(IDS, True)

        assert state(store) == before
        assert freshness(store, old, IDS[1]) is Freshness.FRESH

    def test_what_a_run_replaced_is_told_with_the_text_that_it_was_of(
        self, subject: Subject, store: Store, old: Fingerprint, target: Fingerprint, run: Run
    ) -> None:
        stood = {each: write_of(store, each, embedder=OLD) for each in IDS[1:]}
        replaced(store, target, run, *IDS)
        subject.edit("id-001", "edited")

        told = store.targets.previous.replaced_by(run.run_id, [*IDS, "nobody"])

        # The first one had no vector.
        assert told == {name: (write.src, write.blob) for name, write in stood.items()}
        assert store.targets.previous.replaced_by(run.run_id, []) == {}
        assert store.targets.previous.replaced_by(run.run_id + 1, IDS) == {}
        assert old.id != target.id

    def test_what_stood_there_before_its_first_write_is_kept(
        self, store: Store, old: Fingerprint, target: Fingerprint, run: Run
    ) -> None:
        before = state(store)
        replaced(store, target, run, *IDS)
        replaced(store, target, run, *IDS)

        put_back(store, target, run, *IDS)

        assert (state(store), old.dim) == (before, OLD.dim)

    def test_an_attested_stamp_and_record_come_back(self, store: Store, old: Fingerprint) -> None:
        attested = entered(store, replace(OLD, model="the same by another name"))
        run, before = keeping(store, attested), state(store)
        with store.transaction() as transaction:
            write = write_of(transaction.reader, "id-001", embedder=OLD, origin=ATTESTED)
            assert transaction.vectors.attest(write, attested, place=InRow(run.run_id))
        assert freshness(store, attested, "id-001") is Freshness.FRESH

        assert put_back(store, attested, run, "id-001") == {"id-001": True}

        assert (state(store), freshness(store, old, "id-001")) == (before, Freshness.FRESH)

    def test_what_an_operator_attests_is_undone_like_a_run_and_is_none(self, store: Store, old: Fingerprint) -> None:
        attested, before = entered(store, replace(OLD, model="the same by another name")), state(store)
        with store.transaction() as transaction:
            noted = transaction.undo.note_stamps(attested, target_model="same", now_ms=NOW_MS, tool_version="test")
            write = write_of(transaction.reader, "id-001", embedder=OLD, origin=ATTESTED)
            assert transaction.vectors.attest(write, attested, place=noted)

        assert (store.runs.unfinished(), store.runs.recent()) == (None, [])
        assert noted.keep_for is not None
        assert store.targets.previous.to_undo() == Span(noted.keep_for, noted.keep_for)
        put_back(store, attested, store.runs.read(noted.keep_for), "id-001")
        assert (state(store), freshness(store, old, "id-001")) == (before, Freshness.FRESH)

    def test_a_row_that_somebody_changed_since_is_left_as_it_is(
        self, subject: Subject, store: Store, old: Fingerprint, target: Fingerprint, run: Run
    ) -> None:
        replaced(store, target, run, *IDS)
        subject.edit("id-001", "edited")
        written(store, target, write_of(store, "id-002", origin="store", embedder=HashEmbedder(model="store's")))
        subject.remove("id-003")
        after = state(store, *IDS[1:3])

        assert put_back(store, target, run, *IDS[1:5]) == {"id-001": False, "id-002": False, "id-004": True}

        assert state(store, *IDS[1:3]) == after
        assert freshness(store, old, "id-004") is Freshness.FRESH

    def test_a_text_that_was_edited_before_the_run_wrote_it_again_does_not_get_the_vector_of_the_other_text(
        self, subject: Subject, store: Store, old: Fingerprint, target: Fingerprint, run: Run
    ) -> None:
        replaced(store, target, run, "id-001")
        subject.edit("id-001", "edited")
        replaced(store, target, run, "id-001")

        assert put_back(store, target, run, "id-001") == {"id-001": False}

        assert (freshness(store, target, "id-001"), old.dim) == (Freshness.FRESH, OLD.dim)

    def test_what_is_put_back_leaves_what_it_replaced_to_be_taken_again(
        self, store: Store, old: Fingerprint, target: Fingerprint, run: Run
    ) -> None:
        writes = [write_of(store, each) for each in IDS[:2]]
        replaced(store, target, run, *IDS[:2])
        assert store.targets.previous.vectors_of([each.src for each in writes], target) == {}
        assert not store.targets.previous.has_any_of(target)
        with store.transaction() as transaction:
            transaction.targets.begin_stretch(target.id)
        put_back(store, target, run, *IDS[:2])

        assert store.targets.previous.has_any_of(target)
        assert store.targets.previous.vectors_of([each.src for each in writes], target) == {
            each.src: KeptVector(each.blob, proven=True) for each in writes
        }
        assert (
            store.targets.previous.vectors_of([each.src for each in writes], entered(store, HashEmbedder(dim=8))) == {}
        )

        again = keeping(store, target)
        replaced(store, target, again, "id-000")
        with store.transaction() as transaction:
            transaction.undo.taken(writes[:1], target)
        assert store.targets.previous.vectors_of([each.src for each in writes], target).keys() == {writes[1].src}
        assert put_back(store, target, again, "id-000") == {"id-000": True}
        assert (state(store, "id-000")[0][1], old.dim) == (None, OLD.dim)

    def test_a_vector_that_nobody_saw_to_be_right_stays_so_whatever_was_seen_meanwhile(
        self, store: Store, target: Fingerprint
    ) -> None:
        unproven, another, run = replaced_by_another(store, target, "id-000")
        assert store.targets.previous.vectors_of([unproven.src], target) == {
            unproven.src: KeptVector(unproven.blob, proven=False)
        }
        with store.transaction() as transaction:
            transaction.targets.begin_stretch(target.id)

        put_back(store, another, run, "id-000")

        assert store.targets.unproven(store.targets.read(target.id)) == ["id-000"]

    def test_what_is_doubted_is_neither_taken_again_nor_put_back_as_the_targets(
        self, store: Store, target: Fingerprint
    ) -> None:
        doubted, another, run = replaced_by_another(store, target, "id-000")
        with store.transaction() as transaction:
            transaction.undo.doubt(target)

        assert store.targets.previous.vectors_of([doubted.src], target) == {}
        assert put_back(store, another, run, "id-000") == {"id-000": True}
        assert freshness(store, target, "id-000") is Freshness.STALE

    def test_what_a_run_takes_back_comes_back_as_it_was(
        self, store: Store, old: Fingerprint, target: Fingerprint, run: Run
    ) -> None:
        before = state(store)
        replaced(store, target, run, *IDS[:3])
        with store.transaction() as transaction:
            taken = transaction.vectors.forget(IDS[:3], target, unstamp=True, place=InRow(run.run_id))

        assert (taken, state(store), old.dim) == (3, before, OLD.dim)
        assert store.targets.previous.ids_after(Span(run.run_id, run.run_id), None, limit=9) == []
        assert store.targets.previous.vectors_of([write_of(store, "id-001").src], target) == {}

    def test_of_runs_on_the_way_to_another_all_are_undone_at_once(
        self, store: Store, old: Fingerprint, target: Fingerprint, run: Run
    ) -> None:
        before = state(store)
        replaced(store, target, run, *IDS[:4])
        ended(store, run, "superseded")
        third = replace(EMBEDDER, model="third")
        last = keeping(store, entered(store, third))
        replaced(store, entered(store, third), last, *IDS[2:], embedder=third)
        assert store.targets.previous.to_undo() == Span(run.run_id, last.run_id)

        span = Span(run.run_id, last.run_id)
        assert (
            store.targets.previous.ids_after(span, None, limit=4)
            + store.targets.previous.ids_after(span, "id-003", limit=4)
            == IDS
        )
        assert put_back(store, target, last, *IDS, first=run.run_id) == dict.fromkeys(IDS, True)

        assert (state(store), old.dim) == (before, OLD.dim)
        assert store.targets.previous.ids_after(span, None, limit=9) == []

    def test_what_is_kept_is_counted_and_pruned_by_pages(
        self, store: Store, old: Fingerprint, target: Fingerprint, run: Run
    ) -> None:
        size = len(write_of(store, "id-001", embedder=OLD).blob)
        replaced(store, target, run, *IDS[:4])
        later = keeping(store, old)
        replaced(store, old, later, "id-000", embedder=OLD)
        kept = Room(1, len(write_of(store, "id-000").blob))
        assert store.targets.previous.kept() == [(later.run_id, kept), (run.run_id, Room(4, 3 * size))]

        after, dropped = 0, Room()
        while True:
            with store.transaction() as transaction:
                spare = [Span(later.run_id, later.run_id)]
                found, room = transaction.undo.prune(after, spare=spare, limit=2)
            if found is None:
                break
            after, dropped = found, dropped + room

        assert (dropped, store.targets.previous.kept()) == (Room(4, 3 * size), [(later.run_id, kept)])
        assert put_back(store, target, run, *IDS[1:3]) == {}

    def test_from_the_first_page_that_is_pruned_a_run_is_lost_and_those_that_are_spared_are_not(
        self, store: Store, old: Fingerprint, target: Fingerprint, run: Run
    ) -> None:
        replaced(store, target, run, *IDS[:4])
        later = keeping(store, old)
        replaced(store, old, later, "id-000", embedder=OLD)
        both, spare = Span(run.run_id, later.run_id), [Span(later.run_id, later.run_id)]
        assert store.targets.previous.lost(both) == []

        with store.transaction() as transaction:
            transaction.undo.prune(0, spare=spare, limit=1)

        assert store.targets.previous.lost(both) == [run.run_id]
        assert store.targets.previous.lost(spare[0]) == []
        assert store.runs.read(run.run_id).keeps_previous

    def test_the_log_grows_with_what_is_written_and_no_further_than_its_limit(self, store: Store) -> None:
        """However much is written, it begins anew after so much; more at once takes more."""
        log_room = store.targets.previous.log_room

        few, some = (log_room(rows, at_once=100, row_bytes=1_000) for rows in (10, 200))
        most, at_once = log_room(10**6, at_once=100, row_bytes=1_000), log_room(10**6, at_once=1_000, row_bytes=1_000)

        assert 0 < few < some <= most < at_once
        assert most == log_room(10**7, at_once=100, row_bytes=1_000)

    def test_what_was_pruned_is_free_until_it_is_given_back(
        self, subject: Subject, store: Store, target: Fingerprint, run: Run
    ) -> None:
        if subject.width:
            pytest.skip("its memories take no vectors so large that much is free")
        large = replace(OLD, dim=4096)
        written(store, entered(store, large), *(write_of(store, each, embedder=large) for each in IDS))
        replaced(store, target, run, *IDS)
        after, none = state(store), store.targets.previous.free()
        with store.transaction() as transaction:
            transaction.undo.prune(0, spare=[], limit=9)
        free = store.targets.previous.free()

        given_back = subject.database.vacuum(now_ms=NOW_MS)

        assert (free - none >= 6 * 16_000, given_back >= free) == (True, True)
        assert (store.targets.previous.free(), state(store)) == (0, after)

    def test_a_run_that_is_undone_is_no_longer_approved(self, store: Store, target: Fingerprint, run: Run) -> None:
        with store.transaction() as transaction:
            transaction.operator.approve(target.space, target.dim, by="me", how="approve", now_ms=NOW_MS)
        replaced(store, target, run, "id-000")
        ended(store, run, "cancelled")
        rollback = keeping(store, target, undoes=Span(run.run_id, run.run_id))
        with store.transaction() as transaction:
            transaction.undo.undone(Span(run.run_id, run.run_id), rollback)
            transaction.operator.withdraw(run.run_id)

        assert not store.operator.is_approved(target.space, target.dim)
        assert store.runs.read(run.run_id).undone_by == rollback.run_id
        assert (store.runs.read(rollback.run_id).undoes, store.targets.previous.to_undo()) == (
            Span(run.run_id, run.run_id),
        ) * 2

    def test_vectors_of_the_targets_that_are_left_are_counted(
        self, store: Store, old: Fingerprint, target: Fingerprint, run: Run
    ) -> None:
        replaced(store, target, run, *IDS[:2])
        written(store, target, write_of(store, "id-005", origin="store"))
        put_back(store, target, run, *IDS[:2])

        assert (store.targets.previous.left_of(Span(run.run_id, run.run_id)), old.dim) == (1, OLD.dim)

    def test_a_refusal_of_the_database_names_its_row_and_the_others_are_put_back(
        self, subject: Subject, store: Store, old: Fingerprint, target: Fingerprint, run: Run
    ) -> None:
        replaced(store, target, run, *IDS[1:4])
        subject.refuse("id-002", "legal hold")

        with pytest.raises(UpdateRefused) as refused:
            put_back(store, target, run, *IDS[1:4], one_by_one=True)
        assert refused.value.memory_id == "id-002"
        done = put_back(store, target, run, *IDS[1:4], leave=["id-002"])
        assert done == {"id-001": True, "id-002": False, "id-003": True}

        assert freshness(store, old, "id-001") is Freshness.FRESH
        assert freshness(store, target, "id-002") is Freshness.FRESH


class StagingSuite(Suite):
    """What is staged stands beside the memories until it is served."""

    @pytest.fixture
    def run(self, store: Store, target: Fingerprint) -> Run:
        """Return a staged run."""
        with store.transaction() as transaction:
            return take(transaction, begin(transaction, target, terms=Terms(keeps_previous=True, staged=True)))

    @pytest.fixture
    def old(self, store: Store) -> Fingerprint:
        """Return the target of the vectors that all memories have before the run."""
        old = entered(store, OLD)
        written(store, old, *(write_of(store, each, embedder=OLD) for each in IDS))
        return old

    def test_the_target_of_a_staged_run_finds_its_vectors_and_everybody_else_what_was_there(
        self, store: Store, old: Fingerprint, target: Fingerprint, run: Run
    ) -> None:
        before = state(store)
        assert staged(store, target, *IDS[:3]) == [True] * 3

        assert (run.staged, store.targets.staged.target()) == (True, target.id)
        assert [freshness(store, target, each) for each in IDS] == [Freshness.FRESH] * 3 + [Freshness.STALE] * 3
        assert (state(store), freshness(store, old, "id-000")) == (before, Freshness.FRESH)
        assert [row.fingerprint_id for row in rows_of(store, target)] == [target.id] * 3 + [old.id] * 3
        write = write_of(store, "id-000")
        assert store.memories.stored_vector(write, target=target.id) == write.blob
        assert store.memories.vectors_of({write.src}, target) == {write.src: write.blob}
        assert store.targets.unproven(target) == IDS[:3]

    def test_a_vector_is_only_staged_where_the_text_is_the_one_that_was_embedded(
        self, subject: Subject, store: Store, old: Fingerprint, target: Fingerprint, run: Run
    ) -> None:
        writes = [write_of(store, each) for each in IDS[:3]]
        subject.edit("id-001", "edited")
        subject.remove("id-002")
        with store.transaction() as transaction:
            assert transaction.vectors.write(writes, target, one_by_one=False, place=Staged()) == [True, False, False]

        assert (freshness(store, target, "id-001"), old.dim, run.staged) == (Freshness.STALE, OLD.dim, True)

    def test_what_is_staged_of_another_text_is_neither_judged_nor_served(
        self, subject: Subject, store: Store, old: Fingerprint, target: Fingerprint, run: Run
    ) -> None:
        staged(store, target, *IDS)
        subject.edit("id-001", "edited")
        subject.remove("id-002")
        assert freshness(store, target, "id-001") is Freshness.STALE
        before = {row.id: row.embedding for row in store.memories.rows_by_id(IDS, target=None)}

        served(store, run)

        now = {row.id: row.embedding for row in store.memories.rows_by_id(IDS, target=None)}
        assert {each for each in now if now[each] == before[each]} == {"id-001"}
        # Another memory of that id has another text.
        assert (sorted(now), old.dim) == ([each for each in IDS if each != "id-002"], OLD.dim)

    def test_what_a_run_staged_is_served_from_one_commit_to_another(
        self, store: Store, old: Fingerprint, target: Fingerprint, run: Run
    ) -> None:
        before = state(store)
        staged(store, target, *IDS[:4])
        assert store.targets.staged.active() is None

        served(store, run)
        assert store.targets.staged.active() == Active(run.run_id, target.id)
        assert store.memories.stored_spaces() == [(target.space, target.dim, 4), (old.space, old.dim, 2)]
        assert [row.fingerprint_id for row in store.memories.rows_by_id(IDS, target=None)] == [target.id] * 4 + [
            old.id
        ] * 2

        with store.transaction() as transaction:
            transaction.staging.serve_own()
        assert (state(store), store.targets.staged.active()) == (before, None)

    def test_what_a_run_replaced_is_served_once_more_wherever_its_vectors_stand_by_then(
        self, subject: Subject, store: Store, old: Fingerprint, target: Fingerprint, run: Run
    ) -> None:
        before = {each[0]: each for each in state(store)}
        staged(store, target, *IDS)
        served(store, run)
        replaced(store, target, run, *IDS[:4])
        subject.edit("id-001", "edited")
        written(store, target, write_of(store, "id-002", origin="store"))

        with store.transaction() as transaction:
            transaction.staging.serve_before(run)

        assert store.targets.staged.active() == Active(run.run_id, None)
        now = {each[0]: each for each in state(store)}
        # One was edited since it was replaced: its own vector stands, whatever that is.
        assert {each for each in IDS if now[each] != before[each]} == {"id-001"}
        assert freshness(store, old, "id-002") is Freshness.FRESH

    def test_a_vector_that_stands_in_its_memory_is_staged_no_longer(
        self, store: Store, old: Fingerprint, target: Fingerprint, run: Run
    ) -> None:
        staged(store, target, *IDS[:3])
        assert store.targets.staged.ids_after(None, limit=2) == IDS[:2]
        assert store.targets.staged.ids_after(IDS[1], limit=2) == IDS[2:3]

        replaced(store, target, run, "id-001")

        assert store.targets.staged.ids_after(None, limit=9) == ["id-000", "id-002"]
        assert store.targets.staged.count() == 2
        assert (freshness(store, target, "id-001"), old.dim) == (Freshness.FRESH, OLD.dim)

    def test_vectors_of_another_width_are_the_memories_own_once_they_are_moved(
        self, subject: Subject, store: Store, old: Fingerprint
    ) -> None:
        before, wide = state(store), entered(store, WIDE)
        with store.transaction() as transaction:
            run = take(transaction, begin(transaction, wide, terms=Terms(keeps_previous=True, staged=True)))
            writes = [write_of(transaction.reader, each, embedder=WIDE) for each in IDS]
            transaction.vectors.write(writes, wide, one_by_one=False, place=Staged())
        served(store, run)

        for _ in range(2):
            with store.transaction() as transaction:
                transaction.staging.lay(run, wide)
        with store.transaction() as transaction:
            assert transaction.vectors.write(writes, wide, one_by_one=False, place=InRow(run.run_id)) == [True] * 6
        assert [freshness(store, wide, each) for each in IDS] == [Freshness.FRESH] * 6
        store.structure.index(run)
        with store.transaction() as transaction:
            transaction.runs.transition(run, "done", now_ms=NOW_MS, fenced=True)
            transaction.staging.serve_own()
            transaction.staging.exchange(run)

        with subject.database.write(now_ms=NOW_MS) as again:
            assert [freshness(again, wide, each) for each in IDS] == [Freshness.FRESH] * 6
            assert [row.embedding for row in again.memories.rows_by_id(IDS, target=None)] == [w.blob for w in writes]
            beside = again.targets.staged.exchange()
            assert beside == (Exchange(run.run_id, done=True) if subject.width else None)
            assert sum((room for _, room in again.targets.previous.kept()), Room()).rows == len(IDS)
            if beside:
                with again.transaction() as transaction:
                    transaction.staging.exchange_back(run)
        if beside:
            with subject.database.write(now_ms=NOW_MS) as back:
                assert (state(back), back.targets.staged.exchange()) == (before, None)
                assert freshness(back, old, "id-000") is Freshness.FRESH

    def test_vectors_of_another_width_are_refused_where_memories_take_one_and_no_staged_run_makes_room(
        self, subject: Subject, store: Store, old: Fingerprint
    ) -> None:
        wide, places = entered(store, WIDE), store.targets.staged

        def refused() -> AbstractContextManager[object]:
            return pytest.raises(SchemaRefused, match="24") if subject.width else nullcontext()

        assert places.fixed_width() == subject.width
        assert places.exchange_room(old.dim, 6) is None
        room = places.exchange_room(wide.dim, 6)
        assert (room is not None and room.columns >= 6 * 4 * wide.dim) == bool(subject.width)
        for dim in (0, old.dim):
            places.require_fit(dim, staged=False)
        places.require_place(old)
        places.require_fit(wide.dim, staged=True)
        with refused():
            places.require_fit(wide.dim, staged=False)
        with refused():
            places.require_place(wide)

    def test_a_database_without_replicas_waits_for_none(self, store: Store) -> None:
        assert store.structure.replicated() is None

    def test_what_is_staged_is_dropped_by_pages_and_nothing_else_changes(
        self, store: Store, old: Fingerprint, target: Fingerprint, run: Run
    ) -> None:
        before = state(store)
        staged(store, target, *IDS)
        counts = []
        for _ in range(3):
            with store.transaction() as transaction:
                counts.append(transaction.staging.drop(limit=4))

        assert (counts, state(store)) == ([4, 2, 0], before)
        assert (freshness(store, target, "id-000"), old.dim, run.staged) == (Freshness.STALE, OLD.dim, True)

    def test_what_is_staged_is_hot_no_longer_and_its_reads_are_given_back(
        self, subject: Subject, store: Store, old: Fingerprint, target: Fingerprint, run: Run
    ) -> None:
        for each, reads in (("id-001", 30), ("id-003", 50), ("id-004", 10)):
            subject.note_reads(each, reads, TODAY)
        staged(store, target, "id-003", "id-004")
        subject.edit("id-004", "edited")
        assert (hottest(store, target), hottest(store, old)) == (["id-001", "id-004"], [])

        with store.transaction() as transaction:
            transaction.progress.note_census(run, Counted(6, 6, 0, NOW_MS, reads=90, reads_left=40))
            transaction.progress.doubt(run, target, IDS)
        found = store.runs.read(run.run_id).counted
        assert found is not None
        assert found.reads_left == 90

    def test_what_was_staged_is_taken_back_as_what_was_written(
        self, store: Store, old: Fingerprint, target: Fingerprint, run: Run
    ) -> None:
        before = state(store)
        staged(store, target, *IDS)
        with store.transaction() as transaction:
            assert transaction.vectors.forget(IDS[:2], target, unstamp=True, place=Staged()) == 2
            assert transaction.vectors.disown([write_of(store, "id-002")], target, unstamp=True) == 1
            assert transaction.vectors.take_away(["id-003"], target, origin="store", vectors=True) == 1

        assert [freshness(store, target, each) for each in IDS] == [Freshness.STALE] * 4 + [Freshness.FRESH] * 2
        assert (state(store), old.dim, run.staged) == (before, OLD.dim, True)

    def test_a_vector_that_is_attested_is_staged_as_it_stands(self, store: Store, old: Fingerprint) -> None:
        attested = entered(store, replace(OLD, model="the same by another name"))
        with store.transaction() as transaction:
            begin(transaction, attested, terms=Terms(staged=True))
            write = write_of(transaction.reader, "id-001", embedder=OLD, origin=ATTESTED)
            assert transaction.vectors.attest(write, attested, place=Staged())

        assert freshness(store, attested, "id-001") is Freshness.FRESH
        assert freshness(store, old, "id-001") is Freshness.FRESH

    def test_without_a_staged_run_nothing_that_is_left_of_one_is_looked_at(
        self, store: Store, old: Fingerprint, target: Fingerprint, run: Run
    ) -> None:
        staged(store, target, *IDS)
        with store.transaction() as transaction:
            transaction.runs.transition(run, "cancelled", now_ms=NOW_MS, fenced=True)

        assert (store.targets.staged.target(), old.dim) == (None, OLD.dim)
        assert freshness(store, target, "id-000") is Freshness.STALE

    @pytest.mark.parametrize("state", ["ready", "switched"])
    def test_a_run_that_is_ready_or_switched_is_unfinished_and_only_a_switched_one_is_held(
        self, store: Store, run: Run, state: str
    ) -> None:
        with store.transaction() as transaction:
            transaction.runs.transition(run, state, now_ms=NOW_MS, fenced=True, census_at=NOW_MS)

        found = store.runs.unfinished()
        assert found is not None
        assert (found.run_id, found.state, found.finished_at, found.census_at) == (run.run_id, state, None, NOW_MS)
        with store.transaction() as transaction:
            taken = take(transaction, found, OTHER)
        with store.transaction() as transaction, pytest.raises(NotFinished):
            transaction.runs.hold(run, now_ms=NOW_MS)
        with nullcontext() if state == "switched" else pytest.raises(NotFinished), store.transaction() as transaction:
            transaction.runs.hold(taken, now_ms=NOW_MS)

    def test_a_run_that_is_ready_has_left_nothing_in_flight(self, store: Store, target: Fingerprint, run: Run) -> None:
        with store.transaction() as transaction:
            transaction.runs.hold(run, now_ms=NOW_MS, in_flight_limit=9)
        assert store.targets.left_in_flight(target.id, None) == 9

        with store.transaction() as transaction:
            transaction.runs.transition(run, "ready", now_ms=NOW_MS, fenced=True)
        assert store.targets.left_in_flight(target.id, None) == 0
        with store.transaction() as transaction:
            transaction.runs.cancel(now_ms=NOW_MS)
        assert store.targets.left_in_flight(target.id, None) == 0


def staged(store: Store, target: Fingerprint, *ids: str) -> list[bool]:
    with store.transaction() as transaction:
        writes = [write_of(transaction.reader, each) for each in ids]
        return transaction.vectors.write(writes, target, one_by_one=False, place=Staged())


def served(store: Store, run: Run) -> None:
    with store.transaction() as transaction:
        transaction.staging.serve(run)


def rows_of(store: Store, target: Fingerprint) -> list[MemoryRow]:
    """Return all rows as a snapshot has them for a target."""
    found = store.consistently(lambda snapshot: list(snapshot.rows(target=target.id, only=None)))
    return sorted(found, key=lambda row: row.id)


OLD = HashEmbedder(dim=8, model="old")


def keeping(store: Store, target: Fingerprint, *, undoes: Span | None = None) -> Run:
    """Return a run that keeps what it replaces and that is held; what was unfinished is given up."""
    with store.transaction() as transaction:
        transaction.runs.cancel(now_ms=NOW_MS)
        return take(transaction, begin(transaction, target, terms=Terms(keeps_previous=not undoes, undoes=undoes)))


def ended(store: Store, run: Run, state: str) -> None:
    with store.transaction() as transaction:
        transaction.runs.transition(run, state, now_ms=NOW_MS, fenced=True)


def replaced(
    store: Store,
    target: Fingerprint,
    run: Run,
    *ids: str,
    embedder: HashEmbedder = EMBEDDER,
    one_by_one: bool = False,
) -> None:
    """Write the vectors of memories for a run that keeps what was there."""
    with store.transaction() as transaction:
        writes = [write_of(transaction.reader, each, embedder=embedder) for each in ids]
        done = transaction.vectors.write(writes, target, one_by_one=one_by_one, place=InRow(run.run_id))
    assert all(done)


def replaced_by_another(store: Store, target: Fingerprint, row_id: str) -> tuple[VectorWrite, Fingerprint, Run]:
    """Write a vector of a target, and have a run to another one replace it; return it, that target and that run."""
    first = write_of(store, row_id)
    written(store, target, first)
    another = entered(store, OLD)
    run = keeping(store, another)
    replaced(store, another, run, row_id, embedder=OLD)
    return first, another, run


def put_back(
    store: Store,
    target: Fingerprint,
    run: Run,
    *ids: str,
    first: int | None = None,
    leave: Sequence[str] = (),
    one_by_one: bool = False,
) -> dict[str, bool]:
    """Put back what a run, or those from `first` to it, replaced; by a rollback of its own."""
    undoes = Span(first or run.run_id, run.run_id)
    rollback = keeping(store, target, undoes=undoes)
    with store.transaction() as transaction:
        return transaction.undo.put_back(ids, undoes, rollback, leave=leave, one_by_one=one_by_one)


def state(store: Store, *ids: str) -> list[tuple[object, ...]]:
    """Return of memories (all, where none is named) everything that is of their vectors."""
    rows = store.memories.rows_by_id(ids or IDS, target=None)
    return [
        (r.id, r.embedding, r.dim, r.raw_space, r.fingerprint_id, r.recorded_src, r.recorded_head, r.origin)
        for r in rows
    ]


class RunSuite(Suite):
    """Runs: one at a time, every change guarded by state and fence."""

    def test_a_run_is_read_as_it_was_begun_and_taken(self, store: Store, target: Fingerprint, run: Run) -> None:
        assert (run.target, run.target_model, run.scope, run.state) == (target.id, "hash", None, "running")
        assert (run.holder, run.in_flight_limit, run.pass_number) == (HOLDER, 9, 1)
        assert store.runs.unfinished() == recorded_run(store) == store.runs.read(run.run_id) == run
        assert store.runs.unfinished_id() == run.run_id

    def test_at_most_one_run_is_unfinished(self, store: Store, target: Fingerprint, run: Run) -> None:
        with pytest.raises(StatementRefused):
            begun(store, target)
        assert store.runs.unfinished() == run

    def test_a_run_that_is_not_there_cannot_be_read(self, store: Store, run: Run) -> None:
        with pytest.raises(NotFinished):
            store.runs.read(run.run_id + 1)

    def test_whoever_takes_a_run_over_shuts_its_old_holder_out(self, store: Store, run: Run) -> None:
        with store.transaction() as transaction:
            new = take(transaction, run, OTHER, lost=5)

        assert (new.fence, new.holder, new.in_flight_limit) == (run.fence + 1, OTHER, 14)
        assert new.counters.texts_sent_twice == 5
        for change in FENCED.values():
            with pytest.raises(NotFinished), store.transaction() as transaction:
                change(transaction, run)
        with store.transaction() as transaction:
            assert not transaction.runs.beat(run, failure="", now_ms=NOW_MS)
            assert not transaction.runs.leave(run, last_error=None, limits={}, unsettled=0)
            transaction.runs.hold(new, now_ms=NOW_MS)
        assert isinstance(store.runs.lost(run), NotFinished)

    @pytest.mark.parametrize("state", ["paused", "cancelled", "superseded"])
    def test_a_run_that_an_operator_stopped_takes_no_more_commits(self, store: Store, run: Run, state: str) -> None:
        with store.transaction() as transaction:
            transaction.runs.transition(run, state, now_ms=NOW_MS, fenced=False)

        with pytest.raises(OperatorNeeded, match=state), store.transaction() as transaction:
            transaction.runs.hold(run, now_ms=NOW_MS)
        assert isinstance(store.runs.lost(run), OperatorNeeded)

    @pytest.mark.parametrize("state", ["done", "cancelled", "superseded"])
    def test_a_run_that_ended_makes_room_for_the_next(
        self, store: Store, target: Fingerprint, run: Run, state: str
    ) -> None:
        with store.transaction() as transaction:
            transaction.runs.transition(run, state, now_ms=NOW_MS + 5, fenced=True, census_at=NOW_MS + 3)

        ended = store.runs.read(run.run_id)
        assert (ended.state, ended.finished_at, ended.census_at, ended.holder) == (state, NOW_MS + 5, NOW_MS + 3, None)
        assert (store.runs.unfinished(), store.runs.unfinished_id(), store.runs.recent()) == (None, None, [ended])
        assert begun(store, target).run_id > run.run_id

    def test_the_unfinished_run_is_given_up_by_whom_it_is_not(self, store: Store, run: Run) -> None:
        with store.transaction() as transaction:
            assert transaction.runs.cancel(now_ms=NOW_MS + 5) == run.run_id
            assert transaction.runs.cancel(now_ms=NOW_MS + 9) is None
            transaction.runs.note_cancelled(run.run_id, now_ms=NOW_MS)

        ended = store.runs.read(run.run_id)
        assert (ended.state, ended.finished_at, ended.holder) == ("cancelled", NOW_MS + 5, None)

    def test_who_leaves_in_good_order_is_no_killed_runner(self, store: Store, run: Run) -> None:
        with store.transaction() as transaction:
            assert transaction.runs.leave(run, last_error="it is away.", limits={"inputs": 32}, unsettled=3)

        left = store.runs.read(run.run_id)
        assert (left.state, left.holder, left.last_error) == ("running", None, "it is away.")
        assert (dict(left.limits), left.in_flight_limit) == ({"inputs": 32}, 3)
        with store.transaction() as transaction:
            assert take(transaction, left, OTHER, lost=3).counters.texts_sent_twice == 0

    def test_who_gave_up_what_was_in_flight_is_taken_over_as_after_a_kill(self, store: Store, run: Run) -> None:
        with store.transaction() as transaction:
            assert transaction.runs.leave(run, last_error=None, limits={"inputs": 32}, unsettled=None)

        left = store.runs.read(run.run_id)
        assert (left.holder, left.in_flight_limit, dict(left.limits)) == (
            run.holder,
            run.in_flight_limit,
            {"inputs": 32},
        )
        with store.transaction() as transaction:
            assert take(transaction, left, OTHER, lost=3).counters.texts_sent_twice == 3

    def test_what_killed_runners_had_in_flight_counts_once_however_many_there_were(
        self, store: Store, run: Run
    ) -> None:
        told = []
        for _ in range(3):
            with store.transaction() as transaction:
                run = take(transaction, run, OTHER, lost=run.in_flight_limit)
            told.append((run.in_flight_limit, run.counters.texts_sent_twice))

        # Each of them sent 9 at most; what may be in flight by now is of all of them.
        assert told == [(18, 9), (27, 18), (36, 27)]

    def test_what_killed_runners_had_in_flight_is_told_again_once_it_was_sent_again(
        self, store: Store, run: Run
    ) -> None:
        with store.transaction() as transaction:
            run = take(transaction, run, OTHER, lost=9)
        with store.transaction() as transaction:
            # Five of the texts are committed, and as many more may be in flight as before.
            transaction.runs.hold(run, now_ms=NOW_MS, in_flight_limit=9 + 4)
            transaction.progress.count(run, Counters(reembedded=5, texts_sent=5))
        with store.transaction() as transaction:
            taken = take(transaction, store.runs.read(run.run_id), OTHER, lost=13)

        assert taken.counters.texts_sent_twice == 9 + 9

    @pytest.mark.parametrize("rows", [1, 4])
    def test_of_few_rows_that_are_left_each_killed_runner_may_have_sent_all_again(
        self, store: Store, run: Run, rows: int
    ) -> None:
        for _ in range(3):
            with store.transaction() as transaction:
                run = take(transaction, run, OTHER, lost=2 * rows)

        assert run.counters.texts_sent_twice == 3 * 2 * rows

    @pytest.mark.parametrize("give_up", ["cancelled", "superseded"])
    def test_what_a_run_that_was_given_up_has_in_flight_is_the_next_ones_to_tell(
        self, store: Store, target: Fingerprint, run: Run, give_up: str
    ) -> None:
        assert store.targets.left_in_flight(target.id, None) == 9
        with store.transaction() as transaction:
            transaction.runs.transition(run, give_up, now_ms=NOW_MS, fenced=False)
        assert store.targets.left_in_flight(target.id, None) == 9
        with store.transaction() as transaction:
            new = begin(transaction, target)
            taken = take(transaction, new, OTHER, lost=9)

        assert (new.in_flight_limit, new.untold, taken.counters.texts_sent_twice) == (9, True, 9)
        assert taken.in_flight_limit == 18
        assert store.runs.read(run.run_id).in_flight_limit == 0

    @pytest.mark.parametrize("give_up", ["cancelled", "superseded"])
    @pytest.mark.parametrize(("staged", "lost"), [(True, 5), (False, 0)])
    def test_what_is_dropped_with_a_staged_run_that_is_given_up_is_the_next_ones_to_tell(
        self, store: Store, target: Fingerprint, give_up: str, staged: bool, lost: int
    ) -> None:
        with store.transaction() as transaction:
            run = take(transaction, begin(transaction, target, terms=Terms(staged=staged)))
            transaction.progress.count(run, Counters(reembedded=4, asked_again=1))
            transaction.runs.transition(run, give_up, now_ms=NOW_MS, fenced=False)

        assert store.targets.left_in_flight(target.id, None) == 9 + lost

    def test_a_staged_run_that_is_cancelled_has_lost_what_it_had_sent(self, store: Store, target: Fingerprint) -> None:
        with store.transaction() as transaction:
            run = take(transaction, begin(transaction, target, terms=Terms(staged=True)))
            transaction.progress.count(run, Counters(reembedded=4, asked_again=1))
            transaction.runs.transition(run, "ready", now_ms=NOW_MS, fenced=True)
            transaction.runs.cancel(now_ms=NOW_MS)

        assert store.targets.left_in_flight(target.id, None) == 5

    def test_a_run_takes_on_what_is_in_flight_of_its_own_target_and_namespaces(
        self, store: Store, target: Fingerprint
    ) -> None:
        other = entered(store, ANOTHER)
        limits = []
        for aim, scope in (
            (target, ("a", "b")), (other, ("a",)), (target, ("c",)), (target, ("b",)), (target, None), (target, None),
        ):  # fmt: skip
            with store.transaction() as transaction:
                new = begin(transaction, aim, scope=scope)
                limits.append(new.in_flight_limit)
                taken = take(transaction, new, lost=new.in_flight_limit)
                transaction.runs.transition(taken, "superseded", now_ms=NOW_MS, fenced=False)

        # Nine of each; of the first one in "a" somebody else may still have to tell when there is one for "b".
        assert limits == [0, 0, 0, 9, 9 + 9 + 18, 45]

    def test_what_a_run_that_is_done_had_in_flight_is_nobodys(
        self, store: Store, target: Fingerprint, run: Run
    ) -> None:
        with store.transaction() as transaction:
            transaction.runs.transition(run, "done", now_ms=NOW_MS, fenced=True)

        assert store.targets.left_in_flight(target.id, None) == 0

    def test_a_sign_of_life_tells_what_is_being_retried(self, store: Store, run: Run) -> None:
        with store.transaction() as transaction:
            assert transaction.runs.beat(run, failure="it is away.", now_ms=NOW_MS + 7)

        beaten = store.runs.read(run.run_id)
        assert (beaten.last_progress_at, beaten.last_error) == (NOW_MS + 7, "it is away.")

    def test_a_run_is_aimed_at_the_target_whose_width_was_told(self, store: Store, run: Run) -> None:
        narrow = entered(store, ANOTHER)
        with store.transaction() as transaction:
            transaction.runs.hold(run, now_ms=NOW_MS)
            transaction.runs.aim_at(run, narrow)

        assert store.runs.read(run.run_id).target == narrow.id

    def test_a_commit_notes_the_time_and_what_was_learned(self, store: Store, run: Run) -> None:
        with store.transaction() as transaction:
            transaction.runs.hold(run, now_ms=NOW_MS + 1, in_flight_limit=4, limits={"inputs": 8})
        with store.transaction() as transaction:
            transaction.runs.hold(run, now_ms=NOW_MS + 2)

        held = store.runs.read(run.run_id)
        assert (held.last_progress_at, held.in_flight_limit, dict(held.limits)) == (NOW_MS + 2, 4, {"inputs": 8})


FENCED: dict[str, Callable[[Transaction, Run], object]] = {
    "hold": lambda transaction, run: transaction.runs.hold(run, now_ms=NOW_MS),
    "transition": lambda transaction, run: transaction.runs.transition(run, "done", now_ms=NOW_MS, fenced=True),
    "next pass": lambda transaction, run: transaction.runs.next_pass(run, now_ms=NOW_MS),
    "take over": take,
}


class CommitSuite(Suite):
    """Numbers of commits: the outcome of one whose answer was lost is found by its number."""

    def test_two_commits_in_a_row_have_different_numbers(self, store: Store, run: Run) -> None:
        numbers = []
        for _ in range(3):
            with store.transaction() as transaction:
                numbers.append(transaction.runs.hold(run, now_ms=NOW_MS))

        assert all(one != other for one, other in pairwise(numbers))

    def test_a_commit_is_known_by_its_number_until_the_next_one(self, store: Store, run: Run) -> None:
        with store.transaction() as transaction:
            first = transaction.runs.hold(run, now_ms=NOW_MS)
        assert store.committed(run, first)
        with store.transaction() as transaction:
            second = transaction.runs.hold(run, now_ms=NOW_MS)

        assert (store.committed(run, first), store.committed(run, second)) == (False, True)
        assert not store.committed(run, None)

    def test_what_was_rolled_back_is_not_committed(self, store: Store, run: Run) -> None:
        with undone(store) as transaction:
            number = transaction.runs.hold(run, now_ms=NOW_MS)

        assert not store.committed(run, number)

    def test_a_commit_of_a_run_that_was_taken_over_is_nobodys(self, store: Store, run: Run) -> None:
        with store.transaction() as transaction:
            number = transaction.runs.hold(run, now_ms=NOW_MS)
        with store.transaction() as transaction:
            take(transaction, run, OTHER)

        assert not store.committed(run, number)

    @pytest.mark.parametrize("stored", [True, False])
    def test_a_commit_that_failed_is_found_where_only_its_answer_was_lost(self, subject: Subject, stored: bool) -> None:
        with subject.doubtful(stored=stored) as (database, fail), database.write(now_ms=NOW_MS) as store:
            target = entered(store)
            run = begun(store, target)
            fail()
            numbers: list[int] = []
            with pytest.raises(StorageFailed):
                self.commit(store, run, target, numbers)

            assert store.committed(run, numbers[0]) is stored
            assert (freshness(store, target, "id-000") is Freshness.FRESH) is stored
            # The connection that was made anew works.
            assert written(store, target, write_of(store, "id-001")) == [True]

    @staticmethod
    def commit(store: Store, run: Run, target: Fingerprint, numbers: list[int]) -> None:
        """Commit a vector under a number, which is put to `numbers`."""
        with store.transaction() as transaction:
            numbers.append(transaction.runs.hold(run, now_ms=NOW_MS))
            transaction.vectors.write([write_of(transaction.reader, "id-000")], target, one_by_one=False)


class ProgressSuite(Suite):
    """How far a run has come."""

    def test_cursors_move_within_a_pass_and_begin_anew_with_the_next(self, store: Store, run: Run) -> None:
        for cursor, eof, done in (("id-000", False, 3), ("id-004", False, 2), (None, True, 0)):
            with store.transaction() as transaction:
                step = Checkpoint("a", cursor, eof=eof, rows_done=done)
                transaction.progress.advance(run, {"a": step}, now_ms=NOW_MS)
        assert store.runs.checkpoints(run) == {"a": Checkpoint("a", "id-004", eof=True, rows_done=5)}

        with store.transaction() as transaction:
            second = transaction.runs.next_pass(run, now_ms=NOW_MS)
        assert (second.pass_number, store.runs.checkpoints(second)) == (2, {})

    def test_counters_add_up_and_take_rows_from_those_that_remain(self, store: Store, run: Run) -> None:
        with store.transaction() as transaction:
            transaction.progress.note_census(run, Counted(6, 6, 0, NOW_MS))
            transaction.progress.count(run, Counters(reembedded=2, requests=1), written_at=NOW_MS, rows_per_hour=60)
            transaction.progress.count(run, Counters(attested=1, quarantined=1, requests=2))

        found = store.runs.read(run.run_id)
        assert found.counters == Counters(reembedded=2, attested=1, quarantined=1, requests=3)
        assert found.counted == Counted(6, 2, 1, NOW_MS)
        assert (found.last_written_at, found.rows_per_hour) == (NOW_MS, 60)

    def test_how_a_model_computed_last_is_kept_with_the_run_that_it_computed_for(self, store: Store, run: Run) -> None:
        before, last = Computing("torch 2.9", 2, 900, 100, 0.5), Computing("torch 2.9", 4, 3_000, 0, 1.5)
        for each in (before, last):
            with store.transaction() as transaction:
                transaction.progress.note_computing(run, each, now_ms=NOW_MS)
            assert store.runs.read(run.run_id).computing == each

        self.end(store, run)
        assert begun(store, entered(store, ANOTHER)).computing is None
        assert store.runs.read(run.run_id).computing == last

    def test_the_breaker_is_opened_for_a_reason_and_closed(self, store: Store, run: Run) -> None:
        with store.transaction() as transaction:
            transaction.progress.set_breaker(run, Breaker(open=True, until_ms=9, wait_ms=4), now_ms=NOW_MS, reason="no")
        opened = store.runs.read(run.run_id)
        with store.transaction() as transaction:
            transaction.progress.set_breaker(opened, Breaker(), now_ms=NOW_MS)

        assert (opened.breaker_state, opened.breaker_until, opened.breaker_wait_ms) == ("open", 9, 4)
        assert opened.last_error == "no"
        closed = store.runs.read(run.run_id)
        assert (closed.breaker_state, closed.last_error) == ("closed", None)

    def test_ends_that_are_alike_are_counted(self, store: Store, run: Run) -> None:
        for reason, alike in (("quota", 1), ("quota", 2), ("complete", 1)):
            with store.transaction() as transaction:
                transaction.progress.note_end(run, exit_code=75, reason=reason, now_ms=NOW_MS)
            assert store.runs.read(run.run_id).last_end == LastEnd(NOW_MS, 75, reason, alike)

    def test_nothing_is_noted_of_a_run_that_was_taken_over(self, store: Store, run: Run) -> None:
        with store.transaction() as transaction:
            new = take(transaction, run, OTHER)
            transaction.progress.note_end(run, exit_code=75, reason="quota", now_ms=NOW_MS)
            transaction.progress.note_census(run, Counted(1, 1, 0, NOW_MS))

        assert (store.runs.read(new.run_id).last_end, store.runs.read(new.run_id).counted) == (None, None)

    def test_what_a_run_found_stored_is_kept_with_it(self, store: Store, run: Run) -> None:
        assert store.runs.course(run).replaced() == ()
        with store.transaction() as transaction:
            transaction.progress.note_stored(run, [("old#none", 8, 4), (None, None, 1)])

        assert store.runs.course(run).replaced() == (("old#none", 8, 4), (None, None, 1))

    def test_when_a_run_wrote_how_many_rows_and_how_its_starts_ended_is_kept_with_it(
        self, store: Store, run: Run
    ) -> None:
        with store.transaction() as transaction:
            run = take(transaction, run, OTHER)
        for at, rows in ((NOW_MS, 2), (NOW_MS + 1, 3), (NOW_MS + 5_000, 4)):
            with store.transaction() as transaction:
                transaction.progress.count(run, Counters(reembedded=rows), written_at=at)
        with store.transaction() as transaction:
            transaction.progress.note_end(run, exit_code=75, reason="max-rows", now_ms=NOW_MS + 6_000)

        moments = store.runs.course(run).moments()

        assert [(each.kind, each.at, each.rows) for each in moments if each.kind in (WRITTEN, ENDED)] == [
            (WRITTEN, NOW_MS, 2),
            # Not what was written a moment later: a row is noted once a second at most.
            (WRITTEN, NOW_MS + 5_000, 9),
            (ENDED, NOW_MS + 6_000, 9),
        ]
        assert (moments[-1].exit_code, moments[-1].reason) == (75, "max-rows")
        assert [each.rows for each in moments if each.kind == TAKEN_OVER] == [0]

    def test_the_longer_a_run_lasts_the_more_seldom_its_rows_are_noted(self, store: Store, run: Run) -> None:
        hour, day = 3_600_000, 86_400_000
        for at in range(NOW_MS, NOW_MS + 2 * day, hour // 60):
            with store.transaction() as transaction:
                transaction.progress.count(run, Counters(reembedded=1), written_at=at)

        noted = [each.at for each in store.runs.course(run).moments() if each.kind == WRITTEN]

        assert noted[1] - noted[0] == hour // 60
        assert noted[-1] - noted[-2] >= 2 * day // 200 - hour // 60
        assert len(noted) < 1_000

    def test_a_rate_is_that_of_a_run_to_the_same_target_if_there_is_one(
        self, store: Store, target: Fingerprint, run: Run
    ) -> None:
        assert store.runs.last_rate(target.id) is None
        self.end(store, run, rows_per_hour=60)
        self.end(store, begun(store, entered(store, ANOTHER)), rows_per_hour=90)

        for asked, rate in ((target.id, 60), (None, 90)):
            found = store.runs.last_rate(asked)
            assert found is not None
            assert found.rows_per_hour == rate

    def test_behind_a_run_that_was_given_up_it_is_noted_that_nothing_is_stale(
        self, store: Store, target: Fingerprint, run: Run
    ) -> None:
        self.end(store, run, state="cancelled")
        assert store.runs.nothing_stale(run.run_id) is None
        with store.transaction() as transaction:
            transaction.progress.note_nothing_stale(target.id, target.space, target.dim, now_ms=NOW_MS)

        assert store.runs.nothing_stale(run.run_id) == (target.space, target.dim)

    def test_a_complete_run_leaves_its_target_untouched_until_another_writes(
        self, store: Store, target: Fingerprint, run: Run
    ) -> None:
        assert store.runs.untouched_target() is None
        self.end(store, run)
        assert store.runs.untouched_target() == target.id

        later = begun(store, entered(store, ANOTHER))
        with store.transaction() as transaction:
            transaction.progress.count(later, Counters(reembedded=1))
        assert store.runs.untouched_target() is None

    @staticmethod
    def end(store: Store, run: Run, *, state: str = "done", rows_per_hour: int | None = None) -> None:
        with store.transaction() as transaction:
            transaction.progress.count(run, Counters(), rows_per_hour=rows_per_hour)
            transaction.runs.transition(run, state, now_ms=NOW_MS, fenced=True)


TODAY, LAST_YEAR = "2027-01-15T00:00:00+00:00", "2026-01-15T00:00:00+00:00"
"""Instants as programs note them, seen from NOW_MS."""


def hottest(store: Store, target: Fingerprint, *, only: Sequence[str] | None = None, limit: int = 9) -> list[str]:
    return store.consistently(lambda found: found.hottest(target=target.id, only=only, limit=limit, now_ms=NOW_MS))


def listed(store: Store, run: Run) -> list[str] | None:
    return store.consistently(lambda found: found.listed(run))


def freeze(store: Store, run: Run, *ids: str) -> None:
    with store.transaction() as transaction:
        transaction.runs.hold(run, now_ms=NOW_MS)
        transaction.progress.freeze(run, ids, now_ms=NOW_MS)


def advance(store: Store, run: Run, steps: Steps) -> None:
    with store.transaction() as transaction:
        transaction.progress.advance(run, steps, now_ms=NOW_MS)


class HotSuite(Suite):
    """Rows that are read often and lately, a run's list of them, and how many reads it has answered."""

    @pytest.fixture(autouse=True)
    def reads(self, subject: Subject) -> None:
        """Memories that were read: id-003 often and lately, id-004 as often, long ago, id-001 seldom."""
        subject.note_reads("id-001", 1, LAST_YEAR)
        subject.note_reads("id-003", 50, TODAY)
        subject.note_reads("id-004", 50, LAST_YEAR)

    def test_what_is_read_often_and_lately_is_hottest_and_what_nobody_reads_is_not_hot(
        self, store: Store, target: Fingerprint
    ) -> None:
        assert hottest(store, target) == ["id-003", "id-004", "id-001"]
        assert hottest(store, target, limit=2) == ["id-003", "id-004"]
        assert hottest(store, target, only=("a",)) == ["id-004"]
        assert hottest(store, target, only=("b", "a")) == ["id-003", "id-004", "id-001"]

    def test_what_has_a_vector_of_the_target_is_not_among_the_hottest(self, store: Store, target: Fingerprint) -> None:
        written(store, target, write_of(store, "id-003"))

        assert hottest(store, target) == ["id-004", "id-001"]
        assert hottest(store, entered(store, HashEmbedder(dim=8))) == ["id-003", "id-004", "id-001"]

    def test_a_list_is_that_of_a_pass_and_its_cursor_moves_with_those_of_the_namespaces(
        self, store: Store, run: Run
    ) -> None:
        assert listed(store, run) is None
        freeze(store, run, "id-003", "gone", "id-004")
        advance(store, run, {None: Checkpoint(None, "gone", eof=False, rows_done=2)})
        assert listed(store, run) == ["id-004"]
        advance(store, run, {None: Checkpoint(None, "id-004", eof=False, rows_done=1), "a": EOF_OF_A})
        assert (listed(store, run), store.runs.checkpoints(run)) == ([], {"a": EOF_OF_A})

        with store.transaction() as transaction:
            second = transaction.runs.next_pass(run, now_ms=NOW_MS)
        assert listed(store, second) is None
        freeze(store, second, "id-001")
        assert listed(store, second) == ["id-001"]

    def test_a_list_takes_the_place_of_every_other(self, store: Store, target: Fingerprint, run: Run) -> None:
        freeze(store, run, "id-003")
        with store.transaction() as transaction:
            transaction.runs.transition(run, "cancelled", now_ms=NOW_MS, fenced=True)
        later = begun(store, target)
        freeze(store, later, "id-004")

        assert (listed(store, run), listed(store, later)) == (None, ["id-004"])

    def test_reads_are_taken_from_those_that_are_left_and_given_back(
        self, store: Store, target: Fingerprint, run: Run
    ) -> None:
        with store.transaction() as transaction:
            transaction.progress.note_census(run, Counted(6, 6, 0, NOW_MS, reads=101, reads_left=101))
        written(store, target, write_of(store, "id-003"), write_of(store, "id-004", origin="store"))
        with store.transaction() as transaction:
            transaction.progress.count(run, Counters(reembedded=2), reads=100)
        assert self.left(store, run) == 1

        with store.transaction() as transaction:
            # Only what sweeps wrote is forgotten.
            transaction.progress.doubt(run, target, ["id-003", "id-004", "nobody"])
        assert self.left(store, run) == 51

    @staticmethod
    def left(store: Store, run: Run) -> int:
        found = store.runs.read(run.run_id).counted
        assert found is not None
        return found.reads_left

    def test_a_run_keeps_its_order(self, store: Store, target: Fingerprint) -> None:
        with store.transaction() as transaction:
            run = begin(transaction, target, terms=Terms(order=HOT))

        assert store.runs.read(run.run_id).order == HOT


class QuarantineSuite(Suite):
    """Rows that cannot be brought to a target."""

    def put(self, store: Store, target: int, row_id: str, *, reason: Reason = REASON, at: int = 5) -> bytes:
        src = document(store, row_id).src
        with store.transaction() as transaction:
            transaction.quarantine.put(target, row_id, src, reason, now_ms=at)
        return src

    def test_an_entry_is_in_force_until_its_row_is_edited(
        self, subject: Subject, store: Store, target: Fingerprint
    ) -> None:
        src = self.put(store, target.id, "id-000")
        assert store.quarantine.reason_of(target.id, src) == REASON
        assert freshness(store, target, "id-000") is Freshness.QUARANTINED

        subject.edit("id-000", "edited")
        assert freshness(store, target, "id-000") is Freshness.STALE
        self.put(store, target.id, "id-000", at=9)
        [entry] = store.quarantine.entries(target.id)
        assert (entry.attempts, entry.first_at, entry.last_at) == (1, 9, 9)

    def test_an_entry_counts_its_attempts_and_belongs_to_its_target(self, store: Store, target: Fingerprint) -> None:
        src = self.put(store, target.id, "id-000", at=5)
        self.put(store, target.id, "id-000", at=9)

        [entry] = store.quarantine.entries(target.id)
        assert (entry.id, entry.namespace, entry.src, entry.kind) == ("id-000", "a", src, "refused")
        assert (entry.http_status, entry.message, entry.attempts) == (400, "the input was refused.", 2)
        assert (entry.first_at, entry.last_at) == (5, 9)
        other = entered(store, HashEmbedder(dim=8))
        assert store.quarantine.entries(other.id) == []
        assert freshness(store, target, "id-000") is Freshness.QUARANTINED
        assert freshness(store, other, "id-000") is Freshness.STALE

    def test_what_the_database_refuses_of_one_row_says_nothing_of_its_text(
        self, store: Store, target: Fingerprint
    ) -> None:
        src = self.put(store, target.id, "id-000", reason=unwritable("legal hold"))

        assert store.quarantine.reason_of(target.id, src) is None

    def test_only_rows_that_the_endpoint_refused_since_then_are_counted(
        self, store: Store, target: Fingerprint
    ) -> None:
        self.put(store, target.id, "id-000", at=5)
        self.put(store, target.id, "id-001", at=9)
        self.put(store, target.id, "id-002", at=9, reason=unwritable("legal hold"))

        assert store.quarantine.refused_since(target.id, 6) == 1

    def test_entries_are_counted_by_kind_without_those_of_memories_that_are_gone(
        self, subject: Subject, store: Store, target: Fingerprint
    ) -> None:
        for row_id in IDS[:3]:
            self.put(store, target.id, row_id)
        self.put(store, target.id, IDS[3], reason=unwritable("legal hold"))
        subject.remove(IDS[0])

        assert store.quarantine.by_kind(target.id) == {"refused": 2, "unwritable": 1}

    def test_rows_are_lifted_by_their_ids_and_all_at_once(self, store: Store, target: Fingerprint) -> None:
        for row_id in IDS[:3]:
            self.put(store, target.id, row_id)
        with store.transaction() as transaction:
            transaction.quarantine.lift(target.id, ["id-001", "nobody"])
        assert [each.id for each in store.quarantine.entries(target.id)] == ["id-000", "id-002"]

        with store.transaction() as transaction:
            transaction.quarantine.lift_all(target.id)
        assert store.quarantine.entries(target.id) == []


class OperatorSuite(Suite):
    """Approvals and the pause."""

    def test_an_approval_is_of_one_space_in_one_width(self, store: Store) -> None:
        with store.transaction() as transaction:
            transaction.operator.approve("s#none", 16, by="ann", how="approve", now_ms=5)

        asked = [("s#none", 16), ("s#none", 8), ("t#none", 16)]
        assert [store.operator.is_approved(*each) for each in asked] == [True, False, False]
        assert store.operator.approved_at("s#none", 0) == store.operator.approved_at("", 0) == 5
        assert store.operator.approved_at("t#none", 0) is None
        assert (store.operator.approved_width("s#none"), store.operator.approved_width("t#none")) == (16, 0)

    def test_an_unknown_width_is_approved_until_one_is_known(self, store: Store) -> None:
        with store.transaction() as transaction:
            transaction.operator.approve("s#none", 0, by="ann", how="approve", now_ms=5)
        assert store.operator.is_approved("s#none", 0)
        with store.transaction() as transaction:
            transaction.operator.approve("s#none", 16, by="ann", how="approve", now_ms=6)

        assert not store.operator.is_approved("s#none", 0)
        assert store.operator.is_approved("s#none", 16)

    def test_a_complete_run_approves_its_target_and_withdraws_what_was_approved_before_it(
        self, store: Store, target: Fingerprint, run: Run
    ) -> None:
        with store.transaction() as transaction:
            transaction.operator.approve("old#none", 8, by="ann", how="approve", now_ms=run.started_at - 1)
            transaction.operator.approve("new#none", 8, by="ann", how="approve", now_ms=run.started_at + 1)
            transaction.operator.completed(run, target, now_ms=NOW_MS + 9)

        asked = [(target.space, target.dim), ("old#none", 8), ("new#none", 8)]
        assert [store.operator.is_approved(*each) for each in asked] == [True, False, True]

    def test_withdrawing_is_of_the_target_of_a_run(self, store: Store, target: Fingerprint, run: Run) -> None:
        with store.transaction() as transaction:
            for space in (target.space, "other#none"):
                transaction.operator.approve(space, target.dim, by="ann", how="approve", now_ms=5)
            transaction.operator.withdraw(run.run_id)

        asked = [(target.space, target.dim), ("other#none", target.dim)]
        assert [store.operator.is_approved(*each) for each in asked] == [False, True]

    def test_a_pause_stands_until_its_time_or_until_it_is_taken_off(self, store: Store) -> None:
        assert store.operator.pause(now_ms=NOW_MS) is None
        timed = Pause(NOW_MS, NOW_MS + 5, "ann", "backup")
        with store.transaction() as transaction:
            transaction.operator.pause(replace(timed, until=None))
            transaction.operator.pause(timed)
        assert store.operator.pause(now_ms=NOW_MS + 4) == timed
        assert store.operator.pause(now_ms=NOW_MS + 5) is None

        with store.transaction() as transaction:
            assert transaction.operator.unpause()
            assert not transaction.operator.unpause()
        assert store.operator.pause(now_ms=NOW_MS) is None


class TellingSuite(Suite):
    """What quiet starts have told."""

    @staticmethod
    def is_news(store: Store, exit_code: int, told: str | None) -> bool:
        with store.transaction() as transaction:
            return transaction.tellings.is_news(exit_code, told, now_ms=NOW_MS)

    def test_a_thing_is_news_until_it_was_told_and_again_after_another_one(self, store: Store) -> None:
        told = [self.is_news(store, 12, each) for each in ("one \udcff", "one \udcff", "two", "one \udcff")]

        assert told == [True, False, True, True]
        assert self.is_news(store, 10, "one \udcff")

    def test_what_is_forgotten_is_news(self, store: Store) -> None:
        for exit_code in (10, 12, 13):
            self.is_news(store, exit_code, "one")
        with store.transaction() as transaction:
            transaction.tellings.forget(10, 12)

        assert [self.is_news(store, exit_code, "one") for exit_code in (10, 12, 13)] == [True, True, False]

    def test_the_quarantine_is_news_when_other_rows_or_texts_are_in_it(
        self, subject: Subject, store: Store, target: Fingerprint
    ) -> None:
        told = [self.is_news(store, 10, None) for _ in range(2)]
        for _ in range(2):
            self.put(store, target.id, "id-000")
            told.append(self.is_news(store, 10, None))
        subject.edit("id-000", "another text")
        told.append(self.is_news(store, 10, None))
        self.put(store, target.id, "id-000")
        told.append(self.is_news(store, 10, None))

        assert told == [True, False, True, False, False, True]

    @staticmethod
    def put(store: Store, target: int, row_id: str) -> None:
        src = document(store, row_id).src
        with store.transaction() as transaction:
            transaction.quarantine.put(target, row_id, src, REASON, now_ms=5)


class LockSuite:
    """The runner's lock: one holder, freed with its process, asked about without being taken."""

    def test_the_lock_has_one_holder_at_a_time_who_is_named(self, subject: Subject) -> None:
        assert subject.database.lock().state is LockState.FREE
        with subject.database.hold(HOLDER) as first, subject.database.hold(OTHER) as second:
            lock = subject.database.lock()
            assert (first, second, lock.state, lock.holder) == (True, False, LockState.RUNNER, HOLDER)
            assert all((lock.name, lock.find, lock.share))

        assert subject.database.lock().state is LockState.FREE
        with subject.database.hold(OTHER) as again:
            assert again

    def test_asking_takes_nothing(self, subject: Subject) -> None:
        subject.database.lock()
        with subject.database.hold(HOLDER) as obtained:
            assert obtained

    def test_the_lock_of_a_damaged_database_is_only_held_where_that_is_known(self, subject: Subject) -> None:
        subject.damage()

        with pytest.raises(DataRefused), subject.database.hold(HOLDER):
            pass
        with subject.database.hold(HOLDER, damaged=True) as obtained:
            assert (obtained, subject.database.lock().state) == (True, LockState.RUNNER)

    def test_a_lock_that_another_process_holds_is_free_the_moment_that_one_is_killed(self, subject: Subject) -> None:
        with subject.held_elsewhere() as kill:
            with subject.database.hold(HOLDER) as obtained:
                assert (obtained, subject.database.lock().state) == (False, LockState.RUNNER)
            kill()
            with subject.database.hold(HOLDER) as obtained:
                assert obtained

    def test_whoever_holds_the_lock_keeps_no_writer_out(self, subject: Subject) -> None:
        with subject.database.hold(HOLDER):
            assert subject.edit_all("edited")
            with subject.database.write(now_ms=NOW_MS) as store:
                entered(store)


class CopySuite:
    """Copies of one state of a database that is a file."""

    def test_a_copy_has_what_was_committed_and_its_size_is_told(self, subject: FileSubject, tmp_path: Path) -> None:
        copy, told = tmp_path / "copy", list[tuple[int, int]]()
        subject.grow()
        with subject.database.write(now_ms=NOW_MS) as store:
            target = entered(store)
            written(store, target, write_of(store, "id-000"))
            size = subject.database.back_up(copy, told=lambda done, of: told.append((done, of)))
            subject.edit_all("edited later")

        assert size == copy.stat().st_size > 0
        assert told
        assert all(0 < done <= of for done, of in told)
        with subject.opened_copy(copy).read() as reader:
            assert freshness(reader, target, "id-000") is Freshness.FRESH
            assert set(ids_of(reader)) > set(IDS)

    def test_what_is_of_a_database_is_told_from_what_is_not(self, subject: FileSubject, tmp_path: Path) -> None:
        copy, other = tmp_path / "copy", tmp_path / "other"
        subject.database.back_up(copy, told=lambda _done, _of: None)
        other.write_text("no database")

        assert subject.database.occupied(copy) == "is a database"
        assert [subject.database.occupied(each) for each in (other, tmp_path, tmp_path / "new")] == ["", "", ""]

    def test_nothing_is_copied_over_what_stands_there(self, subject: FileSubject, tmp_path: Path) -> None:
        there = tmp_path / "there"
        there.write_bytes(b"mine")
        subject.database.require_free(tmp_path / "copy")

        for refused in (there, tmp_path / "no folder" / "copy"):
            with pytest.raises(UsageError):
                subject.database.require_free(refused)
            with pytest.raises(UsageError):
                subject.database.back_up(refused, told=lambda _done, _of: None)
        assert there.read_bytes() == b"mine"

    def test_a_copy_that_is_stopped_leaves_no_file(self, subject: FileSubject, tmp_path: Path) -> None:
        subject.grow()

        def stop(_done: int, _of: int) -> None:
            raise Stopped("Somebody asked for it.", exit_code=130)

        with pytest.raises(Stopped):
            subject.database.back_up(tmp_path / "copy", told=stop)
        assert list(tmp_path.glob("copy*")) == []


class NoCopySuite:
    """A database of which the program itself makes no copy."""

    def test_the_program_that_makes_one_is_named_and_nothing_is_made(self, subject: Subject, tmp_path: Path) -> None:
        for refuse in (
            lambda: subject.database.require_free(tmp_path / "copy"),
            lambda: subject.database.back_up(tmp_path / "copy", told=lambda _done, _of: None),
        ):
            with pytest.raises(UsageError) as refused:
                refuse()
            assert "pg_dump" in refused.value.line()
        assert list(tmp_path.iterdir()) == []
        assert subject.database.occupied(tmp_path / "copy") == ""


class PlaceSuite:
    """Where it stands."""

    def test_it_is_told_how_much_room_there_is_and_what_it_is_called(self, subject: Subject) -> None:
        free = subject.database.free_bytes()
        assert free is None or free > 0
        with subject.database.read() as reader:
            assert reader.name == subject.database.name
