"""What a frozen value is made of: `class Hit(Frozen)`, for what a frozen dataclass with slots would be slow to make.

A command makes some 160 classes at its start, and for each a dataclass compiles six functions: a millisecond.
docs/adr/0012-frozen-values.md has the figures, and says which classes are still dataclasses.
"""

from __future__ import annotations

from dataclasses import make_dataclass
from functools import cache
from typing import TYPE_CHECKING, dataclass_transform

from msgspec import Struct, field

__all__ = ["Frozen", "field"]


class _OfDataclass:
    """What `dataclasses` keeps of a class of its own, made once `replace`, `asdict`, `fields` or a printer asks."""

    def __set_name__(self, owner: type[Frozen], name: str) -> None:
        self._name = name

    def __get__(self, instance: Frozen | None, owner: type[Frozen]) -> object:
        return getattr(_dataclass(owner), self._name)


@cache
def _dataclass(owner: type[Frozen]) -> type:
    names = owner.__struct_fields__
    return make_dataclass(owner.__name__, names, init=False, repr=False, eq=False, match_args=False)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Frozen(Struct, frozen=True):
    """A frozen value, equal to those of its class with the same fields; `dataclasses` takes it for one of its own."""

    if not TYPE_CHECKING:  # mypy knows of them by the transform, and so checks what is given to `replace`
        __dataclass_fields__ = _OfDataclass()
        __dataclass_params__ = _OfDataclass()
