"""What every store keeps for who asks for memories: the promises of `memory_port` and `place_port`, on real databases.

An adapter gives a `MemorySubject`; `test_memory_conformance.py` runs all of it over each. Nothing here knows what is
below the ports.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest

from ai_memory.errors import (
    Damaged,
    DataRefused,
    NotFound,
    SchemaRefused,
    StatementRefused,
    Stopped,
    StorageFailed,
    WordIndexUnusable,
)
from ai_memory.memory.freshness import Freshness
from ai_memory.memory.reason import Reason
from ai_memory.memory.records import Value
from ai_memory.stores.memory_port import Library, LibraryTransaction, WritableLibrary
from ai_memory.stores.memory_values import (
    Comparison,
    Differing,
    LeftBehind,
    Named,
    NamespaceCount,
    Neighbours,
    Order,
    Recorded,
    Selection,
    Sizes,
    SpaceCount,
    StoredVector,
    Totals,
    WholeMemory,
)
from ai_memory.stores.place_port import Place
from ai_memory.stores.values import Terms
from ai_memory.vectors.blob import decode, encode
from ai_memory.vectors.target import Vectors
from tests.stores.conformance import IDS, NOW_MS, begin, begun, document, entered, freshness, write_of, written
from tests.support.fakes import HashEmbedder

EARLIER, STAMP, LATER = (f"2026-01-02T03:04:0{second}+00:00" for second in (4, 5, 6))

untyped = pytest.mark.untyped
"""Of values that only a database takes whose columns have no types, or whose text may be any bytes."""
widths = pytest.mark.widths
"""Of vectors of several widths beside each other."""
own = pytest.mark.own
"""Of an index of words that this program makes by itself."""


class MemorySubject(Protocol):
    """A database with the memories `IDS`, in turn of the namespaces a and b, and what others do to it.

    Of each the title is `title ID`, the content `the content of ID`. It has a place for links, and memories have a
    column `atom_of`, which refers to another one.
    """

    @property
    def place(self) -> Place:
        """Where it stands."""

    @property
    def version(self) -> int | None:
        """The version of the Rust program's schema; None where this program made it."""

    @property
    def width(self) -> int | None:
        """The one width of the vectors that its memories take; None: they take any."""

    def read(self) -> AbstractContextManager[Library]:
        """Open it to read."""

    def write(self) -> AbstractContextManager[WritableLibrary]:
        """Open it to write."""

    def created(self) -> AbstractContextManager[WritableLibrary]:
        """Open another one that is made by that."""

    def edit_all(self, content: str) -> bool:
        """Give all memories one content in one commit, at once or not at all (False)."""

    def edit(self, row_id: str, content: str) -> None:
        """Change a memory's content."""

    def set_column(self, row_id: str, column: str, value: Value) -> None:
        """Change any column of a memory, the vector's too."""

    def prioritise_new(self, priority: int) -> None:
        """Have the database give every new memory this priority."""

    def take_out(self, row_id: str, *, when: str) -> None:
        """Have the database delete a memory as soon as one of the title `when` is stored."""

    def refuse_title(self, title: str, words: str) -> None:
        """Have the database refuse to store a memory of that title, in these words."""

    def end_at_title(self, title: str) -> None:
        """Have the database end the whole transaction in which a memory of that title is stored."""

    def refuse_writing(self) -> None:
        """Have the database refuse to store any memory or link, whatever is in it."""

    def refer_to(self, row_id: str) -> dict[str, int]:
        """Have rows of other tables refer to a memory; return how many of which."""

    def drop_links(self) -> None:
        """Take away the place for links."""

    def leave_behind(self) -> LeftBehind:
        """Put into the database what no export takes, and return that."""


class FileMemorySubject(MemorySubject, Protocol):
    """One that is a file of our own."""

    def absent(self) -> Place:
        """Return a place where nothing stands."""

    def empty_words(self) -> None:
        """Take everything out of the index of words."""

    def damage_words(self) -> None:
        """Make the index of words one that cannot be used."""

    def damage(self) -> None:
        """Make the database one that cannot be read, and has nothing of memories."""

    def cut_off(self) -> None:
        """Leave only the beginning of the database."""

    def give_second_name(self) -> None:
        """Give the database a second name under which others may know it."""

    def copied(self) -> Path:
        """Return a backup of the database as it is."""

    def edit_backup(self, backup: Path, content: str) -> None:
        """Try to give all memories of a backup one content; whether that could be done does not matter."""

    def unfit(self) -> Path:
        """Return a backup that cannot be put in the database's place, and have the database be sound."""


def memory(row_id: str, **more: Value) -> dict[str, Value]:
    """Return the columns of a memory that is not there yet."""
    values = {"id": row_id, "namespace": "c", "title": f"title {row_id}", "content": "new", "tier": "mid"}
    return {**values, "created_at": STAMP, "updated_at": STAMP, **more}


def link(source: str, target: str, **more: Value) -> dict[str, Value]:
    return {"source_id": source, "target_id": target, "relation": "cites", "created_at": STAMP, **more}


def insert(library: WritableLibrary, *memories: dict[str, Value]) -> None:
    with library.transaction() as transaction:
        for each in memories:
            transaction.memories.insert(each)


def ids(library: Library, namespace: str | None = None) -> list[str | None]:
    return [each.id for each in library.listing.summaries(namespace)]


def selected(library: Library, selection: Selection) -> list[str | None]:
    return [each.id for each in library.listing.summaries(None, selection)]


def contents(library: Library) -> set[str]:
    with library.unchanging():
        return {each.content for each in library.listing.all(None)}


class LibrarySuite:
    """A library open to write."""

    @pytest.fixture
    def library(self, subject: MemorySubject) -> Iterator[WritableLibrary]:
        with subject.write() as library:
            yield library


