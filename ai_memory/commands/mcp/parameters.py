"""What a tool takes: told to agents as a JSON schema, and checked by the same rules when it is called."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ai_memory.commands.arguments import point_in_time
from ai_memory.errors import UsageError
from ai_memory.frozen import Frozen
from ai_memory.memory.text_codec import is_text
from ai_memory.text.cleaning import one_line

Given = Mapping[str, Any]
"""The value of each parameter of a call: of its type, or its default."""
SHOWN = 40


class Parameter(Frozen):
    """One parameter, a text where its class says nothing else; `default` is what it is where it is not given."""

    name: str
    about: str
    default: object = None
    required: bool = False

    def schema(self) -> dict[str, object]:
        """Return the JSON schema of its value."""
        said = {} if self.default in (None, "", ()) else {"default": self.default}
        return {**self.kind(), "description": self.about, **said}

    def kind(self) -> dict[str, object]:
        """Return what the schema says of its type."""
        return {"type": "string"}

    def read(self, value: object) -> object:
        """Return a value that was given.

        Raises:
            UsageError: it is none of this parameter.
        """
        if not isinstance(value, str):
            raise self.wrong(value, "a text")
        if not is_text(value):
            raise UsageError(f"{self.name} is not valid UTF-8.", tip="Give it as UTF-8.")
        return value

    def wrong(self, value: object, wanted: str) -> UsageError:
        """Return the error that says what the value should be."""
        return UsageError(f"{self.name} is {one_line(repr(value), most=SHOWN)}, not {wanted}.")


class Time(Parameter):
    """A time in Unix milliseconds, given as the text from which the command line reads it with `of`."""

    of: Callable[[str], int] = point_in_time

    def read(self, value: object) -> object:
        """See `Parameter`."""
        text = Parameter.read(self, value)
        try:
            return self.of(str(text))
        except argparse.ArgumentTypeError as error:
            raise UsageError(f"{self.name}: {error}.") from error


class Whole(Parameter):
    """A whole number from `low` to `high`."""

    low: int = 0
    high: int = 0

    def kind(self) -> dict[str, object]:
        """See `Parameter`."""
        return {"type": "integer", "minimum": self.low, "maximum": self.high}

    def read(self, value: object) -> object:
        """See `Parameter`; some clients write 5 as 5.0."""
        number = int(value) if isinstance(value, float) and value.is_integer() else value
        if isinstance(number, bool) or not isinstance(number, int) or not self.low <= number <= self.high:
            raise self.wrong(value, f"a whole number from {self.low:,} to {self.high:,}")
        return number


class Flag(Parameter):
    """True or false."""

    def kind(self) -> dict[str, object]:
        """See `Parameter`."""
        return {"type": "boolean"}

    def read(self, value: object) -> object:
        """See `Parameter`."""
        if not isinstance(value, bool):
            raise self.wrong(value, "true or false")
        return value


class Choice(Parameter):
    """One of some words."""

    among: tuple[str, ...] = ()

    def kind(self) -> dict[str, object]:
        """See `Parameter`."""
        return {"type": "string", "enum": list(self.among)}

    def read(self, value: object) -> object:
        """See `Parameter`."""
        if value not in self.among:
            raise self.wrong(value, f"one of {', '.join(self.among)}")
        return value


class Texts(Parameter):
    """A list of texts, of those `among` only where there are such."""

    among: tuple[str, ...] = ()

    def kind(self) -> dict[str, object]:
        """See `Parameter`."""
        return {"type": "array", "items": {"type": "string", **({"enum": list(self.among)} if self.among else {})}}

    def read(self, value: object) -> object:
        """See `Parameter`."""
        if not isinstance(value, list) or not all(isinstance(each, str) and is_text(each) for each in value):
            raise self.wrong(value, "a list of texts")
        for each in value:
            if self.among and each not in self.among:
                raise self.wrong(each, f"one of {', '.join(self.among)}")
        return tuple(value)


def schema(parameters: Sequence[Parameter]) -> dict[str, object]:
    """Return the JSON schema of what a tool takes."""
    return {
        "type": "object",
        "properties": {each.name: each.schema() for each in parameters},
        "required": [each.name for each in parameters if each.required],
        "additionalProperties": False,
    }


def read(parameters: Sequence[Parameter], arguments: Mapping[str, object]) -> Given:
    """Return the value of each parameter; null says nothing of one.

    Raises:
        UsageError: one is missing, wrong or unknown.
    """
    names = [each.name for each in parameters]
    if unknown := [name for name in arguments if name not in names]:
        takes = f"It takes {', '.join(names)}." if names else "It takes nothing."
        raise UsageError(f"There is no parameter {one_line(unknown[0], most=SHOWN)!r}.", tip=takes)
    given = {name: value for name, value in arguments.items() if value is not None}
    if missing := [each for each in parameters if each.required and each.name not in given]:
        raise UsageError(f"{missing[0].name} is missing.", tip=f"It is {missing[0].about}.")
    return {each.name: each.read(given[each.name]) if each.name in given else each.default for each in parameters}
