"""Tells texts that were met before from new ones by their hashes, a million of them in 8 MiB."""

from __future__ import annotations

from collections.abc import Sequence

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

    def which_new(self, srcs: Sequence[bytes]) -> list[bool]:
        """Meet texts by their hashes, and return of each whether it was not met before; True where nobody knows."""
        keys = np.frombuffer(b"".join(src[:8] for src in srcs), np.uint64)
        known = np.zeros(len(keys), bool)
        if len(self._met):
            known = self._met.take(np.searchsorted(self._met, keys), mode="clip") == keys
        found = [not before and self._add(key) for key, before in zip(keys.tolist(), known.tolist(), strict=True)]
        if len(self._lately) >= LATELY:
            self._met = np.sort(np.concatenate([self._met, np.fromiter(self._lately, np.uint64)]), kind="stable")
            self._lately.clear()
        return found

    def _add(self, key: int) -> bool:
        if key in self._lately:
            return False
        if len(self._met) + len(self._lately) < MOST:
            self._lately.add(key)
        else:
            self.exact = False
        return True
