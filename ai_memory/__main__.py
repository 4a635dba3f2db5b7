"""Runs the command line: ``python -m ai_memory``."""

import sys

if __name__ == "__main__":
    if not sys.flags.safe_path:
        # -m puts the current folder first, where anybody's apsw.py or numpy.py would be taken for the library.
        del sys.path[0]
    from ai_memory.cli import main

    sys.exit(main())
