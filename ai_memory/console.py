"""Where results, notes and warnings go: results to stdout, everything else to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TextIO


@dataclass(frozen=True, slots=True)
class Console:
    """The two streams of one invocation and how much the user wants to hear.

    With `json` the result is ONE object on one line; `quiet` drops notes, never warnings or results;
    `verbose` adds tracebacks and details.
    """

    json: bool = False
    quiet: bool = False
    verbose: bool = False
    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)

    def result(self, values: Mapping[str, object], text: str) -> None:
        """Print the result of the command: `values` with --json, else `text`."""
        self.line(to_json(values) if self.json else text)

    def line(self, text: str) -> None:
        """Print one line of the result."""
        print(text, file=self.out)

    def note(self, text: str) -> None:
        """Tell the user something; dropped by --quiet."""
        if not self.quiet:
            print(text, file=self.err)

    def warn(self, text: str) -> None:
        """Warn on one line."""
        print(f"ai-memory: warning: {' '.join(text.split())}", file=self.err)

    def error(self, text: str) -> None:
        """Print the one line of an error."""
        print(f"ai-memory: error: {' '.join(text.split())}", file=self.err)


def to_json(values: object) -> str:
    """Return `values` as JSON on one line, text as it is."""
    return json.dumps(values, ensure_ascii=False, default=str)
