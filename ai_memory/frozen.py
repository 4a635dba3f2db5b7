"""What a frozen value is made of: `class Hit(Frozen)`, for what a frozen dataclass with slots would be slow to make.

A command makes some 160 classes at its start, and for each a dataclass compiles six functions: a millisecond.
docs/adr/0012-frozen-values.md has the figures, and says which classes are still dataclasses.
"""

from __future__ import annotations

from dataclasses import make_dataclass
from functools import cache
from typing import TYPE_CHECKING, dataclass_transform

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import Field
    from typing import Any

__all__ = ["Frozen", "field"]


class _Fields:
    """The fields of a class as `dataclasses` keeps them, made when `replace`, `asdict` or `fields` asks for them."""

    def __get__(self, instance: Frozen | None, owner: type[Frozen]) -> Mapping[str, Field[Any]]:
        return _fields(owner)


class _Params:
    """How the class was made, which printers ask for."""

    def __get__(self, instance: Frozen | None, owner: type[Frozen]) -> object:
        return _told(owner).__dataclass_params__


def _fields(owner: type[Frozen]) -> Mapping[str, Field[Any]]:
    fields: Mapping[str, Field[Any]] = _told(owner).__dataclass_fields__
    return fields


@cache
def _told(owner: type[Frozen]) -> Any:  # noqa: ANN401 - a class made by `dataclasses`
    names = owner.__struct_fields__
    return make_dataclass(owner.__name__, names, init=False, repr=False, eq=False, match_args=False)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Frozen(Struct, frozen=True):
    """A frozen value, equal to those of its class with the same fields; `dataclasses` takes it for one of its own."""

    if not TYPE_CHECKING:  # mypy knows of them by the transform, and so checks what is given to `replace`
        __dataclass_fields__ = _Fields()
        __dataclass_params__ = _Params()
