"""What the configuration asks for now, as far as it tells without a model, a request or a look at big files."""

from __future__ import annotations

from ai_memory.frozen import Frozen


class Wanted(Frozen):
    """The configured target and price: an empty space or a width of 0 is not known, a price of None not configured.

    `fault` is why no embedder can be had from the configuration, empty where one can. `key_source` says where the key
    comes from, `source` where the model.
    """

    space: str = ""
    dim: int = 0
    price: float | None = None
    fault: str = ""
    source: str = ""
    key_source: str = ""

    @property
    def usable(self) -> bool:
        """Whether the configuration names an embedder."""
        return not self.fault

    def differs_from(self, other_space: str, dim: int) -> bool:
        """Return whether another target is certainly meant."""
        return bool(self.space) and (self.space != other_space or bool(self.dim and dim and self.dim != dim))


UNKNOWN = Wanted()
