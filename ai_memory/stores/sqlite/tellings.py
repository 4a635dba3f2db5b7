"""Keeps what quiet starts have told, so that each thing is told once."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.base import Store, Transaction

READ = "SELECT what FROM reembed_told WHERE exit_code = ?"
TELL = "INSERT OR REPLACE INTO reembed_told (exit_code, what, told_at) VALUES (?, ?, ?)"
FORGET = "DELETE FROM reembed_told WHERE exit_code = ?"
ASIDE = """
    SELECT target, CAST(memory_id AS BLOB), CAST(src AS BLOB), CAST(kind AS BLOB) FROM reembed_quarantine ORDER BY 1, 2
"""


def is_news(transaction: Transaction, exit_code: int, what: bytes, *, now_ms: int) -> bool:
    """Return whether the last thing told with this exit code was another one, and keep this."""
    if transaction.db.value(READ, (exit_code,)) == what:
        return False
    transaction.db.execute(TELL, (exit_code, what, now_ms))
    return True


def forget(transaction: Transaction, *exit_codes: int) -> None:
    """Have what is next told with these exit codes be news."""
    for each in exit_codes:
        transaction.db.execute(FORGET, (each,))


def digest_of_quarantine(store: Store) -> bytes:
    """Return what is another value whenever other rows, or other texts of them, are in quarantine: 32 bytes."""
    return digest(repr(store.db.execute(ASIDE)))


def digest(text: str) -> bytes:
    """Return what stands for a text: 32 bytes."""
    return sha256(text.encode("utf-8", "surrogatepass")).digest()
