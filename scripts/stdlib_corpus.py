#!/usr/bin/env python3
"""Writes the docstrings of Python's standard library to stdout as memories, one JSON object a line.

Usage: stdlib_corpus.py [ROWS]      (all of them where ROWS is not given)

One memory for each documented module, class and function: namespace = the module's package path with
`/`, title = the qualified name, content = the docstring. The sources are parsed, never imported, and
walked in sorted order: the same Python gives the same bytes.
"""

from __future__ import annotations

import ast
import json
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

LEFT_OUT = {"test", "tests", "site-packages", "dist-packages", "lib2to3", "idlelib", "turtledemo", "__pycache__"}
MAX_SEGMENTS = 8
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def main() -> None:
    """Print the memories."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else None
    warnings.simplefilter("ignore")
    for memory in islice(memories(Path(sysconfig.get_paths()["stdlib"])), rows):
        print(json.dumps(memory, ensure_ascii=False))


def memories(library: Path) -> Iterator[dict[str, str]]:
    """Yield the memories of all modules under `library`; of two with one title in a module, the first."""
    for path in sorted(library.rglob("*.py")):
        parts = path.relative_to(library).with_suffix("").parts
        if LEFT_OUT & set(parts) or len(parts) > MAX_SEGMENTS:
            continue
        name = ".".join(parts).removesuffix(".__init__")
        found: dict[str, str] = {}
        for title, content in documented(parsed(path), name):
            found.setdefault(title, content)
        for title, content in found.items():
            yield {"namespace": name.replace(".", "/"), "title": title, "content": content}


def parsed(path: Path) -> ast.Module:
    """Return the tree of a source file, an empty one where it is not in today's syntax."""
    try:
        return ast.parse(path.read_bytes())
    except SyntaxError:
        return ast.Module(body=[], type_ignores=[])


def documented(node: Documented, name: str) -> Iterator[tuple[str, str]]:
    """Yield (qualified name, docstring) of `node` and of everything documented inside it."""
    text = (ast.get_docstring(node) or "").strip()
    if text:
        yield name, text
    for child in node.body:
        if isinstance(child, Documented):
            yield from documented(child, f"{name}.{child.name}")


if __name__ == "__main__":
    main()
