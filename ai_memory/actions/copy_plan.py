"""What a copy would take from its source, and whether source and target are such that it may begin, or go on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from shlex import quote
from typing import TYPE_CHECKING

from ai_memory.errors import DataRefused, OperatorNeeded
from ai_memory.frozen import Frozen
from ai_memory.memory.records import OF_VECTOR
from ai_memory.memory.text_codec import printable
from ai_memory.reembed.heartbeat import paused
from ai_memory.reembed.unfinished_copy import BY, finishing, marked
from ai_memory.text.amounts import counted

if TYPE_CHECKING:
    from ai_memory.stores.memory_port import Library
    from ai_memory.stores.memory_port_reading import LinkReader, MemoryReader
    from ai_memory.stores.memory_values import LeftBehind
    from ai_memory.stores.port import Snapshot

SHOWN = 12


class Stock(Frozen):
    """What a source holds: memories, their vectors by width, bytes of texts and vectors, links.

    `targets` are those to which vectors are recorded, or to which runs went. `without_id` memories cannot be named.
    """

    memories: int
    widths: Mapping[int, int]
    text_bytes: int
    vector_bytes: int
    links: int
    without_id: int
    targets: tuple[int, ...]

    @property
    def vectors(self) -> int:
        """How many memories have one."""
        return sum(self.widths.values())

    def values(self) -> dict[str, object]:
        """Return them as a program reads them."""
        return {
            "memories": self.memories,
            "vectors": self.vectors,
            "widths": {str(width): rows for width, rows in sorted(self.widths.items())},
            "text_bytes": self.text_bytes,
            "vector_bytes": self.vector_bytes,
            "links": self.links,
            "without_id": self.without_id,
        }


class StaysBehind(Frozen):
    """What no copy takes along: archived memories, tables of others, runs, vectors that are kept for a way back.

    `columns` are those that the target does not have, `defaults` those that it alone has; `links` have no place there.
    """

    left: LeftBehind
    runs: int
    kept: int
    columns: tuple[str, ...]
    defaults: tuple[str, ...]
    links: int


def stock_of(source: Library) -> Stock:
    """Return what a source holds, in one state of it."""
    return source.store.consistently(lambda snapshot: _stock(source, snapshot))


def _stock(source: Library, snapshot: Snapshot) -> Stock:
    memories = text_bytes = vector_bytes = 0
    widths, targets = Counter[int](), {run.target for run in source.store.runs.recent()}
    for row in snapshot.rows(target=None, only=None):
        memories += 1
        text_bytes += len(row.raw_title or b"") + len(row.raw_content or b"") + len(row.envelope or b"")
        if row.embedding is not None:
            widths[row.width] += 1
            vector_bytes += len(row.embedding)
        if row.fingerprint_id is not None:
            targets.add(row.fingerprint_id)
    links = sum(1 for _ in source.links.all())
    without_id = source.counts.totals().without_id
    return Stock(memories, dict(widths), text_bytes, vector_bytes, links, without_id, tuple(sorted(targets)))


def stays_behind(source: Library, target: Library | None, stock: Stock) -> StaysBehind:
    """Return what a copy does not take along; what columns the target has is known where it is there."""
    alone = _alone(source, target) if target else ()
    defaults = _alone(target, source) if target else ()
    kept = sum(room.rows for _, room in source.store.targets.previous.kept())
    links = 0 if target is None or target.links.kept else stock.links
    return StaysBehind(source.counts.left_behind(), len(source.store.runs.recent()), kept, alone, defaults, links)


def _alone(one: Library, other: Library) -> tuple[str, ...]:
    """Return the columns of memories and links that only `one` of two databases has."""
    links = [f"{name} of links" for name in _lacking(one.links, other.links)] if other.links.kept else []
    return (*_lacking(one.memories, other.memories), *_stamps_lacking(one, other), *links)


def _lacking(one: MemoryReader | LinkReader, other: MemoryReader | LinkReader) -> list[str]:
    return sorted(one.columns.keys() - other.columns.keys())


def _stamps_lacking(one: Library, other: Library) -> list[str]:
    has, lacks = one.store.memories.traits, other.store.memories.traits
    pairs = {"embedding_dim": (has.has_dim, lacks.has_dim), "embedding_space": (has.has_space, lacks.has_space)}
    return [name for name in sorted(OF_VECTOR & pairs.keys()) if pairs[name] == (True, False)]


def require_source(source: Library, *, now_ms: int) -> None:
    """Check that a database can be copied as it is.

    Raises:
        OperatorNeeded: a run is unfinished, vectors are served that stand beside the memories, or it is itself a copy
            that is not finished.
    """
    store = source.store
    if active := store.targets.staged.active():
        raise OperatorNeeded(
            f"In {store.name} the vectors of run {active.run_id} are served, and stand beside the memories.",
            tip=_there(store.name, "reembed --resume", "Move them to the memories"),
        )
    if (run_id := store.runs.unfinished_id()) is not None:
        tip = _there(store.name, "reembed --resume", "Finish it")
        what = f"Run {run_id} of {store.name} is unfinished."
        raise OperatorNeeded(what, tip=f"{tip}; or give it up: {_command(store.name, 'reembed cancel')}")
    pause = store.operator.pause(now_ms=now_ms)
    if pause and (first := finishing(store.name, pause)):
        raise OperatorNeeded(
            f"{store.name} cannot be copied: {printable(pause.reason)}.", tip=f"Finish that copy first: {first}"
        )


def is_unfinished_copy(target: Library, *, of: str, now_ms: int) -> bool:
    """Return whether a database is the unfinished copy of the source `of`; else it has no memory.

    Raises:
        DataRefused: it has memories, and is not.
        OperatorNeeded: it is paused, a run is unfinished there, or it serves what stands beside its memories.
    """
    store, memories = target.store, target.counts.totals().memories
    pause = store.operator.pause(now_ms=now_ms)
    if pause and pause.by == BY and pause.reason == marked(of):
        return True
    if memories:
        is_now = f", and {printable(pause.reason)}" if pause and pause.by == BY else ""
        raise DataRefused(
            f"{store.name} has {counted(memories, 'memory')}{is_now}: nothing is copied over them.",
            tip="Name a database without memories, or one that is not there yet.",
        )
    if pause and pause.by != BY:
        raise paused(store, pause)
    if store.runs.unfinished_id() is not None or store.targets.staged.active():
        raise OperatorNeeded(f"{store.name} has an unfinished run.", tip="Name another database.")
    return False


def require_room(stock: Stock, source: Library, target: Library) -> None:
    """Check that the target can hold what stands in the source, as far as that is of all memories alike.

    Raises:
        DataRefused: its memories take vectors of another width than most have; or want a value in a column that the
            source does not have.
    """
    width, fits = target.about.vector_width, 0
    if width is not None:
        fits = stock.widths.get(width, 0)
    if width is not None and stock.vectors > 2 * fits:
        most = max(stock.widths, key=lambda each: stock.widths[each])
        raise DataRefused(
            f"{target.store.name} takes vectors of {width} numbers; {stock.widths[most]:,} of"
            f" {counted(stock.vectors, 'vector')} in {source.store.name} have {most}.",
            tip="Bring the source to a model of that width; or name a new database, which takes vectors of every width,"
            " once it is made: ai-memory init",
        )
    wanted = [
        name
        for name, column in target.memories.columns.items()
        if column.required and not column.has_default and name not in source.memories.columns
    ]
    if wanted:
        raise DataRefused(
            f"The memories of {target.store.name} want a value in {', '.join(map(printable, wanted))},"
            f" which those of {source.store.name} do not have.",
            tip="Give the columns a default there, or name another database.",
        )


def told(stock: Stock, stays: StaysBehind, source: str, target: str) -> list[str]:
    """Return the lines that say what will be copied, and what not."""
    size = f"{counted(stock.vectors, 'vector')}, {counted(stock.links, 'link')}"
    lines = [f"{counted(stock.memories, 'memory')} of {source} will be copied into {target}: {size}."]
    behind = [
        *([f"{counted(stays.links, 'link')}, for which there is no place"] if stays.links else []),
        *([counted(stays.left.archived, "archived memory")] if stays.left.archived else []),
        *([f"the tables {', '.join(map(printable, stays.left.tables))}"] if stays.left.tables else []),
        *([f"{counted(stays.runs, 'run')} with their history"] if stays.runs else []),
        *([f"{counted(stays.kept, 'vector')} kept for a way back"] if stays.kept else []),
    ]
    if behind:
        lines.append(f"Not copied: {'; '.join(behind)}.")
    if stays.columns:
        lines.append(f"Columns that {target} does not have are left out: {_listed(stays.columns)}.")
    if stays.defaults:
        lines.append(f"Columns that {target} alone has get their defaults: {_listed(stays.defaults)}.")
    return lines


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(map(printable, names[:SHOWN])) + more


def _command(name: str, words: str) -> str:
    return f"ai-memory --db {quote(name)} {words}"


def _there(name: str, words: str, why: str) -> str:
    return f"{why}: {_command(name, words)}"


def lift(name: str) -> str:
    """Return the command by which a copy is taken as it is."""
    return _command(name, "reembed unpause")
