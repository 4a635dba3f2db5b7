"""Keeps what quiet starts have told, so that each thing is told once."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen

if TYPE_CHECKING:
    from ai_memory.stores.postgres.base import Transaction

READ = "SELECT what FROM reembed_told WHERE exit_code = %(code)s"
TELL = """
    INSERT INTO reembed_told (exit_code, what, told_at) VALUES (%(code)s, %(what)s, %(now)s)
    ON CONFLICT (exit_code) DO UPDATE SET what = excluded.what, told_at = excluded.told_at
"""
FORGET = "DELETE FROM reembed_told WHERE exit_code = ANY(%(codes)s::integer[])"
ASIDE = "SELECT target, memory_id, src, kind FROM reembed_quarantine ORDER BY 1, 2"


class TellingWriter(Frozen):
    """See `stores.port_writing.TellingWriter`."""

    inner: Transaction

    def is_news(self, exit_code: int, told: str | None, *, now_ms: int) -> bool:
        """See the port."""
        return _is_news(self.inner, exit_code, told, now_ms=now_ms)

    def forget(self, *exit_codes: int) -> None:
        """See the port."""
        _forget(self.inner, *exit_codes)


def _is_news(transaction: Transaction, exit_code: int, told: str | None, *, now_ms: int) -> bool:
    what = _digest(repr(transaction.db.execute(ASIDE)) if told is None else told)
    if transaction.db.value(READ, {"code": exit_code}) == what:
        return False
    transaction.db.execute(TELL, {"code": exit_code, "what": what, "now": now_ms})
    return True


def _forget(transaction: Transaction, *exit_codes: int) -> None:
    transaction.db.execute(FORGET, {"codes": list(exit_codes)})


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()
