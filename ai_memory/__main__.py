"""Where the command begins: as installed, and as ``python -m ai_memory``."""

from __future__ import annotations

import signal
import sys


def start() -> int:
    """Run the command line and return its exit code; until it is loaded SIGINT ends the process without a word."""
    usual = signal.getsignal(signal.SIGINT)
    if usual is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from ai_memory.cli import main

    signal.signal(signal.SIGINT, usual)
    return main()


if __name__ == "__main__":
    if not sys.flags.safe_path:
        # -m puts the current folder first, where anybody's apsw.py or numpy.py would be taken for the library.
        del sys.path[0]
    sys.exit(start())
