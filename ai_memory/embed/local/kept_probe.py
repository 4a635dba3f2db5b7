"""Keeps in the user's cache what a precision was found to be worth, so that it is not measured at each start."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path

from ai_memory.embed.local.precision_probe import Probed
from ai_memory.embed.local.user_cache import cached, keep, kept
from ai_memory.frozen import Frozen


class KeptProbe(Frozen):
    """The place of what was measured with the model in `folder`, on the rows of a file `of`, by `engines`.

    `engines` are the precision and the libraries, each with its release.
    """

    folder: Path
    engines: str
    of: str

    def read(self) -> Probed | None:
        """Return what an earlier process measured, None where there is nothing that can be read."""
        found = kept(self._place())
        values = {each.name: found.get(each.name) for each in fields(Probed)}
        if all(isinstance(value, int | float) for value in values.values()):
            return Probed(**values)  # type: ignore[arg-type]  # each is a number
        return None

    def keep(self, probed: Probed) -> None:
        """Keep what was measured, where that can be done."""
        told = {"engines": self.engines, "model": str(self.folder), "of": self.of}
        keep(self._place(), {**told, **asdict(probed)})

    def _place(self) -> Path | None:
        return cached("precision", self.folder, f"{self.engines}, {self.of}")
