"""Counts, over one consistent snapshot, which rows are fresh, stale or quarantined: the only proof of "done"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.memory.freshness import (
    ATTESTED,
    Document,
    Freshness,
    Unfit,
    carries_stamp,
    classify,
    embeddable,
    examine,
    text_to_embed,
    was_edited,
    was_written,
)
from ai_memory.reembed.scope import Scope, in_scope
from ai_memory.stores.values import Counted, Room
from ai_memory.text.sealed import Sealed
from ai_memory.vectors.blob import which_sound

if TYPE_CHECKING:
    from ai_memory.memory.row import MemoryRow, Traits
    from ai_memory.stores.port import Reader, Snapshot
    from ai_memory.vectors.target import Fingerprint, Target

FIRST_STALE = 16
"""How many stale rows a census names."""
AT_ONCE = 128
"""How many vectors are looked at together."""


class Means(Frozen):
    """How a run works on what it finds: rows stamped as `stamp` are attested, rows in quarantine tried again."""

    stamp: Target | None = None
    retry_quarantined: bool = False


class Listener(Frozen):
    """Who hears of rows while they are counted; None: nobody.

    `stale` hears of every row that a run would try to embed, `live` of every row that counts, `block` again and again.
    `began` hears that they are counted from the first one on, maybe not for the first time.
    """

    stale: Callable[[Document | Unfit], object] | None = None
    live: Callable[[MemoryRow], object] | None = None
    block: Callable[[], object] | None = None
    began: Callable[[], object] | None = None


NOBODY = Listener()


@dataclass(slots=True)
class Census:
    """Rows by what they are, in one snapshot that began at `began_at` (Unix milliseconds).

    `live` = `fresh` + `stale` + `quarantined`; of the fresh rows an operator attested `attested`.
    `quarantined_ids` name the rows whose quarantine is in force, `first_stale` a few of the stale ones; `overwritten`
    stale rows were given the target's vector of their present text, and have another one, `edited` ones that of an
    earlier text; of `unattested` ones with a vector nothing records where it comes from, and of the `unstamped` of
    these not even a stamp tells it. `to_embed` rows are those that a run would embed, `encrypted` those of them that
    are, `to_replace` those that have a vector, of `bytes_to_keep` in all, `shortest` is the shortest of their texts.
    `reads` is how often the live rows were read, `answered` how often the fresh ones of them.
    `dead` (expired, tombstoned …), `substrate` and `unaddressable` (no text as id) rows are none of these.
    """

    began_at: int
    fresh: int = 0
    stale: int = 0
    quarantined: int = 0
    attested: int = 0
    dead: int = 0
    substrate: int = 0
    unaddressable: int = 0
    to_embed: int = 0
    encrypted: int = 0
    to_replace: int = 0
    bytes_to_keep: int = 0
    shortest: str = ""
    overwritten: int = 0
    unattested: int = 0
    unstamped: int = 0
    edited: int = 0
    reads: int = 0
    answered: int = 0
    quarantined_ids: set[str] = field(default_factory=set)
    first_stale: list[str] = field(default_factory=list)
    with_vector: int = 0
    live_by_namespace: Counter[str] = field(default_factory=Counter)
    stale_by_namespace: Counter[str] = field(default_factory=Counter)

    @property
    def live(self) -> int:
        """Rows that count."""
        return self.fresh + self.stale + self.quarantined

    @property
    def to_keep(self) -> Room:
        """What a run would keep of what it replaces."""
        return Room(self.to_embed, self.bytes_to_keep)

    def counted(self, *, lifted: int = 0) -> Counted:
        """Return the rows as a run notes them; `lifted` of those in quarantine are to be tried again."""
        rows = self.live, self.stale + lifted, self.quarantined - lifted
        return Counted(*rows, self.began_at, self.reads, self.reads - self.answered)

    def would_embed(self, row: MemoryRow, text: str | None) -> None:
        """Count a row that a run would try to embed, with its text; None: it has none that can be embedded."""
        if text is None:
            return
        if not self.to_embed or len(text) < len(self.shortest):
            self.shortest = text
        self.to_embed += 1
        self.encrypted += isinstance(text, Sealed)
        if row.embedding is not None:
            self.to_replace += 1
            self.bytes_to_keep += len(row.embedding)

    def stale_outside(self, scope: Scope) -> int:
        """Return how many stale rows are in other namespaces than those of `scope`."""
        return sum(stale for name, stale in self.stale_by_namespace.items() if not in_scope(name, scope))

    @property
    def exit_code(self) -> int:
        """0: every row is fresh; 10: all but rows nobody can embed; 75: rows are stale."""
        return 75 if self.stale else self.aside

    @property
    def aside(self) -> int:
        """10 where there are rows nobody can embed, else 0, whatever is stale."""
        return 10 if self.quarantined or self.unaddressable else 0


def take_census(
    store: Reader,
    target: Fingerprint | None,
    scope: Scope,
    *,
    now_ms: int,
    means: Means = Means(),
    listener: Listener = NOBODY,
) -> Census:
    """Return the census of the rows in `scope` against `target` (None: a target this file has never seen)."""
    traits = store.memories.traits
    return store.consistently(
        lambda found: count_rows(found, traits, target, scope, now_ms=now_ms, means=means, listener=listener)
    )


def count_rows(
    snapshot: Snapshot,
    traits: Traits,
    target: Fingerprint | None,
    scope: Scope,
    *,
    now_ms: int,
    means: Means = Means(),
    listener: Listener = NOBODY,
) -> Census:
    """Return the census of the rows in `scope` against `target`, in one state of the database.

    What a run would try to embed is what one by such `means` would.
    """
    if listener.began:
        listener.began()
    census = Census(began_at=now_ms)
    census.unaddressable = sum(count for name, count in snapshot.unaddressable() if in_scope(name, scope))
    count = _Count(census, target, scope, traits, means, listener.live)
    rows = snapshot.rows(target=target.id if target else None, only=scope)
    while block := list(islice(rows, AT_ONCE)):
        if listener.block:
            listener.block()
        for row, is_one in zip(block, _which_sound(block, target), strict=True):
            if count.add(row, sound=is_one):
                census.would_embed(row, text_to_embed(row))
                if listener.stale:
                    listener.stale(examine(row))
    return census


def _which_sound(block: Sequence[MemoryRow], target: Fingerprint | None) -> Sequence[bool]:
    """Return of each row whether its vector is sound, as far as it is recorded as the target's; others are not asked.

    False for those: whether a row is fresh does not depend on it then.
    """
    if target is None:
        return [False] * len(block)
    return which_sound([row.embedding if row.fingerprint_id == target.id else None for row in block], target.dim)


class _Count:
    """Counts the rows of one census."""

    def __init__(
        self,
        census: Census,
        target: Fingerprint | None,
        scope: Scope,
        traits: Traits,
        means: Means,
        live: Callable[[MemoryRow], object] | None,
    ) -> None:
        self._census, self._target, self._traits, self._live = census, target, traits, live
        self._scope, self._means = scope, means
        self._swept: dict[bytes, str | None] = {}

    def add(self, row: MemoryRow, *, sound: bool) -> bool:
        """Count a row and return whether a run would have to examine it, to embed it if it can be."""
        census, raw = self._census, row.raw_namespace
        namespace = self._swept[raw] if raw in self._swept else self._look_up(row)
        if namespace is None:
            census.substrate += 1
            return False
        if not row.live:
            census.dead += 1
            return False
        if self._live:
            self._live(row)
        census.live_by_namespace[namespace] += 1
        census.with_vector += row.embedding is not None
        census.reads += row.reads
        verdict = classify(row, self._target, self._traits, sound=sound)
        if verdict is Freshness.FRESH:
            census.fresh += 1
            census.answered += row.reads
            census.attested += row.origin == ATTESTED
            return False
        if verdict is Freshness.QUARANTINED:
            census.quarantined += 1
            census.quarantined_ids.add(row.id)
            return self._means.retry_quarantined
        census.stale += 1
        if row.fingerprint_id is None:
            census.unattested += row.embedding is not None
            census.unstamped += row.embedding is not None and row.raw_space is None
        else:
            census.overwritten += was_written(row, self._target)
            census.edited += was_edited(row, self._target)
        if len(census.first_stale) < FIRST_STALE:
            census.first_stale.append(row.id)
        census.stale_by_namespace[namespace] += 1
        stamp = self._means.stamp
        return not (stamp and carries_stamp(row, stamp, self._traits) and embeddable(row))

    def _look_up(self, row: MemoryRow) -> str | None:
        """Return the namespace of a row, None where it is not swept; it need not be looked up again."""
        name = row.namespace
        found = self._swept[row.raw_namespace] = name if in_scope(name, self._scope) else None
        return found
