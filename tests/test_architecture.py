"""The rules of the house: which room may import which, and where a kind of thing may stand."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "ai_memory"
SOURCES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip("."): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
"""Each module by its name below the package."""

FLOORS = (
    ("", "errors", "clock", "frozen"),
    ("text",),
    ("system",),
    ("vectors",),
    ("memory",),
    ("config",),
    ("stores.holder", "stores.own_row", "stores.run_states", "stores.migrations", "stores.query_words"),
    ("stores.computing", "stores.open_options", "embed.awaited", "embed.usage", "embed.outcomes"),
    ("stores.values", "stores.served", "stores.memory_values", "embed.port"),
    ("stores.course", "stores.run_row"),
    ("stores.port_reading", "stores.memory_port_reading", "embed.flow"),
    ("stores.port_writing", "stores.memory_port_writing"),
    ("stores.port",),
    ("stores.memory_port",),
    ("stores.place_port",),
    ("embed.http", "embed.local", "embed.pools", "stores.sqlite", "stores.postgres", "embed", "stores"),
    ("embed.buildable", "stores.opening"),
    ("embed.stack",),
    ("embed.assemble",),
    ("reembed",),
    ("reembed.plan",),
    ("reembed.sweep",),
    ("reembed.inspect",),
    ("reembed.job", "reembed.finish", "show"),
    ("actions",),
    ("commands",),
    ("cli",),
    ("__main__",),
)
"""The rooms from the ground up; a module lies in that of its longest prefix. Imports lead down or stay in a room."""

ONLY_FOR = {
    "config": ("cli", "commands", "embed.assemble", "embed.buildable", "embed.stack"),
    "show": ("cli", "commands"),
    "stores.sqlite": ("stores.opening",),
    "stores.postgres": ("stores.opening",),
    "embed.flow": ("embed", "embed.http", "embed.local", "embed.assemble", "embed.stack"),
    "embed.http": ("embed.stack",),
    "embed.pools": ("embed.assemble",),
    "embed.local": ("embed.stack",),
    "embed.stack": ("embed.assemble",),
    "stores.opening": ("commands",),
    "embed.assemble": ("commands",),
    "reembed.job": ("commands",),
    "reembed.finish": ("commands",),
}
"""The rooms that only these may import: what is configured and shown, the adapters, and the doors to them."""

EXCEPTIONS: dict[str, int] = {}
"""Imports against the rules that are still to be cut, by room: these numbers only fall."""
FAN_OUT_P90 = 8
"""How many modules of ours one imports, of nine in ten at most; only falls."""
LONGEST_CHAIN = 10
"""How many modules stand one above the other at most; only falls."""
METHODS, ATTRIBUTES = 10, 12
"""How many public methods a class has at most, properties among them, and how many attributes it sets on `self`."""
LARGE_CLASSES: set[str] = set()
"""Classes with more that are still to be cut: this only gets less."""

PORT_AND_VALUES = {
    "stores.port",
    "stores.values",
    "stores.computing",
    "stores.course",
    "stores.holder",
    "stores.served",
}

LIBRARIES = (
    "requests",
    "tenacity",
    "sentence_transformers",
    "apsw",
    "msgspec",
    "psycopg",
    "onnxruntime",
    "openvino",
    "prometheus_client",
    "matplotlib",
    "cryptography",
    "mcp",
    "ray",
)
LONGEST_MODULE = 350
SQL = re.compile(
    r"\s*(SELECT\b.*\bFROM|INSERT\s+(OR\s+\w+\s+)?INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|PRAGMA\s)", re.DOTALL
)
WRITING = re.compile(r"\s*(INSERT|REPLACE|UPDATE|DELETE|CREATE|DROP|ALTER)\s")
SAID_BY_TYPE = re.compile(r"\b(inside|within|outside|opens?)( of)? (an?|the|no|any|its|the caller's) transaction")
BEGINNING = r"(transactions\.)?(transaction|rehearsal)"
RANK = {room: rank for rank, rooms in enumerate(FLOORS) for room in rooms}


def room(module: str) -> str:
    """Return the room of a module: its longest prefix that is one."""
    parts = module.split(".")
    return next((name for n in range(len(parts), 0, -1) if (name := ".".join(parts[:n])) in RANK), "")


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(SOURCES[module].read_text("utf-8"))


def libraries(module: str) -> Iterator[str]:
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0]


def ours(module: str, *, at_start: bool = False) -> set[str]:
    """Return the modules of ours that a module imports; with `at_start` only those that it needs to be loaded.

    `frozen` is not one of them: like `dataclasses`, it is there for every module that has a value.
    """
    found = set()
    for node in tree(module).body if at_start else ast.walk(tree(module)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ai_memory":
            package = (node.module or "").removeprefix("ai_memory").removeprefix(".")
            names = (f"{package}.{alias.name}".removeprefix(".") for alias in node.names)
            found |= {name if name in SOURCES else package for name in names}
    return found - {module, "frozen"}


def crossings() -> Counter[str]:
    """Return the imports that the rules do not allow, counted from room to room."""
    return Counter(
        f"{room(module)} -> {room(other)}"
        for module in SOURCES
        for other in ours(module)
        if SOURCES[other].name != "__init__.py" and not may_import(room(module), room(other))
    )


def may_import(one: str, other: str) -> bool:
    return one == other or (RANK[other] < RANK[one] and one in ONLY_FOR.get(other, (one,)))


def longest_chain() -> int:
    height: dict[str, int] = {}
    for module in TopologicalSorter({each: ours(each, at_start=True) for each in SOURCES}).static_order():
        height[module] = 1 + max((height[other] for other in ours(module, at_start=True)), default=0)
    return max(height.values())


def fan_out_p90() -> int:
    counts = sorted(len(ours(module, at_start=True)) for module in SOURCES)
    return counts[int(0.9 * len(counts))]


def test_imports_lead_down_and_what_still_does_not_gets_less() -> None:
    assert dict(crossings()) == EXCEPTIONS


def test_the_migration_knows_of_the_stores_only_the_port_and_its_values() -> None:
    imported = {other for module in SOURCES if module.startswith("reembed") for other in ours(module)}
    assert {other for other in imported if other.startswith("stores.")} == PORT_AND_VALUES


def test_what_is_ours_is_imported_in_the_one_way_that_these_rules_see() -> None:
    unseen = [
        f"{module}: {ast.unparse(node)}"
        for module in SOURCES
        for node in ast.walk(tree(module))
        if (isinstance(node, ast.ImportFrom) and node.level)
        or (isinstance(node, ast.Import) and any(each.name.split(".")[0] == "ai_memory" for each in node.names))
    ]
    assert unseen == []


def test_every_room_has_its_floor() -> None:
    assert [module for module in SOURCES if module and not room(module)] == []


def test_no_import_goes_in_a_circle() -> None:
    order = list(TopologicalSorter({module: ours(module) for module in SOURCES}).static_order())
    assert set(order) >= set(SOURCES)


def test_no_chain_of_imports_gets_longer() -> None:
    assert longest_chain() <= LONGEST_CHAIN


def test_no_module_joins_more_others_than_before() -> None:
    assert fan_out_p90() <= FAN_OUT_P90


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_is_imported_in_one_module(library: str) -> None:
    assert len([module for module in SOURCES if library in libraries(module)]) == 1


def test_there_is_one_way_to_an_embedder() -> None:
    makers = re.compile(r"[A-Za-z]+(Embedder|Engine)")
    taking = {
        (room(module), alias.name)
        for module in SOURCES
        for node in ast.walk(tree(module))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        # Their names that end like an embedder's are a protocol's and an error's.
        if makers.fullmatch(alias.name) and node.module not in ("ai_memory.embed.port", "ai_memory.errors")
    }
    assembled = {
        "HttpEmbedder",
        "LocalEmbedder",
        "TorchEngine",
        "FileEngine",
        "SplittingEmbedder",
        "TimeLimitedEmbedder",
    }
    doors = ("embed.assemble", "embed.stack")
    assert {name for taker, name in taking if taker in doors} >= assembled
    # What divides a request asks whether a harmless text passes, and that the retry tells.
    assert {each for each in taking if each[0] not in doors} == {("embed.flow", "RetryingEmbedder")}


def test_sql_stands_only_in_the_store() -> None:
    strings = ((m, n.value) for m in SOURCES for n in ast.walk(tree(m)) if isinstance(n, ast.Constant))
    assert {room(m) for m, value in strings if isinstance(value, str) and SQL.match(value)} == {
        "stores.sqlite",
        "stores.postgres",
    }


def test_what_writes_takes_a_transaction() -> None:
    writers = {(module.rpartition(".")[2], each.name): each for module in SOURCES for each in writing_functions(module)}
    assert {("runs", "hold"), ("rows", "delete")} <= writers.keys()
    without = {module for (module, _), each in writers.items() if "Transaction" not in parameters(each)}
    # The one makes the tables by which a file becomes a `Store`, the other what is made outside of a transaction.
    assert without == {"ddl", "indexes"}


def writing_functions(module: str) -> Iterator[ast.FunctionDef]:
    parsed = tree(module)
    constants = writing_constants(parsed)
    for node in ast.walk(parsed):
        if isinstance(node, ast.FunctionDef) and writes(node, constants):
            yield node


def parameters(function: ast.FunctionDef) -> list[str]:
    return [ast.unparse(each.annotation) for each in function.args.args if each.annotation]


def writes(function: ast.FunctionDef, constants: set[str]) -> bool:
    """Whether a function runs a statement that changes rows or tables: one of its module's `constants`, or any."""
    nodes = list(ast.walk(function))
    runs = {node.func.attr for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)}
    named = {node.id for node in nodes if isinstance(node, ast.Name)} & constants
    return "change" in runs or bool(named and runs & {"execute", "execute_many", "value", "stream"})