class MemorySuite(LibrarySuite):
    """Single memories, read."""

    def test_a_memory_is_found_by_its_id_and_by_its_title_in_its_namespace(self, library: WritableLibrary) -> None:
        found = library.memories.get("id-001")

        assert found is not None
        assert (found.title, found.content, found.namespace) == ("title id-001", "the content of id-001", "b")
        assert library.memories.titled("title id-001", "b") == found
        assert [library.memories.get(each) for each in ("none", 1, None)] == [None, None, None]
        assert library.memories.titled("title id-001", "a") is None

    def test_a_name_means_a_title_else_the_ids_that_begin_so(self, library: WritableLibrary) -> None:
        insert(library, memory("id-", title="id-00"), memory("other", title="id-00", namespace="d"))

        assert [each.id for each in library.memories.meant("id-00", most=3)] == ["id-", "other"]
        assert [each.id for each in library.memories.meant("id-0", most=3)] == IDS[:3]
        assert library.memories.meant("title id-001", most=3) == [Named("id-001", "b", "title id-001")]
        assert [library.memories.meant(name, most=3) for name in ("", "ID-0", "d-0", "title", "id-0%")] == [[]] * 5

    def test_a_memory_has_every_column_but_those_of_its_vector(self, library: WritableLibrary) -> None:
        found, columns = library.memories.get("id-000"), library.memories.columns

        assert found is not None
        assert found.values.keys() == columns.keys() >= {"id", "title", "tags", "expires_at", "atom_of"}
        assert not any(name.startswith("embedding") for name in columns)
        assert [(columns[name].required, columns[name].has_default) for name in ("title", "tags", "expires_at")] == [
            (True, False), (True, True), (False, False),
        ]  # fmt: skip

    def test_it_is_told_which_memory_has_a_vector(self, library: WritableLibrary) -> None:
        written(library.store, entered(library.store), write_of(library.store, "id-000"))

        assert [library.memories.has_vector(each) for each in ("id-000", "id-001", "none")] == [True, False, False]

    def test_atoms_are_counted_and_those_without_a_memory_are_named(self, library: WritableLibrary) -> None:
        with suppress(StatementRefused), library.transaction() as transaction:
            transaction.memories.defer_references()
            transaction.memories.insert(memory("lost", atom_of="none"))
            assert transaction.library.memories.orphans() == ["lost"]
        with library.transaction() as transaction:
            transaction.memories.defer_references()
            transaction.memories.insert(memory("atom", atom_of="whole"))
            transaction.memories.insert(memory("whole"))

        assert library.memories.orphans() == []
        assert [library.memories.atoms(each) for each in ("whole", "atom")] == [1, 0]

    def test_a_memory_that_others_refer_to_stays_and_they_are_named(self, subject: MemorySubject) -> None:
        referring = subject.refer_to("id-000")
        with subject.write() as library, pytest.raises(StatementRefused) as refused, library.transaction() as opened:
            opened.memories.delete("id-000")

        with subject.read() as read:
            assert read.memories.get("id-000") is not None
            assert read.memories.referring("id-000", refused.value) == referring
            assert read.memories.referring("id-001", refused.value) == {}
            assert read.memories.referring("id-000", StatementRefused("", words="for something else")) == {}

    def test_what_refuses_every_write_is_seen_without_writing(self, subject: MemorySubject) -> None:
        with subject.read() as library:
            assert (library.memories.refusals(), library.links.refusals()) == ({}, {})
        subject.refuse_writing()
        with subject.read() as library:
            told = {**library.memories.refusals(), **library.links.refusals()}
        assert told.keys() == {"stored"}
        with subject.write() as library:
            with pytest.raises(SchemaRefused):
                insert(library, memory("new"))
            with pytest.raises(SchemaRefused), library.transaction() as transaction:
                transaction.links.put(link("id-000", "id-001"))


