"""What a database holds: counts, vector spaces, sizes."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen

if TYPE_CHECKING:
    from ai_memory.stores.memory_port import Library
    from ai_memory.stores.memory_values import Sizes, SpaceCount, Totals


class Held(Frozen):
    """Counts of one state of a database, the spaces that its vectors say they are of, and how large it is.

    `version` is that of the Rust program's schema, None where this program made it.
    """

    totals: Totals
    spaces: tuple[SpaceCount, ...]
    namespaces: int
    sizes: Sizes
    version: int | None

    def values(self) -> dict[str, object]:
        """Return them as a program reads them."""
        return {
            **asdict(self.totals),
            "namespaces": self.namespaces,
            "spaces": [asdict(each) for each in self.spaces],
            **asdict(self.sizes),
            "schema_version": self.version,
        }


def held(library: Library) -> Held:
    """Return what a database holds."""
    counts = library.counts
    read = library.store.consistently(lambda _: (counts.totals(), counts.spaces(), len(counts.namespaces())))
    totals, spaces, namespaces = read
    return Held(totals, tuple(spaces), namespaces, library.about.sizes(), library.about.version)
