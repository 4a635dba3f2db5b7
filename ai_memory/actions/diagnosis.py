"""What `doctor` has found: numbers, findings, and the command that mends each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ai_memory.frozen import Frozen
from ai_memory.text.amounts import counted
from ai_memory.text.hints import BACKFILL, PROGRAM, REEMBED

NAMED_ROWS = 20
REPAIR = f"{PROGRAM} doctor --repair-fts"
TELLING: Mapping[str, tuple[str, str, str]] = {
    "not_indexed": (
        "memory or entry of the word index has no counterpart",
        "memories and entries of the word index do not match",
        REPAIR,
    ),
    "without_id": (
        "memory has no id: no command can address it",
        "memories have no id: no command can address them",
        "",
    ),
    "undecodable": ("memory has text that is not valid", "memories have text that is not valid", ""),
    "oversize": ("memory is too long to be embedded", "memories are too long to be embedded", ""),
    "missing": ("live memory has no vector", "live memories have no vector", BACKFILL),
    "not_vectors": (
        "live memory has a text or number as a vector",
        "live memories have a text or number as a vector",
        REEMBED,
    ),
    "stale": ("live memory is not recorded as of", "live memories are not recorded as of", REEMBED),
    "quarantined": ("memory is in quarantine", "memories are in quarantine", f"{REEMBED} quarantine"),
}
"""The numbers that are findings where they are not 0, told of one and of many, and what mends them."""


class Finding(Frozen):
    """What is odd or broken, and the `command` that mends it, empty where none does."""

    what: str
    command: str = ""

    def line(self) -> str:
        """Return the one line for the user."""
        return f"{self.what}: {self.command}" if self.command else self.what


@dataclass(slots=True)
class Diagnosis:
    """What was found: `values` for the JSON object and `findings`; none means all is well."""

    values: dict[str, object] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def find(self, what: str, command: str = "") -> None:
        """Add a finding."""
        self.findings.append(Finding(what, command))

    def count(self, name: str, number: int, more: str = "") -> None:
        """Record a number; one of those of TELLING that is not 0 is a finding, with `more` at its end."""
        self.values[name] = number
        if number and name in TELLING:
            one, many, command = TELLING[name]
            self.find(f"{counted(number, one, many)}{more}", command)

    def name(self, commands: Mapping[str, str]) -> None:
        """Name in the findings for each command what does the same as the file stands."""
        self.findings = [replace(each, command=commands.get(each.command, each.command)) for each in self.findings]

    def by_words_alone(self) -> None:
        """Take back that vectors are missing: where embeddings are turned off none are wanted, and none can be had."""
        self.findings = [each for each in self.findings if each.command != BACKFILL]
