"""The command that goes on after a run, with the flags of this one that matter then."""

from __future__ import annotations

import argparse
import shlex

from ai_memory.commands.reembed.flags import named

KEPT = (
    ("batch", "--batch", None, ""),
    ("sleep_ms", "--sleep-ms", 0, ""),
    ("max_lag", "--max-lag", None, "s"),
    ("max_rows", "--max-rows", None, ""),
    ("max_tokens", "--max-tokens", None, ""),
    ("max_cost", "--max-cost", None, ""),
    ("max_runtime", "--max-runtime", None, "s"),
    ("window", "--window", None, ""),
    ("concurrency", "--concurrency", None, ""),
    ("embedders", "--embedders", None, ""),
    ("retry_for", "--retry-for", 120.0, "s"),
    ("wait", "--wait", 0.0, "s"),
)
"""Flags that hold for every start: attribute, flag, what it is when it was not given, unit."""

BEGINS = ("retarget", "retry_quarantined", "skip_current_space", "staged", "no_undo")
"""Flags that say how a run is begun, as attributes."""


def next_command(args: argparse.Namespace, *, unfinished: bool) -> str:
    """Return the command: to go on with an unfinished run, or to start as this one was meant to start.

    A copy that was made is not asked for again: its file is there. Where there is nothing to go on with, only a start
    can follow on --resume.
    """
    words = ["ai-memory", "reembed"]
    if unfinished or args.or_start:
        words.append("--resume")
    if args.or_start:
        words.append("--or-start")
    if not unfinished:
        words += _of_a_start(args)
    for name, flag, default, unit in KEPT:
        value = getattr(args, name)
        if value != default:
            words += [flag, f"{value:.12g}{unit}" if isinstance(value, float) else f"{value}{unit}"]
    return shlex.join(words)


def _of_a_start(args: argparse.Namespace) -> list[str]:
    words = [named([each]) for each in BEGINS if getattr(args, each)]
    words += ["--order", args.order] if args.order else []
    for namespace in args.namespace or ():
        words += [f"--namespace={namespace}"] if namespace.startswith("-") else ["--namespace", namespace]
    if args.backup is not None and not args.backup.exists():
        words += ["--backup", f"./{args.backup}" if str(args.backup).startswith("-") else str(args.backup)]
    return words
