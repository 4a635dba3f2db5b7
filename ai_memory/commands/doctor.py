"""`doctor`: examine the database and its embedder."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from ai_memory.clock import SystemClock
from ai_memory.commands.embedding import EMBEDDER_ERRORS, open_embedder
from ai_memory.console import Console
from ai_memory.doctor import Diagnosis, examine_embedder, examine_file, examine_target
from ai_memory.embed.retry import ONE_ATTEMPT
from ai_memory.errors import NoEmbedder, TargetChanged
from ai_memory.settings import Settings
from ai_memory.store.connection import OpenOptions
from ai_memory.store.opening import Store, reading

EXIT_FOUND = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add no argument."""
    del parser


def run(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Examine everything, changing nothing; return 1 where something was found."""
    del args
    with reading(settings.db.value, options=OpenOptions(tell=console.note)) as store:
        diagnosis = examine_file(store)
        _examine_embedder(store, settings, diagnosis)
    values = {**diagnosis.values, "findings": diagnosis.findings}
    verdict = f"{len(diagnosis.findings):,} findings:" if diagnosis.findings else "Nothing found."
    console.result(values, "\n".join([*_facts(values), verdict, *(f"  {line}" for line in diagnosis.findings)]))
    return EXIT_FOUND if diagnosis.findings else 0


def _facts(values: Mapping[str, object]) -> list[str]:
    lines = [f"{name.replace('_', ' ')}: {value:,}" for name, value in values.items() if isinstance(value, int)]
    return [*lines, f"embedder: {values['endpoint']}"]


def _examine_embedder(store: Store, settings: Settings, diagnosis: Diagnosis) -> None:
    try:
        embedder = open_embedder(settings, patience=ONE_ATTEMPT)
        examine_target(store, embedder.target, diagnosis, clock=SystemClock())
        examine_embedder(store, embedder, diagnosis)
    except NoEmbedder as error:
        diagnosis.values["endpoint"] = f"none: {error.what}"
    except (*EMBEDDER_ERRORS, TargetChanged) as error:
        diagnosis.values["endpoint"] = error.line()
        diagnosis.findings.append(f"the embedder: {error.line()}")
