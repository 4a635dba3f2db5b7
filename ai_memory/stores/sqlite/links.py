"""Reads and writes the links between memories, a table of the Rust program's files; and what else no export takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ai_memory.memory.text_codec import quoted
from ai_memory.stores.sqlite.rows import DELETED, Row, Rows

if TYPE_CHECKING:
    from ai_memory.memory.records import Value
    from ai_memory.stores.sqlite.base import Store, Transaction

TABLE = "memory_links"
KEY = ("source_id", "target_id", "relation")
"""What names a link: the primary key in every release."""
ARCHIVE = "archived_memories"
TABLES = """
    SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'
    AND name NOT IN ('memories', 'memory_links', 'schema_version') AND name NOT GLOB 'sqlite_*'
    AND name NOT GLOB 'reembed_*' AND name NOT GLOB 'embedding_*' ORDER BY name
"""
COUNT = "SELECT count(*) FROM main.{table}"
HAS_ROWS = "SELECT EXISTS (SELECT 1 FROM main.{table})"


@dataclass(frozen=True, slots=True)
class Links:
    """The links of an open store."""

    rows: Rows

    @classmethod
    def of(cls, store: Store) -> Links:
        """Return the links of `store`."""
        return cls(Rows.of(store, TABLE, key=KEY))

    @property
    def kept(self) -> bool:
        """Whether the file has a table for them."""
        return all(name in self.rows.columns for name in KEY)

    def all(self) -> Iterator[Row]:
        """Yield all links in the order they were stored; inside a snapshot."""
        return self.rows.stream() if self.kept else iter(())

    def refusals(self) -> dict[str, str]:
        """Return why no link can be stored or changed, nothing where there is no table; see `Rows.refusals`."""
        found = self.rows.refusals([name for name in self.rows.columns if name not in KEY]) if self.kept else {}
        return {verb: why for verb, why in found.items() if verb != DELETED}

    def there(self, link: Mapping[str, Value]) -> bool:
        """Return whether there is a link between the same memories with the same relation."""
        return bool(self.rows.read({name: link[name] for name in KEY}))

    def put(self, transaction: Transaction, link: Mapping[str, Value]) -> tuple[str, ...] | None:
        """Insert a link, or change the one between the same memories with the same relation.

        Returns which of its columns a trigger changed at once, None where the link stands there already.

        Raises:
            StatementRefused: the database does not take it, or a trigger undid it.
            SchemaRefused: the database takes no link at all.
        """
        known = {name: value for name, value in link.items() if name in self.rows.columns}
        key = {name: known[name] for name in KEY}
        found = self.rows.read(key)
        if not found:
            return self.rows.insert(transaction, known)
        changed = {name: value for name, value in known.items() if found[0][name] != value}
        return self.rows.update(transaction, key, changed) if changed else None


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """What stands in a file beside memories and links: memories in the archive, and other tables that have rows."""

    archived: int
    tables: list[str]


def left_behind(store: Store) -> LeftBehind:
    """Return what no export takes, our own tables left out: they are of the vectors, which are made anew."""
    tables = [row[0] for row in store.db.execute(TABLES)]
    archived = int(store.db.value(COUNT.format(table=quoted(ARCHIVE)))) if ARCHIVE in tables else 0
    others = [name for name in tables if name != ARCHIVE and store.db.value(HAS_ROWS.format(table=quoted(name)))]
    return LeftBehind(archived, others)
