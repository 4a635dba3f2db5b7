"""Tells the files that we wrote from all others: by what they begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def begins_with(path: Path, mark: bytes, *, or_empty: bool = False) -> bool:
    """Return whether a file begins with `mark`, or is an empty one; not where it cannot be read."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(mark)) in ((mark, b"") if or_empty else (mark,))
    except OSError:
        return False