class ListingSuite(LibrarySuite):
    """Many memories."""

    def test_a_namespace_that_was_never_seen_is_no_empty_one(self, library: WritableLibrary) -> None:
        insert(library, memory("low", namespace="c/d"))

        for seen in ("a", "c/*", "c/d", None):
            library.listing.require_found(seen)
        for unseen in ("c", "a/*", "d"):
            with pytest.raises(NotFound):
                library.listing.require_found(unseen)

    def test_memories_come_in_the_order_they_were_stored(self, library: WritableLibrary) -> None:
        insert(library, memory("zzz", namespace="c/d"), memory("aaa", namespace="c", created_at=LATER))

        assert ids(library) == [*IDS, "zzz", "aaa"]
        assert [ids(library, each) for each in ("b", "c", "c/*")] == [IDS[1::2], ["aaa"], ["zzz"]]
        with library.unchanging():
            assert [each.id for each in library.listing.all(None)] == ids(library)
            assert [each.id for each in library.listing.all("c/*")] == ["zzz"]

    def test_a_summary_says_what_is_live_and_what_has_a_vector(
        self, subject: MemorySubject, library: WritableLibrary
    ) -> None:
        written(library.store, entered(library.store), write_of(library.store, "id-000"))
        subject.set_column("id-001", "expires_at", "2020-01-01T00:00:00Z")

        told = [(each.live, each.has_vector) for each in library.listing.summaries(None)]
        assert told[:3] == [(True, True), (False, False), (True, False)]
        first = next(library.listing.summaries("a"))
        assert (first.id, first.namespace, first.title) == ("id-000", "a", "title id-000")

    @pytest.mark.parametrize(
        ("tags", "known"),
        [
            ('["tea", "green tea"]', ["tea", "green tea"]),
            ('["teapot", "TEA"]', ["teapot", "TEA"]),
            pytest.param("tea, green tea ,x", ["tea", "green tea", "x"], marks=untyped),
            ('"tea"', ["tea"]),
            ("[7]", ["7"]),
            pytest.param("", [], marks=untyped),
            ("[]", []),
            pytest.param("[1, [", ["[1", "["], marks=untyped),
        ],
    )
    def test_a_tag_is_found_however_the_tags_were_written(
        self, subject: MemorySubject, library: WritableLibrary, tags: str, known: list[str]
    ) -> None:
        subject.set_column("id-001", "tags", tags)
        asked = ["tea", "green tea", "teapot", "TEA", "x", "7", "green", "[1", "["]

        found = [tag for tag in asked if selected(library, Selection(tags=(tag,))) == ["id-001"]]
        assert sorted(found) == sorted(known)

    def test_what_has_all_of_several_tags_is_selected(self, subject: MemorySubject, library: WritableLibrary) -> None:
        for row_id, tags in (("id-000", '["a"]'), ("id-001", '["b", "a"]'), ("id-002", '["b"]')):
            subject.set_column(row_id, "tags", tags)

        assert selected(library, Selection(tags=("a", "b"))) == ["id-001"]
        assert selected(library, Selection(tags=("a",))) == ["id-000", "id-001"]

    @untyped
    def test_what_was_changed_before_is_left_out_and_what_no_time_tells_is_not(
        self, subject: MemorySubject, library: WritableLibrary
    ) -> None:
        written = {
            "id-000": "2026-03-01T00:00:00+00:00",
            "id-001": "2026-02-28T23:59:59.999Z",
            "id-002": "2026-03-01 02:00:00 +03:00",
            "id-003": "20260301T000000,5Z",
            "id-004": "last spring",
        }
        for row_id in IDS:
            subject.set_column(row_id, "updated_at", written.get(row_id, "2025-01-01"))

        assert selected(library, Selection(since_ms=1_772_323_200_000)) == ["id-000", "id-003", "id-004"]
        assert selected(library, Selection(since_ms=1_772_323_200_001)) == ["id-003", "id-004"]
        assert selected(library, Selection(order=Order.UPDATED))[:5] == [
            "id-003",
            "id-000",
            "id-001",
            "id-002",
            IDS[-1],
        ]
        assert selected(library, Selection(order=Order.UPDATED))[-1] == "id-004"

    def test_a_list_has_the_first_ones_in_the_order_that_is_asked_for(
        self, subject: MemorySubject, library: WritableLibrary
    ) -> None:
        for row_id in IDS:
            subject.set_column(row_id, "priority", 5)
            subject.set_column(row_id, "created_at", "2026-01-01T00:00:00Z")
        subject.set_column("id-002", "priority", 9)
        subject.set_column("id-003", "created_at", "2026-01-02")
        subject.set_column("id-001", "title", "B")
        subject.set_column("id-004", "title", "a")

        assert selected(library, Selection(order=Order.PRIORITY, limit=2)) == ["id-002", "id-000"]
        assert selected(library, Selection(order=Order.CREATED, limit=2)) == ["id-003", IDS[-1]]
        assert selected(library, Selection(order=Order.TITLE, limit=3)) == ["id-004", "id-001", "id-000"]
        assert selected(library, Selection(limit=2)) == IDS[:2]

    def test_what_is_told_of_a_memory_makes_it_anew(self, library: WritableLibrary) -> None:
        with library.unchanging():
            found = list(library.listing.all("a"))
        told = library.listing.told(found[0])
        with library.transaction() as transaction:
            transaction.memories.delete("id-000")
            transaction.memories.insert(told)

        assert "expires_at" not in told
        assert library.memories.get("id-000") == found[0]

    def test_memories_are_found_by_their_ids_as_far_as_they_are_there(self, library: WritableLibrary) -> None:
        asked = ["id-003", "none", "id-001", "nul \0", "\udcff"]

        assert library.listing.of_ids(asked) == {each: library.memories.get(each) for each in ("id-001", "id-003")}
        assert library.listing.of_ids([]) == {}

    def test_memories_without_a_vector_are_met_once_in_pages(
        self, subject: MemorySubject, library: WritableLibrary
    ) -> None:
        written(library.store, entered(library.store), write_of(library.store, "id-001"))
        subject.set_column("id-003", "expires_at", "2020-01-01T00:00:00Z")

        met: list[tuple[str, str]] = []
        after = None
        while page := library.listing.lacking_vectors(after=after, limit=2):
            assert len(page) <= 2
            met += [(row_id, namespace) for _, row_id, namespace in page]
            after = page[-1][0]
        assert met == [("id-000", "a"), ("id-002", "a"), ("id-004", "a"), ("id-005", "b")]


class LinkSuite(LibrarySuite):
    """Links between memories."""

    @staticmethod
    def put(library: WritableLibrary, each: dict[str, Value]) -> tuple[str, ...] | None:
        with library.transaction() as transaction:
            return transaction.links.put(each)

    def test_a_link_is_put_once_and_changed_in_its_place(self, library: WritableLibrary) -> None:
        first, again = link("id-000", "id-001", mood="good"), link("id-000", "id-001", created_at=EARLIER)
        told = [self.put(library, each) for each in (first, first, again, link("id-001", "id-000"))]

        assert told == [(), None, (), ()]
        with library.unchanging():
            found = [library.links.told(each) for each in library.links.all()]
        assert found == [again, link("id-001", "id-000")]
        assert library.links.kept
        assert library.links.columns.keys() >= {"source_id", "target_id", "relation", "created_at"}

    def test_a_link_is_removed_and_no_other_one(self, library: WritableLibrary) -> None:
        for each in (link("id-000", "id-001"), link("id-001", "id-000")):
            self.put(library, each)
        with library.transaction() as transaction:
            removed = [transaction.links.remove(link("id-000", "id-001", created_at=LATER)) for _ in range(2)]

        assert removed == [True, False]
        with library.unchanging():
            assert [library.links.told(each) for each in library.links.all()] == [link("id-001", "id-000")]

    def test_a_link_to_nothing_is_refused(self, library: WritableLibrary) -> None:
        with pytest.raises(StatementRefused):
            self.put(library, link("id-000", "none"))
        with library.unchanging():
            assert list(library.links.all()) == []

    def test_a_database_may_have_no_place_for_links(self, subject: MemorySubject) -> None:
        subject.drop_links()
        with subject.read() as library, library.unchanging():
            assert not library.links.kept
            assert (list(library.links.all()), library.links.refusals()) == ([], {})


