"""The rules of the house: what may import what, and where a kind of thing may stand."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "ai_memory"
SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
LAYERS = (
    ("errors",),
    (),
    ("store", "embed"),
    ("reembed", "recall"),
    ("intake", "doctor", "restore"),
    ("console",),
    ("commands",),
    ("cli",),
    ("__main__",),
)
BASE = 1
"""The layer of every module that no layer names: plain values and rules (records, settings …)."""
RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}
SQL = re.compile(
    r"\s*(SELECT\b.*\bFROM|INSERT\s+(OR\s+\w+\s+)?INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|PRAGMA\s)", re.DOTALL
)
WRITING = re.compile(r"\s*(INSERT|REPLACE|UPDATE|DELETE|CREATE|DROP|ALTER)\s")
SAID_BY_TYPE = re.compile(r"\b(inside|within|outside|opens?)( of)? (an?|the|no|any|its|the caller's) transaction")


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def tree(module: str) -> ast.Module:
    return ast.parse(SOURCES[module].read_text("utf-8"))


def imports(module: str, *, lazy: bool = True) -> Iterator[str]:
    """Yield what `module` imports; a name imported from a package of ours counts as the module it may be."""
    nodes = ast.walk(tree(module)) if lazy else iter(tree(module).body)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in SOURCES else node.module or "" for name in names)


def test_imports_run_one_way() -> None:
    wrong = [
        f"{module} imports {other}"
        for module in SOURCES
        for other in imports(module)
        if room(module) != room(other) and room(other) and other in SOURCES and not lower(module, other)
    ]
    assert not wrong


def lower(module: str, other: str) -> bool:
    """Whether `module` may import `other`: from a lower layer, base from base, or store from the vector codec."""
    ranks = RANK.get(room(other), BASE), RANK.get(room(module), BASE)
    codec = room(module) == "store" and other == "ai_memory.embed.vectors"
    return codec or ranks == (BASE, BASE) or ranks[0] < ranks[1]


def test_only_known_folders_stand_in_the_package() -> None:
    folders = {path.parent.relative_to(PACKAGE) for path in SOURCES.values()} - {Path()}
    assert {str(folder) for folder in folders} == {"commands", "embed", "reembed", "store"}


def test_no_import_goes_in_a_circle() -> None:
    graph = {module: {other for other in imports(module) if other in SOURCES} for module in SOURCES}
    order = list(TopologicalSorter(graph).static_order())
    assert set(order) >= set(SOURCES)


@pytest.mark.parametrize("library", ["requests", "tenacity", "sentence_transformers", "apsw"])
def test_a_library_is_imported_in_one_module(library: str) -> None:
    users = [module for module in SOURCES if any(name.split(".")[0] == library for name in imports(module))]
    assert len(users) == 1


NO_MAKERS = frozenset({"ai_memory.embed.port", "ai_memory.errors"})
"""Their names that end like an embedder's are a protocol's and an error's."""


def test_there_is_one_way_to_an_embedder() -> None:
    makers = re.compile(r"[A-Za-z]+(Embedder|Engine)")
    taking = {
        (module, alias.name)
        for module in SOURCES
        for node in ast.walk(tree(module))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if makers.fullmatch(alias.name) and node.module not in NO_MAKERS
    }

    assert {name for module, name in taking if module == "ai_memory.embed.assemble"} >= {
        "HttpEmbedder",
        "LocalEmbedder",
        "TorchEngine",
        "DividedEmbedder",
        "PromptEmbedder",
    }
    others = {(module, name) for module, name in taking if module != "ai_memory.embed.assemble"}
    # What divides a request asks whether a harmless text passes, and that the retry tells.
    assert others == {("ai_memory.embed.divide", "RetryingEmbedder")}


def test_only_commands_assemble_an_embedder() -> None:
    assembling = {module for module in SOURCES if "ai_memory.embed.assemble" in imports(module)}
    assert assembling
    assert {room(module) for module in assembling} == {"commands"}


def test_who_asks_for_vectors_knows_ports_and_values_alone() -> None:
    known = {
        "port",
        "assemble",
        "embedder",
        "spending",
        "document",
        "fingerprint",
        "vectors",
        "space",
        "limits",
        "rule",
    }
    # The harmless text; what settings alone refuse.
    known |= {"retry", "buildable"}
    asked = {
        other.split(".")[2]
        for module in SOURCES
        if room(module) != "embed"
        for other in imports(module)
        if other in SOURCES and other.startswith("ai_memory.embed.")
    }
    assert asked <= known


def test_sql_stands_only_in_the_store() -> None:
    strings = ((m, n.value) for m in SOURCES for n in ast.walk(tree(m)) if isinstance(n, ast.Constant))
    found = {m for m, value in strings if isinstance(value, str) and SQL.match(value)}
    assert found
    assert {room(module) for module in found} == {"store"}


def test_what_writes_takes_a_transaction() -> None:
    writers = {(module, each.name): each for module in SOURCES for each in writing_functions(module)}
    assert {("ai_memory.store.runs", "hold"), ("ai_memory.store.rows", "delete")} <= writers.keys()
    without = {module for (module, _), each in writers.items() if "Transaction" not in parameters(each)}
    # It makes the tables by which a file becomes a `Store`.
    assert without == {"ai_memory.store.migrate"}


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
        module
        for module in SOURCES
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Call) and re.search(r"\bdb\.(transaction|rehearsal)$", ast.unparse(node.func))
    }
    assert beginning == {"ai_memory.store.opening", "ai_memory.store.migrate"}


def test_no_docstring_says_what_the_type_of_a_transaction_says() -> None:
    strings = [
        (module, node.value) for module in SOURCES for node in ast.walk(tree(module)) if isinstance(node, ast.Expr)
    ]
    docstrings = [(module, str(each.value)) for module, each in strings if isinstance(each, ast.Constant)]
    assert docstrings
    assert [(module, text) for module, text in docstrings if SAID_BY_TYPE.search(text)] == []


def test_a_protocol_of_the_port_has_at_most_ten_names() -> None:
    ports = [module for module in SOURCES if module.startswith("ai_memory.store.port")]
    protocols = {
        node.name: node for m in ports for node in tree(m).body if isinstance(node, ast.ClassDef) and node.bases
    }
    assert protocols.keys() >= {"Database", "Reader", "Snapshot", "Store", "Transaction"}
    assert {name for name in protocols if len(names(name, protocols)) > 10} == set()


def names(protocol: str, protocols: Mapping[str, ast.ClassDef]) -> set[str]:
    """Return the public names of a protocol, those that it inherits included."""
    node = protocols[protocol]
    inherited = {
        each for base in node.bases if ast.unparse(base) in protocols for each in names(ast.unparse(base), protocols)
    }
    return inherited | {each.name for each in node.body if isinstance(each, ast.FunctionDef) and each.name[0] != "_"}


def test_only_settings_reads_the_environment() -> None:
    readers = {
        module
        for module in SOURCES
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv") and ast.unparse(node.value) == "os"
    }
    assert readers <= {"ai_memory.settings", "ai_memory.cli"}


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
    assert [m for m, path in SOURCES.items() if path.name == "__init__.py" and list(imports(m))] == []


def test_modules_stay_readable_in_one_go() -> None:
    assert {m: n for m, path in SOURCES.items() if (n := len(path.read_text("utf-8").splitlines())) >= 350} == {}
