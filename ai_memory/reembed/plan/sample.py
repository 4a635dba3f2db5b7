"""Keeps some of the texts that are met on a walk, spread evenly over all of it, with few of them in memory."""

from __future__ import annotations

MOST_TEXTS, MOST_BYTES = 1_024, 4 * 1024 * 1024


class Sample:
    """Begins with every text; where that is too much, goes on with every second, fourth, eighth."""

    def __init__(self) -> None:
        """Begin with none."""
        self._kept: list[tuple[str, int]] = []
        self._stride, self._met = 1, 0

    @property
    def texts(self) -> tuple[str, ...]:
        """Those that are kept, in the order in which they were met."""
        return tuple(text for text, _ in self._kept)

    def add(self, text: str, size: int) -> None:
        """Meet a text of so many bytes."""
        if self._met % self._stride == 0:
            self._kept.append((text, size))
            while self._is_too_much():
                self._kept = self._kept[::2]
                self._stride *= 2
        self._met += 1

    def _is_too_much(self) -> bool:
        several = len(self._kept) > 1
        return several and (len(self._kept) > MOST_TEXTS or sum(size for _, size in self._kept) > MOST_BYTES)
