"""The disk of the crash harness loses what a disk may lose, and nothing else."""

from __future__ import annotations

from pathlib import Path
from random import Random

from tests.crash.images import SECTOR, Disk, read_image
from tests.crash.sweeping import build_own, record
from tests.crash.vfs import Change, Delete, Sync, Truncate, Write

CUTS = 200


def after(*changes: Change) -> Disk:
    disk = Disk({"": bytes(2 * SECTOR)})
    for change in changes:
        disk.apply(change)
    return disk


def survivors(disk: Disk) -> set[bytes | None]:
    random = Random(1)
    return {disk.power_lost(random).get("") for _ in range(CUTS)}


def test_the_record_holds_all_that_reached_the_disk(fast_folder: Path) -> None:
    recorded = record(fast_folder / "m.db", build_own, rows=12)
    disk = Disk(recorded.start)
    for entry in recorded.log:
        if isinstance(entry, Change):
            disk.apply(entry)

    assert disk.killed() == read_image(fast_folder / "m.db")


def test_what_was_synced_survives_every_cut() -> None:
    synced = b"x" * 2 * SECTOR

    assert survivors(after(Write("", 0, synced), Sync(""))) == {synced}


def test_what_was_not_synced_is_torn_at_sectors() -> None:
    old, new = bytes(SECTOR), b"x" * SECTOR

    assert survivors(after(Write("", 0, new + new))) == {old + old, old + new, new + old, new + new}


def test_bytes_beside_those_written_are_not_harmed() -> None:
    end = bytes(2 * SECTOR - 101)

    assert survivors(after(Write("", 100, b"x"))) == {bytes(2 * SECTOR), bytes(100) + b"x" + end}


def test_a_truncation_and_a_removal_may_be_lost_too() -> None:
    assert survivors(after(Truncate("", SECTOR))) == {bytes(SECTOR), bytes(2 * SECTOR)}
    assert survivors(after(Delete(""))) == {None, bytes(2 * SECTOR)}


def test_a_removal_that_was_synced_is_not_lost() -> None:
    assert survivors(after(Delete("", synced=True))) == {None}


def test_a_write_behind_the_end_leaves_a_gap_of_zeros() -> None:
    assert after(Write("-wal", SECTOR, b"x")).killed()["-wal"] == bytes(SECTOR) + b"x"
