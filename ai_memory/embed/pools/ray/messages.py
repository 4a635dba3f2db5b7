"""What this program and the process that speaks to Ray for it say to each other.

What is meant for an actor, or comes from one, passes that process as the bytes that the other end reads.
"""

from __future__ import annotations

from ai_memory.frozen import Frozen


class Join(Frozen):
    """The first message: start a Ray of `cores` in `folder`, or connect to the one at `address` (empty: none).

    A `token` lets into the one that is started.
    """

    address: str
    cores: int
    folder: str
    token: str


class Joined(Frozen):
    """Ray is there: with so many `cores` that nobody has; `listens` says where it does, for people."""

    cores: int
    listens: str


class NotJoined(Frozen):
    """There is no Ray; `why` is for people."""

    why: str


class Hire(Frozen):
    """Start an actor, which answers `at_once` questions side by side; `begin` is a pickled `Begin`."""

    worker: int
    begin: bytes
    at_once: int


class Pass(Frozen):
    """A pickled `Ask` for an actor."""

    worker: int
    number: int
    ask: bytes


class Came(Frozen):
    """What came from an actor: what it `told`, and a pickled `Answer`."""

    worker: int
    told: tuple[str, ...]
    answer: bytes


class Failing(Frozen):
    """An actor has a bug: a traceback in place of the answer to a question."""

    worker: int
    number: int
    bug: str


class Left(Frozen):
    """An actor ended, or could not be started; `how` is for people. `blames`: what it was asked may be why.

    With `no_room` the cluster had none for it.
    """

    worker: int
    how: str
    blames: bool = True
    no_room: bool = False


class Room(Frozen):
    """The cluster has so many cores that nobody has, and no actor waits for one."""

    cores: int


class Dismiss(Frozen):
    """End an actor."""

    worker: int


RayMessage = Join | Joined | NotJoined | Hire | Pass | Came | Failing | Left | Room | Dismiss
