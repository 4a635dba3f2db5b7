"""Lays temporary stand-ins for our own tables where a file that is only read lacks them, or columns of them.

A table that is not there becomes an empty one; a table of an earlier migration becomes a view with the columns that
later ones added, at their defaults. Temporary names go before those of the file, and never reach it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ai_memory.memory.text_codec import quoted
from ai_memory.stores.migrations import MEMORIES, available

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.connection import Connection

APPLIED = "SELECT max(version) FROM main.reembed_migration"
LAID = "SELECT name FROM sqlite_temp_master WHERE type = 'table' AND (name LIKE 'reembed%' OR name LIKE 'embedding%')"
COLUMNS = "SELECT name, dflt_value FROM pragma_table_info(?, ?)"


def lay_empty_tables(db: Connection) -> None:
    """Lay all our tables, empty."""
    for migration in available():
        if migration.version != MEMORIES:
            temporary = migration.sql.replace("CREATE TABLE ", "CREATE TEMP TABLE IF NOT EXISTS ")
            temporary = re.sub(r"DROP INDEX (\w+)", r"DROP INDEX IF EXISTS temp.\1", temporary)
            temporary = re.sub(r"INDEX (\w+) ON", r"INDEX IF NOT EXISTS temp.\1 ON", temporary)
            db.execute(temporary)


def lay_later_columns(db: Connection) -> None:
    """Lay what migrations added that the file, which has our tables, does not have yet; nothing where it has all."""
    if (db.value(APPLIED) or 0) >= available()[-1].version:
        return
    lay_empty_tables(db)
    for name in [str(row[0]) for row in db.execute(LAID)]:
        if there := {str(row[0]) for row in db.execute(COLUMNS, (name, "main"))}:
            wanted = [(str(row[0]), row[1]) for row in db.execute(COLUMNS, (name, "temp"))]
            columns = [
                quoted(column) if column in there else f"{default or 'NULL'} AS {quoted(column)}"
                for column, default in wanted
            ]
            db.execute(f"DROP TABLE temp.{quoted(name)}")
            db.execute(f"CREATE TEMP VIEW {quoted(name)} AS SELECT {', '.join(columns)} FROM main.{quoted(name)}")
