"""Which memories a name of the command line stands for, and what is said where it stands for none.

A namespace is a path: `team/notes` is a namespace, `team/*` stands for all below `team`, whatever other characters
they have in them. One that is empty now is told from one that was never there, which is a typing error.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from shlex import quote
from typing import TYPE_CHECKING

from ai_memory.errors import NotFound
from ai_memory.memory.names import SUBSTRATE, SUBSTRATE_EXACT
from ai_memory.memory.records import DEFAULT_NAMESPACE, MAX_NAMESPACE
from ai_memory.memory.text_codec import printable

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.base import Store

BELOW = "/*"
NEAREST, ALIKE = 3, 0.75
"""How many names are offered instead of one that is not there, and how much like it they are (see difflib's ratio)."""
LOOKED_AT, LONGEST = 20_000, 2 * MAX_NAMESPACE
"""Names among which those like a mistyped one are looked for, at most, and the bytes of the longest of them."""

ALL = "1"
# By their first character most names are known to be others'.
OTHERS = """(
    CAST({{column}} AS TEXT) NOT GLOB '_*' OR NOT (
        CAST({{column}} AS TEXT) COLLATE BINARY IN ({exact}) OR {below}
    )
)""".format(
    exact=", ".join(f"'{name}'" for name in (*SUBSTRATE, *SUBSTRATE_EXACT)),
    below=" OR ".join(f"CAST({{column}} AS TEXT) GLOB '{root}/*'" for root in SUBSTRATE),
)
EXACT = "{column} = CAST(:namespace AS TEXT)"
# The range is for an index, the bytes are for certain: whatever the collation and the encoding of the file.
STARTING = """(
    {column} COLLATE BINARY >= CAST(:namespace AS TEXT) AND {column} COLLATE BINARY < CAST(:beyond AS TEXT)
    AND substr(CAST({column} AS BLOB), 1, length(:namespace)) = :namespace
)"""
HAS_MEMORIES = "SELECT EXISTS (SELECT 1 FROM main.memories WHERE {scope})"
WAS_SWEPT = """
    SELECT EXISTS (SELECT 1 FROM reembed_checkpoint WHERE {scope})
        OR EXISTS (
            SELECT 1 FROM (
                SELECT value AS namespace
                FROM reembed_run, json_each(CASE WHEN json_valid(scope_json) THEN scope_json ELSE '[]' END)
            )
            WHERE {scope}
        )
"""
WAS_LEFT = "SELECT EXISTS (SELECT 1 FROM reembed_namespace WHERE {scope})"
NAMED_ELSEWHERE = ("archived_memories", "namespace_meta")
"""Tables of the Rust program with a column `namespace`: what is in them was a namespace once."""
HAS_NAMESPACE = "SELECT count(*) FROM pragma_table_info(?, 'main') WHERE name = 'namespace'"
IS_NAMED = "SELECT EXISTS (SELECT 1 FROM main.{table} WHERE {scope})"
NAMES = """
    SELECT DISTINCT CAST(namespace AS BLOB) FROM main.memories
    WHERE typeof(namespace) = 'text' AND length(CAST(namespace AS BLOB)) <= ? LIMIT ?
"""


def within(store: Store, namespace: str | None, column: str, *, substrate: bool = True) -> tuple[str, dict[str, bytes]]:
    """Return an SQL condition on `column` and what to bind to it.

    It holds in the namespace of that name, in all below `NS` for `NS/*`, and everywhere for None; there, without
    `substrate`, not in ai-memory's own.
    """
    if namespace is None:
        return (ALL if substrate else OTHERS.format(column=column)), {}
    if not namespace.endswith(BELOW):
        return EXACT.format(column=column), {"namespace": store.codec.bound(namespace)}
    start, beyond = namespace[:-1], namespace[: -len(BELOW)] + chr(ord("/") + 1)
    bindings = {"namespace": store.codec.bound(start), "beyond": store.codec.bound(beyond)}
    return STARTING.format(column=column), bindings


def require_found(store: Store, namespace: str | None) -> None:
    """Check that what `within` takes has memories, or had some (see `_is_seen`).

    Raises:
        NotFound: it was never seen: a typing error must not read as "nothing there".
    """
    if namespace is None or _is_seen(store, *within(store, namespace, "namespace")):
        return
    if namespace.endswith(BELOW):
        raise _unseen(store, f"no namespace below {_shown(namespace[: -len(BELOW)])}", [namespace])
    raise _unseen(store, f"no namespace {_shown(namespace)}", [namespace])


def require_seen(store: Store, *names: str) -> None:
    """Check that each namespace of exactly that name has memories, or had some (see `_is_seen`).

    Raises:
        NotFound: one was never seen.
    """
    exact = EXACT.format(column="namespace")
    missing = [name for name in names if not _is_seen(store, exact, {"namespace": store.codec.bound(name)})]
    if missing:
        raise _unseen(store, f"no namespace {', '.join(map(_shown, missing))}", missing, exact=True)


def _is_seen(store: Store, scope: str, bindings: dict[str, bytes]) -> bool:
    """Return whether the file knows of it: by memories, there or deleted, by a run, or by the Rust program's tables.

    That into which memories go where nobody names one is not a typing error, also in an empty file.
    """
    # Other tables are asked only where the memories say no: somebody may have spoilt them.
    known = any(store.db.value(sql, bindings) for sql in _asking(store, scope))
    return known or bindings.get("namespace") == store.codec.bound(DEFAULT_NAMESPACE)


def _asking(store: Store, scope: str) -> Iterator[str]:
    """Yield the statements that ask for a scope, one table after the other, as long as they are wanted."""
    for sql in (HAS_MEMORIES, WAS_LEFT, WAS_SWEPT):
        yield sql.format(scope=scope)
    for table in NAMED_ELSEWHERE:
        if store.db.value(HAS_NAMESPACE, (table,)):
            yield IS_NAMED.format(table=table, scope=scope)


def _unseen(store: Store, what: str, missing: list[str], *, exact: bool = False) -> NotFound:
    near = list(
        dict.fromkeys(quote(printable(each)) for name in missing for each in _nearest(store, name, exact=exact))
    )
    advice = [
        "Names are exact here." if exact and any(name.endswith(BELOW) for name in missing) else "",
        f"Did you mean {' or '.join(near[:NEAREST])}?" if near else "",
        "See ai-memory namespaces",
    ]
    return NotFound(f"There is {what} in {store.db.path}.", tip=" ".join(filter(None, advice)))


def _nearest(store: Store, name: str, *, exact: bool) -> list[str]:
    """Return what is there and most like a name that is not, best first; with `exact` no `NS/*`."""
    there = [store.codec.name(row[0]) for row in store.db.execute(NAMES, (LONGEST, LOOKED_AT))]
    path = name.rstrip(BELOW)
    below = sorted(each for each in there if each.startswith(f"{path}/"))
    if exact:
        return below or _alike(path, there)
    if name.endswith(BELOW):
        parents = {f"{each[:place]}{BELOW}" for each in there for place, char in enumerate(each) if char == "/"}
        return [each for each in there if each == path] + _alike(name, sorted(parents))
    return ([f"{path}{BELOW}"] if below else []) + _alike(name, there)


def _alike(name: str, known: list[str]) -> list[str]:
    folded = {each.casefold(): each for each in reversed(known)}
    asked = name[:MAX_NAMESPACE].strip().lstrip("/").casefold()
    return [folded[each] for each in get_close_matches(asked, folded, n=NEAREST, cutoff=ALIKE)]


def _shown(name: str) -> str:
    # Blanks at an end, or several of them, are lost in a line of text.
    plain = name == " ".join(name.split())
    return printable(name) or "(empty name)" if plain else f"'{printable(name)}'"