class MemoryWritingSuite(LibrarySuite):
    """Memories, written."""

    @pytest.mark.parametrize("title", ["one", pytest.param("nul \0 and \udcff", marks=untyped)])
    def test_a_memory_is_stored_as_it_is_given(self, library: WritableLibrary, title: str) -> None:
        given = memory("new", title=title, content="naïve 🐍", tags='["x"]')
        with library.transaction() as transaction:
            assert transaction.memories.insert(given, beside={"source": "test", "title": "beside"}) == ()

        found = library.memories.get("new")
        assert found is not None
        assert {name: found.values[name] for name in (*given, "source")} == {**given, "source": "test"}

    def test_what_the_database_changed_at_once_is_told(self, subject: MemorySubject) -> None:
        subject.prioritise_new(9)
        with subject.write() as library, library.transaction() as transaction:
            told = [transaction.memories.insert(memory(f"new {each}", priority=each)) for each in (3, 9)]
        assert told == [("priority",), ()]

    def test_a_change_takes_the_vector_away_or_leaves_it(self, library: WritableLibrary) -> None:
        target = entered(library.store)
        written(library.store, target, *(write_of(library.store, each) for each in ("id-000", "id-001")))
        with library.transaction() as transaction:
            changed: dict[str, Value] = {"tags": '["x"]'}
            assert transaction.memories.update("id-000", changed, beside={"priority": 7}) == ()
            assert transaction.memories.update("id-001", {"content": "new"}, keeps_vector=False) == ()

        found = [library.memories.get(each) for each in ("id-000", "id-001")]
        assert [each and (each.values["tags"], each.values["priority"], each.content) for each in found] == [
            ('["x"]', 7, "the content of id-000"), ("[]", 5, "new"),
        ]  # fmt: skip
        assert [library.memories.has_vector(each) for each in ("id-000", "id-001")] == [True, False]
        assert freshness(library.store, target, "id-000") is Freshness.FRESH
        assert sum(page.missing for page in library.search.vectors("b")) == len(IDS[1::2])

    def test_a_deleted_memory_takes_what_is_known_of_its_vector_along(self, library: WritableLibrary) -> None:
        target = entered(library.store)
        write = write_of(library.store, "id-000")
        written(library.store, target, write)
        src = document(library.store, "id-001").src
        with library.transaction() as transaction:
            transaction.links.put(link("id-000", "id-002"))
        with library.store.transaction() as store:
            store.quarantine.put(target.id, "id-001", src, Reason("refused", "no"), now_ms=5)
        with library.transaction() as transaction:
            deleted = [transaction.memories.delete(each) for each in ("id-000", "id-001", "none")]

        assert deleted == [True, True, False]
        assert ids(library) == IDS[2:]
        assert library.store.memories.vectors_of([write.src], target) == {}
        assert library.counts.in_quarantine() == set()
        with library.unchanging():
            assert list(library.links.all()) == []

    def test_a_namespace_is_remembered_when_its_last_memory_leaves_it(self, library: WritableLibrary) -> None:
        insert(library, memory("one", namespace="left"), memory("two", namespace="emptied"))
        with library.transaction() as transaction:
            transaction.memories.update("one", {"namespace": "a"})
            transaction.memories.delete("two")

        for each in ("left", "emptied"):
            library.listing.require_found(each)
            assert ids(library, each) == []

    def test_nothing_of_a_transaction_that_fails_is_kept(
        self, subject: MemorySubject, library: WritableLibrary
    ) -> None:
        with subject.read() as beside, suppress(LookupError), library.transaction() as transaction:
            transaction.memories.insert(memory("new"))
            transaction.links.put(link("id-000", "new"))
            assert transaction.library.memories.get("new") is not None
            assert beside.memories.get("new") is None
            raise LookupError
        assert library.memories.get("new") is None

    def test_a_step_that_is_refused_is_undone_by_itself(self, subject: MemorySubject) -> None:
        subject.refuse_title("bad", "not that one")
        with subject.write() as library:
            with library.transaction() as transaction:
                transaction.memories.insert(memory("before"))
                with pytest.raises(StatementRefused) as refused:
                    self.store_in_one_step(transaction, memory("half"), memory("bad", title="bad"))
                transaction.memories.insert(memory("after", created_at=LATER))
            assert "not that one" in refused.value.words
            assert ids(library, "c") == ["before", "after"]

    def test_a_step_that_ended_the_transaction_says_so(self, subject: MemorySubject) -> None:
        subject.end_at_title("bad")
        with subject.write() as library:
            with pytest.raises(StorageFailed), library.transaction() as transaction:
                self.store_in_one_step(transaction, memory("before"), memory("bad", title="bad"))
            assert ids(library) == IDS

    @staticmethod
    def store_in_one_step(transaction: LibraryTransaction, *memories: dict[str, Value]) -> None:
        with transaction.step():
            for each in memories:
                transaction.memories.insert(each)

    def test_a_title_is_one_memorys_in_its_namespace(self, library: WritableLibrary) -> None:
        with pytest.raises(StatementRefused):
            insert(library, memory("new", title="title id-000", namespace="a"))
        assert ids(library) == IDS

    def test_what_a_later_write_took_out_again_is_gone(self, subject: MemorySubject) -> None:
        with subject.write() as library, library.transaction() as transaction:
            self.store_two(transaction)
            gone = [transaction.memories.is_gone("first"), transaction.links.is_gone(link("first", "id-000"))]
        subject.take_out("third", when="title fourth")
        with subject.write() as library, library.transaction() as transaction:
            self.store_two(transaction, "third", "fourth")
            gone += [transaction.memories.is_gone(each) for each in ("third", "fourth")]
            gone += [transaction.links.is_gone(link(each, "id-000")) for each in ("third", "fourth")]
        assert gone == [False, False, True, False, True, False]

    @staticmethod
    def store_two(transaction: LibraryTransaction, *two: str) -> None:
        first, second = two or ("first", "second")
        transaction.memories.insert(memory(first))
        transaction.links.put(link(first, "id-000"))
        transaction.memories.insert(memory(second))
        transaction.links.put(link(second, "id-000"))


def vectors(library: Library) -> Iterator[tuple[str, Vectors]]:
    for page in library.search.vectors(None):
        for group in page.groups:
            for number, vector in zip(group.numbers.tolist(), group.vectors, strict=True):
                yield str(library.search.text(number).id), vector


def spaces(library: Library) -> dict[str, tuple[str | None, int]]:
    """Return the space and the width of each vector, by the memory's id."""
    return {
        str(library.search.text(number).id): (group.space, group.vectors.shape[1])
        for page in library.search.vectors(None)
        for group in page.groups
        for number in group.numbers.tolist()
    }


