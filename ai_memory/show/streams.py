"""The standard streams of one invocation: a result must arrive, a message may be lost.

Python's own streams fail a run whose log is on a full disk, and once more when the interpreter ends (exit 120).
"""

from __future__ import annotations

import io
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from ai_memory.errors import StorageFailed

EXIT_READER_GONE = 141
"""The exit code where nobody reads the result any more, as of a process that SIGPIPE ends in a shell."""
PATIENCE_MS = 1_000
"""How long a message waits for a reader that keeps its end of a full pipe, where the pipe itself does not wait."""


class _Descriptor(io.RawIOBase):
    """The bytes of one of our streams; the descriptor is never closed."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        return True

    def _sent(self, data: memoryview, *, patience_ms: int | None) -> int:
        """Return how many bytes were taken; a full pipe that does not wait by itself is waited for."""
        while True:
            try:
                return os.write(self._descriptor, data)
            except BlockingIOError:
                ready = select.poll()
                ready.register(self._descriptor, select.POLLOUT)
                if not ready.poll(patience_ms):
                    raise


class Messages(_Descriptor):
    """Where messages go: what cannot be written is lost, and the work goes on."""

    def write(self, data: memoryview) -> int:  # type: ignore[override]
        """Write what can be written; return that all was."""
        try:
            return self._sent(data, patience_ms=PATIENCE_MS)
        except OSError:
            return len(data)


class Results(_Descriptor):
    """Where the result goes: the first part of it that cannot be written is an error, what follows is dropped."""

    def __init__(self, descriptor: int) -> None:
        """Write to `descriptor`."""
        super().__init__(descriptor)
        self._lost = False

    def write(self, data: memoryview) -> int:  # type: ignore[override]
        """Write some bytes and return how many.

        Raises:
            BrokenPipeError: the reader went away.
            StorageFailed: they cannot be written.
        """
        if self._lost:
            return len(data)
        try:
            return self._sent(data, patience_ms=None)
        except BrokenPipeError:
            self._lost = True
            raise
        except OSError as error:
            self._lost = True
            raise StorageFailed(
                f"The output cannot be written: {error.strerror}.",
                tip="Free some space or name another place for it, then run the same command again.",
            ) from error


@contextmanager
def standard_streams() -> Iterator[None]:
    """Let sys.stdout and sys.stderr be ours inside the block, in UTF-8 whatever the locale."""
    _fill_missing()
    before = sys.stdout, sys.stderr
    sys.stdout = _replaced(sys.stdout, Results)
    sys.stderr = _replaced(sys.stderr, Messages)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _fill_missing() -> None:
    # A parent that closed one of them leaves None here; the next file opened would take its place.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 (open to the end)


def _replaced(stream: TextIO, kind: type[_Descriptor]) -> TextIO:
    """Return a stream of ours on the same descriptor; one without a descriptor as it is, but in UTF-8."""
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    try:
        raw = kind(stream.fileno())
    except OSError:
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")
        return stream
    stream.flush()
    lines = kind is Messages or raw.isatty()
    # A lone surrogate becomes an escape, valid in JSON too.
    return io.TextIOWrapper(io.BufferedWriter(raw), "utf-8", errors="backslashreplace", line_buffering=lines)