def writing_constants(parsed: ast.Module) -> set[str]:
    return {
        target.id
        for node in parsed.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
        and any(isinstance(each, ast.Constant) and WRITING.match(str(each.value)) for each in ast.walk(node.value))
    }


def test_a_transaction_is_begun_in_one_way() -> None:
    beginning = {
        module.rpartition(".")[2]
        for module in SOURCES
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Call) and re.fullmatch(BEGINNING, ast.unparse(node.func))
    }
    assert beginning == {"store", "ddl"}


def test_no_docstring_says_what_the_type_of_a_transaction_says() -> None:
    strings = [
        (module, node.value) for module in SOURCES for node in ast.walk(tree(module)) if isinstance(node, ast.Expr)
    ]
    docstrings = [(module, str(each.value)) for module, each in strings if isinstance(each, ast.Constant)]
    assert docstrings
    assert [(module, text) for module, text in docstrings if SAID_BY_TYPE.search(text)] == []


def test_a_protocol_of_the_port_has_at_most_ten_names() -> None:
    ports = [module for module in SOURCES if re.fullmatch(r"stores\.(\w+_)?port(_\w+)?", module)]
    protocols = {
        node.name: node for m in ports for node in tree(m).body if isinstance(node, ast.ClassDef) and node.bases
    }
    assert protocols.keys() >= {"Database", "Reader", "Snapshot", "Store", "Transaction", "Library", "Place"}
    assert {name for name in protocols if len(names(name, protocols)) > 10} == set()