class WholeMemorySuite(LibrarySuite):
    """Memories with their vectors and the records of these, as another database has them."""

    @staticmethod
    def whole(library: Library, row_id: str, **more: Value) -> WholeMemory:
        """Return a memory that is there, as it stands but for some columns."""
        found = library.listing.of_ids([row_id])[row_id]
        [row] = library.store.memories.rows_by_id([row_id], target=None)
        space = None if row.raw_space is None else row.codec.name(row.raw_space)
        return WholeMemory({**found.values, **more}, row.embedding, row.dim, space)

    @staticmethod
    def put(library: WritableLibrary, *memories: WholeMemory) -> None:
        with library.transaction() as transaction:
            transaction.memories.put_whole(memories)

    def test_a_memory_is_stored_with_its_vector_and_the_record_that_it_is_the_targets(
        self, library: WritableLibrary
    ) -> None:
        target = entered(library.store)
        written(library.store, target, write_of(library.store, "id-000"))
        given = self.whole(library, "id-000")
        src = document(library.store, "id-000").src
        with library.transaction() as transaction:
            transaction.memories.delete("id-000")
        self.put(library, replace(given, recorded=Recorded(target, src, None, "reembed", proven=True)))

        assert self.whole(library, "id-000") == given
        assert freshness(library.store, target, "id-000") is Freshness.FRESH
        assert library.store.targets.unproven(target) == []
        assert library.store.memories.vectors_of([src], target) == {src: given.blob}

    def test_it_takes_the_place_of_the_one_of_its_id_with_all_that_was_known_of_it(
        self, library: WritableLibrary
    ) -> None:
        target = entered(library.store)
        first, second = (write_of(library.store, each) for each in ("id-000", "id-001"))
        written(library.store, target, first, second)
        bare = self.whole(library, "id-000", content="another text", tags='["x"]').without_vector
        other = self.whole(library, "id-001", namespace="elsewhere")
        self.put(library, bare, replace(other, recorded=Recorded(target, second.src, None, "store", proven=False)))

        assert [self.whole(library, each) for each in ("id-000", "id-001")] == [bare, other]
        assert library.store.memories.vectors_of([first.src], target) == {}
        assert freshness(library.store, target, "id-001") is Freshness.FRESH
        assert len(ids(library)) == len(IDS)

    def test_a_record_of_another_vector_stays_one(self, library: WritableLibrary) -> None:
        target = entered(library.store)
        written(library.store, target, write_of(library.store, "id-000"))
        given, src = self.whole(library, "id-000"), document(library.store, "id-000").src
        self.put(library, replace(given, recorded=Recorded(target, src, b"another", "reembed", proven=False)))

        assert freshness(library.store, target, "id-000") is Freshness.STALE
        assert library.store.targets.unproven(target) == ["id-000"]

    def test_a_vector_of_an_old_file_is_the_same_one(self, library: WritableLibrary) -> None:
        target = entered(library.store)
        write = write_of(library.store, "id-000")
        memory = self.whole(library, "id-000")
        old = replace(memory, blob=write.blob[1:], dim=target.dim, space=target.space)
        self.put(library, replace(old, recorded=Recorded(target, write.src, None, "reembed", proven=True)))

        found = self.whole(library, "id-000")
        assert found.blob is not None
        assert np.array_equal(decode(found.blob), decode(write.blob))
        assert freshness(library.store, target, "id-000") is Freshness.FRESH

    def test_columns_that_are_not_there_are_passed_over_and_so_is_a_null_where_a_value_is_wanted(
        self, library: WritableLibrary
    ) -> None:
        self.put(library, WholeMemory(memory("new", mood="good", tags=None, metadata=None, priority=7)))
        found = library.memories.get("new")

        assert found is not None
        assert [found.values[each] for each in ("tags", "metadata", "priority")] == ["[]", "{}", 7]

    def test_one_that_is_refused_takes_those_beside_it_along(self, subject: MemorySubject) -> None:
        subject.refuse_title("title bad", "not that one")
        with subject.write() as library:
            with pytest.raises(StatementRefused, match="not that one"):
                self.put(library, WholeMemory(memory("good")), WholeMemory(memory("bad")))
            assert ids(library) == IDS

    def test_two_memories_of_one_title_are_refused(self, library: WritableLibrary) -> None:
        with pytest.raises(StatementRefused):
            self.put(library, WholeMemory(memory("one")), WholeMemory(memory("two", title="title one")))
        assert ids(library) == IDS

    def test_it_is_told_which_width_the_memories_take(self, subject: MemorySubject) -> None:
        with subject.write() as library:
            assert library.about.vector_width == subject.width
            wrong = encode(np.ones(7, dtype=np.float32))
            takes = subject.width is None
            with suppress(StatementRefused):
                self.put(library, WholeMemory(memory("new"), wrong, 7))
            assert library.memories.has_vector("new") is takes


