"""A tool as a value: what agents are told of it, and what it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from ai_memory.commands.mcp.parameters import SHOWN
from ai_memory.errors import UsageError
from ai_memory.frozen import Frozen, field
from ai_memory.text.cleaning import one_line

if TYPE_CHECKING:
    from ai_memory.commands.mcp.desk import Desk
    from ai_memory.commands.mcp.parameters import Given, Parameter
    from ai_memory.commands.teller import Teller

Values = Mapping[str, object]
WHOLE = "content_length"
"""The key of how long a content is that was cut, in characters."""


class Effects(Frozen):
    """What a call may do, as the protocol's annotations have it.

    `destroys`: something may be lost or replaced by it. `idempotent`: the same call once more changes nothing more.
    `asks_others`: a text may go to the endpoint that is configured.
    """

    reads_only: bool = False
    destroys: bool = False
    idempotent: bool = True
    asks_others: bool = False


READS = Effects(reads_only=True)


class Result(Frozen):
    """What a tool answers: `held` is what memories hold, and is shown as it is; `told` is what we say beside it."""

    held: Values = field(default_factory=dict)
    told: Values = field(default_factory=dict)


Run = Callable[["Desk", "Given", "Teller"], Result]
"""What a tool does; the teller hears what the answer is to note. It raises errors of ours."""


class Tool(Frozen):
    """A tool; `searches` says that it uses the open search, one call after the other."""

    name: str
    about: str
    run: Run
    effects: Effects
    parameters: tuple[Parameter, ...] = ()
    searches: bool = False


def cut(values: Mapping[str, object], most: int) -> dict[str, object]:
    """Return the values of a memory with a content of at most `most` characters; of a longer one its length, too."""
    content = values.get("content")
    if not isinstance(content, str) or len(content) <= most:
        return dict(values)
    return {**values, "content": f"{content[:most]}…", WHOLE: len(content)}


def only(values: Mapping[str, object], names: tuple[str, ...], *, also: Sequence[str] = ()) -> dict[str, object]:
    """Return those of the values that have these names, in their order; all where there is no name.

    Raises:
        UsageError: a name is neither that of a value, nor one of `also`, which there might be.
    """
    known = dict.fromkeys((*values, *also))
    if unknown := [name for name in names if name not in known]:
        raise UsageError(f"fields is {one_line(repr(unknown[0]), most=SHOWN)}, not one of {', '.join(known)}.")
    return {name: values[name] for name in names if name in values} if names else dict(values)
