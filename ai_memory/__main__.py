"""Runs the command line: ``python -m ai_memory``."""

import sys

from ai_memory.cli import main

if __name__ == "__main__":
    sys.exit(main())
