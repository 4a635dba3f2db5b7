"""Which memories a name stands for, as a condition in SQL: those of a namespace, those below it, or all."""

from __future__ import annotations

from ai_memory.memory.names import SUBSTRATE, SUBSTRATE_EXACT
from ai_memory.stores.postgres.names import storable

BELOW = "/*"
ALL, NONE = "true", "false"
OTHERS = "NOT ({{column}} IN ({exact}) OR {below})".format(
    exact=", ".join(f"'{name}'" for name in (*SUBSTRATE, *SUBSTRATE_EXACT)),
    below=" OR ".join(f"starts_with({{column}}, '{root}/')" for root in SUBSTRATE),
)
EXACT = "{column} = %(namespace)s"
STARTING = "starts_with({column}, %(namespace)s)"


def within(namespace: str | None, column: str, *, substrate: bool = True) -> tuple[str, dict[str, str]]:
    """Return an SQL condition on `column` and what to bind to it.

    It holds in the namespace of that name, in all below `NS` for `NS/*`, and everywhere for None; there, without
    `substrate`, not in ai-memory's own.
    """
    if namespace is None:
        return (ALL if substrate else OTHERS.format(column=column)), {}
    if not storable(namespace):
        return NONE, {}
    if not namespace.endswith(BELOW):
        return EXACT.format(column=column), {"namespace": namespace}
    return STARTING.format(column=column), {"namespace": namespace[:-1]}
