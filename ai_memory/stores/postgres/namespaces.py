"""Which memories a name of the command line stands for, and what is said where it stands for none.

A namespace is a path: `team/notes` is a namespace, `team/*` stands for all below `team`, whatever other characters
they have in them. One that is empty now is told from one that was never there, which is a typing error.
"""

from __future__ import annotations

from difflib import get_close_matches
from shlex import quote
from typing import TYPE_CHECKING

from ai_memory.errors import NotFound
from ai_memory.memory.records import DEFAULT_NAMESPACE, MAX_NAMESPACE
from ai_memory.memory.text_codec import printable
from ai_memory.stores.postgres.names import storable
from ai_memory.stores.postgres.scopes import BELOW, EXACT, within
from ai_memory.stores.postgres.tables import has_table

if TYPE_CHECKING:
    from ai_memory.stores.postgres.base import Store

NEAREST, ALIKE = 3, 0.75
"""How many names are offered instead of one that is not there, and how much like it they are (see difflib's ratio)."""
LOOKED_AT = 20_000
"""Names among which those like a mistyped one are looked for, at most."""

HAS_MEMORIES = "SELECT EXISTS (SELECT 1 FROM memories WHERE {scope})"
WAS_SWEPT = """
    SELECT EXISTS (SELECT 1 FROM reembed_checkpoint WHERE {scope}) OR EXISTS (
        SELECT 1 FROM (
            SELECT json_array_elements_text(
                CASE WHEN json_typeof(scope_json::json) = 'array' THEN scope_json::json ELSE '[]'::json END
            ) AS namespace FROM reembed_run
        ) AS scopes
        WHERE {scope}
    )
"""
WAS_LEFT = "SELECT EXISTS (SELECT 1 FROM reembed_namespace WHERE {scope})"
NAMED_ELSEWHERE = ("archived_memories", "namespace_meta")
"""Tables of the Rust program with a column `namespace`: what is in them was a namespace once."""
IS_NAMED = "SELECT EXISTS (SELECT 1 FROM {table} WHERE {scope})"
NAMES = "SELECT DISTINCT namespace FROM memories LIMIT %(most)s"


def require_found(store: Store, namespace: str | None) -> None:
    """Check that what `within` takes has memories, or had some (see `_is_seen`).

    Raises:
        NotFound: it was never seen: a typing error must not read as "nothing there".
    """
    if namespace is None or _is_seen(store, *within(namespace, "namespace")):
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
    missing = [name for name in names if not (storable(name) and _is_seen(store, exact, {"namespace": name}))]
    if missing:
        raise _unseen(store, f"no namespace {', '.join(map(_shown, missing))}", missing, exact=True)


def _is_seen(store: Store, scope: str, bindings: dict[str, str]) -> bool:
    """Return whether the database knows of it: by memories, there or deleted, by a run, or by other tables.

    That into which memories go where nobody names one is not a typing error, also in an empty database.
    """
    asking = [HAS_MEMORIES, WAS_LEFT, WAS_SWEPT]
    asking += [IS_NAMED.replace("{table}", table) for table in NAMED_ELSEWHERE if has_table(store.db, table)]
    known = any(store.db.value(sql.format(scope=scope), bindings) for sql in asking)
    return known or bindings.get("namespace") == DEFAULT_NAMESPACE


def _unseen(store: Store, what: str, missing: list[str], *, exact: bool = False) -> NotFound:
    near = list(
        dict.fromkeys(quote(printable(each)) for name in missing for each in _nearest(store, name, exact=exact))
    )
    advice = [
        "Names are exact here." if exact and any(name.endswith(BELOW) for name in missing) else "",
        f"Did you mean {' or '.join(near[:NEAREST])}?" if near else "",
        "See ai-memory namespaces",
    ]
    return NotFound(f"There is {what} in {store.name}.", tip=" ".join(filter(None, advice)))


def _nearest(store: Store, name: str, *, exact: bool) -> list[str]:
    """Return what is there and most like a name that is not, best first; with `exact` no `NS/*`."""
    there = [str(row[0]) for row in store.db.execute(NAMES, {"most": LOOKED_AT})]
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
