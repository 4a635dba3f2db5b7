"""Why a row cannot be brought to a target."""

from __future__ import annotations

from typing import Final, Literal

from ai_memory.frozen import Frozen

Kind = Literal["empty", "oversize", "undecodable", "undecryptable", "refused", "unwritable"]
"""What the table's CHECK takes."""

UNWRITABLE: Final = "unwritable"


class Reason(Frozen):
    """Why a row cannot be brought to a target."""

    kind: Kind
    message: str
    http_status: int | None = None


def unwritable(words: str) -> Reason:
    """Return the reason of a row whose vector the database refuses, in the database's own words."""
    return Reason(UNWRITABLE, f"its vector cannot be written: {words}")
