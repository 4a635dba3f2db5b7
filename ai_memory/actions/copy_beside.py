"""Copies what stands beside the memories: the records of targets, links, entries of the quarantine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ai_memory.actions.copy_census import NAME, link_names, name_of
from ai_memory.actions.copy_side import PAGE
from ai_memory.errors import StatementRefused
from ai_memory.memory.reason import Reason
from ai_memory.stores.values import Identity

if TYPE_CHECKING:
    from ai_memory.actions.copy_census import LinkName
    from ai_memory.memory.records import Value
    from ai_memory.stores.memory_port import Library, LibraryTransaction, WritableLibrary
    from ai_memory.stores.port import Reader, Store, Transaction
    from ai_memory.stores.values import Quarantined
    from ai_memory.vectors.target import Fingerprint

MOST_ATTEMPTS = 50
"""Of one row; a run that tried it more often is told to have tried it so often."""


def enter_targets(
    transaction: Transaction, source: Reader, numbers: Iterable[int], *, now_ms: int
) -> dict[int, Fingerprint]:
    """Enter targets of a source, with what is known of their embedders; return them by their numbers in the source.

    Raises:
        DataRefused: the record of one is damaged.
    """
    entered: dict[int, Fingerprint] = {}
    for each in [source.targets.read(number) for number in sorted(numbers)]:
        kept = source.targets.kept_as(each.space, each.dim)
        identity = Identity(each.digest, each.spec_json, each.space, each.dim, kept.settings if kept else "")
        entered[each.id] = transaction.targets.enter(identity, now_ms=now_ms)
        if each.witness is not None:
            transaction.targets.set_witness(entered[each.id].id, each.witness)
    return entered


def copy_links(source: Library, target: WritableLibrary, passed: Callable[[int], None]) -> dict[LinkName, str]:
    """Bring the links of a target to those of its source; return those that it does not take, and why.

    `passed` hears of each page, and may raise. Where the target has no place for links nothing is done.
    """
    refused: dict[LinkName, str] = {}
    if not target.links.kept:
        return refused
    # At once: whoever writes a file without a log would wait as long as one of them is left to be read.
    links = list(source.links.all())
    for start in range(0, len(links), PAGE):
        with target.transaction() as transaction:
            for link in links[start : start + PAGE]:
                if why := _put(transaction, link):
                    refused[name_of(link)] = why
        passed(0)
    if gone := link_names(target) - link_names(source):
        with target.transaction() as transaction:
            for each in gone:
                transaction.links.remove(dict(zip(NAME, each, strict=True)))
    return refused


def _put(transaction: LibraryTransaction, link: Mapping[str, Value]) -> str:
    """Put one link, and return why it is not taken, empty where it is."""
    columns = transaction.library.links.columns
    told = {name: value for name, value in link.items() if name in columns}
    said = {name: value for name, value in told.items() if value is not None or not columns[name].required}
    try:
        with transaction.step():
            transaction.links.put(said)
    except StatementRefused as error:
        return f"not copied: {error.words}"
    return ""


def copy_quarantine(source: Reader, target: Store, entered: Mapping[int, Fingerprint]) -> int:
    """Bring the quarantine of a target to that of its source; return how many entries it has.

    Raises:
        DataRefused: an entry is damaged.
    """
    total = 0
    for number, known in entered.items():
        wanted = {each.id: each for each in source.quarantine.entries(number)}
        there = {each.id: each for each in target.quarantine.entries(known.id)}
        total += len(wanted)
        new = [each for row_id, each in wanted.items() if there.get(row_id) != each]
        gone = [row_id for row_id in there if row_id not in wanted]
        for start in range(0, len(new), PAGE):
            with target.transaction() as transaction:
                _put_entries(transaction, known, new[start : start + PAGE])
        if gone:
            with target.transaction() as transaction:
                transaction.quarantine.lift(known.id, gone)
    return total


def _put_entries(transaction: Transaction, target: Fingerprint, entries: Sequence[Quarantined]) -> None:
    transaction.quarantine.lift(target.id, [each.id for each in entries])
    for each in entries:
        reason = Reason(each.kind, each.message, each.http_status)
        times = [each.first_at, *[each.last_at] * (min(each.attempts, MOST_ATTEMPTS) - 1)]
        for at in times:
            transaction.quarantine.put(target.id, each.id, each.src, reason, now_ms=at)
