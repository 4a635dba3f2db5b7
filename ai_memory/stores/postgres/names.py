"""Which names can stand in the database at all: PostgreSQL keeps no byte that is not UTF-8, and no NUL."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def storable(name: str) -> bool:
    """Return whether a text can stand in the database; what cannot is not there, and is not asked for."""
    # A byte of the command line that is not UTF-8 is a lone surrogate, which has no bytes.
    try:
        return b"\0" not in name.encode()
    except UnicodeEncodeError:
        return False


def those_storable(names: Iterable[str]) -> list[str]:
    """Return those of some names that can stand in the database, in their order."""
    return [each for each in names if storable(each)]
