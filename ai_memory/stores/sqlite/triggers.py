"""What triggers do to the rows that we write, and what they need: seen in the program that SQLite makes of a statement.

Nothing is run for it, and only the triggers that the very statement fires are in the program, at any depth.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ai_memory.memory.text_codec import printable

if TYPE_CHECKING:
    from ai_memory.errors import StatementRefused, WordIndexUnusable
    from ai_memory.stores.sqlite.base import Store
    from ai_memory.stores.sqlite.connection import Binding

TRIGGERS = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY tbl_name <> 'memories', rowid"
VIRTUAL_TABLES = "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND rootpage = 0"
ROOT_PAGES = "SELECT rootpage, tbl_name FROM main.sqlite_master WHERE rootpage > 0"
NAMED = re.compile(r"""\b(?:function|table|use of(?! virtual)) "?([\w$]+)""")
"""What SQLite names without a colon: "wrong number of arguments to function f()", "table t has 2 columns but …"."""
PAGE_OPERAND = {"OpenWrite": 1, "Clear": 0}
"""The instructions that write an ordinary table, Clear for a DELETE without WHERE, and where its root page stands."""


def tables_written(store: Store, sql: str, bindings: Mapping[str, Binding]) -> frozenset[str]:
    """Return the ordinary tables that a statement writes by its triggers and foreign keys, not by itself.

    Raises:
        StatementRefused: a trigger or a constraint needs what is not there: a function, module, table, collation.
    """
    program = store.db.explain(sql, bindings)
    # The address begins anew with the program of each trigger, which follow that of the statement itself.
    starts = [place for place, (address, *_) in enumerate(program) if address == 0]
    within = program[starts[1] :] if len(starts) > 1 else []
    pages = {operands[PAGE_OPERAND[opcode]] for _, opcode, *operands in within if opcode in PAGE_OPERAND}
    named = store.db.execute(ROOT_PAGES) if pages else []
    return frozenset(str(name) for page, name in named if page in pages)


def refusal_in_words(store: Store, refusal: StatementRefused | WordIndexUnusable) -> str:
    """Return SQLite's words on a statement that cannot even be made, with the trigger that needs what is missing."""
    trigger = _trigger_that_needs(store, _missing(refusal.words))
    return refusal.words if trigger is None else f"its trigger {printable(trigger)}: {refusal.words}"


def _missing(words: str) -> str:
    """Return the name of what a statement lacks, as SQLite's words on it tell."""
    _, colon, name = words.rpartition(": ")
    found = None if colon else NAMED.search(words)
    return found[1] if found else name.removeprefix("main.")


def _trigger_that_needs(store: Store, missing: str) -> str | None:
    """Return the trigger whose SQL names what is missing, or a virtual table of a module that is."""
    names = [missing, *(name for name, sql in store.db.execute(VIRTUAL_TABLES) if _mentions(sql, [missing]))]
    return next((str(name) for name, sql in store.db.execute(TRIGGERS) if _mentions(sql, names)), None)


def _mentions(sql: object, names: Iterable[str]) -> bool:
    return any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", str(sql), re.IGNORECASE) for name in names)
