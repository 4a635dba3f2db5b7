"""`doctor`: examine the database and its embedder."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ai_memory.actions.diagnosis import Diagnosis
from ai_memory.actions.doctor import examine_damage, examine_file
from ai_memory.actions.target_check import examine_target, require_serving
from ai_memory.clock import SystemClock
from ai_memory.commands.choose_embedders import choose
from ai_memory.commands.embedder_errors import EMBEDDER_ERRORS
from ai_memory.commands.known_witness import local_ties, witness_in
from ai_memory.commands.with_keys import with_keys
from ai_memory.commands.without_vectors import begin_with, to_another
from ai_memory.embed.assemble import assemble
from ai_memory.embed.port import ONE_ATTEMPT
from ai_memory.embed.terms import Terms
from ai_memory.errors import Damaged, NoEmbedder
from ai_memory.memory.text_codec import printable
from ai_memory.reembed.holding import holding
from ai_memory.reembed.way_on import way_on
from ai_memory.show.table import Tone, facts
from ai_memory.stores.holder import Task
from ai_memory.stores.opening import database, place, reading, writing
from ai_memory.text.amounts import counted
from ai_memory.text.hints import BACKFILL, REEMBED

if TYPE_CHECKING:
    from ai_memory.config.settings import Settings
    from ai_memory.show.console import Console
    from ai_memory.stores.port import Reader

EXIT_FOUND = 1
EMBEDDER = (("endpoint", "embedder"), ("engine", "engine"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the repair."""
    parser.add_argument("--repair-fts", action="store_true", help="first rebuild the index of words from the memories")


def run(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Examine everything, changing nothing but what is to be repaired; return 1 where something was found.

    Raises:
        RunHeld: the repair has to wait for a migration that runs.
        DataRefused: the file is not a memory database, or what stands in the place of the word index is something else.
    """
    diagnosis = Diagnosis()
    try:
        if args.repair_fts:
            _repair(settings, console)
        with reading(settings.db.value, tell=console.note, options=with_keys(settings)) as library:
            examine_file(library, diagnosis)
            _examine_embedder(library.store, settings, diagnosis)
            _examine_others(library.store, settings, diagnosis)
            diagnosis.name(_as_it_stands(library.store, settings))
    except Damaged as error:
        examine_damage(place(settings.db.value), error, diagnosis)
    findings = [each.line() for each in diagnosis.findings]
    values = {**diagnosis.values, "findings": findings}
    verdict = f"{counted(len(findings), 'finding')}:" if findings else "Nothing found."
    told = _facts(values)
    lines = [f"{name}: {value}" for name, value in told]
    tables = [
        facts(*((name, value, Tone.PLAIN) for name, value in told)),
        facts(("", verdict, Tone.STRONG if findings else Tone.WELL)),
        facts(*((" ", line, Tone.NEEDS) for line in findings)),
    ]
    console.result(values, *lines, verdict, *(f"  {line}" for line in findings), tables=tables)
    return EXIT_FOUND if findings else 0


def _as_it_stands(store: Reader, settings: Settings) -> Mapping[str, str]:
    """Return what gives rows their vectors as the file stands, by the command that would beside no run."""
    now_ms, begin = SystemClock().now_ms(), begin_with(store, settings.embedding)
    unlike = to_another(store, settings.embedding)
    return {
        BACKFILL: way_on(store, begin, now_ms=now_ms, unlike=unlike),
        REEMBED: way_on(store, REEMBED, now_ms=now_ms, unlike=unlike),
    }


def _repair(settings: Settings, console: Console) -> None:
    path, now_ms = settings.db.value, SystemClock().now_ms()
    held = holding(database(path, tell=console.note), now_ms=now_ms, task=Task.REPAIR)
    with held, writing(path, now_ms=now_ms, tell=console.note) as library, library.transaction() as transaction:
        indexed = transaction.word_index.rebuild()
    console.note(f"The word index was rebuilt; it holds {counted(indexed, 'memory')}.")


def _facts(values: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return what there is to know beside the findings, each with its name."""
    told = [(name.replace("_", " "), f"{value:,}") for name, value in values.items() if isinstance(value, int)]
    told += [(name, str(values[key])) for key, name in EMBEDDER if key in values]
    previous = values.get("previous")
    others = previous.items() if isinstance(previous, dict) else ()
    return [*told, *((f"embedder of {printable(space)}", line) for space, line in others if space)]


def _examine_embedder(store: Reader, settings: Settings, diagnosis: Diagnosis) -> None:
    try:
        ties = local_ties(settings.embedding, witness_in(store), diagnosis.find)
        embedder = assemble(settings.embedding, Terms(ONE_ATTEMPT), ties)
        examine_target(store, embedder.target, diagnosis, clock=SystemClock())
        require_serving(store, embedder)
        diagnosis.values["endpoint"] = "ok"
        if embedder.target.engine:
            diagnosis.values["engine"] = embedder.target.engine
    except NoEmbedder as error:
        diagnosis.values["endpoint"] = f"none: {error.what}"
        diagnosis.by_words_alone()
    except EMBEDDER_ERRORS as error:
        diagnosis.values["endpoint"] = error.line()
        diagnosis.find(f"the embedder: {error.line()}")


def _examine_others(store: Reader, settings: Settings, diagnosis: Diagnosis) -> None:
    """Ask the embedders by which the other vectors of the file were made: until all are replaced, search asks them."""
    chosen = choose(store, settings)
    lines = {each.space: each.error.line() for each in chosen.refused if not each.in_use}
    for each in chosen.choices[1:]:
        try:
            ties = local_ties(each.settings, witness_in(store), diagnosis.find)
            embedder = assemble(each.settings, Terms(ONE_ATTEMPT), ties)
            require_serving(store, embedder)
            each.require_kept(embedder.target.space, embedder.target.dim)
            lines[each.space] = "ok"
        except EMBEDDER_ERRORS as error:
            lines[each.space] = error.line()
    diagnosis.values["previous"] = lines
    for space, line in lines.items():
        if not space:
            diagnosis.find(f"the previous embedder: {line}")
        elif line != "ok":
            diagnosis.find(f"vectors of {printable(space)} are found by words alone until they are replaced", REEMBED)
