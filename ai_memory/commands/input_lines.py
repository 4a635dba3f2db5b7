"""Lines of a file, or of whoever writes to stdin: each is handed on before the next one is read."""

from __future__ import annotations

import sys
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ai_memory.errors import DataRefused, NotFound

STDIN = Path("-")


@contextmanager
def opened(name: Path) -> Iterator[BinaryIO]:
    """Open a file to read its bytes, stdin for `-`.

    Raises:
        NotFound: there is no such file.
        DataRefused: it cannot be read.
    """
    if name == STDIN:
        yield sys.stdin.buffer
        return
    try:
        file = name.open("rb")
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {name}.", tip="Name another, or - for stdin.") from error
    except (OSError, ValueError) as error:
        raise _unreadable(name, error) from error
    with file:
        yield file


def lines(name: Path, *, longest: int) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the bytes of each line, without its end.

    Raises:
        NotFound, DataRefused: see `opened`; or a line is longer than `longest` bytes.
    """
    with opened(name) as file:
        number = 0
        while line := _next(file, name, longest + 1):
            number += 1
            if len(line) > longest:
                what = f"{shown_name(name)}, line {number} is longer than {longest:,} bytes."
                raise DataRefused(what, tip="Write one query per line.")
            yield number, (line.removeprefix(BOM_UTF8) if number == 1 else line).rstrip(b"\r\n")


def _next(file: BinaryIO, name: Path, most: int) -> bytes:
    try:
        return file.readline(most)
    except OSError as error:
        raise _unreadable(name, error) from error


def _unreadable(name: Path, error: OSError | ValueError) -> DataRefused:
    why = error.strerror if isinstance(error, OSError) else error
    return DataRefused(f"{shown_name(name)} cannot be read: {why}.", tip="Name another file.")


def shown_name(name: Path) -> str:
    """Return what a file is called in a message."""
    return "stdin" if name == STDIN else str(name)