class SearchSuite(LibrarySuite):
    """Words and vectors."""

    def test_memories_are_found_by_any_of_the_words_best_first(self, library: WritableLibrary) -> None:
        insert(library, memory("one", content="tea"), memory("two", content="tea tea green", namespace="d"))

        found = list(library.search.matches("green TEA", None))
        assert [library.search.text(each.row_number).id for each in found] == ["two", "one"]
        assert found[0].bm25 > found[1].bm25 > 0
        assert [library.search.text(each.row_number).namespace for each in found] == ["d", "c"]
        assert list(library.search.matches("green tea", "c")) == [found[1]]
        numbers = [each.row_number for each in found]
        assert library.search.bm25("green", numbers) == {
            numbers[0]: pytest.approx(next(library.search.matches("green", None)).bm25)
        }

    @pytest.mark.parametrize(
        "query", ['"', "tea AND", "title:tea", "NEAR(", "*", pytest.param("\0", marks=untyped), "a* OR -b"]
    )
    def test_nothing_in_a_query_is_a_syntax(self, library: WritableLibrary, query: str) -> None:
        insert(library, memory("one", content=query))
        found = [library.search.text(each.row_number) for each in library.search.matches(query, "c")]
        assert all(each.namespace == "c" for each in found)

    @pytest.mark.parametrize(
        ("query", "telling"),
        [
            ("Tea, the (tea) TEA and green", "Tea, green"),
            ("to be or not to be", "to be or not"),
            ("-- tea -- \0 tea", "-- tea"),
            ("", ""),
        ],
    )
    def test_the_words_that_tell_most_are_each_there_once_and_without_function_words(
        self, library: WritableLibrary, query: str, telling: str
    ) -> None:
        assert library.search.telling(query) == telling

    def test_of_many_words_the_rarest_tell_most(self, library: WritableLibrary) -> None:
        common = [f"word{number}" for number in range(300)]
        both = {"content": " ".join(common)}
        insert(library, memory("one", **both), memory("two", **both), memory("three", content="quokka"))

        telling = library.search.telling(" ".join([*common, "quokka", "nowhere"])).split()
        assert telling[-1] == "quokka"
        assert telling[:-1] == common[: len(telling) - 1]
        assert len(telling) < 100

    def test_expired_memories_are_not_found(self, subject: MemorySubject, library: WritableLibrary) -> None:
        subject.set_column("id-000", "expires_at", "2020-01-01T00:00:00Z")

        assert [library.search.text(each.row_number).id for each in library.search.matches("id", None)] == IDS[1:]
        assert [page.missing for page in library.search.vectors("a")] == [len(IDS[2::2])]

    def test_live_memories_are_known_by_their_row_numbers(
        self, subject: MemorySubject, library: WritableLibrary
    ) -> None:
        subject.set_column("id-000", "expires_at", "2020-01-01T00:00:00Z")

        numbers = library.search.numbers(["id-002", "nowhere", "id-000", "id-001"])

        assert {each: library.search.text(number).id for each, number in numbers.items()} == {
            "id-002": "id-002",
            "id-001": "id-001",
        }

    def test_the_substrate_is_searched_only_where_it_is_wanted(self, library: WritableLibrary) -> None:
        own = ("_messages", "_messages/bob", "_agents", "_curator/reports/x")
        others = ("_messagesx", "_agents/x", "_Messages", "x/_messages", "_curator", "_")
        insert(library, *(memory(name, namespace=name, content="tea") for name in own + others))

        def found(namespace: str | None, *, substrate: bool) -> set[str]:
            matches = library.search.matches("tea", namespace, substrate=substrate)
            return {library.search.text(each.row_number).namespace for each in matches}

        assert found(None, substrate=False) == set(others)
        assert found(None, substrate=True) == {*own, *others}
        assert found("_messages/bob", substrate=False) == {"_messages/bob"}
        missing = [sum(page.missing for page in library.search.vectors(None, substrate=each)) for each in (False, True)]
        assert missing == [len(IDS) + len(others), len(IDS) + len(others) + len(own)]

    @widths
    def test_vectors_come_in_groups_of_one_space_and_one_width(
        self, subject: MemorySubject, library: WritableLibrary
    ) -> None:
        target = entered(library.store)
        writes = [write_of(library.store, each) for each in IDS[:2]]
        written(library.store, target, *writes)
        subject.set_column("id-002", "embedding", encode(np.ones(3, dtype=np.float32)))
        subject.set_column("id-002", "embedding_space", "other")
        subject.set_column("id-003", "embedding", encode(np.ones(2, dtype=np.float32))[1:])
        subject.set_column("id-003", "embedding_space", "other")
        subject.set_column("id-004", "embedding", encode(np.full(3, np.nan, dtype=np.float32)))

        assert spaces(library) == {
            "id-000": (target.space, target.dim), "id-001": (target.space, target.dim),
            "id-002": ("other", 3), "id-003": ("other", 2), "id-004": (None, 3),
        }  # fmt: skip
        read = {name: vector.tolist() for name, vector in vectors(library)}
        assert [read[each] for each in IDS[:2]] == [decode(each.blob).tolist() for each in writes]
        assert (read["id-002"], read["id-003"]) == ([1, 1, 1], [1, 1])
        assert [page.missing for page in library.search.vectors(None)] == [1]

    def test_few_vectors_are_all_compared_whatever_index_there_is(self, library: WritableLibrary) -> None:
        target = entered(library.store)
        written(library.store, target, *(write_of(library.store, each) for each in IDS))
        query = np.ones(target.dim, dtype=np.float32)

        assert library.search.nearest(Neighbours({target.space: query}, None, 2)) is None

    def test_our_record_tells_the_space_of_a_vector_only_while_it_is_the_one_we_wrote(
        self, subject: MemorySubject, library: WritableLibrary
    ) -> None:
        target, other = entered(library.store), entered(library.store, HashEmbedder(model="other"))
        written(library.store, target, *(write_of(library.store, each) for each in IDS[:5]))
        written(library.store, other, write_of(library.store, "id-005"))
        changed = encode(np.ones(target.dim, dtype=np.float32))
        for row_id, blob, space in (
            ("id-001", None, "foreign"), ("id-002", changed, "foreign"), ("id-003", changed, None),
            ("id-004", None, None), ("id-005", None, target.space),
        ):  # fmt: skip
            if blob:
                subject.set_column(row_id, "embedding", blob)
            subject.set_column(row_id, "embedding_space", space)

        assert {name: space for name, (space, _) in spaces(library).items()} == {
            "id-000": target.space, "id-001": target.space, "id-002": "foreign", "id-003": None,
            "id-004": target.space, "id-005": other.space,
        }  # fmt: skip

    @untyped
    def test_what_no_vector_has_the_form_of_is_malformed(
        self, subject: MemorySubject, library: WritableLibrary
    ) -> None:
        sound = encode(np.ones(4, dtype=np.float32))
        for row_id, blob, dim in (
            ("id-000", sound, 4), ("id-001", sound, 5), ("id-002", sound, "wide"), ("id-003", b"\x02" + sound[1:], 4),
            ("id-004", b"", None), ("id-005", sound[:-2], None),
        ):  # fmt: skip
            subject.set_column(row_id, "embedding", blob)
            subject.set_column(row_id, "embedding_dim", dim)

        pages = list(library.search.vectors(None))
        malformed = [library.search.text(number).id for page in pages for number in page.malformed.tolist()]
        assert (sorted(map(str, malformed)), [each.missing for each in pages]) == (IDS[1:], [0])
        assert list(spaces(library)) == ["id-000"]

    @untyped
    def test_a_text_or_a_number_in_a_vectors_place_is_no_vector(
        self, subject: MemorySubject, library: WritableLibrary
    ) -> None:
        subject.set_column("id-000", "embedding", "text")
        subject.set_column("id-001", "embedding", 1)
        assert [page.missing for page in library.search.vectors(None)] == [len(IDS)]

    @untyped
    def test_what_is_stored_as_a_vector_is_told_as_it_is(
        self, subject: MemorySubject, library: WritableLibrary
    ) -> None:
        insert(library, memory("one", content="tea"), memory("two", content="tea tea"))
        two, one = (each.row_number for each in library.search.matches("tea", None))
        subject.set_column("one", "embedding", b"abc")
        subject.set_column("one", "embedding_dim", "wide")
        assert library.search.vector(one) == StoredVector(b"abc", -1)
        assert library.search.vector(two) == StoredVector(b"", None)
        found = library.search.text(one)
        assert (found.id, found.namespace, found.title, found.content) == ("one", "c", "title one", "tea")

    def test_it_is_told_whether_a_migration_has_begun(self, library: WritableLibrary) -> None:
        before = library.search.has_runs()
        begun(library.store, entered(library.store))
        assert (before, library.search.has_runs()) == (False, True)

    @pytest.mark.parametrize(
        ("state", "told"), [("ready", False), ("cancelled", False), ("switched", True), ("done", True)]
    )
    def test_what_is_not_served_is_no_migration_that_has_begun(
        self, library: WritableLibrary, state: str, told: bool
    ) -> None:
        target = entered(library.store)
        with library.store.transaction() as transaction:
            run = begin(transaction, target, terms=Terms(staged=True))
            transaction.runs.transition(run, state, now_ms=NOW_MS, fenced=True)
        assert library.search.has_runs() is told


