"""What other writers do to a database, who know nothing of our provenance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from hypothesis import strategies as st

from tests.machine.storage import TEXT, Value
from tests.machine.world import World
from tests.support import promises
from tests.support.promises import Model
from tests.support.shapes import CREATED, FAR_AHEAD, LONG_AGO
from tests.support.strategies import contents, ids, namespaces, stored, titles

MODELS = (Model("a", 16), Model("a", 24), Model("b", 16))
"""The targets: another width in the same space, the same width in another space."""

MOST_READS = 5
"""A new row is taken to have been read less often; some are not at all."""


class Edit(Protocol):
    """One change."""

    def apply(self, world: World) -> None:
        """Make the change where it can be made."""


@dataclass(frozen=True, slots=True)
class Insert:
    """A new memory, under an id that may be taken; `sealed` gives it an envelope, `nameless` no id.

    With `model` its writer stores a vector beside it, which is of another text.
    """

    id: str
    namespace: str
    title: str
    content: str
    special: str = ""
    model: Model | None = None

    def apply(self, world: World) -> None:
        sealed = b"\x02" + bytes(60) if self.special == "sealed" else None
        row_id = None if self.special == "nameless" else stored(self.id)
        content = "" if sealed else self.content
        number = _insert(world, row_id, stored(self.namespace), self.title, content, sealed)
        if self.model and number:
            _overwrite(world, number, self.model, "another")


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Another content for some row."""

    row: int
    content: str

    def apply(self, world: World) -> None:
        if (number := world.pick(self.row)) is not None:
            before = world.shadow.view().rows[number].content or b""
            world.history.setdefault(number, []).append(before)
            _set(world, number, f"content = {TEXT}", stored(self.content))


@dataclass(frozen=True, slots=True)
class Outrun:
    """Another content for a row whose text is with the embedder at this moment."""

    content: str

    def apply(self, world: World) -> None:
        found = world.shadow.view().rows.items()
        number = next((number for number, row in found if row.text in world.in_flight), None)
        if number is not None:
            _set(world, number, f"content = {TEXT}", stored(self.content))


@dataclass(frozen=True, slots=True)
class Restore:
    """The content some row had before its last rewriting: edited away and back."""

    row: int

    def apply(self, world: World) -> None:
        number = world.pick(self.row)
        if number is not None and world.history.get(number):
            _set(world, number, f"content = {TEXT}", world.history[number].pop())


@dataclass(frozen=True, slots=True)
class Delete:
    """Some row gone."""

    row: int

    def apply(self, world: World) -> None:
        if (number := world.pick(self.row)) is not None:
            row_id = world.shadow.view().rows[number].id
            world.change("DELETE FROM memories WHERE rowid = ?", (number,), number)
            world.graveyard.extend([] if row_id is None else [row_id])


@dataclass(frozen=True, slots=True)
class Recreate:
    """A deleted id, back with another text."""

    namespace: str
    title: str
    content: str

    def apply(self, world: World) -> None:
        if world.graveyard:
            _insert(world, world.graveyard.pop(), stored(self.namespace), self.title, self.content, None)


@dataclass(frozen=True, slots=True)
class Move:
    """Some row in another namespace."""

    row: int
    namespace: str

    def apply(self, world: World) -> None:
        if (number := world.pick(self.row)) is not None:
            _set(world, number, f"namespace = {TEXT}", stored(self.namespace))


@dataclass(frozen=True, slots=True)
class Live:
    """Some row out of life or back in it."""

    row: int
    expires_at: str | None
    state: str

    def apply(self, world: World) -> None:
        if (number := world.pick(self.row)) is not None:
            _set(world, number, "expires_at = ?", self.expires_at)
            if world.has("lifecycle_state"):
                _set(world, number, "lifecycle_state = ?", self.state)


@dataclass(frozen=True, slots=True)
class Overwrite:
    """A vector of some model, written over whatever stood there by a program of its own mind.

    `of` is whose vector: of the present text, of another one, or no vector that anybody could read.
    """

    row: int
    model: Model
    of: str

    def apply(self, world: World) -> None:
        if (number := world.pick(self.row)) is not None:
            _overwrite(world, number, self.model, self.of)


@dataclass(frozen=True, slots=True)
class Read:
    """Some row read again and again, which changes no text; what is noted of it may be odd."""

    row: int
    reads: str | int | None
    at: str | None

    def apply(self, world: World) -> None:
        if (number := world.pick(self.row)) is not None:
            sql = "UPDATE memories SET access_count = coalesce(?, access_count), last_accessed_at = ? WHERE rowid = ?"
            world.change(sql, (self.reads, self.at, number))


def _overwrite(world: World, number: int, model: Model, of: str) -> None:
    text = world.shadow.view().rows[number].text if of == "present" else "another text"
    blob = b"\x02odd" if of == "malformed" else promises.blob(model, text or "")
    values: list[Value] = [world.file.vector(blob)]
    columns = "embedding = ?"
    for name, value in (("embedding_dim", model.dim), ("embedding_space", model.space)):
        if world.has(name):
            columns += f", {name} = ?"
            values.append(value)
    _set(world, number, columns, *values)


def _insert(
    world: World, row_id: bytes | None, namespace: bytes, title: str, content: str, sealed: bytes | None
) -> int | None:
    """Insert a row and return its number, None where a constraint forbids it."""
    [(number,)] = world.shadow.execute("SELECT coalesce(max(rowid), 0) + 1 FROM memories")
    mark = "?" if row_id is None else TEXT
    done = world.change(
        "INSERT INTO memories"
        " (rowid, id, tier, namespace, title, content, created_at, updated_at, encrypted_envelope, access_count)"
        f" VALUES (?, {mark}, 'mid', {TEXT}, {TEXT}, {TEXT}, ?, ?, ?, ?)",
        (number, row_id, namespace, stored(title), stored(content), CREATED, CREATED, sealed, number * 7 % MOST_READS),
        number,
    )
    return number if done else None


def _set(world: World, number: int, assignment: str, *values: Value) -> None:
    world.change(f"UPDATE memories SET {assignment} WHERE rowid = ?", (*values, number), number)


rows = st.integers(0, 15)
special = st.sampled_from(["", "", "", "sealed", "nameless"])
stored_with = st.sampled_from([None, None, *MODELS])
inserts = st.builds(Insert, ids, namespaces, titles, contents, special, stored_with)
lives = st.builds(
    Live, rows, st.sampled_from([None, None, LONG_AGO, FAR_AHEAD]), st.sampled_from(["open", "open", "tombstoned"])
)
overwrites = st.builds(Overwrite, rows, st.sampled_from(MODELS), st.sampled_from(["present", "another", "malformed"]))
reads = st.builds(
    Read, rows, st.sampled_from([0, 1, 9, 1_000, -1, "many", None]), st.sampled_from([CREATED, FAR_AHEAD, "odd", None])
)
edits: st.SearchStrategy[Edit] = st.one_of(
    inserts,
    reads,
    st.builds(Rewrite, rows, contents),
    st.builds(Rewrite, rows, contents),
    st.builds(Restore, rows),
    st.builds(Delete, rows),
    st.builds(Recreate, namespaces, titles, contents),
    st.builds(Move, rows, namespaces),
    lives,
    overwrites,
)
rushed: st.SearchStrategy[Edit] = st.one_of(st.builds(Outrun, contents), st.builds(Outrun, contents), edits)
"""Edits that fall into an embed call."""
