"""Examines a memory database and its embedder: what is odd, what is broken, what is not of the target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ai_memory.embed.probe import check_witness, probe
from ai_memory.errors import Damaged, DataRefused, WordIndexUnusable
from ai_memory.memory.freshness import Unfit, examine
from ai_memory.memory.text_codec import printable
from ai_memory.reembed.plan.census import take_census
from ai_memory.reembed.plan.targets import known_fingerprint, recorded_target
from ai_memory.reembed.scope import in_scope
from ai_memory.stores.sqlite import counts, health, search, walk, word_index
from ai_memory.stores.sqlite.connection import Connection, open_database
from ai_memory.stores.sqlite.consistent import consistently
from ai_memory.stores.sqlite.links import Links
from ai_memory.stores.sqlite.memories import Memories
from ai_memory.stores.sqlite.rehearsal import refused_updates
from ai_memory.stores.sqlite.remains import may_be_of_memories
from ai_memory.text.amounts import counted
from ai_memory.text.cleaning import one_line
from ai_memory.text.hints import BACKFILL, GO_ON, PROGRAM, REEMBED
from ai_memory.vectors.blob import decode, is_sound

if TYPE_CHECKING:
    from ai_memory.clock import Clock
    from ai_memory.embed.port import Embedder
    from ai_memory.stores.sqlite.search import Candidate
    from ai_memory.stores.sqlite.store import Store
    from ai_memory.vectors.target import Target

NAMED_ROWS = 20
REPAIR = f"{PROGRAM} doctor --repair-fts"
RESTORE = f"{PROGRAM} restore BACKUP"
TELLING: Mapping[str, tuple[str, str, str]] = {
    "not_indexed": (
        "memory or entry of the word index has no counterpart",
        "memories and entries of the word index do not match",
        REPAIR,
    ),
    "without_id": (
        "memory has no id: no command can address it",
        "memories have no id: no command can address them",
        "",
    ),
    "undecodable": ("memory has text that is not valid", "memories have text that is not valid", ""),
    "oversize": ("memory is too long to be embedded", "memories are too long to be embedded", ""),
    "missing": ("live memory has no vector", "live memories have no vector", BACKFILL),
    "not_vectors": (
        "live memory has a text or number as a vector",
        "live memories have a text or number as a vector",
        REEMBED,
    ),
    "stale": ("live memory is not proven to be of", "live memories are not proven to be of", REEMBED),
    "quarantined": ("memory is in quarantine", "memories are in quarantine", f"{REEMBED} quarantine"),
}
"""The numbers that are findings where they are not 0, told of one and of many, and what mends them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is odd or broken, and the `command` that mends it, empty where none does."""

    what: str
    command: str = ""

    def line(self) -> str:
        """Return the one line for the user."""
        return f"{self.what}: {self.command}" if self.command else self.what


@dataclass(slots=True)
class Diagnosis:
    """What was found: `values` for the JSON object and `findings`; none means all is well."""

    values: dict[str, object] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def find(self, what: str, command: str = "") -> None:
        """Add a finding."""
        self.findings.append(Finding(what, command))

    def count(self, name: str, number: int, more: str = "") -> None:
        """Record a number; one of those of TELLING that is not 0 is a finding, with `more` at its end."""
        self.values[name] = number
        if number and name in TELLING:
            one, many, command = TELLING[name]
            self.find(f"{counted(number, one, many)}{more}", command)

    def go_on(self) -> None:
        """Name the command that goes on with an unfinished run where a start is named: it would be refused."""
        self.findings = [replace(each, command=GO_ON) if each.command == REEMBED else each for each in self.findings]

    def by_words_alone(self) -> None:
        """Take back that vectors are missing: where embeddings are turned off none are wanted, and none can be had."""
        self.findings = [each for each in self.findings if each.command != BACKFILL]


def examine_file(store: Store, diagnosis: Diagnosis) -> None:
    """Add what the file alone tells: soundness, odd rows, vectors that are none.

    Raises:
        Damaged: something cannot be read; what was found before is there.
    """
    diagnosis.values |= {"db": str(store.db.path), "schema_version": store.schema.version}
    _examine_soundness(store.db, diagnosis)
    _examine_word_index(store, diagnosis)
    read = consistently(store.db, lambda: _examine_memories(store))
    diagnosis.values |= read.values
    diagnosis.findings += read.findings


def examine_damage(path: Path, damage: Damaged, diagnosis: Diagnosis) -> None:
    """Add what can be told of a file that cannot be read, or only a part of it, and the way back.

    Raises:
        DataRefused: it is not a memory database and never was one.
    """
    if not may_be_of_memories(path):
        what = f"{path} is neither a memory database nor what is left of one."
        raise DataRefused(what, tip="Name the database file with --db PATH.") from damage
    what = damage.what.removeprefix(f"{path} ").removesuffix(".")
    if "integrity" not in diagnosis.values:
        diagnosis.values["db"] = str(path)
        try:
            with closing(open_database(path, read_only=True)) as db:
                _examine_soundness(db, diagnosis)
        except Damaged:
            what = f"cannot be read as a database at all: it {what}"
    if diagnosis.values.get("integrity", "ok") == "ok":
        diagnosis.values["integrity"] = [what]
    diagnosis.find(f"{path} {what}", RESTORE)


def _examine_soundness(db: Connection, diagnosis: Diagnosis) -> None:
    complaints = health.complaints(db)
    diagnosis.values["integrity"] = complaints or "ok"
    for line in complaints:
        diagnosis.find(f"SQLite's quick check: {line}")


def _examine_memories(store: Store) -> Diagnosis:
    diagnosis = Diagnosis()
    _examine_rows(store, diagnosis)
    _examine_expiries(store, diagnosis)
    _examine_vectors(store, diagnosis)
    return diagnosis


def _examine_word_index(store: Store, diagnosis: Diagnosis) -> None:
    fault = word_index.fault(store)
    diagnosis.values["word_index"] = fault or "ok"
    if fault:
        diagnosis.find(f"the word index memories_fts {fault}", REPAIR)
        return
    apart = word_index.out_of_step(store)
    diagnosis.count("not_indexed", apart)
    if not apart and (lost := word_index.lost(store)) is not None:
        diagnosis.values["word_index"] = f"does not find the memory in row {lost:,} by a word of its title"
        diagnosis.find(f"the word index memories_fts {diagnosis.values['word_index']}", REPAIR)
        return
    # With a word index that cannot be used nothing can be written anyway.
    _examine_updates(store, diagnosis)


def _examine_updates(store: Store, diagnosis: Diagnosis) -> None:
    try:
        refused = refused_updates(store)
    except WordIndexUnusable as error:
        refused = error.line()
    diagnosis.values["vectors_refused"] = refused
    if refused:
        diagnosis.find(f"no vector can be written: {refused}")
    told = {"memory": Memories.of(store).refusals(), "link": Links.of(store).refusals()}
    diagnosis.values["writes_refused"] = told
    for what, refusals in told.items():
        for verb, why in refusals.items():
            diagnosis.find(f"no {what} can be {verb}: {why}")


def _examine_rows(store: Store, diagnosis: Diagnosis) -> None:
    totals = counts.totals(store)
    unfit: Counter[str] = Counter()
    lacking = Counter({False: 0, True: 0})
    something_else, quarantined = counts.not_vectors(store), counts.in_quarantine(store)
    for row in walk.all_rows(store, target=None, only=None):
        if not row.live:
            continue
        if isinstance(examined := examine(row), Unfit):
            unfit[examined.reason.kind] += 1
        elif row.embedding is None and row.raw_id not in quarantined and in_scope(row.namespace, None):
            lacking[row.raw_id in something_else] += 1
    diagnosis.count("memories", totals.memories)
    diagnosis.count("not_live", totals.memories - totals.live)
    diagnosis.count("encrypted", totals.encrypted)
    diagnosis.count("without_id", totals.without_id)
    diagnosis.count("undecodable", unfit["undecodable"])
    diagnosis.count("empty", unfit["empty"])
    diagnosis.count("oversize", unfit["oversize"])
    # Not those that no backfill would ever embed: a finding that its own remedy leaves is none.
    diagnosis.count("missing", lacking[False])
    diagnosis.count("not_vectors", lacking[True])


def _examine_expiries(store: Store, diagnosis: Diagnosis) -> None:
    odd = [(row_id or "(no id)", written) for row_id, written in counts.odd_expiries(store)]
    diagnosis.count("odd_expiries", len(odd))
    diagnosis.values["odd_expiry_rows"] = [{"id": row_id, "expires_at": written} for row_id, written in odd]
    for row_id, written in odd[:NAMED_ROWS]:
        what = f"expires at {one_line(repr(written))}, which is not RFC 3339 in UTC: programs differ on it"
        diagnosis.find(f"{printable(row_id)} {what}")
    if len(odd) > NAMED_ROWS:
        more = counted(len(odd) - NAMED_ROWS, "more memory expires", "more memories expire")
        diagnosis.find(f"{more} at such a time; --json names all")


def _examine_vectors(store: Store, diagnosis: Diagnosis) -> None:
    malformed: list[tuple[str, str]] = []
    for block in search.candidates(store, None):
        faults = ((each, vector_fault(each)) for each in block if each.blob is not None)
        malformed += [(search.text(store, each.row_number).id or "(no id)", why) for each, why in faults if why]
    diagnosis.values["spaces"] = [
        {"space": each.space, "dim": each.dim, "rows": each.rows} for each in counts.spaces(store)
    ]
    diagnosis.count("malformed", len(malformed))
    diagnosis.values["malformed_rows"] = [{"id": row_id, "why": why} for row_id, why in malformed]
    for row_id, why in malformed[:NAMED_ROWS]:
        diagnosis.find(f"the vector of {printable(row_id)} {why}")
    if len(malformed) > NAMED_ROWS:
        more = counted(len(malformed) - NAMED_ROWS, "more vector is", "more vectors are")
        diagnosis.find(f"{more} malformed; --json names all")


def vector_fault(each: Candidate) -> str | None:
    """Return what is wrong with a stored vector, None when nothing is."""
    try:
        vector = decode(each.blob or b"")
    except DataRefused:
        return f"is malformed: {len(each.blob or b'')} bytes"
    if not np.isfinite(vector).all():
        return "holds NaN or infinity"
    if not vector.any():
        return "is all zero"
    if each.dim is not None and each.dim < 0:
        return f"is {len(vector)} wide and declares a width that is not one"
    if each.dim is not None and each.dim != len(vector):
        return f"is {len(vector)} wide and declared {each.dim}"
    if not is_sound(each.blob or b"", len(vector)):
        return "is so long or so short that nothing can be compared with it"
    return None


def examine_target(store: Store, target: Target, diagnosis: Diagnosis, *, clock: Clock) -> None:
    """Add how many live memories are not of the target: the very census of `reembed verify`."""
    resolved = recorded_target(store, target)
    census = take_census(store, known_fingerprint(store, resolved), None, now_ms=clock.now_ms())
    diagnosis.values["target"] = {"space": resolved.space, "dim": resolved.dim, "model": resolved.model}
    diagnosis.count("fresh", census.fresh)
    diagnosis.count("stale", census.stale, f" {resolved.space}")
    diagnosis.count("quarantined", census.quarantined)


def examine_embedder(store: Store, embedder: Embedder, diagnosis: Diagnosis) -> None:
    """Ask the embedder for the witness texts, and compare their vectors with those of a known target.

    Raises:
        AiMemoryError: it does not answer as it should.
    """
    # Before it is asked: from its answer an embedder learns the width, which is then not the recorded one.
    known = known_fingerprint(store, recorded_target(store, embedder.target))
    found = probe(embedder)
    if known is not None:
        check_witness(known, found)
    diagnosis.values["endpoint"] = "ok"
