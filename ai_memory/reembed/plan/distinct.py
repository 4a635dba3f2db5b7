"""Tells texts that were met before from new ones by their hashes, a million of them in 8 MiB."""

from __future__ import annotations

import numpy as np

MOST = 2**20
"""Different texts that are kept in mind. A choice of 2026-11-28, not measured."""
LATELY = 2**14


class Distinct:
    """The texts that were met, each by 8 bytes of its hash; `exact` until there are more than MOST."""

    def __init__(self) -> None:
        """Begin with none."""
        self.exact = True
        self._met = np.empty(0, np.uint64)
        self._lately: set[int] = set()

    def is_new(self, src: bytes) -> bool:
        """Meet a text by its hash, and return whether it was not met before; True where that is not known any more."""
        key = int.from_bytes(src[:8], "little")
        if key in self._lately or self._has(key):
            return False
        if len(self._met) + len(self._lately) >= MOST:
            self.exact = False
            return True
        self._lately.add(key)
        if len(self._lately) >= LATELY:
            self._met = np.sort(np.concatenate([self._met, np.fromiter(self._lately, np.uint64)]), kind="stable")
            self._lately.clear()
        return True

    def _has(self, key: int) -> bool:
        at = int(np.searchsorted(self._met, np.uint64(key)))
        return at < len(self._met) and int(self._met[at]) == key