class CountSuite(LibrarySuite):
    """What there is of what."""

    def test_memories_are_counted_by_namespace_and_in_all(
        self, subject: MemorySubject, library: WritableLibrary
    ) -> None:
        target = entered(library.store)
        written(library.store, target, write_of(library.store, "id-000"), write_of(library.store, "id-001"))
        subject.set_column("id-002", "expires_at", "2020-01-01T00:00:00Z")
        insert(library, memory("secret", content="", encrypted_envelope=b"x"))

        assert library.counts.totals() == Totals(7, 6, 2, 0, 1)
        assert library.counts.namespaces() == [
            NamespaceCount("a", 3, 2, 1), NamespaceCount("b", 3, 3, 1), NamespaceCount("c", 1, 1, 0),
        ]  # fmt: skip
        assert library.counts.spaces() == [SpaceCount(target.space, target.dim, 2)]

    @untyped
    def test_what_is_odd_is_named(self, subject: MemorySubject, library: WritableLibrary) -> None:
        target, src = entered(library.store), document(library.store, "id-001").src
        subject.set_column("id-000", "embedding", "a text")
        for row_id, at in (("id-003", "2999-01-01"), ("id-004", "2999-01-01T00:00:00Z"), ("id-005", "2020")):
            subject.set_column(row_id, "expires_at", at)
        with library.store.transaction() as transaction:
            transaction.quarantine.put(target.id, "id-001", src, Reason("refused", "no"), now_ms=5)

        assert library.counts.not_vectors() == {b"id-000"}
        assert library.counts.in_quarantine() == {b"id-001"}
        assert library.counts.odd_expiries() == [("id-003", "2999-01-01"), ("id-005", "2020")]

    def test_what_no_export_takes_is_named(self, subject: MemorySubject) -> None:
        with subject.read() as library:
            assert library.counts.left_behind() == LeftBehind(0, [])
        left = subject.leave_behind()
        with subject.read() as library:
            assert library.counts.left_behind() == left


class WordIndexSuite(LibrarySuite):
    """The index of words: examined, and made anew."""

    @staticmethod
    def told(library: Library) -> tuple[bool, int, bool]:
        index = library.word_index
        return index.fault() is not None, index.out_of_step(), index.lost() is not None

    @staticmethod
    def rebuilt(library: WritableLibrary) -> int:
        with library.transaction() as transaction:
            return transaction.word_index.rebuild()

    def test_nothing_is_wrong_with_a_sound_index(self, library: WritableLibrary) -> None:
        assert self.told(library) == (False, 0, False)
        assert self.rebuilt(library) == len(IDS)

    @own
    def test_what_it_lacks_is_counted_and_comes_back(
        self, subject: FileMemorySubject, library: WritableLibrary
    ) -> None:
        subject.empty_words()

        assert self.told(library)[1:] == (len(IDS), True)
        assert list(library.search.matches("title", None)) == []
        assert self.rebuilt(library) == len(IDS)
        assert self.told(library) == (False, 0, False)
        assert len(list(library.search.matches("title", None))) == len(IDS)

    @own
    def test_one_that_cannot_be_used_is_told_from_a_damaged_database(self, subject: FileMemorySubject) -> None:
        subject.damage_words()
        with subject.write() as library:
            assert library.word_index.fault()
            with pytest.raises(WordIndexUnusable):
                list(library.search.matches("title", None))
            with pytest.raises(WordIndexUnusable):
                library.search.bm25("title", [1])
            assert library.about.complaints() == []
            assert self.rebuilt(library) == len(IDS)
            assert self.told(library) == (False, 0, False)


