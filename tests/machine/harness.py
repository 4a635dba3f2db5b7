"""How many programs of which length are drawn for a test of one of the machines, and which."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, settings


@dataclass(frozen=True, slots=True)
class Harness:
    """One run of the tests, and where it reports its figures."""

    config: pytest.Config
    figures: list[str]
    long_form: bool

    def drawn(self, programs: int, steps: int, *, long_steps: int, long_share: int = 1) -> settings:
        """Return the settings for so many programs of so many steps; the long form takes one in `long_share` of its."""
        long_programs = int(self.config.getoption("--programs")) // long_share
        return settings(
            max_examples=long_programs if self.long_form else programs,
            stateful_step_count=long_steps if self.long_form else steps,
            deadline=None,
            database=None,
            derandomize=not self.long_form,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
