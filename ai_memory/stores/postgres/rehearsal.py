"""Finds out whether a database takes vectors at all: its own triggers, constraints and rights may refuse them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, TypeVar

from ai_memory.errors import DataRefused, StatementRefused, UpdateRefused

if TYPE_CHECKING:
    from ai_memory.stores.postgres.base import Store

T = TypeVar("T")
Rehearsal = Callable[[], AbstractContextManager[T]]

MAY_WRITE = """
    SELECT string_agg(name, ', ' ORDER BY name) FROM unnest(%(columns)s::text[]) AS name
    WHERE NOT has_column_privilege(to_regclass('memories'), name, 'UPDATE')
"""
# A page comes as a temporary table; our own tables stand in a schema that is made at the first write.
RIGHTS = """
    SELECT has_database_privilege(current_database(), 'TEMPORARY'), has_database_privilege(current_database(), 'CREATE')
"""


def refused_updates(store: Store) -> str | None:
    """Return why the database can take no vector at all, None where nothing forbids it; nothing is written."""
    try:
        denied = store.db.value(MAY_WRITE, {"columns": store.schema.of_vector})
    except DataRefused as refusal:
        return refusal.what
    if denied:
        return f"this user may not write memories.{denied}"
    temporary, create = store.db.execute(RIGHTS)[0]
    if not temporary:
        return "this user may make no temporary table there (GRANT TEMPORARY ON DATABASE)"
    if not create and not store.schema.has_reembed:
        return "this user may make no schema there, for what a run notes (GRANT CREATE ON DATABASE)"
    return None


def rehearse(begin: Rehearsal[T], attempts: Mapping[str, Callable[[T], object]]) -> dict[str, str]:
    """Return which of the attempts, each of one memory by its id, the database refuses, with its words.

    `begin` begins a transaction that is rolled back in any case, so that nothing is left behind.
    """
    try:
        with begin() as transaction:
            for attempt in attempts.values():
                attempt(transaction)
    except StatementRefused:
        words = {row_id: _refusal(begin, attempt) for row_id, attempt in attempts.items()}
        return {row_id: each for row_id, each in words.items() if each is not None}
    return {}


def _refusal(begin: Rehearsal[T], attempt: Callable[[T], object]) -> str | None:
    try:
        with begin() as transaction:
            attempt(transaction)
    except UpdateRefused as refusal:
        return refusal.words
    return None