class AboutSuite:
    """The database as a whole, and one state of it."""

    def test_it_is_told_what_a_database_is(self, subject: MemorySubject) -> None:
        with subject.read() as library:
            about = library.about
            about.require_known()
            assert (about.rust, about.version, about.created) == (subject.version is not None, subject.version, False)
            assert [about.complaints(thorough=thorough) for thorough in (False, True)] == [[], []]
            assert about.sizes().db_bytes > 0
            assert library.store.name == subject.place.database.name

    def test_its_mark_is_another_one_after_each_commit_of_somebody_else(self, subject: MemorySubject) -> None:
        with subject.read() as library:
            first = library.about.mark()
            contents(library)
            assert library.about.mark() == first
            subject.edit("id-000", "edited")
            second = library.about.mark()
            subject.edit("id-000", "edited again")
            assert len({first, second, library.about.mark()}) == 3

    def test_it_tells_for_how_long_the_same_memories_live(self, subject: MemorySubject) -> None:
        with subject.read() as library:
            assert library.about.lasts() is None
            subject.set_column("id-000", "expires_at", "2020-01-01T00:00:00Z")
            assert library.about.lasts() is None
            subject.set_column("id-001", "expires_at", "2999-01-01T00:00:00+00:00")
            assert (library.about.lasts() or 0) > 10**9

    @untyped
    def test_where_it_cannot_be_told_when_a_memory_expires_nothing_is_promised(self, subject: MemorySubject) -> None:
        subject.set_column("id-002", "expires_at", "once upon a time")
        with subject.read() as library:
            assert library.about.lasts() == 0

    def test_what_is_ours_can_be_dropped_and_the_memories_stay(self, subject: MemorySubject) -> None:
        with subject.write() as library:
            before, kept = library.about.own_tables(), [each.values for each in library.listing.all(None)]
            with library.transaction() as transaction:
                assert transaction.drop_own_tables() == before
        assert "reembed_run" in before
        with subject.read() as library:
            assert library.about.own_tables() == []
            assert [each.values for each in library.listing.all(None)] == kept
            assert library.store.runs.unfinished_id() is None

    def test_who_looks_for_encrypted_memories_finds_those_of_a_namespace(self, subject: MemorySubject) -> None:
        subject.set_column("id-000", "encrypted_envelope", b"an envelope")
        with subject.read() as library:
            namespace = library.memories.get("id-000").values["namespace"]  # type: ignore[union-attr]
            assert [library.counts.has_encrypted(name) for name in (str(namespace), "elsewhere")] == [True, False]

    def test_one_that_was_made_by_opening_it_says_so(self, subject: MemorySubject) -> None:
        with subject.created() as library:
            assert library.about.created
            assert library.counts.totals() == Totals(0, 0, 0, 0, 0)
            assert library.about.sizes() != Sizes(0, 0)

    def test_in_a_held_state_nothing_changes(self, subject: MemorySubject) -> None:
        with subject.read() as library:
            with library.unchanging():
                first = [each.content for each in library.listing.all("a")]
                done = subject.edit_all("edited")
                assert [each.content for each in library.listing.all("a")] == first
            # Without a log its writer had to wait, and gave up.
            assert contents(library) == ({"edited"} if done else {f"the content of {each}" for each in IDS})

    def test_a_state_is_held_gently_only_where_no_writer_waits(self, subject: MemorySubject) -> None:
        with subject.read() as library, library.unchanging(gently=True):
            first = [each.content for each in library.listing.all("a")]
            assert subject.edit_all("edited")
            assert [each.content for each in library.listing.all("a")] in (first, ["edited"] * 3)

    def test_what_is_read_consistently_is_of_one_state(self, subject: MemorySubject) -> None:
        with subject.read() as library:
            edits = iter(("edited once", "edited twice"))

            def read() -> tuple[int, int]:
                before = len(list(library.search.matches("edited", None)))
                if edit := next(edits, None):
                    subject.edit_all(edit)
                return before, len(list(library.search.matches("edited", None)))

            before, after = library.store.consistently(lambda _: read())
            assert before == after


class PlaceSuite:
    """Where a database stands, whatever is left of it; and its backup."""

    def test_a_place_is_new_where_nothing_stands(self, subject: FileMemorySubject) -> None:
        for each in (subject.place, subject.absent()):
            each.require_findable()
        assert (subject.place.is_new(), subject.absent().is_new()) == (False, True)
        with pytest.raises(DataRefused), subject.absent().read():
            pass

    def test_a_second_name_is_refused(self, subject: FileMemorySubject) -> None:
        subject.place.require_one_name()
        subject.give_second_name()
        with pytest.raises(DataRefused):
            subject.place.require_one_name()

    def test_a_sound_database_has_no_complaints(self, subject: FileMemorySubject) -> None:
        assert subject.place.complaints() == []
        with subject.place.read() as library:
            assert ids(library) == IDS

    def test_the_rest_of_a_database_is_told_from_anything_else(self, subject: FileMemorySubject) -> None:
        subject.cut_off()
        assert subject.place.may_be_of_memories()
        subject.damage()
        assert not subject.place.may_be_of_memories()
        with pytest.raises(Damaged):
            subject.place.complaints()

    def test_it_is_told_what_a_database_has_beside_its_backup(self, subject: FileMemorySubject) -> None:
        with subject.write() as library:
            insert(library, memory("gone"))
            backup = subject.copied()
            insert(library, memory("later"))
            with library.transaction() as transaction:
                transaction.memories.delete("gone")
            begun(library.store, entered(library.store))
        subject.edit("id-000", "edited")

        with subject.place.backup(backup) as opened, opened.live() as live:
            live.require_fit()
            assert ids(live.library) == [*IDS, "later"]
            found = live.compare()
            assert ids(opened.library) == [*IDS, "gone"]
        assert found == Comparison(Differing(1, ("title later",)), Differing(1, ("title id-000",)), 1, 6, 1, ())

    @pytest.mark.parametrize("damaged", [False, True])
    def test_a_backup_is_put_in_the_place_of_whatever_stands_there(
        self, subject: FileMemorySubject, damaged: bool
    ) -> None:
        backup, told = subject.copied(), list[tuple[int, int]]()
        subject.damage() if damaged else subject.edit_all("edited")
        with subject.place.backup(backup) as opened:
            opened.put_in_place(damaged=damaged, told=lambda done, of: told.append((done, of)))

        assert all(0 < done <= of for done, of in told)
        with subject.read() as library:
            assert contents(library) == {f"the content of {each}" for each in IDS}

    def test_a_backup_that_is_open_does_not_change(self, subject: FileMemorySubject) -> None:
        backup = subject.copied()
        with subject.place.backup(backup) as opened:
            told = []
            for content in ("edited", "again"):
                told.append({each.content for each in opened.library.listing.all(None)})
                subject.edit_backup(backup, content)
            opened.put_in_place(damaged=False, told=lambda _done, _of: None)

        assert told == [{f"the content of {each}" for each in IDS}] * 2
        with subject.read() as library:
            assert contents(library) == told[0]

    def test_a_restore_that_is_stopped_changes_nothing(self, subject: FileMemorySubject) -> None:
        self.grow(subject, [f"more-{number}" for number in range(1200)])
        backup = subject.copied()
        subject.edit_all("edited")

        def stop(_done: int, _of: int) -> None:
            raise Stopped("Somebody asked for it.", exit_code=130)

        with subject.place.backup(backup) as opened, pytest.raises(Stopped):
            opened.put_in_place(damaged=False, told=stop)
        with subject.read() as library:
            assert contents(library) == {"edited"}

    @staticmethod
    def grow(subject: FileMemorySubject, row_ids: Sequence[str]) -> None:
        """Add so much that it is put in place in several steps."""
        with subject.write() as library:
            insert(library, *(memory(each, content="two thousand characters " * 84) for each in row_ids))

    def test_a_backup_that_does_not_fit_is_refused(self, subject: FileMemorySubject) -> None:
        unfit = subject.unfit()
        with (
            subject.place.backup(unfit) as opened,
            opened.live() as live,
            pytest.raises(DataRefused, match="Nothing was changed"),
        ):
            live.require_fit()
