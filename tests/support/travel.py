"""The way to another process and back: what comes of a value, and whether it is still the same."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import fields, is_dataclass

import numpy as np


def same(one: object, other: object) -> bool:
    """Return whether two values are of one type and equal, also where they hold arrays or errors."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, BaseException) and isinstance(other, BaseException):
        return same(one.args, other.args) and same(vars(one), vars(other)) and str(one) == str(other)
    if is_dataclass(one):
        return all(same(getattr(one, each.name), getattr(other, each.name)) for each in fields(one))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return list(one) == list(other) and all(same(one[each], other[each]) for each in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def back(value: object) -> object:
    """Return a value as it comes back from another process."""
    return pickle.loads(pickle.dumps(value))
