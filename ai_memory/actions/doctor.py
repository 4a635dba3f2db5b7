"""Examines a memory database: what is odd, what is broken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ai_memory.actions.diagnosis import REPAIR, Diagnosis
from ai_memory.actions.row_faults import examine_expiries, examine_rows
from ai_memory.actions.vector_faults import examine_vectors
from ai_memory.errors import Damaged, DataRefused, WordIndexUnusable
from ai_memory.text.hints import PROGRAM

if TYPE_CHECKING:
    from ai_memory.stores.memory_port import Library
    from ai_memory.stores.place_port import Place
    from ai_memory.stores.port import Snapshot

RESTORE = f"{PROGRAM} restore BACKUP"


def examine_file(library: Library, diagnosis: Diagnosis) -> None:
    """Add what the file alone tells: soundness, odd rows, vectors that are none.

    Raises:
        Damaged: something cannot be read; what was found before is there.
    """
    diagnosis.values |= {"db": library.store.name, "schema_version": library.about.version}
    _examine_soundness(library.about.complaints(), diagnosis)
    _examine_word_index(library, diagnosis)
    read = library.store.consistently(lambda snapshot: _examine_memories(library, snapshot))
    diagnosis.values |= read.values
    diagnosis.findings += read.findings


def examine_damage(place: Place, damage: Damaged, diagnosis: Diagnosis) -> None:
    """Add what can be told of a file that cannot be read, or only a part of it, and the way back.

    Raises:
        DataRefused: it is not a memory database and never was one.
    """
    path = place.database.name
    if not place.may_be_of_memories():
        what = f"{path} is neither a memory database nor what is left of one."
        raise DataRefused(what, tip="Name the database file with --db PATH.") from damage
    what = damage.what.removeprefix(f"{path} ").removesuffix(".")
    if "integrity" not in diagnosis.values:
        diagnosis.values["db"] = path
        try:
            _examine_soundness(place.complaints(), diagnosis)
        except Damaged:
            what = f"cannot be read as a database at all: it {what}"
    if diagnosis.values.get("integrity", "ok") == "ok":
        diagnosis.values["integrity"] = [what]
    diagnosis.find(f"{path} {what}", RESTORE)


def _examine_soundness(complaints: Sequence[str], diagnosis: Diagnosis) -> None:
    diagnosis.values["integrity"] = [*complaints] or "ok"
    for line in complaints:
        diagnosis.find(f"SQLite's quick check: {line}")


def _examine_memories(library: Library, snapshot: Snapshot) -> Diagnosis:
    diagnosis = Diagnosis()
    examine_rows(library.counts, snapshot, diagnosis)
    examine_expiries(library.counts, diagnosis)
    examine_vectors(library, diagnosis)
    return diagnosis


def _examine_word_index(library: Library, diagnosis: Diagnosis) -> None:
    word_index = library.word_index
    fault = word_index.fault()
    diagnosis.values["word_index"] = fault or "ok"
    if fault:
        diagnosis.find(f"the word index memories_fts {fault}", REPAIR)
        return
    apart = word_index.out_of_step()
    diagnosis.count("not_indexed", apart)
    if not apart and (lost := word_index.lost()) is not None:
        diagnosis.values["word_index"] = f"does not find the memory in row {lost:,} by a word of its title"
        diagnosis.find(f"the word index memories_fts {diagnosis.values['word_index']}", REPAIR)
        return
    # With a word index that cannot be used nothing can be written anyway.
    _examine_updates(library, diagnosis)


def _examine_updates(library: Library, diagnosis: Diagnosis) -> None:
    try:
        refused = library.store.memories.refused_updates()
    except WordIndexUnusable as error:
        refused = error.line()
    diagnosis.values["vectors_refused"] = refused
    if refused:
        diagnosis.find(f"no vector can be written: {refused}")
    told = {"memory": library.memories.refusals(), "link": library.links.refusals()}
    diagnosis.values["writes_refused"] = told
    for what, refusals in told.items():
        for verb, why in refusals.items():
            diagnosis.find(f"no {what} can be {verb}: {why}")
