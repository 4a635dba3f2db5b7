"""The crash harnesses bite: each catches the mistakes that it is there to catch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.crash.promises import Past
from tests.crash.sweeping import build_own, record
from tests.crash.test_io_errors import (
    FAULTS,
    begin_loop,
    fail_after_a_commit,
    fail_after_a_commit_behind_a_failed_page,
)
from tests.crash.test_replay import Replay, Tally
from tests.mutants.mutants import MUTANTS, Change


def replay(folder: Path) -> None:
    recorded = record(folder / "recorded.db", build_own, rows=12)
    Replay(folder / "crashed.db", Past(recorded.rows, recorded.log), Tally()).all(recorded, 1)


def fail_operations(folder: Path) -> None:
    begin_loop(folder / "m.db", build_own).run(FAULTS["disk full"], lasting=False)
    fail_after_a_commit(folder / "n.db")
    fail_after_a_commit_behind_a_failed_page(folder / "o.db")


@dataclass(frozen=True, slots=True)
class Tooth:
    """A mistake, the harness that catches it, and what it says then."""

    changes: tuple[Change, ...]
    harness: Callable[[Path], None]
    says: str


KNOWN = {each.name: each.changes for each in MUTANTS}
SYNC = Change("ai_memory.stores.sqlite.handle:_configure", "synchronous = EXTRA", "synchronous = NORMAL")
COMMITTED, ITS_NUMBER = "ai_memory.stores.sqlite.store:Store.committed", "runs.commits(self, run) == number"
TAKEN = Change(COMMITTED, ITS_NUMBER, "True")
REPEATED = Change(COMMITTED, ITS_NUMBER, "False")
UNCOUNTED = Change("ai_memory.stores.sqlite.runs:HOLD", "(commits + 1) % 1000000000", "commits")
TEETH = {
    "cursor before data": Tooth(KNOWN["cursor before data"], replay, "the cursor passed a row"),
    "write by id alone": Tooth(KNOWN["write by id alone"], replay, "of an older text"),
    "commits not synced": Tooth((SYNC,), replay, "sent twice than announced"),
    "failed commit taken as done": Tooth((TAKEN,), fail_operations, "reported that were not written"),
    "failed commit always repeated": Tooth((REPEATED,), fail_operations, "counted twice"),
    "commits have no number": Tooth((UNCOUNTED,), fail_operations, "reported that were not written"),
}


@pytest.mark.parametrize("mutant", TEETH)
def test_a_mutant_is_caught_by_a_crash_harness(
    mutant: str, fast_folder: Path, figures: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tooth = TEETH[mutant]
    for change in tooth.changes:
        change.apply(monkeypatch)

    with pytest.raises(AssertionError, match=tooth.says):
        tooth.harness(fast_folder)

    name = "crash replay" if tooth.harness is replay else "failed operations"
    figures.append(f"mutant {mutant!r}: caught by {name}")
