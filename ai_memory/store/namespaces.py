"""Tells a namespace that is empty now from one that was never there, which is a typing error."""

from __future__ import annotations

from ai_memory.errors import NotFound
from ai_memory.store.opening import Store
from ai_memory.store.text import printable

HAS_MEMORIES = "SELECT EXISTS (SELECT 1 FROM main.memories WHERE namespace = CAST(? AS TEXT))"
WAS_SWEPT = """
    SELECT EXISTS (SELECT 1 FROM reembed_checkpoint WHERE namespace = CAST(:namespace AS TEXT))
        OR EXISTS (
            SELECT 1 FROM reembed_run, json_each(CASE WHEN json_valid(scope_json) THEN scope_json ELSE '[]' END)
            WHERE value = CAST(:namespace AS TEXT)
        )
"""


def require_seen(store: Store, *names: str | None) -> None:
    """Check that each namespace has memories, or that a run was to sweep it; None is all namespaces.

    Raises:
        NotFound: one was never seen: a typing error must not read as "nothing there".
    """
    if missing := [name for name in names if name is not None and not _is_seen(store, name)]:
        raise NotFound(
            f"There is no namespace {', '.join(printable(name) or '(empty name)' for name in missing)} "
            f"in {store.db.path}.",
            tip="See ai-memory namespaces.",
        )


def _is_seen(store: Store, name: str) -> bool:
    bound = store.codec.bound(name)
    # Our own tables are asked only where the memories say no: somebody may have spoilt them.
    return bool(store.db.value(HAS_MEMORIES, (bound,)) or store.db.value(WAS_SWEPT, {"namespace": bound}))
