"""A frozen value behaves as the frozen dataclass that it stands for."""

from __future__ import annotations

import copy
import pickle
import pprint
from collections.abc import Iterator
from dataclasses import Field, asdict, dataclass, fields, is_dataclass, replace
from importlib import import_module
from pkgutil import walk_packages

import pytest

import ai_memory
from ai_memory.frozen import Frozen, field


class Place(Frozen):
    name: str
    zones: tuple[str, ...] = ()
    notes: dict[str, int] = field(default_factory=dict)


class Harbour(Place):
    depth: float = 1.5


@dataclass(frozen=True, slots=True)
class Voyage:
    start: Place
    ends: tuple[Place, ...]


HARBOUR = Harbour("Bo'ness", ("east",), depth=3.0)


def test_values_of_one_class_and_the_same_fields_are_equal_and_of_one_hash() -> None:
    assert Place("a") == Place("a") != Place("b")
    assert Place("a", ("x",)) != Harbour("a", ("x",))
    assert hash(Point(1, 2)) == hash(Point(1, 2))


class Point(Frozen):
    x: int
    y: int


@pytest.mark.parametrize("name", ["depth", "unknown"])
def test_nothing_of_a_value_can_be_set_or_deleted(name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(HARBOUR, name, 1.0)
    with pytest.raises(AttributeError):
        delattr(HARBOUR, name)
    assert not hasattr(HARBOUR, "__dict__")


def test_a_value_is_printed_as_others_are() -> None:
    assert pprint.pformat([Point(1, 2)]) == "[Point(x=1, y=2)]"


def test_dataclasses_takes_a_value_for_one_of_its_own() -> None:
    assert [each.name for each in fields(Place)] == ["name", "zones", "notes"]
    assert [each.name for each in fields(HARBOUR)] == ["name", "zones", "notes", "depth"]
    assert replace(HARBOUR, depth=4.0) == Harbour("Bo'ness", ("east",), depth=4.0)
    with pytest.raises(TypeError):
        replace(HARBOUR, width=1)  # type: ignore[call-arg]
    assert is_dataclass(HARBOUR)


def test_values_within_values_become_objects_within_objects() -> None:
    place = {"name": "a", "zones": (), "notes": {}}
    assert asdict(Voyage(Place("a"), (Place("a"),))) == {"start": place, "ends": (place,)}


def test_no_two_values_share_what_a_factory_makes() -> None:
    assert Place("a").notes is not Place("a").notes


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_a_copy_is_equal(way: object) -> None:
    assert callable(way)
    assert way(HARBOUR) == HARBOUR


def test_a_value_is_shown_and_matched_by_its_fields() -> None:
    assert repr(Point(1, 2)) == "Point(x=1, y=2)"
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)


def classes(below: type[Frozen]) -> Iterator[type[Frozen]]:
    for each in below.__subclasses__():
        yield each
        yield from classes(each)


def test_no_value_takes_a_field_of_dataclasses_for_its_default() -> None:
    for module in walk_packages(ai_memory.__path__, "ai_memory."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    found = list(classes(Frozen))
    assert len(found) > 300
    assert [each for each in found if any(isinstance(default, Field) for default in each.__struct_defaults__)] == []
