"""Which flags of a start cannot be given together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.commands.reembed.flags import OF_A_ROLLBACK, OF_OBSERVERS, OF_REQUESTS, given, named
from ai_memory.errors import UsageError

if TYPE_CHECKING:
    import argparse

OF_STAMPING = frozenset(
    {"stamp_only", "compared", "namespace", "dry_run", "probe", "retry_for", "no_undo", "yes", "on_end"}
)
"""Flags, as attributes, that --stamp-only obeys; it refuses the others."""
OF_A_RUN = frozenset(OF_OBSERVERS) - {"on_end"}
"""Flags, as attributes, by which others hear of a run."""


def refuse_contradictions(args: argparse.Namespace) -> None:
    """Check the flags of a start against each other.

    Raises:
        UsageError: some contradict others.
    """
    if args.probe and (not args.dry_run or args.stamp_only):
        raise UsageError("--probe needs --dry-run.", tip="A run tries the target by itself.")
    if args.dry_run and (refused := [each for each in given(args) if each in OF_A_RUN]):
        raise UsageError(f"--dry-run begins no run, and takes no {named(refused)}.", tip="Leave that out.")
    if args.log_format and not args.log_file:
        raise UsageError("--log-format needs --log-file.", tip="To have the log on stderr: --log-file -")
    if args.or_start and not args.resume:
        raise UsageError("--or-start needs --resume.", tip="Write: ai-memory reembed --resume --or-start")
    if args.auto_switch and not args.staged and (args.or_start or not args.resume):
        raise UsageError("--auto-switch needs --staged.", tip="A run in place serves each vector as it is written.")
    if args.stamp_only and (refused := [each for each in given(args) if each not in OF_STAMPING]):
        raise UsageError(f"--stamp-only begins no run, and takes no {named(refused)}.", tip="Leave that out.")
    if args.no_undo and args.resume and not (args.or_start or args.retarget):
        raise UsageError("--no-undo is for a start: --resume goes on as the run was begun.", tip="Leave it out.")
    if args.compared is not None and not args.stamp_only:
        raise UsageError(
            "--sample needs --stamp-only.", tip="To compare what a run wrote: ai-memory reembed verify --sample 300"
        )


def refuse_for_rollback(args: argparse.Namespace) -> None:
    """Check the flags of a start that goes on with a rollback.

    Raises:
        UsageError: some are of no use there.
    """
    if refused := [each for each in given(args) if each not in OF_A_ROLLBACK | OF_REQUESTS]:
        raise UsageError(
            f"A rollback is unfinished: --resume finishes it, and takes no {named(refused)}.",
            tip="Leave that out; or give the rollback up: ai-memory reembed cancel",
        )
