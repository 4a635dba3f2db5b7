"""Asks for the columns of a table of ours as `stores.own_row` reads them."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def selected(columns: Sequence[str], texts: Collection[str]) -> str:
    """Return the list of `columns` for a SELECT: the `texts` among them as bytes, and text that stands in another."""
    as_bytes = {name: f"CAST({name} AS BLOB)" for name in columns}
    others = {name: f"iif(typeof({name}) = 'text', {as_bytes[name]}, {name})" for name in columns}
    return ", ".join(as_bytes[name] if name in texts else others[name] for name in columns)
