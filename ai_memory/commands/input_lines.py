"""Files that are read, or stdin in their place; and their lines, each handed on before the next one is read."""

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
    """Open a file to read its bytes in the block, stdin for `-`.

    Raises:
        NotFound: there is no such file.
        DataRefused: it cannot be read.
    """
    try:
        if name == STDIN:
            yield sys.stdin.buffer
            return
        with name.open("rb") as file:
            yield file
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {name}.", tip="Name another, or - for stdin.") from error
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise DataRefused(f"{shown_name(name)} cannot be read: {why}.", tip="Name another file.") from error


def lines(name: Path, *, longest: int) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the bytes of each line, without its end.

    Raises:
        NotFound, DataRefused: see `opened`; or a line is longer than `longest` bytes.
    """
    with opened(name) as file:
        number = 0
        while line := file.readline(longest + 1):
            number += 1
            if len(line) > longest:
                what = f"{shown_name(name)}, line {number} is longer than {longest:,} bytes."
                raise DataRefused(what, tip="Write one query per line.")
            yield number, (line.removeprefix(BOM_UTF8) if number == 1 else line).rstrip(b"\r\n")


def shown_name(name: Path) -> str:
    """Return what a file is called in a message."""
    return "stdin" if name == STDIN else str(name)
