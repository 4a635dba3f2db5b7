"""`restore`: put a backup back into the live database."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ai_memory.commands.altered import mention_daemon
from ai_memory.commands.arguments import named_path
from ai_memory.errors import UsageError
from ai_memory.memory.text_codec import printable
from ai_memory.show.question import agreed, require_asked
from ai_memory.text.amounts import counted

if TYPE_CHECKING:
    from ai_memory.actions.restore import Loss, Present, Restore
    from ai_memory.config.settings import Settings
    from ai_memory.reembed.stop import Stop
    from ai_memory.show.console import Console
    from ai_memory.stores.memory_values import Comparison

SHOWN = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the backup, where to keep the present state, and the consent."""
    parser.add_argument("file", type=named_path, metavar="FILE", help="the backup, as reembed --backup made it")
    parser.add_argument("--backup", type=named_path, metavar="FILE", help="copy the present state to FILE first")
    parser.add_argument("--yes", action="store_true", help="do not ask before the present state is replaced")


def run(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Say what is taken away, ask, and restore; SIGINT and SIGTERM end it with nothing changed."""
    from ai_memory.reembed.stop import Stop, stop_on_signals

    stop = Stop()
    job = _job(args, settings, console, stop)
    with stop_on_signals(stop):
        loss = job.run()
    console.result(
        _values(loss, args.backup), f"Restored {counted(loss.memories, 'memory')} from {loss.backup} into {loss.path}."
    )
    if loss.present.rust:
        mention_daemon(console)
    return 0


def _job(args: argparse.Namespace, settings: Settings, console: Console, stop: Stop) -> Restore:
    from ai_memory.actions.restore import Restore
    from ai_memory.clock import SystemClock
    from ai_memory.show.narrator import Narrator
    from ai_memory.show.progress import choose_progress
    from ai_memory.stores.open_options import OpenOptions
    from ai_memory.stores.opening import place

    clock = SystemClock()
    progress = choose_progress(console.err, clock, quiet=console.quiet)

    def agree(loss: Loss) -> None:
        _agree(loss, console, stop, yes=args.yes, kept=args.backup is not None)

    options = OpenOptions(tell=progress.note)
    return Restore(place, settings.db.value, args.file, args.backup, agree, stop, Narrator(progress), clock, options)


def _agree(loss: Loss, console: Console, stop: Stop, *, yes: bool, kept: bool) -> None:
    for line in _told(loss, kept=kept):
        (console.note if yes else console.err.line)(line)
    if yes:
        return
    require_asked("a restore cannot be undone", console)
    if not agreed("Restore the backup?", console.err, heed=stop.heed):
        raise UsageError("Nothing was changed.", tip="Answer y, or use --yes.")


def _told(loss: Loss, *, kept: bool) -> list[str]:
    vectors = [
        f"  {counted(rows, 'row')}, {dim or 'unknown'} wide, {printable(space or 'no stamp')}"
        for space, dim, rows in loss.vectors
    ]
    advice = "" if kept or loss.present.headless else " To keep the present state first: --backup FILE"
    return [
        f"{loss.backup} is sound: {counted(loss.memories, 'memory')}; its vectors:",
        *(vectors or ["  none"]),
        *_present_lines(loss.path, loss.present),
        f"Everything in {loss.path} will be REPLACED, the vectors, too.{advice}",
    ]


def _present_lines(path: Path, present: Present) -> list[str]:
    lines = [f"{path} is damaged: {present.damage.removeprefix(f'{path} is damaged: ')}"] if present.damage else []
    if present.beside is None:
        return [*lines, f"What {path} has that the backup does not cannot be told."]
    return [*lines, *_beside_lines(present.beside)]


def _beside_lines(beside: Comparison) -> list[str]:
    lines = [
        _line(beside.absent.count, "memory", "that the backup does not have", beside.absent.titles),
        _line(beside.edited.count, "memory", "edited since, put back to the old state", beside.edited.titles),
        _line(beside.returning, "memory", "deleted since, brought back"),
        _line(beside.runs, "migration", "begun since, forgotten"),
        _line(len(beside.tables), "table", "that the backup does not have", beside.tables[:SHOWN]),
    ]
    found = [line for line in lines if line]
    if beside.absent.count and not beside.shared:
        found.append("  No memory is in both files: is this the right backup?")
    return ["What the restore takes away or changes:", *found] if found else ["No memory differs from the backup's."]


def _line(count: int, thing: str, what: str, names: tuple[str, ...] = ()) -> str:
    if not count:
        return ""
    more = ", …" if count > len(names) else ""
    named = f": {', '.join(map(printable, names))}{more}" if names else ""
    return f"  {counted(count, thing)} {what}{named}"


def _values(loss: Loss, kept: Path | None) -> dict[str, object]:
    beside = loss.present.beside
    return {
        "db": str(loss.path),
        "restored_from": str(loss.backup),
        "kept": None if kept is None else str(kept),
        "memories": loss.memories,
        "damage": loss.present.damage or None,
        "absent": beside.absent.count if beside else None,
        "edited": beside.edited.count if beside else None,
        "returned": beside.returning if beside else None,
        "runs_forgotten": beside.runs if beside else None,
    }
