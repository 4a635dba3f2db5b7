"""How long a start may work: `--max-runtime`, and what is left of its `--window`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.clock import SystemClock
from ai_memory.errors import Stopped
from ai_memory.reembed.stop import MAX_RUNTIME, WINDOW, stop_after
from ai_memory.text.times import on_the_wall

if TYPE_CHECKING:
    import argparse
    from contextlib import AbstractContextManager

    from ai_memory.reembed.stop import Stop
    from ai_memory.text.window import Window


def outside_window(args: argparse.Namespace) -> Stopped | None:
    """Return what is told where a start has a window that is not open, None where it may work."""
    now_ms = SystemClock().now_ms()
    if args.window is None or args.dry_run or args.window.closing(now_ms) is not None:
        return None
    opens = on_the_wall(args.window.opening(now_ms))
    what = f"It is {on_the_wall(now_ms)}, and --window {args.window} opens at {opens}; nothing was done."
    outside = Stopped(what, exit_code=75, tip="Run the same command again then.")
    outside.reason = WINDOW
    return outside


def stop_in_time(args: argparse.Namespace, stop: Stop) -> AbstractContextManager[None]:
    """Have the stop asked for when the time of a start is over, by its duration or by its window."""
    window: Window | None = args.window
    if window is None:
        return stop_after(stop, args.max_runtime, MAX_RUNTIME)
    now_ms = SystemClock().now_ms()
    # It may have closed since it was found open.
    left = ((window.closing(now_ms) or now_ms) - now_ms) / 1000
    if args.max_runtime is not None and args.max_runtime <= left:
        return stop_after(stop, args.max_runtime, MAX_RUNTIME)
    return stop_after(stop, left, WINDOW)