def names(protocol: str, protocols: Mapping[str, ast.ClassDef]) -> set[str]:
    """Return the public names of a protocol, those that it inherits included."""
    node = protocols[protocol]
    inherited = {
        each for base in node.bases if ast.unparse(base) in protocols for each in names(ast.unparse(base), protocols)
    }
    return inherited | {each.name for each in node.body if isinstance(each, ast.FunctionDef) and each.name[0] != "_"}


def test_the_environment_is_read_in_one_module() -> None:
    readers = {
        module
        for module in SOURCES
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv") and ast.unparse(node.value) == "os"
    }
    assert readers == {"system.process_env"}


def test_no_module_uses_the_private_names_of_another() -> None:
    wrong = []
    for module in SOURCES:
        modules = set()
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ai_memory":
                modules |= {alias.asname or alias.name for alias in node.names}
                wrong += [f"{module}: {alias.name}" for alias in node.names if private(alias.name)]
        wrong += [
            f"{module}: {ast.unparse(node)}"
            for node in ast.walk(tree(module))
            if isinstance(node, ast.Attribute) and private(node.attr) and ast.unparse(node.value) in modules
        ]
    assert wrong == []


def private(name: str) -> bool:
    # _make, _replace and _asdict are the public methods of a named tuple.
    return name.startswith("_") and not name.startswith("__") and name not in ("_make", "_replace", "_asdict")


def test_a_broad_except_raises_again() -> None:
    swallowing = [
        f"{module}:{node.lineno}"
        for module in SOURCES
        for node in ast.walk(tree(module))
        if isinstance(node, ast.ExceptHandler) and broad(node) and not raises(node)
    ]
    assert not swallowing


def broad(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or ast.unparse(handler.type) in ("Exception", "BaseException")


def raises(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(node, ast.Raise) for node in ast.walk(handler))


def test_no_package_exports_again_what_a_module_of_it_defines() -> None:
    assert [m for m, path in SOURCES.items() if path.name == "__init__.py" and list(libraries(m))] == []


def test_modules_stay_readable_in_one_go() -> None:
    lengths = {module: len(path.read_text("utf-8").splitlines()) for module, path in SOURCES.items()}
    assert {module: length for module, length in lengths.items() if length >= LONGEST_MODULE} == {}


def test_no_class_has_more_duties_than_one_can_keep_in_mind() -> None:
    large = {
        f"{module}.{node.name}"
        for module in SOURCES
        for node in ast.walk(tree(module))
        if isinstance(node, ast.ClassDef) and (public_methods(node) > METHODS or len(set_on_self(node)) > ATTRIBUTES)
    }
    assert large == LARGE_CLASSES


def public_methods(node: ast.ClassDef) -> int:
    functions = [each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    return len({each.name for each in functions if not each.name.startswith("_")})


def set_on_self(node: ast.ClassDef) -> set[str]:
    return {
        each.attr
        for each in ast.walk(node)
        if isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Store) and ast.unparse(each.value) == "self"
    }


def test_every_folder_is_a_package() -> None:
    assert {path.parent for path in SOURCES.values()} == {path.parent for path in PACKAGE.rglob("__init__.py")}


def test_the_tests_mirror_the_rooms() -> None:
    """A folder of the tests that is named for a folder of the package lies where that one lies."""
    rooms = {str(path.parent.relative_to(PACKAGE)) for path in SOURCES.values()}
    tests = {str(path.parent.relative_to(ROOT / "tests")) for path in Path(ROOT / "tests").rglob("__init__.py")}
    harnesses = {".", "campaign", "crash", "fuzz", "machine", "mutants", "support"}
    assert tests - harnesses <= rooms
