"""What this program and the process that speaks to Ray for it say to each other.

What is meant for an actor, or comes from one, passes that process as the bytes that the other end reads.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Join:
    """The first message: start a Ray of `cores` in `folder`, or connect to the one at `address` (empty: none).

    A `token` lets into the one that is started.
    """

    address: str
    cores: int
    folder: str
    token: str


@dataclass(frozen=True, slots=True)
class Joined:
    """Ray is there: with so many `cores` that nobody has; `listens` says where it does, for people."""

    cores: int
    listens: str


@dataclass(frozen=True, slots=True)
class NotJoined:
    """There is no Ray; `why` is for people."""

    why: str


@dataclass(frozen=True, slots=True)
class Hire:
    """Start an actor, which answers `at_once` questions side by side; `begin` is a pickled `Begin`."""

    worker: int
    begin: bytes
    at_once: int


@dataclass(frozen=True, slots=True)
class Pass:
    """A pickled `Ask` for an actor."""

    worker: int
    number: int
    ask: bytes


@dataclass(frozen=True, slots=True)
class Came:
    """What came from an actor: what it `told`, and a pickled `Answer`."""

    worker: int
    told: tuple[str, ...]
    answer: bytes


@dataclass(frozen=True, slots=True)
class Failing:
    """An actor has a bug: a traceback in place of the answer to a question."""

    worker: int
    number: int
    bug: str


@dataclass(frozen=True, slots=True)
class Left:
    """An actor ended, or could not be started; `how` is for people. `blames`: what it was asked may be why.

    With `no_room` the cluster had none for it.
    """

    worker: int
    how: str
    blames: bool = True
    no_room: bool = False


@dataclass(frozen=True, slots=True)
class Room:
    """The cluster has so many cores that nobody has, and no actor waits for one."""

    cores: int


@dataclass(frozen=True, slots=True)
class Dismiss:
    """End an actor."""

    worker: int


RayMessage = Join | Joined | NotJoined | Hire | Pass | Came | Failing | Left | Room | Dismiss
