"""What a connection forbids, because the file may be anybody's (sqlite.org, "Defense Against The Dark Arts").

Why each value, and what that page recommends and is not done here: docs/adr/0003-files-of-others.md.
"""

from __future__ import annotations

CONFIG = {
    "SQLITE_DBCONFIG_DEFENSIVE": 1,
    "SQLITE_DBCONFIG_TRUSTED_SCHEMA": 0,
    "SQLITE_DBCONFIG_DQS_DDL": 0,
    "SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION": 0,
    "SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER": 0,
    "SQLITE_DBCONFIG_WRITABLE_SCHEMA": 0,
}
"""Switches of a connection by SQLite's names."""

LIMITS = {
    # No statement of ours needs a second file: SQL that a file smuggles in reaches none. VACUUM INTO attaches too.
    "SQLITE_LIMIT_ATTACHED": 0,
    "SQLITE_LIMIT_SQL_LENGTH": 1_000_000,
    "SQLITE_LIMIT_VDBE_OP": 250_000,
    "SQLITE_LIMIT_TRIGGER_DEPTH": 50,
    "SQLITE_LIMIT_LIKE_PATTERN_LENGTH": 1_000,
    "SQLITE_LIMIT_VARIABLE_NUMBER": 4_000,
    "SQLITE_LIMIT_WORKER_THREADS": 0,
}
"""Limits of a connection by SQLite's names."""

PRAGMAS = """
    PRAGMA cell_size_check = ON;
    PRAGMA mmap_size = 0;
    PRAGMA recursive_triggers = OFF;
"""
