"""Reads and writes the links between memories, a table of the Rust program's files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.stores.sqlite.rows import DELETED, Row, Rows

if TYPE_CHECKING:
    from ai_memory.memory.records import Value
    from ai_memory.stores.memory_values import Column
    from ai_memory.stores.sqlite.base import Store, Transaction

TABLE = "memory_links"
KEY = ("source_id", "target_id", "relation")
"""What names a link: the primary key in every release."""


class Links(Frozen):
    """See `stores.memory_port_reading.LinkReader`."""

    rows: Rows

    @classmethod
    def of(cls, store: Store, triggered: dict[str, frozenset[str]] | None = None) -> Links:
        """Return the links of `store`; see `Rows` for `triggered`."""
        return cls(Rows.of(store, TABLE, key=KEY, triggered=triggered))

    @property
    def kept(self) -> bool:
        """See the port."""
        return all(name in self.columns for name in KEY)

    @property
    def columns(self) -> Mapping[str, Column]:
        """See the port."""
        return self.rows.columns

    def told(self, link: Mapping[str, Value]) -> Row:
        """See the port."""
        return self.rows.told(link)

    def all(self) -> Iterator[Row]:
        """See the port."""
        return self.rows.stream() if self.kept else iter(())

    def refusals(self) -> dict[str, str]:
        """See the port and `Rows.refusals`."""
        found = self.rows.refusals([name for name in self.columns if name not in KEY]) if self.kept else {}
        return {verb: why for verb, why in found.items() if verb != DELETED}


class LinkWriter(Frozen):
    """See `stores.memory_port_writing.LinkWriter`."""

    inner: Transaction
    links: Links

    def put(self, link: Mapping[str, Value]) -> tuple[str, ...] | None:
        """See the port."""
        rows = self.links.rows
        known = {name: value for name, value in link.items() if name in rows.columns}
        key = {name: known[name] for name in KEY}
        found = rows.read(key)
        if not found:
            return rows.insert(self.inner, known)
        changed = {name: value for name, value in known.items() if found[0][name] != value}
        return rows.update(self.inner, key, changed) if changed else None

    def remove(self, link: Mapping[str, Value]) -> bool:
        """See the port."""
        return self.links.rows.delete(self.inner, {name: link[name] for name in KEY})

    def is_gone(self, link: Mapping[str, Value]) -> bool:
        """See the port."""
        # A trigger that deletes a memory deletes its links as well: whatever one writes, they are looked up.
        rows = self.links.rows
        return bool(rows.written_by_triggers) and not rows.read({name: link[name] for name in KEY})
