"""Where results, notes and warnings go: results to stdout, everything else to stderr.

Nothing leaves by here that cannot be seen, and in one line no other one begins: a line is a line, whatever the file or
the endpoint put into a value. Keys leave in memories alone, which are shown as they are.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from ai_memory.show.screen import Look, columns_of
from ai_memory.text.cleaning import safe
from ai_memory.text.hints import NO_HINTS, Hints
from ai_memory.text.invisible import escaped, json_escaped
from ai_memory.text.masking import Mask

if TYPE_CHECKING:
    from ai_memory.show.table import Table

HINTED = frozenset({"next", "error", "findings", "endpoint", "refusal", "notes"})
"""Values of a result that name commands."""
BY_CONFIGURATION = frozenset({2, 3, 12})
"""Exit codes of errors that a setting in the wrong place may cause."""
MOST_UNHEARD = 2


def _no_keys() -> tuple[str, ...]:
    return ()


@dataclass(slots=True)
class Shown:
    """What an invocation has shown so far: whether something of a result, and its warnings and errors.

    `values` are those of its result, shown or not; `first` with --json those of what it did before that, which are
    part of the one object. `said`: a warning, an error or the last line was printed.
    """

    result: bool = False
    said: bool = False
    values: Mapping[str, object] = field(default_factory=dict)
    first: Mapping[str, object] = field(default_factory=dict)
    troubles: set[str] = field(default_factory=set)

    def names(self, what: str) -> bool:
        """Return whether a warning or an error had this in it."""
        return any(what in each for each in self.troubles)


@dataclass(frozen=True, slots=True)
class Console:
    """The two streams of one invocation and how much the user wants to hear.

    With `json` the result is ONE object on one line; `quiet` drops notes, never warnings or results;
    `unheard` are warnings that were not shown for it, and may be why the command cannot go on.
    `verbose` adds tracebacks and details. `hints` makes the commands that are named work as printed. `keys` returns
    what must never be shown. `look` is that of the terminal, where there is one. `shown` is one for all copies of a
    console.
    """

    json: bool = False
    quiet: bool = False
    verbose: bool = False
    hints: Hints = NO_HINTS
    keys: Callable[[], tuple[str, ...]] = _no_keys
    unheard: tuple[str, ...] = ()
    look: Look = field(default_factory=Look)
    out: TextIO = field(default_factory=lambda: sys.stdout)
    shown: Shown = field(default_factory=Shown, repr=False)
    stderr: TextIO = field(default_factory=lambda: sys.stderr)

    @property
    def err(self) -> SafeStream:
        """What is written to stderr, cleaned."""
        return SafeStream(self.stderr, Mask(self.keys()), self.hints, self.look)

    def result(self, values: Mapping[str, object], *lines: str, tables: Iterable[Table] | None = None) -> None:
        """Print the result of the command, without keys: `values` with --json, else `lines`, each of them one line.

        Where `tables` are given, people at a terminal see these instead.
        """
        self.shown.values = values
        mask = Mask(self.keys())
        if self.json:
            self.line(to_json(self._clean({**values, **self.shown.first})))
        elif tables is not None and self.out.isatty():
            self._draw(tables, lambda text: safe(self.hints(text), mask))
        else:
            self._print(safe(self.hints(line), mask, keep="\t") for line in lines)

    def _draw(self, tables: Iterable[Table], clean: Callable[[str], str]) -> None:
        from ai_memory.show.drawing import drawn

        self.shown.result = True
        columns = columns_of(self.out)
        for table in tables:
            for line in drawn(table, clean, columns, self.look):
                print(line, file=self.out)

    def _clean(self, values: Mapping[str, object]) -> dict[str, object]:
        return cleaned(values, Mask(self.keys()), self.hints)

    def memories(self, values: Mapping[str, object], *lines: str, tables: Iterable[Table] | None = None) -> None:
        """Print what memories hold as it is: `values` with --json, else `lines` or `tables`, as `result` does."""
        if self.json:
            self.line(to_json(values))
        elif tables is not None and self.out.isatty():
            self._draw(tables, escaped)
        else:
            self._print(lines)

    def answer(self, memories: Mapping[str, object], told: Mapping[str, object]) -> None:
        """Print one of several results as a JSON object on one line, at once: whoever asked may wait for it.

        What `memories` hold is printed as it is, what is `told` beside them without keys.
        """
        self.line(to_json({**memories, **self._clean(told)}))
        self.out.flush()

    def line(self, text: str) -> None:
        """Print one line of memories."""
        self._print([text])

    def _print(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.shown.result = True
            print(escaped(line, keep="\t"), file=self.out)

    def note(self, text: str) -> None:
        """Tell the user something on one line; dropped by --quiet."""
        if not self.quiet:
            self.err.line(text)

    def warn(self, text: str) -> None:
        """Warn on one line."""
        self.shown.said = True
        self.shown.troubles.add(text)
        self.err.line(f"ai-memory: warning: {' '.join(text.split())}")

    def last(self, text: str) -> None:
        """Print the one line with which a run ends."""
        self.shown.said = True
        self.err.line(f"ai-memory: {' '.join(text.split())}")

    def error(self, text: str, *, exit_code: int = 0) -> None:
        """Print the one line of an error, with what was not heard of the configuration where that may be the cause."""
        unheard = self.unheard if exit_code in BY_CONFIGURATION else ()
        told = [text, *unheard[:MOST_UNHEARD]]
        self.shown.said = True
        self.shown.troubles.add(text)
        self.err.line(f"ai-memory: error: {' '.join(' '.join(told).split())}")

    def traceback(self, error: BaseException) -> None:
        """Print where an error came from."""
        for part in traceback.format_exception(error):
            print(part, end="", file=self.err)


@dataclass(frozen=True, slots=True)
class SafeStream:
    """A text stream on which nothing is hidden but new lines and tabs, and no key is shown."""

    stream: TextIO
    mask: Mask
    hints: Hints = NO_HINTS
    look: Look = field(default_factory=Look)

    def write(self, text: str, /) -> int:
        """Write a text; a carriage return at its beginning is a progress bar's."""
        start = "\r" if text.startswith("\r") else ""
        self.stream.write(start + safe(self.hints(text[len(start) :]), self.mask, keep="\n\t"))
        return len(text)

    def line(self, text: str) -> None:
        """Write a text as one line."""
        self.write(escaped(text, keep="\t") + "\n")
        self.flush()

    def flush(self) -> None:
        """Send what was written on its way."""
        self.stream.flush()

    def isatty(self) -> bool:
        """Return whether a person sees it."""
        return self.stream.isatty()

    def takes_bar(self) -> bool:
        """Return whether a person sees it on a terminal that can be sent back to the beginning of its line."""
        return self.look.moves and self.isatty()

    def fileno(self) -> int:
        """Return the descriptor behind it."""
        return self.stream.fileno()

    @property
    def encoding(self) -> str:
        """The encoding of what is written."""
        return self.stream.encoding


def to_json(values: object) -> str:
    """Return `values` as JSON on one line: text as it is, what cannot be seen as escapes that a reader turns back."""
    return json_escaped(json.dumps(values, ensure_ascii=False, default=str))


def cleaned(values: Mapping[str, object], mask: Mask, hints: Hints) -> dict[str, object]:
    """Return values that we tell, with no key in them, and the commands that they name made to work as printed."""
    return {name: masked(_hinted(name, value, hints), mask) for name, value in values.items()}


def _hinted(name: str, value: object, hints: Hints) -> object:
    if name not in HINTED:
        return value
    if isinstance(value, list | tuple):
        return [hints(str(each)) for each in value]
    return hints(value) if isinstance(value, str) else value


def masked(value: object, mask: Mask) -> object:
    """Return a value of JSON with no key in its texts."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {name: masked(each, mask) for name, each in value.items()}
    return [masked(each, mask) for each in value] if isinstance(value, list | tuple) else value
