"""What the processes of one run of the tests (pytest-xdist) tell the process that started them."""

from __future__ import annotations

from typing import Protocol

import pytest


class Worker(Protocol):
    """A process that ran tests, as the one that started it sees it: `config` is that of the latter."""

    config: pytest.Config
    workeroutput: dict[str, dict[str, int] | list[str]]
    """What the worker handed over; it lacks this attribute where the worker broke off before."""


def is_worker(config: pytest.Config) -> bool:
    """Say whether this process only runs the tests that another one hands out."""
    return hasattr(config, "workeroutput")


def hand_over(config: pytest.Config, name: str, value: dict[str, int] | list[str]) -> None:
    """Give `value` to the process that started this one; nothing where none did."""
    if is_worker(config):
        config.workeroutput[name] = value  # type: ignore[attr-defined]
