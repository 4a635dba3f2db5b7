"""Finds out whether a database takes vectors at all: its own triggers, constraints and references may refuse them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, TypeVar

from ai_memory.errors import StatementRefused, UpdateRefused, WordIndexUnusable
from ai_memory.stores.sqlite import triggers, word_index
from ai_memory.stores.sqlite.provenance import program_of_update, write_vectors
from ai_memory.stores.sqlite.references import require_references

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.base import Store, Transaction
    from ai_memory.stores.values import VectorWrite
    from ai_memory.vectors.target import Fingerprint

T = TypeVar("T")
Rehearsal = Callable[[], AbstractContextManager[T]]


def refused_updates(store: Store) -> str | None:
    """Return why the database can take no vector at all, None where nothing forbids it; nothing is written.

    It names the trigger that needs a function, module, table or collation which only some application has.
    """
    try:
        program_of_update(store)
    except StatementRefused as refusal:
        return triggers.refusal_in_words(store, refusal)
    return None


def require_word_index(store: Store) -> None:
    """Check that the word index is sound where writing a vector rewrites it, as before schema 53 of the Rust program.

    Not by trying: what is written to a damaged index is only found out when it is committed.

    Raises:
        WordIndexUnusable: it is not, so that no vector can be committed.
    """
    try:
        program = program_of_update(store)
    except StatementRefused:
        return  # nothing is written at all
    if any(opcode == "VUpdate" for _, opcode, *_ in program) and (wrong := word_index.complaints(store)):
        raise WordIndexUnusable(store.db.path, wrong[0])


def write_one_by_one(
    transaction: Transaction, writes: Sequence[VectorWrite], fingerprint: Fingerprint, *, keep_for: int | None = None
) -> list[bool]:
    """Write vectors as `write_vectors` does, so that a refusal names its row.

    Raises:
        UpdateRefused: the database refuses one of them; the transaction may be gone, and must not be committed.
    """
    written: list[bool] = []
    for each in writes:
        try:
            written += write_vectors(transaction, [each], fingerprint, keep_for=keep_for)
        except UpdateRefused:
            raise
        except StatementRefused as refusal:
            raise UpdateRefused(refusal.what, tip=refusal.tip, words=refusal.words, memory_id=each.id) from refusal
        require_references(transaction.db, each.id)
    return written


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
